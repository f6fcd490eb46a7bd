#include "base/half.h"

#include <math.h>
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

float half_to_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 0) { /* zero, or a multiple of 2^-24 */
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return from_bits(sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13);
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

uint16_t half_from_float(float value)
{
    return half_from_double((double)value);
}

float bf16_to_float(uint16_t bits)
{
    return from_bits((uint32_t)bits << 16);
}

uint16_t bf16_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
