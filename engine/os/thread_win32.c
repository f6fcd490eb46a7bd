#include "os/thread.h"

#include <process.h>
#include <stdint.h>
#include <stdlib.h>
#include <windows.h>

struct os_thread {
    HANDLE handle;
    void (*work)(void *user);
    void *user;
};

static unsigned __stdcall run(void *at)
{
    os_thread *thread = at;
    thread->work(thread->user);
    return 0;
}

bool os_thread_start(void (*work)(void *user), void *user, os_thread **out)
{
    os_thread *thread = malloc(sizeof *thread);
    if (!thread) return false;
    *thread = (os_thread){.work = work, .user = user};
    const uintptr_t handle = _beginthreadex(NULL, 0, run, thread, CREATE_SUSPENDED, NULL);
    if (handle == 0) {
        free(thread);
        return false;
    }
    thread->handle = (HANDLE)handle;
    *out = thread;
    ResumeThread(thread->handle);
    return true;
}

void os_thread_join(os_thread **thread)
{
    if (!*thread) return;
    WaitForSingleObject((*thread)->handle, INFINITE);
    CloseHandle((*thread)->handle);
    free(*thread);
    *thread = NULL;
}

uint32_t os_thread_self(void)
{
    return GetCurrentThreadId(); /* never 0 */
}

struct os_monitor {
    CRITICAL_SECTION lock;
    CONDITION_VARIABLE changed;
};

bool os_monitor_create(os_monitor **out)
{
    os_monitor *monitor = malloc(sizeof *monitor);
    if (!monitor) return false;
    InitializeCriticalSection(&monitor->lock);
    InitializeConditionVariable(&monitor->changed);
    *out = monitor;
    return true;
}

void os_monitor_destroy(os_monitor **monitor)
{
    if (!*monitor) return;
    DeleteCriticalSection(&(*monitor)->lock);
    free(*monitor);
    *monitor = NULL;
}

void os_monitor_enter(os_monitor *monitor)
{
    EnterCriticalSection(&monitor->lock);
}
void os_monitor_leave(os_monitor *monitor)
{
    LeaveCriticalSection(&monitor->lock);
}
void os_monitor_wait(os_monitor *monitor)
{
    SleepConditionVariableCS(&monitor->changed, &monitor->lock, INFINITE);
}
void os_monitor_wake_all(os_monitor *monitor)
{
    WakeAllConditionVariable(&monitor->changed);
}
