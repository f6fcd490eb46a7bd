#include "thread.h"

#include <pthread.h>
#include <stdlib.h>

struct thread_lock {
    pthread_mutex_t mutex;
};
struct thread_signal {
    pthread_cond_t condition;
};
struct thread {
    pthread_t id;
    void (*run)(void *user);
    void *user;
};

thread_lock *thread_lock_make(void)
{
    thread_lock *lock = calloc(1, sizeof *lock);
    if (lock) pthread_mutex_init(&lock->mutex, NULL);
    return lock;
}

void thread_lock_free(thread_lock *lock)
{
    if (lock) pthread_mutex_destroy(&lock->mutex);
    free(lock);
}

void thread_take(thread_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void thread_leave(thread_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

thread_signal *thread_signal_make(void)
{
    thread_signal *signal = calloc(1, sizeof *signal);
    if (signal) pthread_cond_init(&signal->condition, NULL);
    return signal;
}

void thread_signal_free(thread_signal *signal)
{
    if (signal) pthread_cond_destroy(&signal->condition);
    free(signal);
}

void thread_wait(thread_signal *signal, thread_lock *lock)
{
    pthread_cond_wait(&signal->condition, &lock->mutex);
}

void thread_wake(thread_signal *signal)
{
    pthread_cond_broadcast(&signal->condition);
}

static void *enter(void *user)
{
    thread *t = user;
    t->run(t->user);
    return NULL;
}

thread *thread_start(void (*run)(void *user), void *user)
{
    thread *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->run = run;
    t->user = user;
    if (pthread_create(&t->id, NULL, enter, t) == 0) return t;
    free(t);
    return NULL;
}

void thread_join(thread *t)
{
    if (t) pthread_join(t->id, NULL);
    free(t);
}
