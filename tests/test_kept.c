/* What a device keeps between runs, kept by a program's functions in place of a folder: pipelines, choices, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "gpu/gpu.h"
#include "helper_device.h"
#include "helper_log.h"

enum { MOST = 4 };

/* A program's store. */
typedef struct store {
    struct {
        char name[128];
        unsigned char *data;
        size_t size;
    } blobs[MOST];
    size_t count, loads, stores;
    pm_status load_answer, store_answer; /* where not PM_OK */
} store;

static store kept;

static pm_status load(void *user, const char *name, const void **data, size_t *size)
{
    store *s = user;
    s->loads++;
    if (s->load_answer != PM_OK) return s->load_answer;
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->blobs[i].name, name) != 0) continue;
        *data = s->blobs[i].data;
        *size = s->blobs[i].size;
        return PM_OK;
    }
    return PM_NO_FILE;
}

static pm_status keep(void *user, const char *name, const void *data, size_t size)
{
    store *s = user;
    size_t i = 0;
    s->stores++;
    if (s->store_answer != PM_OK) return s->store_answer;
    while (i < s->count && strcmp(s->blobs[i].name, name) != 0) i++;
    assert_true(i < MOST);
    if (i == s->count) snprintf(s->blobs[s->count++].name, sizeof s->blobs[0].name, "%s", name);
    free(s->blobs[i].data);
    s->blobs[i].data = malloc(size + 1);
    assert_non_null(s->blobs[i].data);
    memcpy(s->blobs[i].data, data, size);
    s->blobs[i].size = size;
    return PM_OK;
}

static size_t find(const char *begin)
{
    for (size_t i = 0; i < kept.count; i++)
        if (strncmp(kept.blobs[i].name, begin, strlen(begin)) == 0) return i;
    return MOST;
}

static int forget(void **state)
{
    (void)state;
    for (size_t i = 0; i < kept.count; i++) free(kept.blobs[i].data);
    kept = (store){.load_answer = PM_OK};
    return 0;
}

static pm_device *open_with(pm_log log)
{
    return test_device_open(
        &(pm_device_params){.log = log, .cache_load = load, .cache_store = keep, .cache_user = &kept});
}

/* A run that needs pipelines. */
static void run(test_lines *lines)
{
    pm_device *device = open_with(test_lines_log(lines));
    const pm_gpt_config config = {.vocab = 16, .ctx = 8, .embd = 16, .heads = 1, .layers = 1};
    const uint32_t token = 1;
    pm_model *model = NULL;
    pm_session *session = NULL;
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, &token, 1), PM_OK);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    test_device_done(&device);
    assert_int_equal(lines->errors, 0);
}

static void test_pipelines(void **state)
{
    (void)state;
    static test_lines lines;
    run(&lines);
    const size_t p = find("pipelines-");
    assert_int_equal(p, 0);
    assert_int_equal(kept.count, 1); /* nothing else was there to keep */
    assert_null(strchr(kept.blobs[p].name, '/'));
    assert_non_null(strstr(lines.all, "pipelines saved"));
    kept.stores = 0;
    run(&lines);
    assert_non_null(strstr(lines.all, "pipelines read"));
    assert_null(strstr(lines.all, "making it again"));

    const size_t size = kept.blobs[p].size;
    for (size_t at = 0; at < size; at += size / 3 + 1) { /* damaged */
        kept.blobs[p].data[at] ^= 1;
        run(&lines);
        assert_non_null(strstr(lines.all, "this pipeline cache is damaged; making it again"));
        assert_non_null(strstr(lines.all, kept.blobs[p].name));
        assert_non_null(strstr(lines.all, "pipelines saved"));
    }
    kept.blobs[p].size = 3; /* cut short */
    run(&lines);
    assert_non_null(strstr(lines.all, "this pipeline cache is damaged; making it again"));
    kept.blobs[p].size = 0;
    run(&lines);
    assert_non_null(strstr(lines.all, "this pipeline cache is damaged; making it again"));

    kept.load_answer = PM_IO;
    run(&lines);
    assert_non_null(strstr(lines.all, "this pipeline cache cannot be read; making it again"));
    assert_non_null(strstr(lines.all, "cannot be read; the usual kernels are taken"));
    kept.load_answer = PM_NO_FILE;
    kept.store_answer = PM_NO_HOST_MEMORY;
    run(&lines);
    assert_non_null(strstr(lines.all, "the pipeline cache could not be written"));
    kept.load_answer = kept.store_answer = PM_OK;
}

static uint32_t choice_of(pm_device *device, const char *key)
{
    gpu_program *program = NULL;
    assert_int_equal(gpu_program_create(device, "none", &program), PM_OK);
    const uint32_t choice = gpu_chosen(program, key);
    gpu_program_destroy(&program);
    return choice;
}

static void test_lists(void **state)
{
    (void)state;
    test_log_reset();
    pm_device *device = open_with(test_log());
    assert_true(gpu_faults_kept(device));
    assert_int_equal(gpu_choice_set(device, "one", 3), PM_OK);
    assert_int_equal(gpu_choices_save(device), PM_OK);
    test_device_done(&device);
    device = open_with(test_log());
    assert_int_equal(choice_of(device, "one"), 3);
    assert_int_equal(gpu_row_switch(device, ROW_gelu, false), PM_OK);
    assert_int_equal(gpu_faults_save(device), PM_OK);
    test_device_done(&device);
    const size_t choices = find("tuning-"), faults = find("faults-");
    assert_true(choices < MOST && faults < MOST && kept.count == 2);

    device = open_with(test_log()); /* which has choices of its own now */
    assert_int_equal(choice_of(device, "one"), 0);
    assert_true(gpu_row_switched_off(device, ROW_gelu));
    assert_false(gpu_row_good(pm_device_caps(device), ROW_gelu));
    kept.store_answer = PM_IO;
    test_expect_failure(gpu_choices_save(device), PM_IO, "gpu: tuning-", "the program's function could not keep it");
    kept.store_answer = (pm_status)1000;
    test_expect_failure(gpu_faults_save(device), PM_IO, "gpu: faults-", "the program's function could not keep it");
    kept.store_answer = PM_OK;
    test_device_done(&device);

    kept.blobs[faults].data[kept.blobs[faults].size / 2] ^= 1;
    test_log_reset();
    device = open_with(test_log());
    assert_int_equal(choice_of(device, "one"), 3);
    assert_int_equal(pm_device_forget_choices(device), PM_OK);
    assert_int_equal(choice_of(device, "one"), 0);
    assert_true(gpu_row_good(pm_device_caps(device), ROW_gelu));
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "is damaged; what pumice doctor may have switched off"));
    test_device_done(&device);
}

/* Both functions or neither; out of memory in one of them is out of memory. */
static void test_refused(void **state)
{
    (void)state;
    pm_device *device = open_with(test_log()); /* skips where there is none */
    test_device_done(&device);
    pm_device_params params =
        test_device_params((pm_device_params){.log = test_log(), .cache_load = load, .cache_user = &kept});
    test_log_reset();
    test_expect_failure(pm_device_open(&params, &device), PM_INVALID, "pm_device_params: ", "go together");
    params.cache_store = keep;
    kept.load_answer = PM_NO_HOST_MEMORY;
    test_expect_failure(pm_device_open(&params, &device), PM_NO_HOST_MEMORY, "gpu: faults-", "no memory");
    assert_null(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_pipelines, forget),
                                       cmocka_unit_test_teardown(test_lists, forget),
                                       cmocka_unit_test_teardown(test_refused, forget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
