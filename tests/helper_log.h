/* A log for tests that keeps the last error line, so that a test can check what it says. */
#ifndef HELPER_LOG_H
#define HELPER_LOG_H

#include <pumice/status.h>

/* Captures every line up to debug level; PUMICE_TEST_LOG=1 in the environment shows them on stderr as well. Counts and
 * last lines live in this program's globals: one thread at a time. */
pm_log test_log(void);

/* The last PM_LOG_ERROR line since the reset; "" when there was none. */
const char *test_last_error(void);

/* The last PM_LOG_WARN line since the reset; "" when there was none. */
const char *test_last_warning(void);

/* How many lines of a level came since the reset. A failing call logs exactly one PM_LOG_ERROR. */
unsigned test_log_count(pm_log_level level);

void test_log_reset(void);

/* Fails the test unless the call gave `want` and logged one line, which begins with the path and has the words in it. Resets. */
void test_expect_failure(pm_status got, pm_status want, const char *path, const char *words);

#endif
