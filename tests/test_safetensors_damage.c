/* Damaged safetensors files: damage that the seal finds, and damage that it does not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "helper_log.h"
#include "helper_safetensors.h"

/* The seal finds every changed bit of a file, and every byte added or missing. Only a file without the seal's name has no seal. */
static void test_seal(void **state)
{
    (void)state;
    size_t size;
    st_file file;
    write_sample();
    char *bytes = read_back(sample_path, &size);
    const size_t name = (size_t)(in_text(bytes, size, "pumice.xxh64") - bytes);
    for (size_t bit = 0; bit < 8 * size; bit += bit < 1200 ? 1 : 5) {
        const size_t at = bit / 8;
        bytes[at] ^= (char)(1 << bit % 8);
        put_raw(bytes, size);
        if (at < name || at >= name + 12) {
            refused_now("a bit", PM_FORMAT);
        } else if (st_open(&log_here, sample_path, &file) == PM_OK) { /* else the name is not text any more */
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
    assert_int_equal(st_open(&log_here, sample_path, &file), PM_OK);
    assert_true(file.sealed);
    assert_null(st_meta_find(&file, "pumice.xxh64")); /* no string of the caller's */
    st_close(&file);
    free(bytes);
}

/* Another program's file has no seal, or one that it copied to another place, which is ignored. */
static void test_foreign_seal(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"__metadata__\":{\"format\":\"pt\"}}",
        "{\"__metadata__\":{\"format\":\"pt\",\"pumice.xxh64\":\"0123456789abcdef\"}}"};
    for (int i = 0; i < 2; i++) {
        st_file file;
        put_file(strlen(headers[i]), headers[i], strlen(headers[i]), 0);
        assert_int_equal(st_open(&log_here, sample_path, &file), PM_OK);
        assert_false(file.sealed);
        assert_int_equal(file.meta_count, 1);
        st_close(&file);
    }
    refused("{\"__metadata__\":{\"pumice.xxh64\":\"0123456789abcdef\"}}", 0);
    assert_non_null(strstr(test_last_error(), "take pumice.xxh64 out of its __metadata__"));
    refused("{\"__metadata__\":{\"pumice.xxh64\":\"0\"}}", 0);
    refused("{\"__metadata__\":{\"pumice.xxh64\":\"", 0);
}

static uint32_t draw(uint32_t round, uint32_t index, uint32_t n)
{
    return (uint32_t)rng_below(0, rng_philox(5, round, index, 0, 0).v[0], n);
}

/* Changes a few bytes, to any value or to one that means something to JSON; or cuts the file; or repeats a piece. */
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

/* Damage without a seal that would find it. */
static void test_random_damage(void **state)
{
    (void)state;
    size_t size, opened = 0;
    write_sample();
    char *good = read_back(sample_path, &size);
    memcpy(in_text(good, size, "pumice.xxh64"), "pumice.XXXXX", 12);
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    for (uint32_t round = 0; round < 6000; round++) {
        memcpy(bytes, good, size);
        put_raw(bytes, damage(bytes, size, round));
        st_file file;
        test_log_reset();
        pm_status status = st_open(&log_here, sample_path, &file);
        assert_int_equal(test_log_count(PM_LOG_ERROR), status == PM_OK ? 0 : 1);
        if (status != PM_OK) {
            assert_int_equal(status, PM_FORMAT);
            assert_non_null(strstr(test_last_error(), sample_path));
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_damage), cmocka_unit_test(test_seal),
                                       cmocka_unit_test(test_foreign_seal)};
    return cmocka_run_group_tests_name("damaged safetensors", tests, make_dir, remove_dir);
}
