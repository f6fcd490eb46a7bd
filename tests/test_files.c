/* Files: reads and maps, writers that leave the old file or the new one whatever happens, seals. */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "helper_dir.h"
#include "helper_log.h"

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
    assert_int_equal(mkfifo(pipe, 0600), 0);
    FILE *held = fopen(pipe, "r+"); /* keeps the other end open, so that nothing waits */
    assert_non_null(held);
    test_expect_failure(file_map_open(&log, pipe, &map), PM_IO, pipe, "not a regular file");
    fclose(held);
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
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_int_equal(symlink("loop", loop), 0);
    assert_true(file_named(dangling) && file_named(loop) && file_named(test_path(dir, "loop/below")));
    assert_false(file_exists(dangling) || file_exists(loop));
    test_expect_failure(file_read(&log, dangling, &data, &size), PM_IO, dangling, "cannot open: No such file");
    test_expect_failure(file_check_folder(&log, loop), PM_IO, loop, "cannot open this folder: Too many");
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
    assert_int_equal(file_writer_open(&log, path, &v), PM_OK); /* a second writer for the same file */
    file_writer_put(w, "new ", 4);
    file_writer_put(v, "newer", 5);
    expect_content(path, "old"); /* the old file stays until commit */
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
    test_expect_failure(file_writer_open(&log, nowhere, &w), PM_IO, nowhere, "No such file");
    test_expect_failure(file_writer_open(&log, dir, &w), PM_IO, dir, "is a folder");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    test_expect_failure(file_writer_open(&log, pipe, &w), PM_IO, pipe, "not a regular file");
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
    test_expect_failure(committed, PM_IO, path, "File too large");
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
    test_expect_failure(file_writer_commit(&w), PM_IO, path, "cannot write");
    assert_int_equal(test_dir_count(dir, ""), 1);
    test_dir_remove(dir);
}

/* Another process that has begun to write the file: killed in the middle, or alive until *hold is closed. */
static pid_t write_elsewhere(const char *path, bool killed, int *hold)
{
    int begun[2], held[2];
    char byte;
    assert_int_equal(pipe(begun), 0);
    assert_int_equal(pipe(held), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        file_writer *w;
        if (file_writer_open(NULL, path, &w) != PM_OK || write(begun[1], "x", 1) != 1) _exit(1);
        if (killed) raise(SIGKILL);
        close(held[1]);
        (void)!read(held[0], &byte, 1);
        file_writer_put(w, "theirs", 6);
        _exit(file_writer_commit(&w) == PM_OK ? 0 : 1);
    }
    assert_int_equal(read(begun[0], &byte, 1), 1);
    close(begun[0]), close(begun[1]), close(held[0]);
    if (killed)
        close(held[1]);
    else
        *hold = held[1];
    return child;
}

/* The next writer of the same file removes the files that killed writers left. A file that another writer is writing, here or elsewhere, stays. */
static void test_left_files(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make(), again[64];
    const char *path = test_path(dir, "file");
    int code, hold;
    file_writer *own;
    assert_true(waitpid(write_elsewhere(path, true, NULL), &code, 0) > 0);
    assert_true(WIFSIGNALED(code));
    assert_int_equal(test_dir_count(dir, "file.tmp-"), 1);
    assert_int_equal(file_writer_open(&log, path, &own), PM_OK); /* removes the left file */
    assert_int_equal(test_dir_count(dir, "file.tmp-"), 1);
    const pid_t living = write_elsewhere(path, false, &hold);
    assert_int_equal(test_dir_count(dir, "file.tmp-"), 2);

    /* of an earlier process with this one's number; a file that is no temporary one; another file's; a folder */
    snprintf(again, sizeof again, "file.tmp-%ld-00000000-0", (long)getpid());
    test_write(test_path(dir, again), "left", 4);
    test_write(test_path(dir, "file.tmp"), "", 0);
    test_write(test_path(dir, "other.tmp-1-00000001-0"), "", 0);
    assert_int_equal(mkdir(test_path(dir, "file.tmp-folder"), 0700), 0);
    assert_int_equal(file_write(&log, path, "new", 3), PM_OK);
    expect_content(path, "new");
    assert_false(file_exists(test_path(dir, again)));
    assert_int_equal(test_dir_count(dir, ""), 6);
    file_writer_put(own, "own", 3);
    assert_int_equal(file_writer_commit(&own), PM_OK);
    expect_content(path, "own");
    close(hold);
    assert_int_equal(waitpid(living, &code, 0), living);
    assert_int_equal(code, 0);
    expect_content(path, "theirs");
    assert_int_equal(test_dir_count(dir, ""), 4);
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
        if (i > 0) expect_content(before, texts[i - 1]);
        expect_content(path, texts[i]);
    }
    test_dir_remove(dir);
}

static bool seal_fits(const char *path, size_t at)
{
    file_map map;
    assert_int_equal(file_map_open(NULL, path, &map), PM_OK);
    const bool fits = file_seal_fits(&map, at);
    file_map_close(&map);
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
        cmocka_unit_test(test_writer_full_disk),
        cmocka_unit_test(test_writer_rename_fails),
        cmocka_unit_test(test_left_files),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_seal),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
