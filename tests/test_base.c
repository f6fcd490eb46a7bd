/* Status texts, log lines, folders, hashes, random numbers. */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "files/file.h"
#include "os/clock.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"

static void test_status_texts(void **state)
{
    (void)state;
    assert_string_equal(pm_status_text(PM_OK), "done");
    for (int s = PM_OK; s <= PM_INTERNAL; s++)
        assert_string_not_equal(pm_status_text((pm_status)s), "an unknown status");
    assert_string_equal(pm_status_text((pm_status)1000), "an unknown status");
}

static void test_log_lines(void **state)
{
    (void)state;
    pm_log log = test_log();
    test_log_reset();
    assert_int_equal(log_fail(&log, PM_FORMAT, "%s: %d", "x", 7), PM_FORMAT);
    assert_string_equal(test_last_error(), "x: 7");
    log.max_level = PM_LOG_WARN;
    log_line(&log, PM_LOG_INFO, "not wanted");
    assert_int_equal(test_log_count(PM_LOG_INFO), 0);
    log_line(NULL, PM_LOG_ERROR, "to nobody");
    pm_log silent = {0};
    log_line(&silent, PM_LOG_ERROR, "to nobody");
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    char text[3000];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_fail(&log, PM_IO, "%s", text);
    assert_int_equal(strlen(test_last_error()), 999);
    log_fail(&log, PM_FORMAT, "%s",
             "a\nb\tc\x1b[2Jd\x7f\xc2\x9b"
             "e\xc3\x9b\xc2\xa0\xc2");
    assert_string_equal(test_last_error(), "a b c?[2Jd???e\xc3\x9b\xc2\xa0\xc2"); /* one line, and letters stay */
}

static void test_clock(void **state)
{
    (void)state;
    double before = os_seconds();
    assert_true(os_seconds() >= before);
}

static void test_folders(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    const char *deep = test_path(dir, "a//b/c/");
    test_log_reset();
    assert_int_equal(file_make_dir(&log, deep), PM_OK);
    assert_int_equal(file_make_dir(&log, deep), PM_OK);
    assert_int_equal(file_make_dir(&log, "/"), PM_OK);
    assert_true(file_is_dir(test_path(dir, "a/b/c")));
    const char *file = test_path(dir, "f"), *below = test_path(dir, "f/g/h");
    test_write(file, "", 0);
    assert_true(file_exists(file));
    assert_false(file_is_dir(file));
    assert_false(file_exists(below));
    test_expect_failure(file_make_dir(&log, file), PM_IO, file, "Not a directory");
    test_expect_failure(file_make_dir(&log, below), PM_IO, below, "Not a directory");
    test_expect_failure(file_make_dir(&log, ""), PM_IO, "", "empty");
    char *joined = file_join("x", "y");
    assert_string_equal(joined, "x/y");
    free(joined);
    test_dir_remove(dir);
}

static void expect_cache_dir(const char *own, const char *want)
{
    char *dir = file_cache_dir(own);
    if (want)
        assert_string_equal(dir, want);
    else
        assert_null(dir);
    free(dir);
}

static void test_cache_dir(void **state)
{
    (void)state;
    expect_cache_dir("/p", "/p");
    expect_cache_dir("", NULL);
#ifdef _WIN32
    test_set_variable("LOCALAPPDATA", "C:\\x");
    expect_cache_dir(NULL, "C:\\x/pumice");
    test_set_variable("LOCALAPPDATA", NULL);
#else
    test_set_variable("HOME", "/h");
    test_set_variable("XDG_CACHE_HOME", "/x");
    expect_cache_dir(NULL, "/x/pumice");
    test_set_variable("XDG_CACHE_HOME", "x"); /* relative paths do not count */
    expect_cache_dir(NULL, "/h/.cache/pumice");
    test_set_variable("XDG_CACHE_HOME", NULL);
    expect_cache_dir(NULL, "/h/.cache/pumice");
    test_set_variable("HOME", NULL);
#endif
    expect_cache_dir(NULL, NULL);
}

/* The published vectors of 64-bit FNV-1a; files and caches depend on them. */
static void test_hash(void **state)
{
    (void)state;
    assert_true(hash_bytes(HASH_INIT, "", 0) == 0xcbf29ce484222325ull);
    assert_true(hash_bytes(HASH_INIT, "a", 1) == 0xaf63dc4c8601ec8cull);
    assert_true(hash_bytes(HASH_INIT, "foobar", 6) == 0x85944171f73967e8ull);
    assert_true(hash_bytes(hash_bytes(HASH_INIT, "foo", 3), "bar", 3) == 0x85944171f73967e8ull);
}

static uint64_t checksum_of(const unsigned char *data, size_t size, size_t piece)
{
    checksum sum;
    checksum_begin(&sum);
    for (size_t at = 0; at < size; at += piece) checksum_put(&sum, data + at, size - at < piece ? size - at : piece);
    return checksum_end(&sum);
}

/* What xxhsum 0.8.1 -H1 prints for these, in pieces of every size. */
static void test_checksum(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint64_t sum;
    } wants[] = {{0, 0xef46db3751d8e999},  {4, 0x91b65bbe720c34cf},    {8, 0x521fd2878ea69d17},
                 {12, 0x3fb737ea78f531bb}, {31, 0xb74baa9042b94dee},   {32, 0x4e13111ced6f735d},
                 {33, 0xf7b9faf20b3bce63}, {63, 0x35f935e6044a08ad},   {64, 0xcd91daec2c21766f},
                 {65, 0x7c795c59456ed577}, {1000, 0xb260521730b6d8d9}, {1001, 0x7d2d7942b5f67004}};
    unsigned char bytes[1001];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        for (size_t piece = 1; piece <= 100; piece++)
            assert_true(checksum_of(bytes, wants[i].size, piece) == wants[i].sum);
    assert_true(checksum_of((const unsigned char *)"abc", 3, 3) == 0x44bc2cf5ad770999);
}

static void expect_philox(uint64_t key, const uint32_t c[4], const uint32_t want[4])
{
    rng_block got = rng_philox(key, c[0], c[1], c[2], c[3]);
    assert_memory_equal(got.v, want, sizeof got.v);
}

/* The lines "philox4x32 10" of Random123's kat_vectors. */
static void test_philox(void **state)
{
    (void)state;
    expect_philox(0, (uint32_t[]){0, 0, 0, 0}, (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    expect_philox(UINT64_MAX, (uint32_t[]){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
                  (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    expect_philox(0x299f31d0a4093822ull, (uint32_t[]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                  (uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

/* 200,000 draws: the mean deviates by 0.0006 (uniform) and 0.0022 (normal), so the bounds are at 5 of them or more. */
static void test_distributions(void **state)
{
    (void)state;
    enum { BLOCKS = 50000 };
    double sum = 0, square = 0, nsum = 0, nsquare = 0, cube = 0, fourth = 0;
    uint64_t below[10] = {0};
    for (uint32_t i = 0; i < BLOCKS; i++) {
        rng_block b = rng_philox(1234, i, 0, RNG_STREAM_HOST, 0);
        float normal[4];
        rng_normal(b.v[0], b.v[1], normal);
        rng_normal(b.v[2], b.v[3], normal + 2);
        for (int j = 0; j < 4; j++) {
            double u = rng_uniform(b.v[j]), n = normal[j];
            assert_true(u >= 0 && u < 1);
            assert_true(isfinite(n));
            sum += u, square += u * u;
            nsum += n, nsquare += n * n, cube += n * n * n, fourth += n * n * n * n;
        }
        below[rng_below(b.v[0], b.v[1], 10)]++;
    }
    double n = 4.0 * BLOCKS;
    assert_true(fabs(sum / n - 0.5) < 0.0035);
    assert_true(fabs(square / n - 1.0 / 3) < 0.0035);
    assert_true(fabs(nsum / n) < 0.012);
    assert_true(fabs(nsquare / n - 1) < 0.02);
    assert_true(fabs(cube / n) < 0.05);
    assert_true(fabs(fourth / n - 3) < 0.15);
    for (int i = 0; i < 10; i++) assert_in_range(below[i], BLOCKS / 10 - 400, BLOCKS / 10 + 400);
}

static void test_edges_of_draws(void **state)
{
    (void)state;
    assert_true(rng_uniform(0) == 0.0f);
    assert_true(rng_uniform(UINT32_MAX) < 1.0f);
    float normal[2];
    rng_normal(0, 0, normal); /* u = 2^-32, the farthest draw */
    assert_true(fabs(normal[0] - 6.6604) < 1e-3);
    rng_normal(UINT32_MAX, UINT32_MAX, normal);
    assert_true(normal[0] == 0.0f && normal[1] == 0.0f);
    assert_int_equal(rng_below(UINT32_MAX, UINT32_MAX, 1), 0);
    assert_true(rng_below(1, 5, 1ull << 32) == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_texts),   cmocka_unit_test(test_log_lines), cmocka_unit_test(test_clock),
        cmocka_unit_test(test_folders),        cmocka_unit_test(test_cache_dir), cmocka_unit_test(test_hash),
        cmocka_unit_test(test_checksum),       cmocka_unit_test(test_philox),    cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_edges_of_draws),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
