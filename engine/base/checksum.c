/* XXH64: each of four lanes takes 8 bytes of every 32-byte stripe. At the end they are folded into one, with the bytes left over. */
#include "base/checksum.h"

#include <string.h>

enum { STRIPE = 32 };

#define PRIME_1 0x9E3779B185EBCA87ull
#define PRIME_2 0xC2B2AE3D27D4EB4Full
#define PRIME_3 0x165667B19E3779F9ull
#define PRIME_4 0x85EBCA77C2B2AE63ull
#define PRIME_5 0x27D4EB2F165667C5ull

static uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

/* Little-endian on every machine; compilers turn this into one load. */
static uint64_t read_32(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

static uint64_t read_64(const unsigned char *p)
{
    return read_32(p) | read_32(p + 4) << 32;
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * PRIME_2, 31) * PRIME_1;
}

static void take_stripes(uint64_t lanes[4], const unsigned char *p, size_t count)
{
    uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
    for (size_t i = 0; i < count; i++, p += STRIPE) {
        a = mix(a, read_64(p));
        b = mix(b, read_64(p + 8));
        c = mix(c, read_64(p + 16));
        d = mix(d, read_64(p + 24));
    }
    lanes[0] = a, lanes[1] = b, lanes[2] = c, lanes[3] = d;
}

void checksum_begin(checksum *c)
{
    *c = (checksum){.lanes = {PRIME_1 + PRIME_2, PRIME_2, 0, 0 - PRIME_1}};
}

void checksum_put(checksum *c, const void *data, size_t size)
{
    const unsigned char *p = data;
    const size_t held = c->size % STRIPE;
    c->size += size;
    if (held) {
        const size_t n = size < STRIPE - held ? size : STRIPE - held;
        memcpy(c->rest + held, p, n);
        if (held + n < STRIPE) return;
        take_stripes(c->lanes, c->rest, 1);
        p += n;
        size -= n;
    }
    take_stripes(c->lanes, p, size / STRIPE);
    if (size % STRIPE) memcpy(c->rest, p + size / STRIPE * STRIPE, size % STRIPE);
}

static uint64_t fold(const uint64_t lanes[4])
{
    uint64_t h = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (int i = 0; i < 4; i++) h = (h ^ mix(0, lanes[i])) * PRIME_1 + PRIME_4;
    return h;
}

uint64_t checksum_end(const checksum *c)
{
    const unsigned char *p = c->rest;
    size_t left = c->size % STRIPE;
    uint64_t h = (c->size >= STRIPE ? fold(c->lanes) : PRIME_5) + c->size;
    for (; left >= 8; left -= 8, p += 8) h = rotate(h ^ mix(0, read_64(p)), 27) * PRIME_1 + PRIME_4;
    for (; left >= 4; left -= 4, p += 4) h = rotate(h ^ read_32(p) * PRIME_1, 23) * PRIME_2 + PRIME_3;
    for (; left; left--, p++) h = rotate(h ^ *p * PRIME_5, 11) * PRIME_1;
    h = (h ^ h >> 33) * PRIME_2;
    h = (h ^ h >> 29) * PRIME_3;
    return h ^ h >> 32;
}
