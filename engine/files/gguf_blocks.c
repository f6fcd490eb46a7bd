#include "files/gguf_blocks.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "files/gguf_internal.h"

/* ---- out ---- */

static float half_at(const unsigned char *bytes)
{
    return half_to_float(gguf_load16(bytes));
}

static void expand_q8_0(const unsigned char *b, float *out)
{
    const float d = half_at(b);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)b[2 + i];
}

static void expand_q4_0(const unsigned char *b, float *out)
{
    const float d = half_at(b);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((b[2 + i] & 15) - 8);
        out[16 + i] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

/* Eight scales and eight offsets of 6 bits in 12 bytes. The first four of each fill the lower 6 bits of bytes 0 to 7. Of the last four, the lower 4 bits
 * are the halves of bytes 8 to 11, and the upper 2 are what those bytes 0 to 7 have left. */
static void six_bits(const unsigned char *packed, float scales[8], float offsets[8])
{
    for (int i = 0; i < 4; i++) {
        scales[i] = (float)(packed[i] & 63);
        offsets[i] = (float)(packed[4 + i] & 63);
        scales[4 + i] = (float)((packed[8 + i] & 15) | packed[i] >> 6 << 4);
        offsets[4 + i] = (float)(packed[8 + i] >> 4 | packed[4 + i] >> 6 << 4);
    }
}

/* Each 32 bytes of q hold 64 elements: the first 32 in the low halves. */
static void expand_q4_k(const unsigned char *b, float *out)
{
    const float d = half_at(b), m = half_at(b + 2);
    float scales[8], offsets[8];
    six_bits(b + 4, scales, offsets);
    for (int part = 0; part < 8; part++) {
        const unsigned char *q = b + 16 + part / 2 * 32;
        const float scale = d * scales[part], offset = m * offsets[part];
        for (int i = 0; i < 32; i++) *out++ = scale * (float)(part % 2 ? q[i] >> 4 : q[i] & 15) - offset;
    }
}

/* Each half of the block, 128 elements in four rows of 32, has 64 bytes of lower bits and 32 of upper ones. Rows 0 and 1 are the low halves of the 64
 * bytes, rows 2 and 3 the high ones; row r has bits 2 r and 2 r + 1 of the 32. */
static void expand_q6_k(const unsigned char *b, float *out)
{
    const float d = half_at(b + 208);
    for (int half = 0; half < 2; half++)
        for (int row = 0; row < 4; row++) {
            const unsigned char *low = b + half * 64 + row % 2 * 32, *high = b + 128 + half * 32;
            const unsigned char *scales = b + 192 + half * 8 + row * 2;
            for (int i = 0; i < 32; i++) {
                const int q = (row < 2 ? low[i] & 15 : low[i] >> 4) | (high[i] >> (2 * row) & 3) << 4;
                *out++ = d * (float)(int8_t)scales[i / 16] * (float)(q - 32);
            }
        }
}

void gguf_expand(gguf_dtype dtype, const unsigned char *bytes, size_t blocks, float *out)
{
    const uint32_t size = gguf_dtype_size(dtype), block = gguf_dtype_block(dtype);
    if (dtype == GGUF_F32 && blocks) memcpy(out, bytes, 4 * blocks);
    if (dtype == GGUF_F16) floats_from_halves(bytes, blocks, out);
    if (dtype == GGUF_BF16) floats_from_bf16s(bytes, blocks, out);
    if (block == 1) return;
    for (size_t i = 0; i < blocks; i++, bytes += size, out += block) {
        if (dtype == GGUF_Q8_0)
            expand_q8_0(bytes, out);
        else if (dtype == GGUF_Q4_0)
            expand_q4_0(bytes, out);
        else if (dtype == GGUF_Q4_K)
            expand_q4_k(bytes, out);
        else
            expand_q6_k(bytes, out);
    }
}

/* ---- into ---- */

/* The value of the largest magnitude, the first of several; false where one is not finite. */
static bool largest(const float *values, float *out)
{
    float most = 0;
    for (int i = 0; i < 32; i++) {
        if (!isfinite(values[i])) return false;
        if (fabsf(values[i]) > fabsf(most)) most = values[i];
    }
    *out = most;
    return true;
}

/* Writes d as a half, and gives 1 / d; 0 where d is 0, or so small that all is. False where d is no half. */
static bool put_scale(float d, unsigned char *bytes, float *inverse)
{
    const uint16_t half = half_from_float(d);
    if ((half & 0x7fff) >= 0x7c00) return false;
    gguf_store(bytes, half, 2);
    *inverse = d < 0 || d > 0 ? 1.0f / d : 0;
    if (!isfinite(*inverse)) *inverse = 0;
    return true;
}

static bool shrink_q8_0(const float *values, unsigned char *bytes)
{
    float most, inverse;
    if (!largest(values, &most) || !put_scale(fabsf(most) / 127, bytes, &inverse)) return false;
    for (int i = 0; i < 32; i++) bytes[2 + i] = (unsigned char)(int8_t)roundf(values[i] * inverse);
    return true;
}

/* Its scale has the sign that takes the largest to -8. */
static bool shrink_q4_0(const float *values, unsigned char *bytes)
{
    float most, inverse;
    if (!largest(values, &most) || !put_scale(most / -8, bytes, &inverse)) return false;
    for (int i = 0; i < 16; i++) {
        int q[2];
        for (int k = 0; k < 2; k++) {
            const float scaled = values[16 * k + i] * inverse; /* rounded before the sum, as everywhere */
            q[k] = (int)(scaled + 8.5f);
            if (q[k] > 15) q[k] = 15;
        }
        bytes[2 + i] = (unsigned char)(q[0] | q[1] << 4);
    }
    return true;
}

bool gguf_shrink(gguf_dtype dtype, const float *values, size_t blocks, unsigned char *bytes)
{
    const uint32_t size = gguf_dtype_size(dtype), block = gguf_dtype_block(dtype);
    if (dtype == GGUF_F32 && blocks) memcpy(bytes, values, 4 * blocks);
    if (dtype == GGUF_F16) halves_from_floats(values, blocks, bytes);
    if (dtype == GGUF_BF16) bf16s_from_floats(values, blocks, bytes);
    if (dtype == GGUF_F16) return halves_hold(values, blocks);
    if (dtype == GGUF_BF16) return bf16s_hold(values, blocks);
    if (block == 1) return true;
    for (size_t i = 0; i < blocks; i++, bytes += size, values += block)
        if (!(dtype == GGUF_Q8_0 ? shrink_q8_0 : shrink_q4_0)(values, bytes)) return false;
    return true;
}
