/* What belongs to the process as a whole. */
#include "os/atomic.h"
#include "os/clock.h"

uint32_t os_process_mark(void)
{
    static os_atomic mark;
    const uint32_t before = os_atomic_load(&mark);
    if (before) return before;
    const uint64_t now = os_time_ns();
    const uint32_t made = ((uint32_t)(now % 1000000000) ^ (uint32_t)(now / 1000000000) << 12) | 1;
    const uint32_t there = os_atomic_replace(&mark, 0, made);
    return there ? there : made;
}

uint32_t os_next_number(void)
{
    static os_atomic numbers;
    return os_atomic_add(&numbers, 1);
}
