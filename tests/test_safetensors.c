/* The safetensors reader and writer: round trips, hostile files, and random damage. */
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

#include "base/rng.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "model/safetensors.h"

static char *dir;
static char path[300], second_path[300];
static pm_log log_here; /* keeps the last line; a failure gives exactly one */

static int make_dir(void **state)
{
    (void)state;
    log_here = test_log();
    dir = test_dir_make();
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    snprintf(second_path, sizeof second_path, "%s/b.safetensors", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    test_dir_remove(dir);
    return 0;
}

/* ---- files made by hand ----------------------------------------------------------------------------------------------- */

static void put_raw(const void *bytes, size_t size)
{
    unlink(path); /* some file systems wait for the disk when a file is cut to nothing and written again */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* A file with this header length, header text and so many bytes of data: 0, 1, 2 … */
static void put_file(uint64_t length, const char *header, size_t header_size, size_t data_size)
{
    unsigned char *bytes = malloc(8 + header_size + data_size);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, header_size);
    for (size_t i = 0; i < data_size; i++) bytes[8 + header_size + i] = (unsigned char)i;
    put_raw(bytes, 8 + header_size + data_size);
    free(bytes);
}

static void refused_now(const char *what, pm_status want)
{
    st_file file = {.tensor_count = 77};
    test_log_reset();
    pm_status status = st_open(&log_here, path, &file);
    if (status != want || test_log_count(PM_LOG_ERROR) != 1 || !strstr(test_last_error(), path) ||
        strchr(test_last_error(), '\n'))
        print_error("%s: status %d, %d lines: %s\n", what, status, (int)test_log_count(PM_LOG_ERROR),
                    test_last_error());
    assert_int_equal(status, want);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_non_null(strstr(test_last_error(), path));
    assert_null(strchr(test_last_error(), '\n'));
    assert_int_equal(file.tensor_count, 77); /* untouched on failure */
}

static void refused(const char *header, size_t data_size)
{
    put_file(strlen(header), header, strlen(header), data_size);
    refused_now(header, PM_FORMAT);
}

static void accepted(const char *header, size_t data_size, size_t tensors)
{
    st_file file;
    put_file(strlen(header), header, strlen(header), data_size);
    test_log_reset();
    pm_status status = st_open(&log_here, path, &file);
    if (status != PM_OK) print_error("%s: %s\n", header, test_last_error());
    assert_int_equal(status, PM_OK);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    assert_int_equal(file.tensor_count, tensors);
    st_close(&file);
    assert_null(file.tensors);
}

static char *read_back(const char *from, size_t *size)
{
    char *data;
    assert_int_equal(file_read(&log_here, from, &data, size), PM_OK);
    return data;
}

/* ---- round trips ------------------------------------------------------------------------------------------------------ */

static const float weights[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
static const uint16_t halves[3] = {0x3c00, 0xc000, 0x7bff};
static const int64_t longs[2] = {-1, INT64_MAX};
static const int32_t whole[1] = {42};
static const unsigned char bytes5[5] = {0, 1, 2, 254, 255};

static st_tensor tensor(const char *name, st_dtype dtype, uint32_t rank, uint64_t d0, uint64_t d1, const void *data,
                        uint64_t size)
{
    return (st_tensor){(char *)name, dtype, rank, {d0, d1}, data, size};
}

/* Every type; a scalar, empty tensors side by side, names that need escapes, out of alphabetical order. */
static size_t sample(st_tensor *t)
{
    size_t n = 0;
    t[n++] = tensor("wte.weight", ST_F32, 2, 2, 3, weights, sizeof weights);
    t[n++] = tensor("odd", ST_U8, 1, 5, 0, bytes5, sizeof bytes5);
    t[n++] = tensor("z empty", ST_F32, 2, 0, 9, NULL, 0);
    t[n++] = tensor("a empty", ST_I64, 1, 0, 0, NULL, 0);
    t[n++] = tensor("half", ST_F16, 1, 3, 0, halves, sizeof halves);
    t[n++] = tensor("bhalf \"quoted\\\" \n\t\x01 \xc3\xa9\xf0\x9f\x98\x80/", ST_BF16, 2, 3, 1, halves, sizeof halves);
    t[n++] = tensor("", ST_I64, 1, 2, 0, longs, sizeof longs);
    t[n++] = tensor("scalar", ST_I32, 0, 0, 0, whole, sizeof whole);
    return n;
}

static const st_meta sample_meta[] = {{"format", "pt"}, {"note \"x\"", "line\nline \xe2\x82\xac"}, {"a", ""}};

static void write_sample(void)
{
    st_tensor t[8];
    size_t n = sample(t);
    assert_int_equal(st_write(&log_here, path, t, n, sample_meta, 3), PM_OK);
}

static void test_round_trip(void **state)
{
    (void)state;
    st_tensor t[8];
    size_t n = sample(t), size_a, size_b;
    st_file file;
    write_sample();
    assert_int_equal(st_open(&log_here, path, &file), PM_OK);
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
    assert_int_equal(((const unsigned char *)file.tensors[0].data - file.map.data) % 8, 0);

    assert_int_equal(st_write(&log_here, second_path, file.tensors, file.tensor_count, file.meta, file.meta_count),
                     PM_OK);
    st_close(&file);
    char *a = read_back(path, &size_a), *b = read_back(second_path, &size_b);
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
    assert_int_equal(st_write(&log_here, path, &t, 1, sample_meta, 1), PM_OK);
    char *got = read_back(path, &size);
    assert_int_equal(size, sizeof want - 1);
    assert_memory_equal(got, want, size);
    free(got);

    assert_int_equal(st_write(&log_here, path, NULL, 0, NULL, 0), PM_OK);
    got = read_back(path, &size);
    static const char want_empty[] = "\x38\0\0\0\0\0\0\0{\"__metadata__\":{\"pumice.xxh64\":\"c88132b18ec3eae1\"}}    ";
    assert_int_equal(size, sizeof want_empty - 1);
    assert_memory_equal(got, want_empty, size);
    free(got);
    st_file file;
    assert_int_equal(st_open(&log_here, path, &file), PM_OK);
    assert_int_equal(file.tensor_count, 0);
    st_close(&file);
}

/* What other programs may write and is right. */
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
    assert_int_equal(st_open(&log_here, path, &file), PM_OK);
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
    assert_int_equal(truncate(path, 100000200), 0); /* there, but sparse */
    refused_now("a header of more than 100 MB", PM_FORMAT);
    unlink(path);
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
        strstr(test_last_error(), "is not a JSON object")); /* not given to cJSON, which may look behind it */
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
    unlink(path);
    test_log_reset();
    assert_int_equal(st_write(&log_here, path, t, count, meta, meta_count), PM_INVALID);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_non_null(strstr(test_last_error(), path));
    assert_false(file_exists(path));
}

static void test_bad_writes(void **state)
{
    (void)state;
    st_tensor t[2] = {tensor("a", ST_F32, 1, 2, 0, weights, 8), tensor("b", ST_F32, 1, 2, 0, weights, 8)};
    assert_int_equal(st_write(&log_here, path, t, 2, NULL, 0), PM_OK);
    const st_tensor good = t[1];
    const st_tensor bad[] = {
        tensor("a", ST_F32, 1, 2, 0, weights, 8),          tensor("__metadata__", ST_F32, 1, 2, 0, weights, 8),
        tensor("\xff", ST_F32, 1, 2, 0, weights, 8),       tensor("b", ST_OTHER, 1, 2, 0, weights, 8),
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
    char *missing = file_join(dir, "no such folder/x.safetensors");
    test_log_reset();
    assert_int_equal(st_write(&log_here, missing, t, 2, NULL, 0), PM_IO);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    free(missing);
}

/* ---- size and damage -------------------------------------------------------------------------------------------------- */

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
    assert_int_equal(st_write(&log_here, path, t, MANY, NULL, 0), PM_OK);
    st_file file;
    assert_int_equal(st_open(&log_here, path, &file), PM_OK);
    assert_int_equal(file.tensor_count, MANY);
    for (int i = 0; i < MANY; i++) assert_string_equal(file.tensors[i].name, names[i]);
    st_close(&file);
    free(t);
    free(names);
}

static uint32_t draw(uint32_t round, uint32_t index, uint32_t n)
{
    return (uint32_t)rng_below(0, rng_philox(5, round, index, 0, 0).v[0], n);
}

/* Change a few bytes: any value, or one that means something to JSON; or cut; or repeat a piece. */
static size_t damage(unsigned char *bytes, size_t size, uint32_t round)
{
    static const char telling[] = "{}[],:\"\\0123456789eE.-+ntfu \n";
    uint32_t header = draw(round, 0, 4) ? 400 : (uint32_t)size; /* mostly within the header */
    if (header > size) header = (uint32_t)size;
    for (uint32_t k = 0, edits = 1 + draw(round, 1, 4); k < edits; k++) {
        uint32_t at = draw(round, 10 + k, header), how = draw(round, 20 + k, 8);
        if (how == 0)
            bytes[at] = (unsigned char)draw(round, 30 + k, 256);
        else if (how == 1)
            bytes[at] ^= (unsigned char)(1u << draw(round, 30 + k, 8));
        else if (how == 2 && k == 0)
            return at;
        else if (how == 3) {
            size_t count = 1 + draw(round, 40 + k, 40), to = draw(round, 50 + k, header);
            if (count > size - at) count = size - at;
            if (count > size - to) count = size - to;
            memmove(bytes + to, bytes + at, count);
        } else
            bytes[at] = (unsigned char)telling[draw(round, 30 + k, sizeof telling - 1)];
    }
    return size;
}

static char *in_text(char *text, size_t size, const char *part)
{
    for (size_t at = 0; at + strlen(part) <= size; at++)
        if (memcmp(text + at, part, strlen(part)) == 0) return text + at;
    return NULL;
}

/* Every bit of a sealed file counts, wherever it is, and every byte more or less; only without the seal's name there is no seal. */
static void test_seal(void **state)
{
    (void)state;
    size_t size;
    st_file file;
    write_sample();
    char *bytes = read_back(path, &size);
    const size_t name = (size_t)(in_text(bytes, size, "pumice.xxh64") - bytes);
    for (size_t bit = 0; bit < 8 * size; bit += bit < 1200 ? 1 : 5) {
        const size_t at = bit / 8;
        bytes[at] ^= (char)(1 << bit % 8);
        put_raw(bytes, size);
        if (at < name || at >= name + 12) {
            refused_now("a bit", PM_FORMAT);
        } else if (st_open(&log_here, path, &file) == PM_OK) { /* else the name is no text any more */
            assert_false(file.sealed);
            assert_string_equal(st_meta_find(&file, "format"), "pt");
            st_close(&file);
        }
        bytes[at] ^= (char)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut += 3) {
        put_raw(bytes, cut);
        refused_now("cut short", PM_FORMAT);
    }
    put_raw(bytes, size + 1); /* with file_read's 0 */
    refused_now("a byte more", PM_FORMAT);
    put_raw(bytes, size);
    assert_int_equal(st_open(&log_here, path, &file), PM_OK);
    assert_true(file.sealed);
    assert_null(st_meta_find(&file, "pumice.xxh64")); /* no string of the caller's */
    st_close(&file);
    free(bytes);
}

/* Another program's file: it has no seal, or one that it took over and put elsewhere, which says nothing. */
static void test_foreign_seal(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"__metadata__\":{\"format\":\"pt\"}}",
        "{\"__metadata__\":{\"format\":\"pt\",\"pumice.xxh64\":\"0123456789abcdef\"}}"};
    for (int i = 0; i < 2; i++) {
        st_file file;
        put_file(strlen(headers[i]), headers[i], strlen(headers[i]), 0);
        assert_int_equal(st_open(&log_here, path, &file), PM_OK);
        assert_false(file.sealed);
        assert_int_equal(file.meta_count, 1);
        st_close(&file);
    }
    refused("{\"__metadata__\":{\"pumice.xxh64\":\"0123456789abcdef\"}}", 0);
    assert_non_null(strstr(test_last_error(), "take pumice.xxh64 out of its __metadata__"));
    refused("{\"__metadata__\":{\"pumice.xxh64\":\"0\"}}", 0);
    refused("{\"__metadata__\":{\"pumice.xxh64\":\"", 0);
}

/* Damage that no seal tells of. */
static void test_random_damage(void **state)
{
    (void)state;
    size_t size, opened = 0;
    write_sample();
    char *good = read_back(path, &size);
    memcpy(in_text(good, size, "pumice.xxh64"), "pumice.XXXXX", 12);
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    for (uint32_t round = 0; round < 6000; round++) {
        memcpy(bytes, good, size);
        put_raw(bytes, damage(bytes, size, round));
        st_file file;
        test_log_reset();
        pm_status status = st_open(&log_here, path, &file);
        assert_int_equal(test_log_count(PM_LOG_ERROR), status == PM_OK ? 0 : 1);
        if (status != PM_OK) {
            assert_int_equal(status, PM_FORMAT);
            assert_non_null(strstr(test_last_error(), path));
            continue;
        }
        opened++;
        unsigned sum = 0; /* every byte of every tensor can be read */
        for (size_t i = 0; i < file.tensor_count; i++)
            for (uint64_t k = 0; k < file.tensors[i].size; k++) sum += ((const unsigned char *)file.tensors[i].data)[k];
        assert_true(sum < UINT32_MAX);
        st_close(&file);
    }
    assert_in_range(opened, 100, 5000); /* damage to names and data goes unseen, the rest must not */
    free(bytes);
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_exact_bytes),   cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_bad_lengths),  cmocka_unit_test(test_bad_json),      cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_bad_numbers),  cmocka_unit_test(test_bad_places),    cmocka_unit_test(test_bad_writes),
        cmocka_unit_test(test_many_tensors), cmocka_unit_test(test_random_damage), cmocka_unit_test(test_seal),
        cmocka_unit_test(test_foreign_seal),
    };
    return cmocka_run_group_tests_name("safetensors", tests, make_dir, remove_dir);
}
