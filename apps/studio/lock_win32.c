#include "lock.h"

#include <stdlib.h>
#include <windows.h>

struct lock {
    SRWLOCK own;
};

lock *lock_make(void)
{
    lock *l = calloc(1, sizeof *l);
    if (l) InitializeSRWLock(&l->own);
    return l;
}

void lock_free(lock *l)
{
    free(l);
}

void lock_take(lock *l)
{
    AcquireSRWLockExclusive(&l->own);
}

void lock_leave(lock *l)
{
    ReleaseSRWLockExclusive(&l->own);
}
