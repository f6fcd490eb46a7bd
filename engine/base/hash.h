/* 64-bit FNV-1a: keys and damage checks, not security. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_INIT 0xcbf29ce484222325ull

/* Continue a hash over `size` bytes; start from HASH_INIT. */
static inline uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *p = data;
    /* The analyzer knows only the first byte of an array of wider numbers. NOLINTNEXTLINE(clang-analyzer-core.*) */
    for (size_t i = 0; i < size; i++) hash = (hash ^ p[i]) * 0x100000001b3ull;
    return hash;
}

#endif
