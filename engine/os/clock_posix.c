#define _POSIX_C_SOURCE 200809L
#include "os/clock.h"

#include <time.h>
#include <unistd.h>

double os_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void os_sleep(double seconds)
{
    const struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    if (seconds > 0) nanosleep(&t, NULL);
}

const bool os_counter_is_performance_counter = false;

double os_counter_seconds(uint64_t counter)
{
    return 1e-9 * (double)counter;
}

uint64_t os_time_ns(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint32_t os_process_id(void)
{
    return (uint32_t)getpid();
}
