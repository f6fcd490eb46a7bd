#include "lock.h"

#include <pthread.h>
#include <stdlib.h>

struct lock {
    pthread_mutex_t mutex;
};

lock *lock_make(void)
{
    lock *l = calloc(1, sizeof *l);
    if (l) pthread_mutex_init(&l->mutex, NULL);
    return l;
}

void lock_free(lock *l)
{
    if (l) pthread_mutex_destroy(&l->mutex);
    free(l);
}

void lock_take(lock *l)
{
    pthread_mutex_lock(&l->mutex);
}

void lock_leave(lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}
