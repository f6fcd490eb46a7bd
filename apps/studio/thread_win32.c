#include "thread.h"

#include <process.h>
#include <stdint.h>
#include <stdlib.h>
#include <windows.h>

struct thread_lock {
    SRWLOCK lock;
};
struct thread_signal {
    CONDITION_VARIABLE condition;
};
struct thread {
    HANDLE handle;
    void (*run)(void *user);
    void *user;
};

thread_lock *thread_lock_make(void)
{
    thread_lock *lock = calloc(1, sizeof *lock);
    if (lock) InitializeSRWLock(&lock->lock);
    return lock;
}

void thread_lock_free(thread_lock *lock)
{
    free(lock);
}

void thread_take(thread_lock *lock)
{
    AcquireSRWLockExclusive(&lock->lock);
}

void thread_leave(thread_lock *lock)
{
    ReleaseSRWLockExclusive(&lock->lock);
}

thread_signal *thread_signal_make(void)
{
    thread_signal *signal = calloc(1, sizeof *signal);
    if (signal) InitializeConditionVariable(&signal->condition);
    return signal;
}

void thread_signal_free(thread_signal *signal)
{
    free(signal);
}

void thread_wait(thread_signal *signal, thread_lock *lock)
{
    (void)SleepConditionVariableSRW(&signal->condition, &lock->lock, INFINITE, 0);
}

void thread_wake(thread_signal *signal)
{
    WakeAllConditionVariable(&signal->condition);
}

static unsigned __stdcall enter(void *user)
{
    thread *t = user;
    t->run(t->user);
    return 0;
}

thread *thread_start(void (*run)(void *user), void *user)
{
    thread *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->run = run;
    t->user = user;
    t->handle = (HANDLE)_beginthreadex(NULL, 0, enter, t, 0, NULL);
    if (t->handle) return t;
    free(t);
    return NULL;
}

void thread_join(thread *t)
{
    if (t) {
        WaitForSingleObject(t->handle, INFINITE);
        CloseHandle(t->handle);
    }
    free(t);
}
