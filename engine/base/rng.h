/* Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11): a counter-based generator,
 * so any draw can be repeated, on the host or in shaders/common/philox.glsl, from its key and its counter. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* Counter word 2 keeps uses apart. Streams below RNG_STREAM_HOST belong to the graph's dropout nodes. */
enum {
    RNG_STREAM_HOST = 0x10000,
    RNG_STREAM_INIT = RNG_STREAM_HOST,
    RNG_STREAM_BATCH,
    RNG_STREAM_EVAL,
    RNG_STREAM_SAMPLE,
    RNG_STREAM_ORDER
};

typedef struct rng_block {
    uint32_t v[4];
} rng_block;

rng_block rng_philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3);

/* 24 random bits as a float in [0, 1). */
static inline float rng_uniform(uint32_t bits)
{
    return (float)(bits >> 8) * (1.0f / 16777216.0f);
}

/* An integer in [0, n), n > 0, from 64 random bits. */
static inline uint64_t rng_below(uint32_t hi, uint32_t lo, uint64_t n)
{
    return (((uint64_t)hi << 32) | lo) % n; /* the bias is below n / 2^64 */
}

/* Two standard normal draws from two words (Box and Muller). */
void rng_normal(uint32_t a, uint32_t b, float out[2]);

#endif
