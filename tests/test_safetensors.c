/* The safetensors reader and writer: round trips and hostile files. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper_log.h"
#include "helper_safetensors.h"
#include "helper_system.h"

/* ---- round trips ------------------------------------------------------------------------------------------------------ */

static void test_round_trip(void **state)
{
    (void)state;
    st_tensor t[8];
    size_t n = sample(t), size_a, size_b;
    st_file file;
    write_sample();
    assert_int_equal(st_open(&log_here, sample_path, &file), PM_OK);
    assert_int_equal(file.tensor_count, n);
    for (size_t i = 0; i < n; i++) {
        const st_tensor *got = &file.tensors[i];
        assert_string_equal(got->name, t[i].name);
        assert_int_equal(got->dtype, t[i].dtype);
        assert_int_equal(got->rank, t[i].rank);
        assert_memory_equal(got->shape, t[i].shape, sizeof got->shape);
        assert_int_equal(got->size, t[i].size);
        if (t[i].size) assert_memory_equal(got->data, t[i].data, t[i].size);
        assert_ptr_equal(st_find(&file, t[i].name), got);
    }
    assert_null(st_find(&file, "wte"));
    assert_int_equal(file.meta_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(file.meta[i].key, sample_meta[i].key);
        assert_string_equal(st_meta_find(&file, sample_meta[i].key), sample_meta[i].value);
    }
    assert_null(st_meta_find(&file, "b"));
    assert_int_equal(((const unsigned char *)file.tensors[0].data - file.view.data) % 8, 0);

    assert_int_equal(st_write(&log_here, second_path, file.tensors, file.tensor_count, file.meta, file.meta_count),
                     PM_OK);
    st_close(&file);
    char *a = read_back(sample_path, &size_a), *b = read_back(second_path, &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    free(a);
    free(b);
}

static void test_exact_bytes(void **state)
{
    (void)state;
    static const char want[] =
        "\x78\0\0\0\0\0\0\0{\"__metadata__\":{\"pumice.xxh64\":\"6508845be0bacfd1\",\"format\":\"pt\"},"
        "\"x\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}}  \0\1\2\376\377";
    st_tensor t = tensor("x", ST_U8, 1, 5, 0, bytes5, 5);
    size_t size;
    assert_int_equal(st_write(&log_here, sample_path, &t, 1, sample_meta, 1), PM_OK);
    char *got = read_back(sample_path, &size);
    assert_int_equal(size, sizeof want - 1);
    assert_memory_equal(got, want, size);
    free(got);

    assert_int_equal(st_write(&log_here, sample_path, NULL, 0, NULL, 0), PM_OK);
    got = read_back(sample_path, &size);
    static const char want_empty[] = "\x38\0\0\0\0\0\0\0{\"__metadata__\":{\"pumice.xxh64\":\"c88132b18ec3eae1\"}}    ";
    assert_int_equal(size, sizeof want_empty - 1);
    assert_memory_equal(got, want_empty, size);
    free(got);
    st_file file;
    assert_int_equal(st_open(&log_here, sample_path, &file), PM_OK);
    assert_int_equal(file.tensor_count, 0);
    st_close(&file);
}

/* Valid files of other programs. */
static void test_foreign(void **state)
{
    (void)state;
    accepted("{\"b\":{\"data_offsets\":[4,8],\"shape\":[1],\"dtype\":\"F32\"},\n"
             " \"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,2,1,1,1,1,1,1],\"data_offsets\":[0,4]}} \n\t ",
             8, 2);
    accepted("{\"__metadata__\":{}}", 0, 0);
    accepted("{\"\\u00e9\\ud83d\\ude00\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, 1);
    accepted("{\"a\":{\"dtype\":\"F32\",\"shape\":[4503599627370496,0],\"data_offsets\":[0,0]}}", 0, 1);
    accepted("{\"a\\\\u0000\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1);

    /* tensors come in the order of their data */
    st_file file;
    const char *header = "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[2,5]},"
                         "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},"
                         "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
    put_file(strlen(header), header, strlen(header), 5);
    assert_int_equal(st_open(&log_here, sample_path, &file), PM_OK);
    assert_string_equal(file.tensors[0].name, "a");
    assert_string_equal(file.tensors[1].name, "e");
    assert_string_equal(file.tensors[2].name, "b");
    assert_int_equal(*(const unsigned char *)file.tensors[2].data, 2);
    st_close(&file);
}

/* ---- hostile files ---------------------------------------------------------------------------------------------------- */

#define ENTRY(shape, offsets) "{\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(one, other)                                                                                                \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" one                                                     \
    "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" other "}}"

static void test_bad_lengths(void **state)
{
    (void)state;
    static const char good[] = ENTRY("[2]", "[0,8]");
    accepted(good, 8, 1);
    put_raw("", 0);
    refused_now("empty file", PM_FORMAT);
    put_raw("\x02\0\0\0\0\0\0", 7);
    refused_now("seven bytes", PM_FORMAT);
    put_file(0, good, sizeof good - 1, 8);
    refused_now("length 0", PM_FORMAT);
    put_file(sizeof good - 2, good, sizeof good - 1, 8);
    refused_now("length one short", PM_FORMAT);
    put_file(sizeof good, good, sizeof good - 1, 8);
    refused_now("length one long", PM_FORMAT);
    put_file(sizeof good + 8, good, sizeof good - 1, 8);
    refused_now("length beyond the file", PM_FORMAT);
    put_file(UINT64_MAX, good, sizeof good - 1, 8);
    refused_now("length 2^64 - 1", PM_FORMAT);
    put_file(UINT64_MAX - 7, good, sizeof good - 1, 8);
    refused_now("length that wraps around", PM_FORMAT);
    put_file(100000001, good, sizeof good - 1, 8);
    refused_now("length beyond 100 MB", PM_FORMAT);
    put_file(100000001, good, sizeof good - 1, 0);
    test_resize(sample_path, 100000200); /* the bytes exist, but sparse */
    refused_now("a header of more than 100 MB", PM_FORMAT);
    remove(sample_path);
    refused_now("no file", PM_IO);
}

static void test_bad_json(void **state)
{
    (void)state;
    refused("", 8);
    refused("not json", 8);
    refused("[]", 0);
    refused("[{\"a\":1}]", 0);
    refused("null", 0);
    refused(" {}", 0);
    refused("{", 0);
    refused("{\"1\":1,", 0);
    assert_non_null(
        strstr(test_last_error(), "is not a JSON object")); /* not given to cJSON, which may read behind it */
    refused("{} x", 0);
    refused("{}{}", 0);
    refused("{\"a\":}", 0);
    refused("{\"a", 0);
    refused("{\"\xff\xfe\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    refused("{\"\xc0\xaf\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    refused("{\"\xed\xa0\x80\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    refused("{\"a\\u0000\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    put_file(3, "{}\0", 3, 0);
    refused_now("a zero byte", PM_FORMAT);

    char *deep = malloc(200001);
    assert_non_null(deep);
    memset(deep, '[', 200000);
    memcpy(deep, "{\"a\":", 5);
    deep[200000] = 0;
    refused(deep, 0);
    for (int i = 0; i + 5 <= 200000; i += 5) memcpy(deep + i, "{\"a\":", 5);
    refused(deep, 0);
    free(deep);
}

static void test_bad_tensors(void **state)
{
    (void)state;
    refused("{\"a\":1}", 0);
    refused("{\"a\":{}}", 0);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8);
    refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8);
    refused("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":0}}", 8);
    refused("{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused("{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused("{\"a\":{\"dtype\":null,\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused("{\"a\\nb\":{\"dtype\":\"\\n\\u001b[2J\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
            "\"data_offsets\":[4,8]}}",
            8);
    refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0);
    refused("{\"__metadata__\":{\"x\":1}}", 0);
    refused("{\"__metadata__\":{\"x\":\"1\",\"x\":\"2\"}}", 0);
    refused("{\"__metadata__\":\"x\"}", 0);
    refused("{\"__metadata__\":{\"x\":{\"y\":\"z\"}}}", 0);
}

static void test_bad_numbers(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "2",
        "{}",
        "[-2]",
        "[2.5]",
        "[\"2\"]",
        "[null]",
        "[[2]]",
        "[1e400]",
        "[-1,-2]",
        "[9007199254740992]",
        "[3]",
        "[1]",
        "[]",
        "[0]",
        "[4294967298]",
        "[4611686018427387906]",
        "[1,1,1,1,1,1,1,1,2]",
        "[2147483648,2147483648,4]",
        "[4294967296,4294967296,2]",
        "[4503599627370496,4503599627370496]",
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char header[256];
        snprintf(header, sizeof header, ENTRY("%s", "[0,8]"), shapes[i]);
        refused(header, 8);
    }
    static const char *const offsets[] = {
        "0",
        "[]",
        "[0]",
        "[0,8,8]",
        "[0,9]",
        "[8,0]",
        "[-8,0]",
        "[0.5,8.5]",
        "[0,\"8\"]",
        "[0,[8]]",
        "[0,8.25]",
        "[1,9]",
        "[8,16]",
        "[0,1e300]",
        "[null,8]",
        "[0,4]",
        "[4,8]",
        "[0,9007199254740993]",
        "[0,18446744073709551624]",
        "[9007199254740992,8]",
        "[18446744073709551615,7]",
    };
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        char header[256];
        snprintf(header, sizeof header, ENTRY("[2]", "%s"), offsets[i]);
        refused(header, 8);
    }
    refused(ENTRY("[2]", "{\"0\":0,\"1\":8}"), 8);
}

static void test_bad_places(void **state)
{
    (void)state;
    accepted(TWO("[0,4]", "[4,8]"), 8, 2);
    accepted(TWO("[4,8]", "[0,4]"), 8, 2);
    refused(TWO("[0,4]", "[0,4]"), 4); /* the same bytes twice */
    refused(TWO("[0,4]", "[2,6]"), 6); /* overlap */
    refused(TWO("[2,6]", "[0,4]"), 6);
    refused(TWO("[0,4]", "[5,9]"), 9); /* hole */
    refused(TWO("[1,5]", "[5,9]"), 9); /* hole at the start */
    refused(TWO("[0,4]", "[4,8]"), 9); /* a byte too many */
    refused(TWO("[0,4]", "[4,8]"), 7); /* truncated */
    refused(TWO("[0,4]", "[4,8]"), 0);
    refused("{}", 1);
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[3,3]}}", 3);
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[3,3]}}", 0);
}

static void refuse_write(st_tensor *t, size_t count, const st_meta *meta, size_t meta_count)
{
    remove(sample_path);
    test_log_reset();
    assert_int_equal(st_write(&log_here, sample_path, t, count, meta, meta_count), PM_INVALID);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_non_null(strstr(test_last_error(), sample_path));
    assert_false(file_exists(sample_path));
}

static void test_bad_writes(void **state)
{
    (void)state;
    st_tensor t[2] = {tensor("a", ST_F32, 1, 2, 0, weights, 8), tensor("b", ST_F32, 1, 2, 0, weights, 8)};
    assert_int_equal(st_write(&log_here, sample_path, t, 2, NULL, 0), PM_OK);
    const st_tensor good = t[1];
    const st_tensor bad[] = {
        tensor("a", ST_F32, 1, 2, 0, weights, 8),          tensor("__metadata__", ST_F32, 1, 2, 0, weights, 8),
        tensor("\xff", ST_F32, 1, 2, 0, weights, 8),       tensor("b", ST_BOOL, 1, 2, 0, weights, 8),
        tensor("b", (st_dtype)99, 1, 2, 0, weights, 8),    tensor("b", ST_F32, 9, 2, 0, weights, 8),
        tensor("b", ST_F32, 1, 3, 0, weights, 8),          tensor("b", ST_F32, 1, 2, 0, NULL, 8),
        tensor("b", ST_F32, 2, UINT64_MAX, 2, weights, 8),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        t[1] = bad[i];
        refuse_write(t, 2, NULL, 0);
    }
    t[1] = good;
    refuse_write(t, 2, (st_meta[]){{"k", "v"}, {"k", "w"}}, 2);
    refuse_write(t, 2, (st_meta[]){{"k", "\xc3"}}, 1);
    refuse_write(t, 2, (st_meta[]){{"pumice.xxh64", "0000000000000000"}}, 1);
    char *missing = file_join(sample_dir, "no such folder/x.safetensors");
    test_log_reset();
    assert_int_equal(st_write(&log_here, missing, t, 2, NULL, 0), PM_IO);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    free(missing);
}

/* ---- size ------------------------------------------------------------------------------------------------------------- */

/* Long names are cut between characters. */
static void test_shown(void **state)
{
    (void)state;
    char name[100], want[100];
    for (size_t before = 76; before < 82; before++) {
        memset(name, 'a', before);
        strcpy(name + before, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
        const size_t ends[] = {before, before + 2, before + 5, before + 9};
        size_t shown = 80;
        for (size_t i = 0; i < 4 && before < 80; i++)
            if (ends[i] <= 80) shown = ends[i];
        snprintf(want, sizeof want, "%.*s...", (int)shown, name);
        assert_string_equal(st_show(name).text, want);
    }
    assert_string_equal(st_show("caf\xC3\xA9").text, "caf\xC3\xA9");
}

static void test_many_tensors(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    st_tensor *t = calloc(MANY, sizeof *t);
    char(*names)[16] = calloc(MANY, sizeof *names);
    assert_true(t && names);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "h.%d.w", (i * 7919) % MANY);
        t[i] = tensor(names[i], ST_U8, 1, 5, 0, bytes5, 5);
    }
    assert_int_equal(st_write(&log_here, sample_path, t, MANY, NULL, 0), PM_OK);
    st_file file;
    assert_int_equal(st_open(&log_here, sample_path, &file), PM_OK);
    assert_int_equal(file.tensor_count, MANY);
    for (int i = 0; i < MANY; i++) assert_string_equal(file.tensors[i].name, names[i]);
    st_close(&file);
    free(t);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_exact_bytes),  cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_bad_lengths), cmocka_unit_test(test_bad_json),     cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_bad_numbers), cmocka_unit_test(test_bad_places),   cmocka_unit_test(test_bad_writes),
        cmocka_unit_test(test_shown),       cmocka_unit_test(test_many_tensors),
    };
    return cmocka_run_group_tests_name("safetensors", tests, make_dir, remove_dir);
}
