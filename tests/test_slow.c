/* A GPU far slower than guessed, with a watchdog: no submission is long enough to wake it, from the first one on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_device.h"
#include "helper_fault.h"
#include "train/trainer.h"

/* Drivers' watchdogs fire after two seconds or more, twenty times a submission of 100 ms; all in a tenth of that. */
enum { SUBMIT_MS = 10, WATCHDOG_MS = 200, STEPS = 3, BATCH = 4, TIME = 64, VOCAB = 320 };

static const pm_gpt_config config = {
    .arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = TIME, .embd = 64, .heads = 4, .layers = 2};

/* Trains a little, where a work group takes so long; what the layer saw. */
static test_fault_report train(double group_us, const char *disable, float losses[STEPS], gpu_program_stats *stats)
{
    test_fault("group_us=%g watchdog_ms=%d", group_us, WATCHDOG_MS);
    pm_device *device = test_device_open(&(pm_device_params){.submit_ms = SUBMIT_MS, .disable = disable});
    const pm_train_params params = {.batch = BATCH, .steps = STEPS, .lr = 1e-2f};
    int32_t tokens[BATCH * TIME], targets[BATCH * TIME];
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    assert_int_equal(pm_device_caps(device)->type, PM_DEVICE_INTEGRATED);
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    for (int i = 0; i < STEPS; i++) {
        pm_step step;
        for (int k = 0; k < BATCH * TIME; k++) {
            tokens[k] = (k * 7 + i) % VOCAB;
            targets[k] = (k * 7 + i + 7) % VOCAB;
        }
        assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
        losses[i] = step.loss;
    }
    gpu_program_get_stats(trainer->pass.program, stats);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
    const test_fault_report r = test_fault_done();
    assert_true(r.seen);
    return r;
}

static void slow(const char *disable)
{
    float losses[2][STEPS];
    gpu_program_stats quick, stats;
    test_fault_report r = train(1e-6, disable, losses[0], &quick);
    assert_int_equal(r.lost, 0);
    if (!disable)
        assert_int_equal(quick.submissions, 1); /* the layer's clock; the host's tells what the driver below takes */
    r = train(100, disable, losses[1], &stats);
    print_message("%u submissions a step, %lu calls, the longest job %.1f ms\n", stats.submissions, r.queue,
                  r.longest_ms);
    assert_int_equal(r.lost, 0);
    assert_true(r.longest_ms <= WATCHDOG_MS / 2);
    assert_true(stats.submissions > 5);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
}

static void test_stamps(void **state)
{
    (void)state;
    slow(NULL);
}

/* By the host's clock. */
static void test_no_stamps(void **state)
{
    (void)state;
    slow("timestamps");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stamps), cmocka_unit_test(test_no_stamps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
