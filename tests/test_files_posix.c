/* Files where the disk is full, and where other processes write them: with POSIX's limits, signals and processes. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "files/file.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"

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
    test_expect_content(path, "old");
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
    test_make_folder(test_path(dir, "file.tmp-folder"));
    assert_int_equal(file_write(&log, path, "new", 3), PM_OK);
    test_expect_content(path, "new");
    assert_false(file_exists(test_path(dir, again)));
    assert_int_equal(test_dir_count(dir, ""), 6);
    file_writer_put(own, "own", 3);
    assert_int_equal(file_writer_commit(&own), PM_OK);
    test_expect_content(path, "own");
    close(hold);
    assert_int_equal(waitpid(living, &code, 0), living);
    assert_int_equal(code, 0);
    test_expect_content(path, "theirs");
    assert_int_equal(test_dir_count(dir, ""), 4);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_writer_full_disk), cmocka_unit_test(test_left_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
