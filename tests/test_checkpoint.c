/* Checkpoints that are damaged, in every way and place: they are refused with one line, or the one before is taken. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_model.h"
#include "helper_system.h"

static const pm_gpt_config CONFIG = {.vocab = 10, .ctx = 8, .embd = 8, .heads = 2, .layers = 1};
static const pm_train_params PARAMS = {.batch = 4, .steps = 10, .lr = 1e-2f, .seed = 7};

/* A run whose folder has the checkpoint of step 2 and the one before it, of step 1. */
typedef struct damaged {
    pm_device *device;
    pm_model *model;
    pm_trainer *trainer;
    const char *dir;
    char last[512], previous[512];
    char *bytes; /* of the last one */
    size_t size, data_at;
} damaged;

static void step(damaged *d)
{
    static const int32_t tokens[4 * 8] = {3, 1, 4, 1, 5, 9, 2, 6}, targets[4 * 8] = {1, 4, 1, 5, 9, 2, 6, 5};
    pm_step out;
    assert_int_equal(pm_trainer_step_tokens(d->trainer, tokens, targets, &out), PM_OK);
}

static void damaged_open(damaged *d, const char *name)
{
    *d = (damaged){.device = test_device_open(&(pm_device_params){.log = test_log()}),
                   .dir = test_path(test_root, name)};
    snprintf(d->last, sizeof d->last, "%s/checkpoint.safetensors", d->dir);
    snprintf(d->previous, sizeof d->previous, "%s/checkpoint.previous.safetensors", d->dir);
    assert_int_equal(pm_model_create(d->device, &CONFIG, 5, &d->model), PM_OK);
    assert_int_equal(pm_trainer_create(d->model, &PARAMS, &d->trainer), PM_OK);
    for (int i = 0; i < 2; i++) {
        step(d);
        assert_int_equal(pm_trainer_save(d->trainer, d->dir, "a note"), PM_OK);
    }
    d->bytes = test_read(d->last, &d->size);
    d->data_at = 8 + (unsigned char)d->bytes[0] + 256u * (unsigned char)d->bytes[1];
    assert_int_equal(test_dir_count(d->dir, ""), 2);
}

static void damaged_close(damaged *d)
{
    free(d->bytes);
    pm_trainer_destroy(&d->trainer);
    pm_model_destroy(&d->model);
    test_device_done(&d->device);
}

/* Fails the test unless loading gives one warning and takes the checkpoint of step 1. */
static void expect_previous(damaged *d)
{
    test_log_reset();
    assert_int_equal(pm_trainer_load(d->trainer, d->dir, NULL), PM_OK);
    assert_int_equal(pm_trainer_steps_done(d->trainer), 1);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    assert_ptr_equal(strstr(test_last_warning(), d->last), test_last_warning());
    assert_non_null(strstr(test_last_warning(), "going on from"));
    assert_non_null(strstr(test_last_warning(), "of step 1"));
}

static void flip_and_expect(damaged *d, size_t at)
{
    d->bytes[at] ^= (char)(1 << at % 8);
    test_write(d->last, d->bytes, d->size);
    expect_previous(d);
    d->bytes[at] ^= (char)(1 << at % 8);
}

/* Damages a byte of the length, of the names and numbers, of each tensor, and of the end. Then the file is shorter, longer, empty, missing, or a
 * folder. */
static void test_damaged_checkpoint(void **state)
{
    (void)state;
    damaged d;
    damaged_open(&d, "damaged");
    for (size_t at = 0; at < 100; at++) flip_and_expect(&d, at); /* the seal's name among them */
    for (size_t at = 100; at < d.data_at; at += 37) flip_and_expect(&d, at);
    for (size_t at = d.data_at; at < d.size; at += 331) flip_and_expect(&d, at);
    for (size_t at = d.size - 8; at < d.size; at++) flip_and_expect(&d, at);
    const size_t cuts[] = {0, 7, 8, d.data_at - 1, d.data_at, d.size / 2, d.size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        test_write(d.last, d.bytes, cuts[i]);
        expect_previous(&d);
    }
    test_write(d.last, d.bytes, d.size + 1);
    expect_previous(&d);
    assert_int_equal(remove(d.last), 0);
    expect_previous(&d);
    test_make_folder(d.last);
    expect_previous(&d);
    test_remove_folder(d.last);

    test_write(d.last, d.bytes, d.size);
    test_log_reset();
    assert_int_equal(pm_trainer_load(d.trainer, d.dir, NULL), PM_OK);
    assert_int_equal(pm_trainer_steps_done(d.trainer), 2);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    damaged_close(&d);
}

/* A damaged checkpoint never pushes out a good one. Without a good one there is one line, and nothing changes. */
static void test_two_checkpoints(void **state)
{
    (void)state;
    damaged d;
    damaged_open(&d, "two");
    size_t first_size, size;
    char *first = test_read(d.previous, &first_size), *now;
    d.bytes[d.size - 1] ^= 1;
    test_write(d.last, d.bytes, d.size);
    expect_previous(&d);
    assert_int_equal(pm_trainer_save(d.trainer, d.dir, "a note"), PM_OK); /* in place of the damaged one */
    now = test_read(d.previous, &size);
    assert_memory_equal(now, first, size);
    free(now);
    now = test_read(d.last, &size);
    assert_int_equal(size, first_size);
    assert_memory_equal(now, first, size);
    free(now);

    step(&d);
    float *before = test_model_values(d.model, 0), *after;
    test_write(d.last, d.bytes, d.size);
    first[first_size / 2] ^= 1;
    test_write(d.previous, first, first_size);
    test_log_reset();
    assert_int_equal(pm_trainer_load(d.trainer, d.dir, NULL), PM_FORMAT);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    assert_ptr_equal(strstr(test_last_error(), d.last), test_last_error());
    assert_non_null(strstr(test_last_error(), "is damaged"));
    assert_int_equal(pm_trainer_steps_done(d.trainer), 2);
    after = test_model_values(d.model, 0);
    assert_memory_equal(before, after, 10 * 8 * sizeof *before);
    free(before);
    free(after);
    free(first);
    damaged_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_checkpoint),
        cmocka_unit_test(test_two_checkpoints),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
