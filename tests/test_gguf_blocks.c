/* The blocks of numbers in GGUF's tensors, against a definition in double and blocks made by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "helper_gguf.h"
#include "helper_log.h"

static double half_value(const unsigned char *b)
{
    const int bits = b[0] + 256 * b[1], exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == 31) return fraction ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

/* Bit k of the bytes, the lowest first. */
static int bit(const unsigned char *b, int k)
{
    return b[k / 8] >> k % 8 & 1;
}

/* Bits k, k + 1, … as a number. */
static int bits(const unsigned char *b, int k, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) value |= bit(b, k + i) << i;
    return value;
}

static int signed_byte(unsigned char b)
{
    return b < 128 ? b : b - 256;
}

/* Element i of a block, by the format's definition. */
static double defined(gguf_dtype dtype, const unsigned char *b, int i)
{
    if (dtype == GGUF_F16) return half_value(b);
    if (dtype == GGUF_Q8_0) return half_value(b) * signed_byte(b[2 + i]);
    if (dtype == GGUF_Q4_0) return half_value(b) * (bits(b + 2, 8 * (i % 16) + 4 * (i / 16), 4) - 8);
    if (dtype == GGUF_Q4_K) {
        const int j = i / 32;
        const unsigned char *s = b + 4;
        const int scale = j < 4 ? bits(s, 8 * j, 6) : bits(s, 8 * (j + 4), 4) + 16 * bits(s, 8 * (j - 4) + 6, 2);
        const int least = j < 4 ? bits(s, 8 * (j + 4), 6) : bits(s, 8 * (j + 4) + 4, 4) + 16 * bits(s, 8 * j + 6, 2);
        const int q = bits(b + 16, 8 * (i / 64 * 32 + i % 32) + 4 * (i / 32 % 2), 4);
        return half_value(b) * scale * q - half_value(b + 2) * least;
    }
    const int half = i / 128, row = i / 32 % 4, column = i % 32; /* Q6_K */
    const int low = bits(b + 64 * half + 32 * (row % 2), 8 * column + 4 * (row / 2), 4);
    const int high = bits(b + 128 + 32 * half, 8 * column + 2 * row, 2);
    return half_value(b + 208) * signed_byte(b[192 + i / 16]) * (low + 16 * high - 32);
}

static const gguf_dtype block_types[] = {GGUF_F16, GGUF_Q8_0, GGUF_Q4_0, GGUF_Q4_K, GGUF_Q6_K};
enum { BLOCK_TYPES = 5, BLOCKS = 24, BLOCK_MOST = 256 };

/* A tensor of random blocks; the first ones have the smallest, the largest and other scales. */
static void make_blocks(gguf_dtype dtype)
{
    static const uint16_t scales[] = {0, 0x8000, 1, 0x8001, 0x3ff, 0x7bff, 0xfbff, 0x3c00, 0x7c00};
    const uint32_t size = gguf_dtype_size(dtype), block = gguf_dtype_block(dtype);
    make_begin(3, 1, 0);
    make_tensor("t", 2, block, BLOCKS, dtype, 0);
    make_pad(32);
    for (uint32_t k = 0; k < BLOCKS; k++) {
        unsigned char *b = made + made_size;
        for (uint32_t i = 0; i < size; i++) make_number(rng_philox(3, k, i, dtype, 0).v[0], 1);
        const size_t at = dtype == GGUF_Q6_K ? 208 : 0;
        const uint16_t scale = k < 9 ? scales[k] : (uint16_t)(rng_philox(4, k, 0, dtype, 0).v[0] & 0xbfff);
        b[at] = (unsigned char)scale;
        b[at + 1] = (unsigned char)(scale >> 8);
        if (dtype == GGUF_Q4_K) b[3] &= 0xbf; /* a finite one */
    }
}

static bool same_float(float got, double want)
{
    const float rounded = (float)want; /* once: the products are exact in double */
    return isnan(want) ? isnan(got) : memcmp(&got, &rounded, 4) == 0 || (got == 0 && rounded == 0);
}

static void test_blocks(void **state)
{
    (void)state;
    for (int type = 0; type < BLOCK_TYPES; type++) {
        const gguf_dtype dtype = block_types[type];
        const int block = (int)gguf_dtype_block(dtype), size = (int)gguf_dtype_size(dtype);
        gguf_file file;
        float out[BLOCKS * BLOCK_MOST];
        make_blocks(dtype);
        made_open(MADE_MEMORY, &file);
        const gguf_tensor *t = &file.tensors[0];
        assert_int_equal(t->size, BLOCKS * size);
        assert_int_equal(gguf_floats(&made_log, &file, t, 0, (size_t)t->count, out), PM_OK);
        for (int i = 0; i < BLOCKS * block; i++) {
            const double want = defined(dtype, made + t->start + i / block * size, i % block);
            if (!same_float(out[i], want))
                fail_msg("%s, element %d: %a, not %a", gguf_dtype_name(dtype), i, (double)out[i], want);
        }
        gguf_close(&file);
    }
}

/* Hand-made blocks of each type whose values can be seen. */
static void test_known_blocks(void **state)
{
    (void)state;
    gguf_file file;
    float out[256];
    make_begin(3, 4, 0);
    make_tensor("q8", 1, 32, 0, GGUF_Q8_0, 0);
    make_tensor("q4", 1, 32, 0, GGUF_Q4_0, 64);
    make_tensor("q4k", 1, 256, 0, GGUF_Q4_K, 96);
    make_tensor("q6k", 1, 256, 0, GGUF_Q6_K, 256);
    make_pad(32);
    make_number(0x3800, 2); /* 0.5 */
    for (int i = 0; i < 32; i++) make_number((uint64_t)(i - 16), 1);
    make_pad(32);
    make_number(0x4000, 2); /* 2 */
    for (int i = 0; i < 16; i++) make_number((uint64_t)(i | (15 - i) << 4), 1);
    make_pad(32);
    make_number(0x3c00, 2), make_number(0x3c00, 2);                       /* 1, 1 */
    for (int i = 0; i < 4; i++) make_number((uint64_t)(i + 1) | 0x40, 1); /* scales 1 to 4; the last four's 2 bits: 1 */
    for (int i = 0; i < 4; i++) make_number((uint64_t)(10 * i) | 0x80, 1);    /* offsets 0 to 30; the last four's: 2 */
    for (int i = 0; i < 4; i++) make_number((uint64_t)(i | (i + 1) << 4), 1); /* scales 16 to 19, offsets 33 to 36 */
    for (int i = 0; i < 128; i++) make_number((uint64_t)(i % 16 | (i / 32) << 4), 1);
    make_pad(32);
    for (int i = 0; i < 128; i++) make_number(0x5a, 1);
    for (int i = 0; i < 64; i++) make_number(0xe4, 1); /* rows 0 to 3: 0 to 3 */
    for (int i = 0; i < 16; i++) make_number((uint64_t)(i - 8), 1);
    make_number(0x3c00, 2);
    made_open(MADE_READ, &file);
    assert_int_equal(gguf_floats(&made_log, &file, gguf_find(&file, "q8"), 0, 32, out), PM_OK);
    for (int i = 0; i < 32; i++) assert_true(out[i] == 0.5f * (float)(i - 16));
    assert_int_equal(gguf_floats(&made_log, &file, gguf_find(&file, "q4"), 0, 32, out), PM_OK);
    for (int i = 0; i < 32; i++) assert_true(out[i] == 2 * (float)((i < 16 ? i : 31 - i) - 8));
    assert_int_equal(gguf_floats(&made_log, &file, gguf_find(&file, "q4k"), 0, 256, out), PM_OK);
    static const float scales[8] = {1, 2, 3, 4, 16, 17, 18, 19}, offsets[8] = {0, 10, 20, 30, 33, 34, 35, 36};
    for (int i = 0; i < 256; i++) {
        const int part = i / 32;
        const float q = part % 2 ? (float)(part / 2) : (float)(i % 16);
        assert_true(out[i] == scales[part] * q - offsets[part]);
    }
    assert_int_equal(gguf_floats(&made_log, &file, gguf_find(&file, "q6k"), 0, 256, out), PM_OK);
    for (int i = 0; i < 256; i++) {
        const int row = i / 32 % 4;
        assert_true(out[i] == (float)(i / 16 - 8) * (float)((row < 2 ? 10 : 5) + 16 * row - 32));
    }
    gguf_close(&file);
}

/* Any range gives the same as the whole. */
static void test_ranges(void **state)
{
    (void)state;
    for (int type = 0; type < BLOCK_TYPES; type++)
        for (made_way way = 0; way < MADE_WAYS; way++) {
            gguf_file file;
            float all[BLOCKS * BLOCK_MOST], part[BLOCKS * BLOCK_MOST + 1];
            make_blocks(block_types[type]);
            made_open(way, &file);
            const gguf_tensor *t = &file.tensors[0];
            const uint32_t count = (uint32_t)t->count;
            assert_int_equal(gguf_floats(&made_log, &file, t, 0, count, all), PM_OK);
            for (uint32_t round = 0; round < 300; round++) {
                const uint32_t first = (uint32_t)rng_below(0, rng_philox(9, round, 0, 0, 0).v[0], count);
                const uint32_t n = (uint32_t)rng_below(0, rng_philox(9, round, 1, 0, 0).v[0], count - first + 1);
                part[n] = 77;
                assert_int_equal(gguf_floats(&made_log, &file, t, first, n, part), PM_OK);
                if (n) assert_memory_equal(part, all + first, n * sizeof *part);
                assert_true(part[n] == 77);
            }
            gguf_close(&file);
        }
}

/* Types that are known by name only, at their sizes. */
static void test_unread_types(void **state)
{
    (void)state;
    int known = 0;
    for (uint32_t number = 0; number < 100; number++) {
        const char *name = gguf_dtype_name((gguf_dtype)number);
        char words[80];
        gguf_file file;
        float out[1];
        if (!name) continue;
        known++;
        const uint32_t block = gguf_dtype_block((gguf_dtype)number), size = gguf_dtype_size((gguf_dtype)number);
        make_begin(3, 1, 0);
        make_tensor("t", 1, block, 0, number, 0);
        make_pad(32);
        for (uint32_t i = 0; i < size; i++) make_number(0, 1);
        made_open(MADE_MEMORY, &file);
        assert_int_equal(file.tensors[0].size, size);
        const pm_status status = gguf_floats(&made_log, &file, &file.tensors[0], 0, 1, out);
        snprintf(words, sizeof words, "the type %s is not read; F32, ", name);
        if (gguf_dtype_readable((gguf_dtype)number))
            assert_int_equal(status, PM_OK);
        else
            test_expect_failure(status, PM_FORMAT, "made: a.gguf: tensor 't': ", words);
        gguf_close(&file);
    }
    assert_int_equal(known, 35);
    assert_null(gguf_dtype_name((gguf_dtype)4));
    assert_int_equal(gguf_dtype_block((gguf_dtype)1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_blocks),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_unread_types),
    };
    return cmocka_run_group_tests_name("gguf's blocks", tests, NULL, NULL);
}
