#include "helper_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "helper_import.h"

/* Validation messages that came to test_device_log(), also those of closing a device. */
static unsigned validation_lines;

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    if (level == PM_LOG_ERROR && strncmp(line, "validation:", 11) == 0) validation_lines++;
    fprintf(stderr, "%s\n", line);
}

pm_log test_device_log(void)
{
    const char *all = getenv("PUMICE_TEST_LOG");
    pm_log log = {print_line, NULL, all && *all && strcmp(all, "0") != 0 ? PM_LOG_DEBUG : PM_LOG_WARN};
    return log;
}

static void keep_line(void *user, pm_log_level level, const char *line)
{
    test_lines *lines = user;
    size_t used = strlen(lines->all);
    snprintf(lines->all + used, sizeof lines->all - used, "%s\n", line);
    if (level != PM_LOG_ERROR) return;
    snprintf(lines->last, sizeof lines->last, "%s", line);
    lines->errors++;
}

pm_log test_lines_log(test_lines *lines)
{
    memset(lines, 0, sizeof *lines);
    return (pm_log){keep_line, lines, PM_LOG_DEBUG};
}

pm_device_params test_device_params(pm_device_params params)
{
    static char lists[4][512]; /* a test may hold a few */
    static unsigned turn;
    const char *all = getenv("PUMICE_DISABLE"), *validate = getenv("PUMICE_VALIDATE");
    if (all && *all) {
        char *list = lists[turn++ % 4];
        const int n = snprintf(list, sizeof lists[0], "%s%s%s", all, params.disable ? "," : "",
                               params.disable ? params.disable : "");
        assert_true(n < (int)sizeof lists[0]);
        params.disable = list;
    }
    params.validate = params.validate || (validate && strcmp(validate, "1") == 0);
    if (!params.log.fn) params.log = test_device_log();
    if (!params.select) params.select = getenv("PUMICE_TEST_DEVICE");
    if (!params.cache_dir) params.cache_dir = "";
    return params;
}

/* ---- imported devices ---- */

static struct {
    pm_device *device;
    test_host *host;
} imported[8];

/* PUMICE_TEST_IMPORT: full, bare or busy (helper_import.h). */
static pm_status open_or_import(pm_device_params params, pm_device **out)
{
    static const char *const kinds[] = {"full", "bare", "busy"};
    const char *kind = getenv("PUMICE_TEST_IMPORT");
    if (!kind || !*kind) return pm_device_open(&params, out);
    int k = 0, at = 0;
    while (k < 3 && strcmp(kinds[k], kind) != 0) k++;
    while (at < 8 && imported[at].device) at++;
    assert_true(k < 3 && at < 8);
    params.validate = false; /* the host's instance has the layer */
    imported[at].host = test_host_make((test_host_kind)k);
    assert_non_null(imported[at].host);
    const pm_status status = pm_device_import(&params, test_host_device(imported[at].host), out);
    imported[at].device = *out;
    return status;
}

static void close_host(const pm_device *device)
{
    for (int i = 0; i < 8; i++) {
        if (!device || imported[i].device != device) continue;
        test_host_done(&imported[i].host);
        imported[i].device = NULL;
    }
}

pm_device *test_device_open(const pm_device_params *params)
{
    const pm_device_params full = test_device_params(*params);
    size_t count = 0;
    pm_status status = pm_adapters_list(NULL, NULL, 0, &count);
    if (status == PM_NO_DEVICE || (status == PM_OK && count == 0)) skip();
    assert_int_equal(status, PM_OK);
    pm_device *device = NULL;
    assert_int_equal(open_or_import(full, &device), PM_OK);
    assert_non_null(device);
    return device;
}

pm_device *test_device(const char *disable)
{
    pm_device_params params = {0};
    params.disable = disable;
    return test_device_open(&params);
}

void test_device_done(pm_device **device)
{
    unsigned before = validation_lines;
    uint32_t messages = *device ? pm_device_validation_messages(*device) : 0;
    const pm_device *closed = *device;
    pm_device_close(device);
    close_host(closed);
    assert_null(*device);
    assert_int_equal(messages, 0);
    assert_int_equal(validation_lines, before); /* closing gave no message either */
}
