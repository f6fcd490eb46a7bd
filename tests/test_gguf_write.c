/* The GGUF writer: the bytes that it writes, rounding, what it refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "helper_dir.h"
#include "helper_gguf.h"
#include "helper_log.h"

static const char *path_here(void)
{
    return test_path(test_root, "a.gguf");
}

static gguf_writer *begin(void)
{
    gguf_writer *w = NULL;
    made_log = test_log();
    test_log_reset();
    assert_int_equal(gguf_writer_make(&made_log, path_here(), &w), PM_OK);
    return w;
}

static void open_written(gguf_file *out)
{
    if (gguf_open(&made_log, path_here(), out) != PM_OK) fail_msg("%s", test_last_error());
}

static void commit(gguf_writer *w)
{
    if (gguf_write_commit(&w) != PM_OK) fail_msg("%s", test_last_error());
    assert_null(w);
}

static float draw_float(uint32_t i)
{
    float pair[2];
    const rng_block bits = rng_philox(8, i, 0, 0, 0);
    rng_normal(bits.v[0], bits.v[1], pair);
    return pair[0];
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static void put_metadata(gguf_writer *w)
{
    static const gguf_text words[] = {{"one", 3}, {"", 0}, {"a\0b", 3}};
    static const float scores[] = {0.5f, -1e30f};
    static const int32_t kinds[] = {1, -7, 3};
    gguf_put_text(w, "general.architecture", "gpt2");
    gguf_put_u32(w, "u32", UINT32_MAX);
    gguf_put_u64(w, "u64", (uint64_t)1 << 40);
    gguf_put_i32(w, "i32", -2);
    gguf_put_f32(w, "f32", 1e-5f);
    gguf_put_bool(w, "yes", true);
    gguf_put_string(w, "text", (gguf_text){"\xC3\xA9 and more", 2});
    gguf_put_strings(w, "words", words, 3);
    gguf_put_f32s(w, "scores", scores, 2);
    gguf_put_i32s(w, "kinds", kinds, 3);
    gguf_put_strings(w, "none", NULL, 0);
}

static void make_metadata(void)
{
    make_key("general.architecture", GGUF_VALUE_STRING), make_text("gpt2");
    make_key("u32", GGUF_VALUE_U32), make_number(UINT32_MAX, 4);
    make_key("u64", GGUF_VALUE_U64), make_number((uint64_t)1 << 40, 8);
    make_key("i32", GGUF_VALUE_I32), make_number((uint64_t)-2, 4);
    make_key("f32", GGUF_VALUE_F32), make_number(float_bits(1e-5f), 4);
    make_key("yes", GGUF_VALUE_BOOL), make_number(1, 1);
    make_key("text", GGUF_VALUE_STRING), make_text("\xC3\xA9");
    make_array("words", GGUF_VALUE_STRING, 3), make_text("one"), make_text("");
    make_number(3, 8), make_number('a', 1), make_number(0, 1), make_number('b', 1);
    make_array("scores", GGUF_VALUE_F32, 2), make_number(float_bits(0.5f), 4), make_number(float_bits(-1e30f), 4);
    make_array("kinds", GGUF_VALUE_I32, 3), make_number(1, 4), make_number((uint64_t)-7, 4), make_number(3, 4);
    make_array("none", GGUF_VALUE_STRING, 0);
}

static void expect_bytes(void)
{
    size_t size;
    char *got = test_read(path_here(), &size);
    assert_int_equal(size, made_size);
    assert_memory_equal(got, made, size);
    free(got);
}

static void test_exact_bytes(void **state)
{
    (void)state;
    static const uint64_t matrix[] = {3, 2}, block[] = {32}, nothing[] = {4, 0};
    const float numbers[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
    float q[32];
    for (int i = 0; i < 32; i++) q[i] = (float)(4 * (i - 16)) / 127 * (127.0f / 64);
    gguf_writer *w = begin();
    put_metadata(w);
    gguf_put_tensor(w, "first empty", GGUF_F32, 2, nothing);
    gguf_put_tensor(w, "w", GGUF_F32, 2, matrix);
    gguf_put_tensor(w, "scalar", GGUF_F16, 0, NULL);
    gguf_put_tensor(w, "q", GGUF_Q8_0, 1, block);
    gguf_put_tensor(w, "b", GGUF_BF16, 2, matrix);
    gguf_put_tensor(w, "last empty", GGUF_Q8_0, 2, (const uint64_t[]){0, 9});
    assert_int_equal(gguf_write_begin(w), PM_OK);
    gguf_put_floats(w, numbers, 2);
    gguf_put_floats(w, numbers + 2, 0);
    gguf_put_floats(w, numbers + 2, 4);
    gguf_put_floats(w, numbers + 2, 1);
    gguf_put_floats(w, q, 5);
    gguf_put_floats(w, q + 5, 27);
    gguf_put_floats(w, numbers, 6);
    commit(w);

    make_begin(3, 6, 11);
    make_metadata();
    make_tensor("first empty", 2, 4, 0, 0, 0);
    make_tensor("w", 2, 3, 2, 0, 0);
    make_tensor("scalar", 0, 0, 0, 1, 32);
    make_tensor("q", 1, 32, 0, 8, 64);
    make_tensor("b", 2, 3, 2, 30, 128);
    make_tensor("last empty", 2, 0, 9, 8, 160);
    make_pad(32);
    for (int i = 0; i < 6; i++) make_number(float_bits(numbers[i]), 4);
    make_pad(32);
    make_number(0x4300, 2), make_pad(32); /* 3.5 */
    make_number(half_from_float(1.0f / 127), 2);
    for (int i = 0; i < 32; i++) make_number((uint64_t)lround(q[i] * 127), 1);
    make_pad(32);
    for (int i = 0; i < 6; i++)
        make_number((float_bits(numbers[i]) + 0x7fff + (float_bits(numbers[i]) >> 16 & 1)) >> 16, 2);
    make_pad(32);
    expect_bytes();

    w = begin(); /* nothing at all */
    assert_int_equal(gguf_write_begin(w), PM_OK);
    commit(w);
    make_begin(3, 0, 0);
    make_pad(32);
    expect_bytes();
}

/* A file's pairs and tensors, as they are, give the same file. */
static void test_again(void **state)
{
    (void)state;
    static const uint64_t dims[] = {64, 3, 2, 2}, count = 64 * 3 * 2 * 2;
    static const gguf_dtype types[] = {GGUF_F32, GGUF_F16, GGUF_BF16, GGUF_Q8_0, GGUF_Q4_0};
    static const char *const names[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
    float values[64 * 12], back[64 * 12];
    gguf_file file;
    size_t size, again;
    for (uint32_t i = 0; i < count; i++) values[i] = draw_float(i);
    gguf_writer *w = begin();
    put_metadata(w);
    for (int t = 0; t < 5; t++) gguf_put_tensor(w, names[t], types[t], 4, dims);
    assert_int_equal(gguf_write_begin(w), PM_OK);
    for (uint32_t t = 0, step = 1; t < 5; t++)
        for (uint64_t at = 0, n; at < count; at += n, step = step * 5 % 97) {
            n = step < count - at ? step : count - at;
            gguf_put_floats(w, values + at, (size_t)n);
        }
    commit(w);
    char *first = test_read(path_here(), &size);
    assert_int_equal(gguf_open(&made_log, path_here(), &file), PM_OK);
    w = begin();
    for (size_t i = 0; i < file.meta_count; i++) gguf_put_meta(w, &file.meta[i]);
    for (size_t i = 0; i < 5; i++) {
        const gguf_tensor *t = &file.tensors[i];
        assert_true(t->rank == 4 && t->dtype == types[i]);
        assert_memory_equal(t->dims, dims, sizeof dims);
        gguf_put_tensor(w, t->name, t->dtype, t->rank, t->dims);
    }
    assert_int_equal(gguf_write_begin(w), PM_OK);
    for (size_t i = 0; i < 5; i++) {
        static const double most[] = {0, 0x1p-10, 0x1p-7, 0.02, 0.3}; /* of values up to 4 */
        assert_int_equal(gguf_floats(&made_log, &file, &file.tensors[i], 0, (size_t)count, back), PM_OK);
        for (uint32_t k = 0; k < count; k++) assert_true(fabs((double)back[k] - (double)values[k]) <= most[i]);
        gguf_put_floats(w, back, (size_t)count);
    }
    gguf_close(&file);
    commit(w);
    char *second = test_read(path_here(), &again);
    assert_int_equal(size, again);
    assert_memory_equal(first, second, size);
    free(first);
    free(second);
}

/* ---- rounding ---------------------------------------------------------------------------------------------------- */

/* One tensor of these values in a file, and its bytes. */
static const unsigned char *rounded(gguf_dtype dtype, const float *values, size_t count, gguf_file *file)
{
    const uint64_t dims = count;
    gguf_writer *w = begin();
    gguf_put_tensor(w, "t", dtype, 1, &dims);
    assert_int_equal(gguf_write_begin(w), PM_OK);
    gguf_put_floats(w, values, count);
    commit(w);
    open_written(file);
    return file->view.data + file->tensors[0].start;
}

static void test_rounding(void **state)
{
    (void)state;
    static const float values[] = {0,      -0.0f,    65504,      65519,         65520,
                                   -1e30f, 0x1p-25f, 0x1.8p-24f, 1.0009765625f, 3.3895314e38f};
    /* those that a half holds, and infinity, which stays what it is */
    const float held[] = {0, -0.0f, 65504, 65519, 0x1p-25f, 0x1.8p-24f, 1.0009765625f, -(float)INFINITY};
    static const uint16_t halves[] = {0, 0x8000, 0x7bff, 0x7bff, 0, 2, 0x3c01, 0xfc00};
    static const uint16_t bfloats[] = {0, 0x8000, 0x4780, 0x4780, 0x4780, 0xf14a, 0x3300, 0x33c0, 0x3f80, 0x7f7f};
    const float odd[] = {(float)NAN, (float)INFINITY, -(float)INFINITY, 1.00390625f,
                         1.01171875f}; /* the last two: ties */
    gguf_file file;
    const unsigned char *b = rounded(GGUF_F16, held, 8, &file);
    for (int i = 0; i < 8; i++) assert_int_equal(b[2 * i] | b[2 * i + 1] << 8, halves[i]);
    gguf_close(&file);
    b = rounded(GGUF_BF16, values, 10, &file);
    for (int i = 0; i < 10; i++) assert_int_equal(b[2 * i] | b[2 * i + 1] << 8, bfloats[i]);
    gguf_close(&file);
    b = rounded(GGUF_BF16, odd, 5, &file);
    assert_int_equal((b[0] | b[1] << 8) & 0x7fff, 0x7fc0);
    assert_int_equal(b[2] | b[3] << 8, 0x7f80);
    assert_int_equal(b[4] | b[5] << 8, 0xff80);
    assert_int_equal(b[6] | b[7] << 8, 0x3f80);
    assert_int_equal(b[8] | b[9] << 8, 0x3f82);
    gguf_close(&file);
}

/* The reference quantizers of ggml, by their definition: in fp32, halves away from 0 for Q8_0. */
static void test_quantizing(void **state)
{
    (void)state;
    enum { BLOCKS = 40 };
    float values[32 * BLOCKS];
    gguf_file file;
    for (uint32_t i = 0; i < 32 * BLOCKS; i++) values[i] = draw_float(i) * powf(2, (float)(i / 32) - 30);
    for (int i = 0; i < 32; i++) values[i] = 0;
    for (int i = 32; i < 64; i++) values[i] = (float)(i - 48) * 1e-42f;      /* less than a half's scale: all 0 */
    for (int i = 64; i < 96; i++) values[i] = ((float)(i - 64) - 15.5f) * 2; /* ties */
    values[64] = 127, values[95] = -127;
    const unsigned char *b = rounded(GGUF_Q8_0, values, 32 * BLOCKS, &file);
    for (int k = 0; k < BLOCKS; k++, b += 34) {
        float most = 0;
        for (int i = 0; i < 32; i++) most = fabsf(values[32 * k + i]) > most ? fabsf(values[32 * k + i]) : most;
        const float d = most / 127, inverse = k > 1 ? 1 / d : 0;
        assert_int_equal(b[0] | b[1] << 8, half_from_float(d));
        for (int i = 0; i < 32; i++) {
            const double x = (double)(values[32 * k + i] * inverse);
            assert_int_equal((int8_t)b[2 + i], (int)(x < 0 ? ceil(x - 0.5) : floor(x + 0.5)));
        }
    }
    gguf_close(&file);
    b = rounded(GGUF_Q4_0, values, 32 * BLOCKS, &file);
    for (int k = 0; k < BLOCKS; k++, b += 18) {
        float most = 0;
        for (int i = 0; i < 32; i++) most = fabsf(values[32 * k + i]) > fabsf(most) ? values[32 * k + i] : most;
        const float d = most / -8, inverse = k > 1 ? 1 / d : 0;
        if (k) assert_int_equal(b[0] | b[1] << 8, half_from_float(d));
        for (int i = 0; i < 32; i++) {
            const float x = values[32 * k + i] * inverse, sum = x + 8.5f;
            const int q = sum >= 16 ? 15 : (int)floorf(sum);
            assert_int_equal(i < 16 ? b[2 + i] & 15 : b[2 + i - 16] >> 4, q);
        }
    }
    gguf_close(&file);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

/* The writer's begin, or its commit, fails with these words; nothing is left beside the old file. */
static void begin_fails(gguf_writer *w, const char *words)
{
    test_expect_failure(gguf_write_begin(w), PM_INVALID, path_here(), words);
    test_expect_failure(gguf_write_commit(&w), PM_INVALID, path_here(), "");
    assert_null(w);
    assert_int_equal(test_dir_count(test_root, ""), 1);
}

static void commit_fails_with(gguf_writer *w, pm_status status, const char *words)
{
    test_expect_failure(gguf_write_commit(&w), status, path_here(), words);
    assert_null(w);
    assert_int_equal(test_dir_count(test_root, ""), 1);
    test_expect_content(path_here(), "old");
}

static void commit_fails(gguf_writer *w, const char *words)
{
    commit_fails_with(w, PM_INVALID, words);
}

static void test_refused_declarations(void **state)
{
    (void)state;
    static const uint64_t one = 1, block = 31, large[] = {(uint64_t)1 << 40, (uint64_t)1 << 40};
    static char name[70000];
    test_write(path_here(), "old", 3);
    memset(name, 'n', 65536);
    gguf_writer *w = begin();
    gguf_put_u32(w, name, 1);
    begin_fails(w, ": key 'nnn");
    w = begin();
    gguf_put_u32(w, "", 1);
    gguf_put_u32(w, "\xFF", 1);
    begin_fails(w, ": key '': its name is empty or too long");
    w = begin();
    gguf_put_bool(w, "\xFF", 1);
    begin_fails(w, "its name is not UTF-8");
    w = begin();
    gguf_put_u32(w, "general.alignment", 32);
    begin_fails(w, ": key 'general.alignment': the name is reserved");
    w = begin();
    gguf_put_u32(w, "a", 1), gguf_put_u32(w, "b", 1), gguf_put_text(w, "a", "");
    begin_fails(w, ": key 'a': is given twice");
    w = begin();
    gguf_put_tensor(w, "a", GGUF_F32, 1, &one), gguf_put_tensor(w, "a", GGUF_F16, 1, &one);
    begin_fails(w, ": tensor 'a': is given twice");
    w = begin();
    name[64] = 0;
    gguf_put_tensor(w, name, GGUF_F32, 1, &one);
    begin_fails(w, ": tensor 'nnn");
    w = begin();
    name[63] = 0;
    gguf_put_tensor(w, name, GGUF_F32, 1, &one);
    gguf_put_tensor(w, "q", GGUF_Q4_K, 1, &one);
    begin_fails(w, ": tensor 'q': only F32, F16, BF16, Q8_0 and Q4_0 can be written");
    w = begin();
    gguf_put_tensor(w, "q", GGUF_Q8_0, 1, &block);
    begin_fails(w, ": tensor 'q': its dimensions are more than 4, too large, or no whole blocks of its type");
    w = begin();
    gguf_put_tensor(w, "q", GGUF_F32, 2, large);
    begin_fails(w, ": tensor 'q': its dimensions are more than 4, too large");
    w = begin();
    gguf_put_tensor(w, "a", GGUF_F32, 1, large);
    gguf_put_tensor(w, "b", GGUF_F32, 5, large);
    begin_fails(w, ": tensor 'b': its dimensions are more than 4");
}

static void test_refused_floats(void **state)
{
    (void)state;
    static const uint64_t dims[] = {32, 2};
    const float odd[] = {(float)NAN, (float)INFINITY, -(float)INFINITY, 1e30f};
    float values[65] = {0};
    test_write(path_here(), "old", 3);
    gguf_writer *w = begin();
    gguf_put_tensor(w, "t", GGUF_F32, 2, dims);
    gguf_put_floats(w, values, 1);
    commit_fails(w, ": floats come before the file was begun");
    w = begin();
    commit_fails(w, ": was not begun");
    for (int t = 0; t < 2; t++) {
        const gguf_dtype dtype = t ? GGUF_Q4_0 : GGUF_Q8_0;
        w = begin();
        gguf_put_tensor(w, "t", dtype, 2, dims);
        assert_int_equal(gguf_write_begin(w), PM_OK);
        gguf_put_floats(w, values, 41);
        commit_fails(w, ": tensor 't': 23 of its 64 floats are missing");
        w = begin();
        gguf_put_tensor(w, "t", dtype, 2, dims);
        assert_int_equal(gguf_write_begin(w), PM_OK);
        gguf_put_floats(w, values, 65);
        commit_fails(w, ": tensor 't': more than its 64 floats come");
        for (int i = 0; i < 4; i++) {
            w = begin();
            gguf_put_tensor(w, "t", dtype, 2, dims);
            assert_int_equal(gguf_write_begin(w), PM_OK);
            values[50] = odd[i];
            gguf_put_floats(w, values, 64);
            values[50] = 0;
            commit_fails_with(w, PM_UNSUPPORTED, ": tensor 't': has values that are not finite, or too large for Q");
        }
    }
    static const float over[] = {65520.0f, -0x1.ffp127f}; /* the least that are rounded to infinity */
    for (int t = 0; t < 2; t++) {
        w = begin();
        gguf_put_tensor(w, "t", t ? GGUF_BF16 : GGUF_F16, 2, dims);
        assert_int_equal(gguf_write_begin(w), PM_OK);
        values[50] = over[t];
        gguf_put_floats(w, values, 64);
        values[50] = 0;
        commit_fails_with(w, PM_UNSUPPORTED,
                          t ? ": tensor 't': has values that are not finite, or too large for BF16"
                            : ": tensor 't': has values that are not finite, or too large for F16");
    }
    w = begin();
    assert_int_equal(gguf_write_begin(w), PM_OK);
    gguf_put_u32(w, "late", 1);
    commit_fails(w, ": key 'late': comes after the file was begun");
    w = begin();
    assert_int_equal(gguf_write_begin(w), PM_OK);
    gguf_put_floats(w, values, 1);
    commit_fails(w, ": floats come after its last tensor");
    w = begin();
    assert_int_equal(gguf_write_begin(w), PM_OK);
    gguf_write_abandon(&w);
    assert_null(w);
    gguf_write_abandon(&w);
    test_expect_content(path_here(), "old");
    assert_int_equal(test_dir_count(test_root, ""), 1);
    assert_int_equal(gguf_writer_make(&made_log, test_path(test_root, "none/a.gguf"), &w), PM_OK);
    test_expect_failure(gguf_write_begin(w), PM_IO, test_root, "none/a.gguf: cannot write: ");
    gguf_write_abandon(&w);
}

/* Pieces that are larger than what is rounded at a time. */
static void test_large(void **state)
{
    (void)state;
    enum { COUNT = 32 * 3000 };
    const uint64_t dims = COUNT;
    gguf_file file;
    float *values = malloc(2 * COUNT * sizeof *values), *back = values + COUNT;
    assert_non_null(values);
    for (uint32_t i = 0; i < COUNT; i++) values[i] = (float)(i / 32 % 50) * (float)((int)(i % 32) - 16) / 16;
    gguf_writer *w = begin();
    gguf_put_tensor(w, "q", GGUF_Q4_0, 1, &dims);
    gguf_put_tensor(w, "f", GGUF_F32, 1, &dims);
    assert_int_equal(gguf_write_begin(w), PM_OK);
    gguf_put_floats(w, values, 31);
    gguf_put_floats(w, values + 31, COUNT - 31);
    gguf_put_floats(w, values, COUNT);
    commit(w);
    open_written(&file);
    for (int t = 0; t < 2; t++) {
        assert_int_equal(gguf_floats(&made_log, &file, &file.tensors[t], 0, COUNT, back), PM_OK);
        for (uint32_t i = 0; i < COUNT; i++)
            assert_true(t ? back[i] == values[i] : fabsf(back[i] - values[i]) <= (float)(i / 32 % 50) / 8);
    }
    gguf_close(&file);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_declarations),
        cmocka_unit_test(test_refused_floats),
        cmocka_unit_test(test_exact_bytes),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_quantizing),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests_name("writing gguf", tests, test_root_make, test_root_remove);
}
