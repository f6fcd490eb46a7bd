/* The GGUF reader: values by key, tensors, real vocabularies. test_gguf_blocks.c has the blocks of numbers, test_gguf_write.c the writer,
 * test_gguf_damage.c what is wrong or damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "helper_gguf.h"
#include "helper_log.h"
#include "helper_text.h"

static uint64_t double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* Each type of integer at both of its ends. */
static void make_integers(void)
{
    make_begin(3, 0, 16);
    make_key("u8", GGUF_VALUE_U8), make_number(255, 1);
    make_key("i8", GGUF_VALUE_I8), make_number(0x80, 1);
    make_key("u16", GGUF_VALUE_U16), make_number(65535, 2);
    make_key("i16", GGUF_VALUE_I16), make_number(0x8000, 2);
    make_key("u32", GGUF_VALUE_U32), make_number(UINT32_MAX, 4);
    make_key("i32", GGUF_VALUE_I32), make_number(0x80000000u, 4);
    make_key("u64", GGUF_VALUE_U64), make_number(UINT64_MAX, 8);
    make_key("i64", GGUF_VALUE_I64), make_number((uint64_t)1 << 63, 8);
    make_key("i64 of 7", GGUF_VALUE_I64), make_number(7, 8);
    make_key("u64 of 2^32", GGUF_VALUE_U64), make_number((uint64_t)1 << 32, 8);
    make_key("f32", GGUF_VALUE_F32), make_number(float_bits(-1.5f), 4);
    make_key("f64", GGUF_VALUE_F64), make_number(double_bits(0.1), 8);
    make_key("f64 of 1e300", GGUF_VALUE_F64), make_number(double_bits(1e300), 8);
    make_key("yes", GGUF_VALUE_BOOL), make_number(1, 1);
    make_key("no", GGUF_VALUE_BOOL), make_number(0, 1);
    make_key("text", GGUF_VALUE_STRING), make_text("gpt\xC3\xA9");
}

static void expect_integer(const gguf_file *file, const char *key, bool as_u32, bool as_u64, bool as_i64, int64_t want)
{
    uint32_t u32 = 5;
    uint64_t u64 = 5;
    int64_t i64 = 5;
    bool found = false;
    test_log_reset();
    pm_status status = gguf_u32(&made_log, file, key, &found, &u32);
    if (!as_u32) test_expect_failure(status, PM_FORMAT, file->path, "from 0 to 2^32 - 1 would be right");
    assert_true(found && u32 == (as_u32 ? (uint32_t)want : 5));
    status = gguf_u64(&made_log, file, key, NULL, &u64);
    if (!as_u64) test_expect_failure(status, PM_FORMAT, file->path, "an integer from 0 on would be right");
    assert_true(u64 == (as_u64 ? (uint64_t)want : 5));
    status = gguf_i64(&made_log, file, key, NULL, &i64);
    if (!as_i64) test_expect_failure(status, PM_FORMAT, file->path, "an integer below 2^63 would be right");
    assert_true(i64 == (as_i64 ? want : 5));
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
}

static void expect_integers(const gguf_file *file)
{
    expect_integer(file, "u8", true, true, true, 255);
    expect_integer(file, "i8", false, false, true, -128);
    expect_integer(file, "u16", true, true, true, 65535);
    expect_integer(file, "i16", false, false, true, -32768);
    expect_integer(file, "u32", true, true, true, UINT32_MAX);
    expect_integer(file, "i32", false, false, true, INT32_MIN);
    expect_integer(file, "u64", false, true, false, -1);
    expect_integer(file, "i64", false, false, true, INT64_MIN);
    expect_integer(file, "i64 of 7", true, true, true, 7);
    expect_integer(file, "u64 of 2^32", false, true, true, (int64_t)1 << 32);
    expect_integer(file, "f32", false, false, false, 0);
    expect_integer(file, "yes", false, false, false, 0);
    expect_integer(file, "text", false, false, false, 0);
}

static void test_values(void **state)
{
    (void)state;
    for (made_way way = 0; way < MADE_WAYS; way++) {
        gguf_file file;
        float f = 0;
        bool yes = false, no = true, found = true;
        gguf_text text = {0};
        uint32_t number = 5;
        make_integers();
        made_open(way, &file);
        assert_int_equal(file.meta_count, 16);
        assert_int_equal(file.alignment, 32);
        assert_string_equal(file.meta[0].key, "u8");
        expect_integers(&file);
        assert_int_equal(gguf_f32(&made_log, &file, "f32", NULL, &f), PM_OK);
        assert_true(f == -1.5f);
        assert_int_equal(gguf_f32(&made_log, &file, "f64", NULL, &f), PM_OK);
        assert_true(f == 0.1f);
        assert_int_equal(gguf_f32(&made_log, &file, "u64", NULL, &f), PM_OK);
        assert_true(f == 0x1p64f);
        assert_int_equal(gguf_f32(&made_log, &file, "i8", NULL, &f), PM_OK);
        assert_true(f == -128);
        test_expect_failure(gguf_f32(&made_log, &file, "f64 of 1e300", NULL, &f), PM_FORMAT,
                            "made: a.gguf: key 'f64 of 1e300': ", "it is larger");
        test_expect_failure(gguf_f32(&made_log, &file, "yes", NULL, &f), PM_FORMAT,
                            "made: a.gguf: key 'yes': ", "a number would be right, and it has BOOL");
        assert_int_equal(gguf_bool(&made_log, &file, "yes", NULL, &yes), PM_OK);
        assert_int_equal(gguf_bool(&made_log, &file, "no", &found, &no), PM_OK);
        assert_true(found && yes && !no);
        test_expect_failure(gguf_bool(&made_log, &file, "u8", NULL, &yes), PM_FORMAT,
                            "made: a.gguf: key 'u8': ", "a BOOL would be right, and it has U8");
        assert_int_equal(gguf_string(&made_log, &file, "text", NULL, &text), PM_OK);
        assert_true(gguf_text_is(text, "gpt\xC3\xA9") && !gguf_text_is(text, "gpt") && !gguf_text_is(text, ""));
        test_expect_failure(gguf_string(&made_log, &file, "i8", NULL, &text), PM_FORMAT,
                            "made: a.gguf: key 'i8': ", "a STRING would be right, and it has I8");
        assert_int_equal(gguf_u32(&made_log, &file, "none", &found, &number), PM_OK);
        assert_true(!found && number == 5);
        test_expect_failure(gguf_u32(&made_log, &file, "none", NULL, &number), PM_FORMAT,
                            "made: a.gguf: key 'none': ", "is missing");
        assert_null(gguf_find_meta(&file, "none"));
        assert_null(gguf_find(&file, "none"));
        gguf_close(&file);
        assert_null(file.meta);
    }
}

static void test_arrays(void **state)
{
    (void)state;
    enum { STRINGS = 3000 };
    for (made_way way = 0; way < MADE_WAYS; way++) {
        char text[24];
        gguf_file file;
        gguf_array a;
        int64_t integer = 0;
        bool found = true;
        make_begin(2, 0, 6);
        make_array("strings", GGUF_VALUE_STRING, STRINGS);
        for (int i = 0; i < STRINGS; i++) snprintf(text, sizeof text, "%d", i * i), make_text(i % 7 ? text : "");
        make_array("scores", GGUF_VALUE_F32, 2), make_number(float_bits(0.5f), 4), make_number(float_bits(-3), 4);
        make_array("kinds", GGUF_VALUE_I32, 3), make_number(1, 4), make_number(UINT32_MAX, 4), make_number(2, 4);
        make_array("large", GGUF_VALUE_U64, 2), make_number(1, 8), make_number(UINT64_MAX, 8);
        make_array("flags", GGUF_VALUE_BOOL, 2), make_number(1, 1), make_number(0, 1);
        make_array("none", GGUF_VALUE_STRING, 0);
        made_open(way, &file);
        assert_int_equal(file.version, 2);
        assert_int_equal(gguf_strings(&made_log, &file, "strings", NULL, &a), PM_OK);
        assert_int_equal(a.count, STRINGS);
        for (size_t i = 0; i < STRINGS; i++) {
            snprintf(text, sizeof text, "%d", (int)(i * i));
            assert_true(gguf_text_is(gguf_array_string(&a, i), i % 7 ? text : ""));
        }
        assert_int_equal(gguf_numbers(&made_log, &file, "scores", NULL, &a), PM_OK);
        assert_true(a.count == 2 && gguf_array_number(&a, 0) == 0.5 && gguf_array_number(&a, 1) == -3);
        test_log_reset();
        test_expect_failure(
            gguf_integers(&made_log, &file, "scores", NULL, &a), PM_FORMAT,
            "made: a.gguf: key 'scores': ", "an array of integers would be right, and it has an array of F32");
        assert_int_equal(gguf_integers(&made_log, &file, "kinds", NULL, &a), PM_OK);
        assert_true(a.count == 3 && gguf_array_integer(&a, 1, &integer) && integer == -1);
        assert_true(gguf_array_number(&a, 1) == -1 && gguf_array_integer(&a, 2, &integer) && integer == 2);
        assert_int_equal(gguf_numbers(&made_log, &file, "large", NULL, &a), PM_OK);
        assert_true(!gguf_array_integer(&a, 1, &integer) && integer == 2 && gguf_array_number(&a, 1) == 0x1p64);
        assert_int_equal(gguf_strings(&made_log, &file, "none", NULL, &a), PM_OK);
        assert_int_equal(a.count, 0);
        assert_int_equal(gguf_strings(&made_log, &file, "absent", &found, &a), PM_OK);
        assert_false(found);
        test_expect_failure(gguf_strings(&made_log, &file, "flags", NULL, &a), PM_FORMAT, "made: a.gguf: key 'flags': ",
                            "an array of STRING would be right, and it has an array of BOOL");
        assert_true(gguf_find_meta(&file, "flags")->is_array);
        gguf_close(&file);
    }
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* Alignment 64, a scalar, an empty tensor, data in another order than the names. */
static void make_three(void)
{
    make_begin(3, 4, 1);
    make_key("general.alignment", GGUF_VALUE_U32), make_number(64, 4);
    make_tensor("w", 2, 3, 2, GGUF_F32, 64);
    make_tensor("b", 0, 0, 0, GGUF_F16, 0);
    make_tensor("e", 2, 5, 0, GGUF_F32, 64);
    make_tensor("c", 4, 2, 1, GGUF_BF16, 128);
    make_pad(64);
    make_number(0x3c00, 2), make_pad(64);
    for (int i = 0; i < 6; i++) make_number(float_bits((float)i), 4);
    make_pad(64);
    make_number(0x3f80, 2), make_number(0xc000, 2); /* without the last one's padding */
}

static void test_tensors(void **state)
{
    (void)state;
    for (made_way way = 0; way < MADE_WAYS; way++) {
        gguf_file file;
        float out[6];
        make_three();
        made_open(way, &file);
        assert_int_equal(file.alignment, 64);
        assert_int_equal(file.tensor_count, 4);
        const gguf_tensor *w = gguf_find(&file, "w"), *b = gguf_find(&file, "b"), *c = gguf_find(&file, "c");
        assert_ptr_equal(w, &file.tensors[0]);
        assert_true(w->rank == 2 && w->dims[0] == 3 && w->dims[1] == 2 && w->dims[2] == 1 && w->dims[3] == 1);
        assert_true(w->count == 6 && w->size == 24 && w->start % 64 == 0);
        assert_true(b->rank == 0 && b->count == 1 && b->size == 2 && c->rank == 4 && c->count == 2);
        assert_int_equal(gguf_find(&file, "e")->count, 0);
        assert_int_equal(gguf_floats(&made_log, &file, w, 1, 5, out), PM_OK);
        for (int i = 0; i < 5; i++) assert_true(out[i] == (float)(i + 1));
        assert_int_equal(gguf_floats(&made_log, &file, b, 0, 1, out), PM_OK);
        assert_true(out[0] == 1);
        assert_int_equal(gguf_floats(&made_log, &file, c, 0, 2, out), PM_OK);
        assert_true(out[0] == 1 && out[1] == -2);
        assert_int_equal(gguf_floats(&made_log, &file, gguf_find(&file, "e"), 0, 0, out), PM_OK);
        test_log_reset();
        test_expect_failure(gguf_floats(&made_log, &file, w, 2, 5, out), PM_INVALID,
                            "made: a.gguf: tensor 'w': ", "elements beyond its 6");
        gguf_close(&file);
    }
}

/* ---- real files -------------------------------------------------------------------------------------------------- */

static void open_real(const char *name, gguf_file *out)
{
    const char *path;
    char there[200];
    made_log = test_log();
    snprintf(there, sizeof there, "tokenizers/fixtures/%s", name);
    if (!test_shared_file(there, &path)) skip();
    if (gguf_open(&made_log, path, out) != PM_OK) fail_msg("%s", test_last_error());
    assert_string_equal(out->path, path);
}

static void test_gpt2_vocabulary(void **state)
{
    (void)state;
    gguf_file file;
    gguf_array tokens, merges, kinds;
    gguf_text text;
    uint32_t layers = 0;
    float epsilon = 0;
    open_real("gpt-2.gguf", &file);
    assert_int_equal(file.tensor_count, 0);
    assert_int_equal(file.meta_count, 16);
    assert_int_equal(gguf_string(&made_log, &file, "general.architecture", NULL, &text), PM_OK);
    assert_true(gguf_text_is(text, "gpt2"));
    assert_int_equal(gguf_u32(&made_log, &file, "gpt2.block_count", NULL, &layers), PM_OK);
    assert_int_equal(layers, 12);
    assert_int_equal(gguf_f32(&made_log, &file, "gpt2.attention.layer_norm_epsilon", NULL, &epsilon), PM_OK);
    assert_true(epsilon == 1e-5f);
    assert_int_equal(gguf_strings(&made_log, &file, "tokenizer.ggml.tokens", NULL, &tokens), PM_OK);
    assert_int_equal(tokens.count, 50257);
    assert_true(gguf_text_is(gguf_array_string(&tokens, 0), "!"));
    assert_true(gguf_text_is(gguf_array_string(&tokens, 50256), "<|endoftext|>"));
    assert_int_equal(gguf_strings(&made_log, &file, "tokenizer.ggml.merges", NULL, &merges), PM_OK);
    assert_int_equal(merges.count, 50000);
    assert_true(gguf_text_is(gguf_array_string(&merges, 0), "\xC4\xA0 t"));
    assert_int_equal(gguf_integers(&made_log, &file, "tokenizer.ggml.token_type", NULL, &kinds), PM_OK);
    assert_int_equal(kinds.count, 50257);
    gguf_close(&file);
}

static void test_llama_vocabulary(void **state)
{
    (void)state;
    gguf_file file;
    gguf_array tokens, scores;
    bool begin = false;
    open_real("llama-spm.gguf", &file);
    assert_int_equal(gguf_strings(&made_log, &file, "tokenizer.ggml.tokens", NULL, &tokens), PM_OK);
    assert_int_equal(tokens.count, 32000);
    assert_true(gguf_text_is(gguf_array_string(&tokens, 3), "<0x00>"));
    assert_int_equal(gguf_numbers(&made_log, &file, "tokenizer.ggml.scores", NULL, &scores), PM_OK);
    assert_true(scores.count == 32000 && gguf_array_number(&scores, 0) == 0 && gguf_array_number(&scores, 31999) < 0);
    assert_int_equal(gguf_bool(&made_log, &file, "tokenizer.ggml.add_bos_token", NULL, &begin), PM_OK);
    assert_true(begin);
    gguf_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_arrays),           cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_gpt2_vocabulary), cmocka_unit_test(test_llama_vocabulary),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
