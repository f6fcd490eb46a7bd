#include "base/half.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static uint64_t to_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

uint16_t half_from_double(double value)
{
    const uint64_t bits = to_bits(value), magnitude = bits & UINT64_MAX >> 1;
    const uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    if (magnitude > to_bits(HUGE_VAL)) return sign | 0x7e00;
    if (magnitude >= to_bits(65520)) return sign | 0x7c00; /* halfway from 65504 to 65536 */
    if (magnitude < to_bits(0x1p-14)) { /* a multiple of 2^-24: the sum's last bit, to which fp64 addition rounds */
        const double sum = (value < 0 ? -value : value) + 0x1p28;
        return sign | (uint16_t)(to_bits(sum) - to_bits(0x1p28));
    }
    const uint64_t rounded = magnitude + (((uint64_t)1 << 41) - 1) + (magnitude >> 42 & 1);
    return sign | (uint16_t)((rounded >> 42) - ((1023 - 15) << 10));
}

/* ---- floats, without branches, so that a compiler takes several at once ---------------------------------------------- */

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

/* As half_from_double. Adding 2^-1 rounds what is below 2^-14 to multiples of 2^-24, a half's smallest step. */
static uint16_t half_of(float value)
{
    const uint32_t bits = float_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    const uint32_t normal = (magnitude + 0xfff + (magnitude >> 13 & 1) - ((127 - 15) << 23)) >> 13;
    const uint32_t small = float_bits(from_bits(magnitude) + 0.5f) - float_bits(0.5f);
    uint32_t half = magnitude < float_bits(0x1p-14f) ? small : normal;
    half = magnitude >= float_bits(65520.0f) ? 0x7c00 : half;
    half = magnitude > float_bits(INFINITY) ? 0x7e00 : half;
    return (uint16_t)(sign | half);
}

/* The product with 2^112 moves the exponent, and makes what is below 2^-14 normal. */
static float float_of(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = (uint32_t)(half & 0x7fff) << 13;
    const uint32_t finite = float_bits(from_bits(magnitude) * 0x1p112f);
    return from_bits(sign | (magnitude >= 0x7c00u << 13 ? 0x7f800000 | magnitude : finite));
}

float half_to_float(uint16_t half)
{
    return float_of(half);
}

uint16_t half_from_float(float value)
{
    return half_of(value);
}

float bf16_to_float(uint16_t bits)
{
    return from_bits((uint32_t)bits << 16);
}

uint16_t bf16_from_float(float value)
{
    uint16_t bits;
    bf16s_from_floats(&value, 1, &bits);
    return bits;
}

void halves_from_floats(const float *in, uint64_t count, void *out)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint16_t half = half_of(in[i]);
        memcpy((unsigned char *)out + 2 * i, &half, 2);
    }
}

void floats_from_halves(const void *in, uint64_t count, float *out)
{
    for (uint64_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const unsigned char *)in + 2 * i, 2);
        out[i] = float_of(half);
    }
}

void bf16s_from_floats(const float *in, uint64_t count, void *out)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t bits = float_bits(in[i]), rounded = bits + 0x7fff + (bits >> 16 & 1);
        const bool nan = (bits & 0x7fffffff) > 0x7f800000;
        const uint16_t upper = (uint16_t)(nan ? bits >> 16 | 64 : rounded >> 16);
        memcpy((unsigned char *)out + 2 * i, &upper, 2);
    }
}

void floats_from_bf16s(const void *in, uint64_t count, float *out)
{
    for (uint64_t i = 0; i < count; i++) {
        uint16_t upper;
        memcpy(&upper, (const unsigned char *)in + 2 * i, 2);
        out[i] = bf16_to_float(upper);
    }
}

/* `least`: the bits of the least number that is rounded to infinity. */
static bool all_below(const float *in, uint64_t count, uint32_t least)
{
    bool any = false;
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t size = float_bits(in[i]) & 0x7fffffff;
        any |= size >= least && size < 0x7f800000;
    }
    return !any;
}

bool halves_hold(const float *in, uint64_t count)
{
    return all_below(in, count, 0x477ff000); /* 65,520 */
}

bool bf16s_hold(const float *in, uint64_t count)
{
    return all_below(in, count, 0x7f7f8000);
}
