#define _POSIX_C_SOURCE 200809L
#include "os/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct os_thread {
    pthread_t handle;
    void (*work)(void *user);
    void *user;
};

static void *run(void *at)
{
    os_thread *thread = at;
    thread->work(thread->user);
    return NULL;
}

/* Signals go to the program's own threads. */
bool os_thread_start(void (*work)(void *user), void *user, os_thread **out)
{
    os_thread *thread = malloc(sizeof *thread);
    if (!thread) return false;
    *thread = (os_thread){.work = work, .user = user};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool good = pthread_create(&thread->handle, NULL, run, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (good)
        *out = thread;
    else
        free(thread);
    return good;
}

void os_thread_join(os_thread **thread)
{
    if (!*thread) return;
    pthread_join((*thread)->handle, NULL);
    free(*thread);
    *thread = NULL;
}

/* Threads that live at one time have addresses of their own for it. */
uint32_t os_thread_self(void)
{
    static _Thread_local char mine;
    const uintptr_t at = (uintptr_t)&mine;
    return (uint32_t)(at >> 4 ^ (uint64_t)at >> 36) | 1;
}

struct os_monitor {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

bool os_monitor_create(os_monitor **out)
{
    os_monitor *monitor = malloc(sizeof *monitor);
    if (!monitor) return false;
    const bool locked = pthread_mutex_init(&monitor->lock, NULL) == 0;
    if (locked && pthread_cond_init(&monitor->changed, NULL) == 0) {
        *out = monitor;
        return true;
    }
    if (locked) pthread_mutex_destroy(&monitor->lock);
    free(monitor);
    return false;
}

void os_monitor_destroy(os_monitor **monitor)
{
    if (!*monitor) return;
    pthread_cond_destroy(&(*monitor)->changed);
    pthread_mutex_destroy(&(*monitor)->lock);
    free(*monitor);
    *monitor = NULL;
}

void os_monitor_enter(os_monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
}
void os_monitor_leave(os_monitor *monitor)
{
    pthread_mutex_unlock(&monitor->lock);
}
void os_monitor_wait(os_monitor *monitor)
{
    pthread_cond_wait(&monitor->changed, &monitor->lock);
}
void os_monitor_wake_all(os_monitor *monitor)
{
    pthread_cond_broadcast(&monitor->changed);
}
