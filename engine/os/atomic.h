/* Numbers that threads share: C11's atomics, or Interlocked calls where the compiler is Microsoft's, which has C11's only behind an option. A
 * variable of static storage begins as 0. All calls are sequentially consistent, but for the lock's. */
#ifndef OS_ATOMIC_H
#define OS_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#ifdef _MSC_VER
#include <intrin.h>

typedef struct os_atomic {
    volatile long value;
} os_atomic;

static inline uint32_t os_atomic_load(const os_atomic *atomic)
{
    return (uint32_t)_InterlockedExchangeAdd((volatile long *)&atomic->value, 0);
}

static inline void os_atomic_store(os_atomic *atomic, uint32_t value)
{
    (void)_InterlockedExchange(&atomic->value, (long)value);
}

/* The value before. */
static inline uint32_t os_atomic_add(os_atomic *atomic, uint32_t value)
{
    return (uint32_t)_InterlockedExchangeAdd(&atomic->value, (long)value);
}

/* `value` in place of `before`. The value that was there: `before`, if it is replaced. */
static inline uint32_t os_atomic_replace(os_atomic *atomic, uint32_t before, uint32_t value)
{
    return (uint32_t)_InterlockedCompareExchange(&atomic->value, (long)value, (long)before);
}

static inline void os_lock_take(os_atomic *lock)
{
    while (_InterlockedExchange(&lock->value, 1) != 0) continue;
}

static inline void os_lock_give(os_atomic *lock)
{
    (void)_InterlockedExchange(&lock->value, 0);
}

#else
#include <stdatomic.h>

typedef struct os_atomic {
    _Atomic uint32_t value;
} os_atomic;

static inline uint32_t os_atomic_load(const os_atomic *atomic)
{
    return atomic_load(&atomic->value);
}

static inline void os_atomic_store(os_atomic *atomic, uint32_t value)
{
    atomic_store(&atomic->value, value);
}

/* The value before. */
static inline uint32_t os_atomic_add(os_atomic *atomic, uint32_t value)
{
    return atomic_fetch_add(&atomic->value, value);
}

/* `value` in place of `before`. The value that was there: `before`, if it is replaced. */
static inline uint32_t os_atomic_replace(os_atomic *atomic, uint32_t before, uint32_t value)
{
    (void)atomic_compare_exchange_strong(&atomic->value, &before, value);
    return before;
}

static inline void os_lock_take(os_atomic *lock)
{
    while (atomic_exchange_explicit(&lock->value, 1, memory_order_acquire) != 0) continue;
}

static inline void os_lock_give(os_atomic *lock)
{
    atomic_store_explicit(&lock->value, 0, memory_order_release);
}
#endif

#endif
