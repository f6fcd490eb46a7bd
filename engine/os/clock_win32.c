#include "os/clock.h"

#include <windows.h>

const bool os_counter_is_performance_counter = true;

double os_counter_seconds(uint64_t counter)
{
    LARGE_INTEGER frequency;
    QueryPerformanceFrequency(&frequency);
    return (double)counter / (double)frequency.QuadPart;
}

double os_seconds(void)
{
    LARGE_INTEGER counter;
    QueryPerformanceCounter(&counter);
    return os_counter_seconds((uint64_t)counter.QuadPart);
}

void os_sleep(double seconds)
{
    if (seconds > 0) Sleep((DWORD)(1e3 * seconds) + 1);
}

uint64_t os_time_ns(void)
{
    enum { TICK_NS = 100 };
    static const uint64_t until_1970 = 116444736000000000; /* ticks since 1601 */
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    return (((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime) - until_1970) * TICK_NS;
}

uint32_t os_process_id(void)
{
    return (uint32_t)GetCurrentProcessId();
}
