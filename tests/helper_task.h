/* What the tests of task files share: a folder for one test's files, and the tokenizer of bytes. */
#ifndef HELPER_TASK_H
#define HELPER_TASK_H

#include <pumice/task.h>

/* The folder of the test that runs, and the tokenizer: between test_task_setup and test_task_teardown, cmocka's fixtures of one test. */
extern char *test_task_dir;
extern pm_tokenizer *test_task_bytes;
int test_task_setup(void **state);
int test_task_teardown(void **state);

/* Writes a file into the folder. Returns its path, in a buffer of test_path(). */
const char *test_task_file(const char *name, const char *text);

/* These fail the test unless the call succeeds. The caller frees what they return. */
pm_task test_task_learn(pm_task_kind kind, const char *path, const char *fields);
pm_taskset *test_task_open(const pm_task *task, const char *path, uint32_t ctx, bool labelled);

#endif
