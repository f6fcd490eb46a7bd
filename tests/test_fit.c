/* Settings that fit into less and less memory are those of the same step, as long as there are such. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_log.h"
#include "helper_run.h"

static uint64_t bytes_of(const pm_train_plan *p)
{
    return p->weights + p->gradients + p->optimizer + p->workspace;
}

/* With less and less memory: recomputation, then more micro batches with the same sequences a step, then half the context. */
static void test_fit(void **state)
{
    (void)state;
    const pm_gpt_config config = {.vocab = 256, .ctx = 64, .embd = 64, .heads = 4, .layers = 4};
    pm_caps caps = *pm_device_caps(test_host.shared);
    pm_train_plan whole, plan;
    pm_train_params p = {0}, before;
    pm_finetune_params tune = PM_FINETUNE_PARAMS;
    const pm_log log = test_log();
    int changes = 0;
    caps.device_memory_free = UINT64_MAX;
    assert_int_equal(pm_train_fit(&log, &caps, &config, &p, &whole), PM_OK);
    assert_true(p.batch == 12 && p.accum == 1 && p.time == 64 && !p.recompute && p.steps == 2000);
    for (before = p;; before = p) {
        caps.device_memory_free = bytes_of(changes ? &plan : &whole) - 1;
        const pm_status status = pm_train_fit(&log, &caps, &config, &p, &plan);
        if (status != PM_OK) {
            assert_int_equal(status, PM_NO_DEVICE_MEMORY);
            break;
        }
        changes++;
        assert_true(bytes_of(&plan) <= caps.device_memory_free && p.recompute);
        assert_int_equal(p.batch * p.accum, 12);
        assert_true(p.batch <= before.batch && p.time <= before.time);
        assert_true(p.time == 64 || p.batch == 1);
    }
    assert_memory_equal(&p, &before, sizeof p);
    assert_true(p.batch == 1 && p.time < 64 && changes > 3);
    test_log_reset();
    test_expect_failure(pm_train_fit(&log, &caps, &config, &p, &plan), PM_NO_DEVICE_MEMORY, caps.name, "too large");
    p.lr = -1;
    test_expect_failure(pm_train_fit(&log, &caps, &config, &p, &plan), PM_INVALID, "lr", "");

    caps.device_memory_free = UINT64_MAX;
    assert_int_equal(pm_finetune_fit(&log, &caps, &config, test_host.train, &tune, &whole), PM_OK);
    assert_true(tune.batch == 32 && tune.accum == 1 && !tune.recompute);
    caps.device_memory_free = bytes_of(&whole) * 3 / 4;
    assert_int_equal(pm_finetune_fit(&log, &caps, &config, test_host.train, &tune, &plan), PM_OK);
    assert_true(tune.batch == 32 && tune.recompute && bytes_of(&plan) <= caps.device_memory_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fit, test_run_begin),
    };
    return cmocka_run_group_tests(tests, test_run_open_all, test_run_close_all);
}
