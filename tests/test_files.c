/* Files: reads and maps, writers that leave the old file or the new one whatever happens, seals. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "files/source.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"
#include "os/file.h"

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
        if (size) { /* whatever part is dropped, the view has the same bytes */
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
    test_expect_failure(file_read(&log, missing, &data, &size), PM_IO, missing, "No such file");
    test_expect_failure(file_map_open(&log, missing, &map), PM_IO, missing, "No such file");
    test_expect_failure(file_read(&log, dir, &data, &size), PM_IO, dir, "is a folder");
    test_expect_failure(file_map_open(&log, dir, &map), PM_IO, dir, "is a folder");
    if (test_make_pipe(pipe)) {
        FILE *held = fopen(pipe, "r+"); /* keeps the other end open, so that nothing waits */
        assert_non_null(held);
        test_expect_failure(file_map_open(&log, pipe, &map), PM_IO, pipe, "not a regular file");
        fclose(held);
    }
    assert_ptr_equal(data, &log); /* out-parameters are written only on PM_OK */
    assert_int_equal(size, 77);
    assert_int_equal(map.size, 4);
    test_dir_remove(dir);
}

/* Files in the place of others. A Git LFS pointer is refused by name wherever a file is read. The error line about a path that should be a folder
 * says what it is. */
static void test_kinds(void **state)
{
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    static const struct {
        const char *bytes, *words;
        size_t size;
    } rows[] = {{pointer, "is a Git LFS pointer", sizeof pointer - 1},
                {"GGUF\3\0\0", "is a GGUF file", 7},
                {"PK\3\4", "is a PyTorch or a zip file", 4},
                {"\x80\2}", "is a PyTorch file", 3},
                {"\xEF\xBB\xBF \n<!DOCTYPE HTML>", "is an HTML page", 20},
                {"<Html>", "is an HTML page", 6},
                {"\2\0\0\0\0\0\0\0{}", "is a safetensors file; give the folder", 10},
                {"{}", "is a file; give the folder", 2},
                {"", "is a file; give the folder", 0}};
    pm_log log = test_log();
    char *dir = test_dir_make(), *data = NULL, text[2048];
    const char *path = test_path(dir, "x");
    size_t size;
    file_map map;
    test_log_reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_write(path, rows[i].bytes, rows[i].size);
        test_expect_failure(file_check_folder(&log, path), PM_FORMAT, path, rows[i].words);
    }
    test_write(path, pointer, sizeof pointer - 1);
    test_expect_failure(file_read(&log, path, &data, &size), PM_FORMAT, path, "Git LFS pointer");
    test_expect_failure(file_map_open(&log, path, &map), PM_FORMAT, path, "Git LFS pointer");
    assert_null(data);
    memset(text, ' ', sizeof text); /* a long text that begins like a pointer is a text */
    memcpy(text, pointer, sizeof pointer - 1);
    test_write(path, text, sizeof text);
    assert_int_equal(file_read(&log, path, &data, &size), PM_OK);
    free(data);
    assert_int_equal(file_check_folder(&log, dir), PM_OK);
    test_expect_failure(file_check_folder(&log, test_path(dir, "no")), PM_IO, dir, "there is no such folder");
    test_expect_failure(file_check_folder(&log, test_path(dir, "no.gguf")), PM_IO, dir, "there is no such file");
    test_expect_failure(file_check_folder(&log, ""), PM_IO, "\"\": ", "names no folder");
    test_write(test_path(dir, "cut.gguf"), "GGU", 3);
    test_expect_failure(file_check_folder(&log, test_path(dir, "cut.gguf")), PM_FORMAT, dir, "is no GGUF file");
    test_expect_failure(file_check_folder(&log, test_path(dir, "x/no")), PM_IO, dir,
                        "open this folder: Not a directory");
    test_dir_remove(dir);
}

/* A file that may be absent is absent only where nothing has its name. */
static void test_named(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make(), *data = NULL;
    const char *path = test_path(dir, "file"), *dangling = test_path(dir, "dangling"), *loop = test_path(dir, "loop");
    size_t size;
    test_log_reset();
    assert_false(file_named(path));
    test_write(path, "", 0);
    assert_true(file_named(path) && file_named(dir));
    assert_false(file_named(test_path(dir, "file/below")) || file_named(test_path(dir, "none/below")));
    if (test_link("nowhere", dangling)) {
        assert_true(test_link("loop", loop));
        assert_true(file_named(dangling) && file_named(loop) && file_named(test_path(dir, "loop/below")));
        assert_false(file_exists(dangling) || file_exists(loop));
        test_expect_failure(file_read(&log, dangling, &data, &size), PM_IO, dangling, "cannot open: No such file");
        test_expect_failure(file_check_folder(&log, loop), PM_IO, loop, "cannot open this folder: Too many");
    }
    test_dir_remove(dir);
}

/* A file of size 0 by stat(), which has content. */
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

static void test_writer(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    const char *path = test_path(dir, "file");
    test_log_reset();
    assert_int_equal(file_write(&log, path, "old", 3), PM_OK);
    const bool permits = test_permit(path, 0640);

    file_writer *w = NULL, *v = NULL;
    assert_int_equal(file_writer_open(&log, path, &w), PM_OK);
    assert_int_equal(file_writer_open(&log, path, &v), PM_OK); /* a second writer for the same file */
    file_writer_put(w, "new ", 4);
    file_writer_put(v, "newer", 5);
    test_expect_content(path, "old"); /* the old file stays until commit */
    assert_int_equal(test_dir_count(dir, ".tmp-"), 2);
    file_writer_put(w, "text", 4);
    assert_int_equal(file_writer_commit(&w), PM_OK);
    assert_null(w);
    test_expect_content(path, "new text");
    assert_int_equal(file_writer_commit(&v), PM_OK);
    test_expect_content(path, "newer");
    os_info info;
    assert_true(os_stat(path, &info));
    if (permits) assert_int_equal(info.permissions, 0640); /* kept from the file that was replaced */

    assert_int_equal(file_writer_open(&log, path, &w), PM_OK);
    file_writer_put(w, "never", 5);
    file_writer_abandon(&w);
    file_writer_abandon(&w);
    test_expect_content(path, "newer");
    assert_int_equal(test_dir_count(dir, ""), 1);

    const char *link = test_path(dir, "link");
    if (test_link("file", link)) {
        assert_int_equal(file_write(&log, link, "through", 7), PM_OK);
        test_expect_content(path, "through");
        assert_true(os_stat_link(link, &info) && info.kind == OS_LINK);
    }
    assert_int_equal(file_write(&log, path, "", 0), PM_OK);
    test_expect_content(path, "");
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
    test_expect_failure(file_writer_open(&log, nowhere, &w), PM_IO, nowhere, "No such file");
    test_expect_failure(file_writer_open(&log, dir, &w), PM_IO, dir, "is a folder");
    if (test_make_pipe(pipe)) {
        os_info info;
        test_expect_failure(file_writer_open(&log, pipe, &w), PM_IO, pipe, "not a regular file");
        assert_true(os_stat(pipe, &info) && info.kind == OS_OTHER);
    }
    assert_null(w);
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
    test_make_folder(path);
    test_log_reset();
    test_expect_failure(file_writer_commit(&w), PM_IO, path, "cannot write");
    assert_int_equal(test_dir_count(dir, ""), 1);
    test_dir_remove(dir);
}

static void test_keep(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    const char *path = test_path(dir, "file"), *before = test_path(dir, "before");
    test_write(before, "older", 5);
    assert_false(file_keep(path, before)); /* nothing to keep */
    assert_false(file_exists(before));
    for (int i = 0; i < 3; i++) {
        static const char *const texts[] = {"one", "two", "three"};
        assert_true(file_keep(path, before) == (i > 0));
        assert_int_equal(file_write(NULL, path, texts[i], strlen(texts[i])), PM_OK);
        if (i > 0) test_expect_content(before, texts[i - 1]);
        test_expect_content(path, texts[i]);
    }
    test_dir_remove(dir);
}

static bool seal_fits(const char *path, size_t at)
{
    file_view view;
    bool fits;
    assert_int_equal(file_view_open(NULL, &(file_ref){.path = (char *)path}, NULL, &view), PM_OK);
    assert_int_equal(file_seal_check(NULL, path, &view, at, &fits), PM_OK);
    file_view_close(&view);
    return fits;
}

/* A sealed file is refused where any byte is changed, missing or added. */
static void test_seal(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    const char *path = test_path(dir, "file");
    enum { AT = 5, SIZE = 300 };
    file_writer *w;
    assert_int_equal(file_writer_open(NULL, path, &w), PM_OK);
    file_writer_seal(w, AT);
    file_writer_put(w, "head 0000000000000000 tail", 26);
    for (int i = 26; i < SIZE; i++) file_writer_put(w, &"abcdefg"[i % 7], 1);
    assert_int_equal(file_writer_commit(&w), PM_OK);
    size_t size;
    char *bytes = test_read(path, &size);
    assert_int_equal(size, SIZE);
    assert_memory_equal(bytes, "head ", 5);
    assert_memory_equal(bytes + AT + FILE_SEAL_BYTES, " tail", 5);
    assert_true(seal_fits(path, AT));
    assert_false(seal_fits(path, AT + 1));
    assert_false(seal_fits(path, SIZE - FILE_SEAL_BYTES + 1));
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] ^= (char)(1 << i % 8);
        test_write(path, bytes, SIZE);
        assert_false(seal_fits(path, AT));
        bytes[i] ^= (char)(1 << i % 8);
        test_write(path, bytes, i);
        assert_false(seal_fits(path, AT));
    }
    test_write(path, bytes, SIZE + 1); /* with test_read's 0 */
    assert_false(seal_fits(path, AT));
    free(bytes);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_and_map),
        cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_read_without_size),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_pieces),
        cmocka_unit_test(test_writer_refusals),
        cmocka_unit_test(test_writer_rename_fails),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_seal),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
