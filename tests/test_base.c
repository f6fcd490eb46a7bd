/* Status texts, log lines, files, hashes, random numbers. */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "helper_dir.h"
#include "helper_log.h"

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
}

static void test_clock(void **state)
{
    (void)state;
    double before = clock_seconds();
    assert_true(clock_seconds() >= before);
}

/* Each failure: the status, one line, and the path in it. */
static void expect_failure(pm_status got, pm_status want, const char *path, const char *words)
{
    assert_int_equal(got, want);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_ptr_equal(strstr(test_last_error(), path), test_last_error());
    assert_non_null(strstr(test_last_error(), words));
    assert_null(strchr(test_last_error(), '\n'));
    test_log_reset();
}

static void test_read_and_map(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    test_log_reset();
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 200001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i], got = 0;
        unsigned char *bytes = malloc(size + 1);
        assert_non_null(bytes);
        for (size_t j = 0; j < size; j++) bytes[j] = (unsigned char)rng_philox(i, (uint32_t)j, 0, 0, 0).v[0];
        const char *path = test_path(dir, "data");
        test_write(path, bytes, size);
        char *data = NULL;
        assert_int_equal(file_read(&log, path, &data, &got), PM_OK);
        assert_int_equal(got, size);
        assert_memory_equal(data, bytes, size);
        assert_int_equal(data[size], 0);
        free(data);
        file_map map;
        assert_int_equal(file_map_open(&log, path, &map), PM_OK);
        assert_int_equal(map.size, size);
        if (size)
            assert_memory_equal(map.data, bytes, size);
        else
            assert_null(map.data);
        if (size) { /* whatever is dropped, and where it begins: the view stays what it was */
            file_map_drop(&map, map.data + size / 3, size - size / 3);
            file_map_drop(&map, map.data + size / 2, 0);
            file_map_drop(&map, map.data, size);
            assert_memory_equal(map.data, bytes, size);
        }
        file_map_close(&map);
        assert_null(map.data);
        free(bytes);
    }
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    test_dir_remove(dir);
}

static void test_read_failures(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make(), *data = (char *)&log;
    size_t size = 77;
    file_map map = {(const unsigned char *)"kept", 4, -1};
    const char *missing = test_path(dir, "missing"), *pipe = test_path(dir, "pipe");
    test_log_reset();
    expect_failure(file_read(&log, missing, &data, &size), PM_IO, missing, "No such file");
    expect_failure(file_map_open(&log, missing, &map), PM_IO, missing, "No such file");
    expect_failure(file_read(&log, dir, &data, &size), PM_IO, dir, "is a folder");
    expect_failure(file_map_open(&log, dir, &map), PM_IO, dir, "is a folder");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    FILE *held = fopen(pipe, "r+"); /* keeps the other end open, so that nothing waits */
    assert_non_null(held);
    expect_failure(file_map_open(&log, pipe, &map), PM_IO, pipe, "not a regular file");
    fclose(held);
    assert_ptr_equal(data, &log); /* out-parameters are written only on PM_OK */
    assert_int_equal(size, 77);
    assert_int_equal(map.size, 4);
    test_dir_remove(dir);
}

/* What stat says of size 0 but has content. */
static void test_read_without_size(void **state)
{
    (void)state;
    if (!file_exists("/proc/self/status")) skip();
    char *data = NULL;
    size_t size = 0;
    assert_int_equal(file_read(NULL, "/proc/self/status", &data, &size), PM_OK);
    assert_true(size > 100);
    assert_int_equal(strlen(data), size);
    free(data);
}

static void expect_content(const char *path, const char *text)
{
    size_t size;
    char *data = test_read(path, &size);
    assert_int_equal(size, strlen(text));
    assert_string_equal(data, text);
    free(data);
}

static void test_writer(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    const char *path = test_path(dir, "file");
    test_log_reset();
    assert_int_equal(file_write(&log, path, "old", 3), PM_OK);
    assert_int_equal(chmod(path, 0640), 0);

    file_writer *w = NULL, *v = NULL;
    assert_int_equal(file_writer_open(&log, path, &w), PM_OK);
    assert_int_equal(file_writer_open(&log, path, &v), PM_OK); /* a second writer of the same file */
    file_writer_put(w, "new ", 4);
    file_writer_put(v, "newer", 5);
    expect_content(path, "old"); /* until commit */
    assert_int_equal(test_dir_count(dir, ".tmp-"), 2);
    file_writer_put(w, "text", 4);
    assert_int_equal(file_writer_commit(&w), PM_OK);
    assert_null(w);
    expect_content(path, "new text");
    assert_int_equal(file_writer_commit(&v), PM_OK);
    expect_content(path, "newer");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640); /* kept from the file that was replaced */

    assert_int_equal(file_writer_open(&log, path, &w), PM_OK);
    file_writer_put(w, "never", 5);
    file_writer_abandon(&w);
    file_writer_abandon(&w);
    expect_content(path, "newer");
    assert_int_equal(test_dir_count(dir, ""), 1);

    const char *link = test_path(dir, "link");
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(file_write(&log, link, "through", 7), PM_OK);
    expect_content(path, "through");
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(file_write(&log, path, "", 0), PM_OK);
    expect_content(path, "");
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    test_dir_remove(dir);
}

/* Pieces of every size around the writer's buffer arrive in order. */
static void test_writer_pieces(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    const char *path = test_path(dir, "file");
    enum { TOTAL = 700000 };
    unsigned char *bytes = malloc(TOTAL);
    assert_non_null(bytes);
    for (size_t j = 0; j < TOTAL; j++) bytes[j] = (unsigned char)(j * 2654435761u >> 13);
    static const size_t pieces[] = {1, 65535, 65536, 65537, 0, 3, 200000, 17};
    file_writer *w;
    assert_int_equal(file_writer_open(NULL, path, &w), PM_OK);
    size_t done = 0;
    for (size_t i = 0; done < TOTAL; i++) {
        size_t n = pieces[i % (sizeof pieces / sizeof *pieces)];
        if (n > TOTAL - done) n = TOTAL - done;
        file_writer_put(w, bytes + done, n);
        done += n;
    }
    assert_int_equal(file_writer_commit(&w), PM_OK);
    size_t size;
    char *data = test_read(path, &size);
    assert_int_equal(size, TOTAL);
    assert_memory_equal(data, bytes, TOTAL);
    free(data);
    free(bytes);
    test_dir_remove(dir);
}

static void test_writer_refusals(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    file_writer *w = NULL;
    const char *nowhere = test_path(dir, "no/such/file"), *pipe = test_path(dir, "pipe");
    test_log_reset();
    expect_failure(file_writer_open(&log, nowhere, &w), PM_IO, nowhere, "No such file");
    expect_failure(file_writer_open(&log, dir, &w), PM_IO, dir, "is a folder");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    expect_failure(file_writer_open(&log, pipe, &w), PM_IO, pipe, "not a regular file");
    struct stat info;
    assert_int_equal(stat(pipe, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_null(w);
    test_dir_remove(dir);
}

/* A limit on file size stands for a full disk: the write fails in the middle. */
static void test_writer_full_disk(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    const char *path = test_path(dir, "file");
    test_write(path, "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, handler;
    assert_int_equal(sigaction(SIGXFSZ, &ignore, &handler), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    test_log_reset();
    file_writer *w;
    static const char block[50000];
    pm_status opened = file_writer_open(&log, path, &w), committed = PM_OK;
    if (opened == PM_OK) {
        for (int i = 0; i < 6; i++) file_writer_put(w, block, sizeof block);
        committed = file_writer_commit(&w);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(sigaction(SIGXFSZ, &handler, NULL), 0);
    assert_int_equal(opened, PM_OK);
    expect_failure(committed, PM_IO, path, "File too large");
    expect_content(path, "old");
    assert_int_equal(test_dir_count(dir, ""), 1);
    test_dir_remove(dir);
}

/* The rename at the end can fail as well: here the target has become a folder meanwhile. */
static void test_writer_rename_fails(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    const char *path = test_path(dir, "file");
    file_writer *w;
    assert_int_equal(file_writer_open(&log, path, &w), PM_OK);
    file_writer_put(w, "x", 1);
    assert_int_equal(mkdir(path, 0700), 0);
    test_log_reset();
    expect_failure(file_writer_commit(&w), PM_IO, path, "cannot write");
    assert_int_equal(test_dir_count(dir, ""), 1);
    test_dir_remove(dir);
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
    expect_failure(file_make_dir(&log, file), PM_IO, file, "Not a directory");
    expect_failure(file_make_dir(&log, below), PM_IO, below, "Not a directory");
    expect_failure(file_make_dir(&log, ""), PM_IO, "", "empty");
    char *joined = file_join("x", "y");
    assert_string_equal(joined, "x/y");
    free(joined);
    test_dir_remove(dir);
}

static void expect_cache_dir(const char *want)
{
    char *dir = file_cache_dir();
    if (want)
        assert_string_equal(dir, want);
    else
        assert_null(dir);
    free(dir);
}

static void test_cache_dir(void **state)
{
    (void)state;
    setenv("HOME", "/h", 1);
    setenv("XDG_CACHE_HOME", "/x", 1);
    setenv("PUMICE_CACHE_DIR", "/p", 1);
    expect_cache_dir("/p");
    setenv("PUMICE_CACHE_DIR", "", 1);
    expect_cache_dir(NULL);
    unsetenv("PUMICE_CACHE_DIR");
    expect_cache_dir("/x/pumice");
    unsetenv("XDG_CACHE_HOME");
    expect_cache_dir("/h/.cache/pumice");
    unsetenv("HOME");
    expect_cache_dir(NULL);
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
        cmocka_unit_test(test_status_texts),
        cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_read_and_map),
        cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_read_without_size),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_pieces),
        cmocka_unit_test(test_writer_refusals),
        cmocka_unit_test(test_writer_full_disk),
        cmocka_unit_test(test_writer_rename_fails),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_cache_dir),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_edges_of_draws),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
