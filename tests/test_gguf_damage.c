/* GGUF files that are wrong, and damage in every place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "helper_dir.h"
#include "helper_gguf.h"
#include "helper_log.h"

/* ---- wrong files ------------------------------------------------------------------------------------------------- */

static void make_one(const char *name, uint32_t rank, uint64_t d0, uint64_t d1, uint32_t type, uint64_t offset)
{
    make_begin(3, 1, 0);
    make_tensor(name, rank, d0, d1, type, offset);
    make_pad(32);
    for (int i = 0; i < 64; i++) make_number(0, 1);
}

static void test_beginnings(void **state)
{
    (void)state;
    gguf_file file;
    make_begin(3, 0, 0);
    made_open(MADE_READ, &file);
    gguf_close(&file);
    made_size = 0;
    made_refused("is empty, not a GGUF file");
    make_begin(3, 0, 0);
    made_size = 3;
    made_refused("is another file, not a GGUF file");
    made_size = 6;
    made_refused("its header: needs 4 bytes, but only 2 follow to the file's end; is the file whole?");
    made_size = 23;
    made_refused("its header: needs 8 bytes, but only 7 follow");
    make_begin(1, 0, 0);
    made_refused("has version 1 of GGUF; versions 2 and 3 are read");
    make_begin(0, 0, 0);
    made_refused("has version 0 of GGUF");
    make_begin(4, 0, 0);
    made_refused("has version 4 of GGUF");
    make_begin(0x03000000, 0, 0);
    made_refused("is in big-endian order; the same model in little-endian order would be right");
    make_begin(3, 0, 0);
    memcpy(made, "\x08\0\0\0\0\0\0\0{\"\":{}}", 16);
    made_refused("is a safetensors file, not a GGUF file");
    memcpy(made, "ggjt", 4);
    made_refused("is a GGML file, not a GGUF file");
    made_size = 0;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    memcpy(made, pointer, made_size = sizeof pointer - 1);
    made_refused("is a Git LFS pointer");
}

static void test_bad_keys(void **state)
{
    (void)state;
    static char name[70000];
    make_begin(3, 0, UINT64_MAX);
    made_refused("has 18446744073709551615 keys by its header, more than 1048576");
    make_begin(3, 0, 500);
    make_key("k", GGUF_VALUE_U8), make_number(1, 1);
    made_refused("has 500 keys by its header, more than fit into its bytes");
    make_begin(3, 0, 2);
    make_key("k", GGUF_VALUE_U8), make_number(1, 1);
    made_refused("key 2 of 2: needs 8 bytes, but only 0 follow");
    make_begin(3, 0, 1);
    make_key("abc", GGUF_VALUE_U64), make_number(1, 4);
    made_refused("key 'abc': has 1 values of type U64, but only 4 bytes follow");
    make_begin(3, 0, 1);
    make_key("abc", 13), make_number(1, 8);
    made_refused("key 'abc': its type is 13; 0 to 12 are known");
    make_begin(3, 0, 1);
    make_key("", GGUF_VALUE_U32), make_number(1, 4);
    made_refused("key 1 of 1: its name has 0 bytes; 1 to 65535 would be right");
    make_begin(3, 0, 1);
    make_key("a\xFF", GGUF_VALUE_U32), make_number(1, 4);
    made_refused("key 1 of 1: its name is not text in UTF-8");
    make_begin(3, 0, 1);
    make_key("a.b", GGUF_VALUE_U32), make_number(1, 4);
    made[24 + 8 + 1] = 0;
    made_refused("key 1 of 1: its name is not text in UTF-8");
    memset(name, 'n', 65536);
    make_begin(3, 0, 1);
    make_key(name, GGUF_VALUE_U32), make_number(1, 4);
    made_refused("key 1 of 1: its name has 65536 bytes; 1 to 65535 would be right");
    make_begin(3, 0, 1);
    make_number(UINT64_MAX - 7, 8), make_number(0, 8);
    made_refused("key 1 of 1: its name has 18446744073709551608 bytes");
    make_begin(3, 0, 3);
    make_key("same", GGUF_VALUE_U8), make_number(1, 1);
    make_key("other", GGUF_VALUE_U8), make_number(1, 1);
    make_key("same", GGUF_VALUE_BOOL), make_number(1, 1);
    made_refused("key 'same': is there twice");
    make_begin(3, 0, 1);
    make_key("flag", GGUF_VALUE_BOOL), make_number(2, 1);
    made_refused("key 'flag': has a BOOL of value 2; 0 or 1 would be right");
    make_begin(3, 0, 1);
    make_array("flags", GGUF_VALUE_BOOL, 2), make_number(1, 1), make_number(255, 1);
    made_refused("key 'flags': has a BOOL of value 255; 0 or 1 would be right");
}

static void test_bad_lengths(void **state)
{
    (void)state;
    make_begin(3, 0, 1);
    make_key("text", GGUF_VALUE_STRING), make_number(9, 8), make_number(0, 8);
    made_refused("key 'text': needs 9 bytes, but only 8 follow to the file's end; is the file whole?");
    make_begin(3, 0, 1);
    make_key("text", GGUF_VALUE_STRING), make_number(UINT64_MAX, 8), make_number(0, 8);
    made_refused("key 'text': needs 18446744073709551615 bytes, but only 8 follow");
    make_begin(3, 0, 1);
    make_array("list", GGUF_VALUE_STRING, 2), make_text("one"), make_number(1, 8);
    made_refused("key 'list': needs 1 bytes, but only 0 follow");
    make_begin(3, 0, 1);
    make_array("list", GGUF_VALUE_STRING, UINT64_MAX), make_text("one");
    made_refused("key 'list': has 18446744073709551615 values of type STRING, but only 11 bytes follow");
    make_begin(3, 0, 1);
    make_array("list", GGUF_VALUE_F64, ((uint64_t)1 << 61) + 1), make_number(0, 8);
    made_refused("key 'list': has 2305843009213693953 values of type F64, but only 8 bytes follow");
    /* Arrays of arrays of arrays … */
    make_begin(3, 0, 1);
    make_array("deep", GGUF_VALUE_ARRAY, 1);
    for (int i = 0; i < 10000; i++) make_number(GGUF_VALUE_ARRAY, 4), make_number(1, 8);
    made_refused("key 'deep': is an array of arrays; an array of strings or numbers would be right");
    make_begin(3, 0, 1);
    make_array("list", 77, 1), make_number(0, 8);
    made_refused("key 'list': its type is 77; 0 to 12 are known");
}

static void test_alignment(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 2, 4, 7, 9, 24, 31, 33, 48, UINT32_MAX, 0x80000001u};
    gguf_file file;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char words[120];
        make_begin(3, 0, 1);
        make_key("general.alignment", GGUF_VALUE_U32), make_number(wrong[i], 4);
        snprintf(words, sizeof words,
                 "key 'general.alignment': is %u; 32 or another power of two from 8 on would be right",
                 (unsigned)wrong[i]);
        made_refused(words);
    }
    for (uint32_t right = 8; right; right *= 2) {
        make_begin(3, 0, 1);
        make_key("general.alignment", GGUF_VALUE_U32), make_number(right, 4);
        made_open(MADE_MEMORY, &file);
        assert_int_equal(file.alignment, right);
        gguf_close(&file);
    }
    make_begin(3, 0, 1);
    make_key("general.alignment", GGUF_VALUE_STRING), make_text("32");
    made_refused("key 'general.alignment': an integer from 0 to 2^32 - 1 would be right, and it has STRING");
    make_begin(3, 0, 1);
    make_key("general.alignment", GGUF_VALUE_U64), make_number((uint64_t)1 << 40, 8);
    made_refused("key 'general.alignment': an integer from 0 to 2^32 - 1 would be right, and it is 1099511627776");
}

static void test_bad_tensors(void **state)
{
    (void)state;
    static char name[70000];
    make_one("t", 1, 16, 0, GGUF_F32, 0);
    gguf_file file;
    made_open(MADE_MEMORY, &file);
    gguf_close(&file);
    make_begin(3, UINT64_MAX / 2, 0);
    made_refused("has 9223372036854775807 tensors by its header, more than 1048576");
    make_begin(3, 9, 0);
    make_tensor("t", 1, 16, 0, GGUF_F32, 0);
    made_refused("has 9 tensors by its header, more than fit into its bytes");
    memset(name, 'n', 65);
    make_one(name, 1, 16, 0, GGUF_F32, 0);
    made_refused("tensor 1 of 1: its name has 65 bytes; 1 to 64 would be right");
    memset(name, 'n', 65536);
    make_one(name, 1, 16, 0, GGUF_F32, 0);
    made_refused("tensor 1 of 1: its name has 65536 bytes; 1 to 64 would be right");
    make_one("", 1, 16, 0, GGUF_F32, 0);
    made_refused("tensor 1 of 1: its name has 0 bytes");
    make_one("\xC0\x80", 1, 16, 0, GGUF_F32, 0);
    made_refused("tensor 1 of 1: its name is not text in UTF-8");
    make_one("t", 5, 16, 1, GGUF_F32, 0);
    made_refused("tensor 't': has 5 dimensions; at most 4 would be right");
    make_one("t", UINT32_MAX, 16, 1, GGUF_F32, 0);
    made_refused("tensor 't': has 4294967295 dimensions");
    make_one("t", 1, 16, 1, 4, 0);
    made_refused("tensor 't': its type is 4, which is not known; 0 (F32) would be right");
    make_one("t", 1, 16, 1, 43, 0);
    made_refused("tensor 't': its type is 43, which is not known");
    make_one("t", 1, 16, 1, UINT32_MAX, 0);
    made_refused("tensor 't': its type is 4294967295, which is not known");
    make_one("t", 2, 31, 32, GGUF_Q8_0, 0);
    made_refused("tensor 't': its first dimension is 31; a multiple of 32 would be right for Q8_0");
    make_one("t", 0, 0, 0, GGUF_Q4_K, 0);
    made_refused("tensor 't': its first dimension is 1; a multiple of 256 would be right for Q4_K");
    make_one("t", 2, (uint64_t)1 << 32, (uint64_t)1 << 32, GGUF_F16, 0);
    made_refused("tensor 't': its dimensions [4294967296, 4294967296] have more bytes than 63 bits count");
    make_one("t", 1, (uint64_t)1 << 62, 0, GGUF_F32, 0);
    made_refused("tensor 't': its dimensions [4611686018427387904] have more bytes");
    make_one("t", 1, 17, 0, GGUF_F32, 0);
    made_refused("tensor 't': has 68 bytes from 0 on, but only 64 bytes of data follow the header; is the file whole?");
    make_one("t", 1, 16, 0, GGUF_F32, 32);
    made_refused("tensor 't': has 64 bytes from 32 on, but only 64 bytes of data follow");
    make_one("t", 1, 16, 0, GGUF_F32, 4);
    made_refused("tensor 't': its offset 4 is no multiple of the alignment 32");
    make_one("t", 1, 16, 0, GGUF_F32, UINT64_MAX - 31);
    made_refused("tensor 't': has 64 bytes from 18446744073709551584 on, but only 64 bytes of data follow");
    make_one("t", 1, 0, 0, GGUF_F32, 96);
    made_refused("tensor 't': has 0 bytes from 96 on, but only 64 bytes");
}

static void make_two(const char *a, uint64_t a_at, uint64_t a_size, const char *b, uint64_t b_at, uint64_t b_size)
{
    make_begin(3, 2, 0);
    make_tensor(a, 1, a_size, 0, GGUF_I8, a_at);
    make_tensor(b, 1, b_size, 0, GGUF_I8, b_at);
    make_pad(32);
    for (int i = 0; i < 128; i++) make_number(0, 1);
}

static void test_overlaps(void **state)
{
    (void)state;
    gguf_file file;
    make_two("a", 64, 64, "b", 0, 64);
    test_log_reset();
    made_open(MADE_READ, &file);
    gguf_close(&file);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    make_two("a", 64, 32, "b", 0, 64); /* the data of another alignment end at another place */
    made_open(MADE_READ, &file);
    gguf_close(&file);
    assert_non_null(strstr(test_last_warning(), "32 bytes behind the last tensor are not read; is its alignment 32?"));
    make_two("a", 0, 0, "b", 0, 64); /* an empty one is nowhere */
    made_open(MADE_READ, &file);
    gguf_close(&file);
    make_two("a", 0, 65, "b", 64, 64);
    made_refused("tensor 'b': its data overlap those of 'a'");
    make_two("b", 0, 128, "a", 64, 1);
    made_refused("tensor 'a': its data overlap those of 'b'");
    make_two("a", 32, 32, "b", 32, 32);
    made_refused("tensor 'b': its data overlap those of 'a'");
    make_two("same", 0, 32, "same", 32, 32);
    made_refused("tensor 'same': is there twice");
}

/* ---- a size that is a lie ---------------------------------------------------------------------------------------- */

/* Memory is taken as bytes come: what a source says that it has, is not believed. */
static void test_lies(void **state)
{
    (void)state;
    gguf_file file;
    make_begin(3, 0, 1);
    make_array("list", GGUF_VALUE_U8, (uint64_t)1 << 50);
    test_expect_failure(made_try_lied(INT64_MAX, &file), PM_FORMAT, "made: a.gguf: ", "the header is larger than 1 GB");
    make_begin(3, 0, GGUF_VALUES);
    test_expect_failure(made_try_lied(INT64_MAX, &file), PM_FORMAT,
                        "made: a.gguf: ", "key 1 of 13: its name has 0 bytes");
    make_begin(3, 1 << 20, 1 << 20);
    test_expect_failure(made_try_lied(INT64_MAX, &file), PM_FORMAT,
                        "made: a.gguf: ", "key 1 of 1048576: its name has 0");
    make_begin(3, 0, 1); /* the size is less than it is */
    make_key("abc", GGUF_VALUE_U32), make_number(1, 4);
    for (uint64_t told = 0; told < made_size; told++)
        test_expect_failure(made_try_lied(told, &file), PM_FORMAT, "made: a.gguf: ", "");
}

/* ---- damage in every place --------------------------------------------------------------------------------------- */

static void make_small(void)
{
    make_begin(3, 3, 6);
    make_key("general.alignment", GGUF_VALUE_U32), make_number(8, 4);
    make_key("name", GGUF_VALUE_STRING), make_text("a text");
    make_key("yes", GGUF_VALUE_BOOL), make_number(1, 1);
    make_array("words", GGUF_VALUE_STRING, 3), make_text("one"), make_text(""), make_text("three");
    make_array("scores", GGUF_VALUE_F32, 2), make_number(0x3f000000, 4), make_number(0xbf000000, 4);
    make_key("big", GGUF_VALUE_U64), make_number(1, 8);
    make_tensor("w", 2, 3, 2, GGUF_F32, 0);
    make_tensor("q", 1, 32, 0, GGUF_Q8_0, 24);
    make_tensor("h", 1, 4, 0, GGUF_BF16, 64);
    make_pad(8);
    for (int i = 0; i < 72; i++) make_number((uint64_t)i, 1);
}

static volatile double sum;

/* Every value and element can be read, if the types are. */
static void read_everything(const gguf_file *file)
{
    for (size_t i = 0; i < file->meta_count; i++) {
        const gguf_array *a = &file->meta[i].values;
        assert_ptr_equal(gguf_find_meta(file, file->meta[i].key), &file->meta[i]);
        for (size_t k = 0; k < a->count; k++) {
            if (a->type == GGUF_VALUE_STRING) {
                const gguf_text text = gguf_array_string(a, k);
                for (size_t b = 0; b < text.size; b++) sum += text.data[b];
            } else if (a->type == GGUF_VALUE_BOOL) {
                assert_true(a->data[k] <= 1);
            } else {
                sum += gguf_array_number(a, k);
            }
        }
    }
    for (size_t i = 0; i < file->tensor_count; i++) {
        const gguf_tensor *t = &file->tensors[i];
        float out[64];
        assert_ptr_equal(gguf_find(file, t->name), t);
        for (uint64_t at = 0; at < t->count && gguf_dtype_readable(t->dtype); at += 64) {
            const size_t n = t->count - at < 64 ? (size_t)(t->count - at) : 64;
            assert_int_equal(gguf_floats(&made_log, file, t, at, n, out), PM_OK);
            for (size_t k = 0; k < n; k++) sum += (double)out[k];
        }
    }
}

/* Opens it by both ways: success, or one line that names it. Returns whether it is taken. */
static bool taken(void)
{
    bool fine[MADE_WAYS];
    for (made_way way = 0; way < MADE_WAYS; way++) {
        gguf_file file;
        const pm_status status = made_try(way, &file);
        fine[way] = status == PM_OK;
        if (fine[way]) {
            read_everything(&file);
            gguf_close(&file);
            continue;
        }
        test_expect_failure(status, PM_FORMAT, "made: a.gguf: ", "");
    }
    assert_int_equal(fine[0], fine[1]);
    return fine[0];
}

static void test_every_byte(void **state)
{
    (void)state;
    size_t fine = 0, all = 0;
    make_small();
    assert_true(taken());
    for (size_t at = 0; at < made_size; at++) {
        const unsigned char good = made[at];
        for (int how = 0; how < 12; how++) {
            static const unsigned char telling[] = {0, 1, 0x7f, 0x80};
            made[at] = how < 8 ? (unsigned char)(good ^ 1 << how) : telling[how - 8];
            fine += taken();
            all++;
        }
        made[at] = good;
    }
    assert_in_range(fine, all / 10, all * 9 / 10); /* values, names and data go unseen, the rest must not */
}

static void test_every_cut(void **state)
{
    (void)state;
    make_small();
    const size_t whole = made_size;
    for (made_size = 0; made_size < whole; made_size++) assert_false(taken());
    made_size = whole + 5; /* more at the end is a padding */
    assert_true(taken());
}

static uint32_t draw(uint32_t round, uint32_t index, uint32_t n)
{
    return (uint32_t)rng_below(0, rng_philox(6, round, index, 0, 0).v[0], n);
}

/* Several bytes at once, and pieces that are repeated elsewhere. */
static void test_random_damage(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 8000; round++) {
        make_small();
        for (uint32_t k = 0, edits = 1 + draw(round, 0, 4); k < edits; k++) {
            const uint32_t at = draw(round, 10 + k, (uint32_t)made_size), how = draw(round, 20 + k, 4);
            if (how < 2) {
                made[at] = (unsigned char)draw(round, 30 + k, how ? 256 : 16);
            } else {
                size_t to = draw(round, 40 + k, (uint32_t)made_size), n = 1 + draw(round, 50 + k, 24);
                if (n > made_size - at) n = made_size - at;
                if (n > made_size - to) n = made_size - to;
                memmove(made + to, made + at, n);
            }
        }
        (void)taken();
    }
}

/* From the disk: there the path names it. */
static void test_disk(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    const char *path = test_path(dir, "a.gguf");
    gguf_file file;
    make_small();
    test_write(path, made, made_size);
    assert_int_equal(gguf_open(&made_log, path, &file), PM_OK);
    read_everything(&file);
    gguf_close(&file);
    test_log_reset();
    test_write(path, made, made_size - 1);
    test_expect_failure(gguf_open(&made_log, path, &file), PM_FORMAT, path, ": tensor 'h': has 8 bytes from 64 on");
    test_write(path, made, 0);
    test_expect_failure(gguf_open(&made_log, path, &file), PM_FORMAT, path, ": is empty, not a GGUF file");
    path = test_path(dir, "none.gguf");
    test_expect_failure(gguf_open(&made_log, path, &file), PM_IO, path, "");
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beginnings),    cmocka_unit_test(test_bad_keys),    cmocka_unit_test(test_bad_lengths),
        cmocka_unit_test(test_alignment),     cmocka_unit_test(test_bad_tensors), cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_lies),          cmocka_unit_test(test_every_byte),  cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_random_damage), cmocka_unit_test(test_disk),
    };
    return cmocka_run_group_tests_name("wrong and damaged gguf", tests, NULL, NULL);
}
