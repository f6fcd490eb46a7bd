/* What of <intrin.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_INTRIN_H
#define MSVC_INTRIN_H

long _InterlockedExchange(volatile long *target, long value);
long _InterlockedExchangeAdd(volatile long *target, long value);
long _InterlockedCompareExchange(volatile long *target, long value, long before);

#endif
