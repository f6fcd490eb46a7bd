#include "helper_task.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "helper_dir.h"
#include "helper_log.h"

char *test_task_dir;
pm_tokenizer *test_task_bytes;

int test_task_setup(void **state)
{
    (void)state;
    test_task_dir = test_dir_make();
    test_log_reset();
    return pm_tokenizer_bytes(NULL, &test_task_bytes) == PM_OK ? 0 : -1;
}

int test_task_teardown(void **state)
{
    (void)state;
    pm_tokenizer_destroy(&test_task_bytes);
    test_dir_remove(test_task_dir);
    return 0;
}

const char *test_task_file(const char *name, const char *text)
{
    const char *path = test_path(test_task_dir, name);
    test_write(path, text, strlen(text));
    return path;
}

pm_task test_task_learn(pm_task_kind kind, const char *path, const char *fields)
{
    pm_task task = {0};
    const pm_log log = test_log();
    if (pm_task_learn(&log, kind, path, fields, pm_tokenizer_vocab(test_task_bytes), &task) != PM_OK)
        fail_msg("%s", test_last_error());
    return task;
}

pm_taskset *test_task_open(const pm_task *task, const char *path, uint32_t ctx, bool labelled)
{
    pm_taskset *set = NULL;
    const pm_log log = test_log();
    if (pm_taskset_open(&log, path, task, test_task_bytes, ctx, labelled, &set) != PM_OK)
        fail_msg("%s", test_last_error());
    return set;
}
