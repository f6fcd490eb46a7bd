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
#include "train/objective_lm.h"

enum { STEPS = 3, MOST_STEPS = 48, BATCH = 4, TIME = 64, VOCAB = 320 };

static const pm_gpt_config config = {
    .arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = TIME, .embd = 64, .heads = 4, .layers = 2};

/* Trains a little under the layer's words, and returns the layer's report. Drivers' watchdogs fire after two seconds or more, twenty times a
 * submission of 100 ms. This one fires after twenty times submit_ms. */
static test_fault_report train(const char *words, uint32_t submit_ms, int steps, const char *disable, float *losses,
                               gpu_program_stats *stats)
{
    test_fault("%s watchdog_ms=%u", words, 20 * submit_ms);
    pm_device *device = test_device_open(&(pm_device_params){.submit_ms = submit_ms, .disable = disable});
    const pm_train_params params = {.batch = BATCH, .steps = MOST_STEPS, .lr = 1e-2f};
    int32_t tokens[BATCH * TIME], targets[BATCH * TIME];
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    assert_int_equal(pm_device_caps(device)->type, PM_DEVICE_INTEGRATED);
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    for (int i = 0; i < steps; i++) {
        pm_step step;
        for (int k = 0; k < BATCH * TIME; k++) {
            tokens[k] = (k * 7 + i) % VOCAB;
            targets[k] = (k * 7 + i + 7) % VOCAB;
        }
        assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
        losses[i] = step.loss;
    }
    pass_stats(&trainer->core.passes.all[0], stats);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
    const test_fault_report r = test_fault_done();
    assert_true(r.seen);
    assert_int_equal(r.lost, 0);
    print_message("%u submissions a step, %lu calls, the longest job %.1f ms\n", stats->submissions, r.queue,
                  r.longest_ms);
    return r;
}

static void slow(const char *disable)
{
    float losses[2][STEPS];
    gpu_program_stats stats;
    train("group_us=1e-6", 10, STEPS, disable, losses[0], &stats);
    const test_fault_report r = train("group_us=100", 10, STEPS, disable, losses[1], &stats);
    assert_true(r.longest_ms <= 100);
    assert_true(stats.submissions > 5);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
}

static void test_stamps(void **state)
{
    (void)state;
    slow(NULL);
}

/* The device is timed by the host's clock. */
static void test_no_stamps(void **state)
{
    (void)state;
    slow("timestamps");
}

/* A device that gets slower and slower, as when it is hot. Its programs are cut anew more often than on a busy machine. */
static void test_drift(void **state)
{
    (void)state;
    float losses[MOST_STEPS];
    gpu_program_stats stats;
    if (getenv("PUMICE_DISABLE")) skip(); /* by the host's clock it would take too long */
    train("group_us=0.05 drift=1.09 drift_after=80", 2, MOST_STEPS, NULL, losses, &stats);
    assert_true(stats.submissions > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stamps), cmocka_unit_test(test_no_stamps),
                                       cmocka_unit_test(test_drift)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
