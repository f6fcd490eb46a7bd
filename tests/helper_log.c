#include "helper_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char last_error[1024], last_warning[1024];
static unsigned counts[PM_LOG_DEBUG + 1];

static void capture(void *user, pm_log_level level, const char *line)
{
    (void)user;
    if (level <= PM_LOG_DEBUG) counts[level]++;
    if (level == PM_LOG_ERROR) snprintf(last_error, sizeof last_error, "%s", line);
    if (getenv("PUMICE_TEST_LOG")) fprintf(stderr, "log %d: %s\n", (int)level, line);
    if (level == PM_LOG_WARN) snprintf(last_warning, sizeof last_warning, "%s", line);
}

pm_log test_log(void)
{
    pm_log log = {.fn = capture, .user = NULL, .max_level = PM_LOG_DEBUG};
    return log;
}

const char *test_last_error(void)
{
    return last_error;
}

const char *test_last_warning(void)
{
    return last_warning;
}

unsigned test_log_count(pm_log_level level)
{
    return level <= PM_LOG_DEBUG ? counts[level] : 0;
}

void test_log_reset(void)
{
    last_error[0] = last_warning[0] = 0;
    memset(counts, 0, sizeof counts);
}

void test_expect_failure(pm_status got, pm_status want, const char *path, const char *words)
{
    if (got != want || !strstr(last_error, words)) print_error("status %d, line: %s\n", got, last_error);
    assert_int_equal(got, want);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_ptr_equal(strstr(last_error, path), last_error);
    assert_non_null(strstr(last_error, words));
    assert_null(strchr(last_error, '\n'));
    test_log_reset();
}
