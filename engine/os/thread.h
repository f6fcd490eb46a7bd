/* Threads, and what they share. Each function that makes one returns false where there is no memory for it. */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct os_thread os_thread;
bool os_thread_start(void (*work)(void *user), void *user, os_thread **out);
/* Waits for its end, and frees it. *thread may be NULL; it becomes NULL. */
void os_thread_join(os_thread **thread);

/* A number for the caller's thread; not 0. */
uint32_t os_thread_self(void);

/* A lock with a condition: whoever holds it may wait until another one wakes it. */
typedef struct os_monitor os_monitor;
bool os_monitor_create(os_monitor **out);
/* *monitor may be NULL; it becomes NULL. */
void os_monitor_destroy(os_monitor **monitor);
void os_monitor_enter(os_monitor *monitor);
void os_monitor_leave(os_monitor *monitor);
/* The caller holds it, before and after. It may wake without a cause. */
void os_monitor_wait(os_monitor *monitor);
void os_monitor_wake_all(os_monitor *monitor);

#endif
