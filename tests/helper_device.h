/* A device for tests, chosen by the environment: PUMICE_TEST_DEVICE (as pm_adapter_choose reads it) and
 * PUMICE_VALIDATE=1, PUMICE_DISABLE. */
#ifndef HELPER_DEVICE_H
#define HELPER_DEVICE_H

#include <pumice/device.h>

/* Opens a device without the features that `disable` names (NULL: none) and without a pipeline cache on disk. Skips
 * the running test where no Vulkan device exists, fails it where one exists and cannot be opened. Never NULL. */
pm_device *test_device(const char *disable);

/* Parameters with what is empty filled in, and with what PUMICE_DISABLE and PUMICE_VALIDATE ask for. */
pm_device_params test_device_params(pm_device_params params);

/* The same with the caller's parameters; empty `select` and `log` are filled in. A NULL cache_dir means none. */
pm_device *test_device_open(const pm_device_params *params);

/* Closes the device and fails the test when the validation layer gave any message. */
void test_device_done(pm_device **device);

/* Prints warnings and errors on stderr; PUMICE_TEST_LOG=1 everything. */
pm_log test_device_log(void);

/* Keeps all lines, down to debug level, for tests that expect a failure or a message. */
typedef struct test_lines {
    char last[1000]; /* error line */
    char all[8000];  /* the first lines of any level, each ended by \n */
    int errors;
} test_lines;

/* Empties *lines, which must outlive the log. */
pm_log test_lines_log(test_lines *lines);

#endif
