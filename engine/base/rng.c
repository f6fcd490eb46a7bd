#include "base/rng.h"

#include <math.h>

static void philox_round(uint32_t c[4], const uint32_t k[2])
{
    uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k[0], n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k[1];
    c[1] = (uint32_t)p1;
    c[3] = (uint32_t)p0;
    c[0] = n0;
    c[2] = n2;
}

rng_block rng_philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3)
{
    rng_block b = {{c0, c1, c2, c3}};
    uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    for (int round = 0; round < 10; round++) {
        philox_round(b.v, k);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    return b;
}

void rng_normal(uint32_t a, uint32_t b, float out[2])
{
    double u = ((double)a + 1.0) / 4294967296.0,
           angle = 6.283185307179586 * ((double)b / 4294967296.0); /* u in (0, 1] */
    double r = sqrt(-2.0 * log(u));
    out[0] = (float)(r * cos(angle));
    out[1] = (float)(r * sin(angle));
}
