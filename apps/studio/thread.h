/* Threads, locks and signals of the operating system. */
#ifndef STUDIO_THREAD_H
#define STUDIO_THREAD_H

#include <stdbool.h>

typedef struct thread_lock thread_lock;
typedef struct thread_signal thread_signal;
typedef struct thread thread;

thread_lock *thread_lock_make(void);
void thread_lock_free(thread_lock *lock);
void thread_take(thread_lock *lock);
void thread_leave(thread_lock *lock);

thread_signal *thread_signal_make(void);
void thread_signal_free(thread_signal *signal);
/* Leaves the lock, waits for a signal, takes the lock again. */
void thread_wait(thread_signal *signal, thread_lock *lock);
void thread_wake(thread_signal *signal);

/* NULL where the system has no more threads. */
thread *thread_start(void (*run)(void *user), void *user);
void thread_join(thread *t);

#endif
