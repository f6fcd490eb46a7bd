/* A lock of the operating system. */
#ifndef STUDIO_LOCK_H
#define STUDIO_LOCK_H

typedef struct lock lock;

/* NULL without memory. */
lock *lock_make(void);
void lock_free(lock *l);
void lock_take(lock *l);
void lock_leave(lock *l);

#endif
