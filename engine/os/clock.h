/* Time, and what tells processes apart. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Monotonic seconds since an arbitrary moment. */
double os_seconds(void);

/* Sleeps for about so long, on Windows at least a millisecond. */
void os_sleep(double seconds);

/* The counter behind os_seconds, in which Vulkan relates a device's time stamps to the host: VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT, or
 * QUERY_PERFORMANCE_COUNTER_EXT on Windows. */
extern const bool os_counter_is_performance_counter;
double os_counter_seconds(uint64_t counter);

/* Nanoseconds since 1970, by a clock that may be set. */
uint64_t os_time_ns(void);
uint32_t os_process_id(void);
/* Tells this process from an earlier one with the same id: containers give the same few again and again. Never 0. */
uint32_t os_process_mark(void);
/* Counts up with each call, on any thread. */
uint32_t os_next_number(void);

#endif
