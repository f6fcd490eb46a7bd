/* Learning rates: the ramp, the cosine, what follows it, and odd settings. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "train/schedule.h"

static pm_train_params params_of(float lr, float min_lr, uint32_t warmup, uint32_t steps)
{
    pm_train_params p = {0};
    p.lr = lr;
    p.min_lr = min_lr;
    p.warmup = warmup;
    p.steps = steps;
    return p;
}

static void assert_rate(const pm_train_params *p, uint32_t step, double want)
{
    double got = schedule_lr(p, step);
    if (!(fabs(got - want) <= 1e-6 * fabs(want))) fail_msg("step %u: %.9g, not %.9g", step, got, want);
}

/* Values of nanoGPT's get_lr(step - 1) with learning_rate 1e-3, min_lr 1e-4, warmup_iters 100, lr_decay_iters 2000. */
static void test_nanogpt(void **state)
{
    (void)state;
    static const struct {
        uint32_t step;
        double lr;
    } KNOWN[] = {{1, 9.900990099e-06},    {2, 1.980198020e-05},    {50, 4.950495050e-04},   {100, 9.900990099e-04},
                 {101, 1.000000000e-03},  {500, 9.055697556e-04},  {1051, 5.500000000e-04}, {1500, 2.457711329e-04},
                 {2000, 1.000006151e-04}, {2001, 1.000000000e-04}, {2002, 1.000000000e-04}, {5000, 1.000000000e-04}};
    pm_train_params p = params_of(1e-3f, 1e-4f, 100, 2000);
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) assert_rate(&p, KNOWN[i].step, KNOWN[i].lr);
}

static void test_shape(void **state)
{
    (void)state;
    pm_train_params p = params_of(2e-3f, 1e-4f, 10, 110);
    for (uint32_t s = 1; s <= 10; s++) assert_rate(&p, s, 2e-3 * s / 11);
    assert_rate(&p, 11, 2e-3);              /* the first step after the ramp has the highest rate */
    assert_rate(&p, 61, (2e-3 + 1e-4) / 2); /* half way down */
    for (uint32_t s = 12; s <= 110; s++) assert_true(schedule_lr(&p, s) < schedule_lr(&p, s - 1));
    assert_true(schedule_lr(&p, 110) > 1e-4f);
    assert_true(schedule_lr(&p, 111) == 1e-4f);
    assert_true(schedule_lr(&p, UINT32_MAX) == 1e-4f);
}

static void test_constant(void **state)
{
    (void)state;
    pm_train_params p = params_of(3e-4f, 3e-4f, 0, 50);
    for (uint32_t s = 1; s <= 60; s++) assert_true(schedule_lr(&p, s) == 3e-4f);
}

static void test_to_zero(void **state)
{
    (void)state;
    pm_train_params p = params_of(1.0f, 0.0f, 0, 4);
    assert_rate(&p, 1, 1.0);
    assert_rate(&p, 2, 0.853553391);
    assert_rate(&p, 3, 0.5);
    assert_rate(&p, 4, 0.146446609);
    assert_true(schedule_lr(&p, 5) == 0.0f);
}

static void test_edges(void **state)
{
    (void)state;
    pm_train_params p = params_of(1.0f, 0.25f, 8, 5); /* a ramp longer than the run continues */
    assert_rate(&p, 5, 5.0 / 9);
    assert_rate(&p, 8, 8.0 / 9);
    assert_true(schedule_lr(&p, 9) == 0.25f);
    p = params_of(1.0f, 0.25f, 5, 5); /* no room for the cosine */
    assert_rate(&p, 5, 5.0 / 6);
    assert_true(schedule_lr(&p, 6) == 0.25f);
    p = params_of(1.0f, 0.25f, 0, 1);
    assert_rate(&p, 1, 1.0);
    assert_rate(&p, 0, 1.0); /* step 0 counts as the first */
    p = params_of(1.0f, 0.5f, UINT32_MAX, UINT32_MAX);
    assert_rate(&p, UINT32_MAX, 4294967295.0 / 4294967296.0);
}

static void assert_linear(float warmup, uint32_t step, uint32_t steps, double want)
{
    double got = schedule_linear(2.0f, warmup, step, steps);
    if (!(fabs(got - want) <= 1e-6 * want)) fail_msg("step %u of %u: %.9g, not %.9g", step, steps, got, want);
}

/* Shares that are a little too large as floats still mean whole steps. */
static void test_linear(void **state)
{
    (void)state;
    assert_linear(0, 1, 4, 2);
    assert_linear(0, 4, 4, 0.5);
    assert_linear(0, 5, 4, 0);
    assert_linear(0.2f, 1, 5, 1);
    assert_linear(0.2f, 2, 5, 2);
    assert_linear(0.2f, 5, 5, 0.5);
    assert_linear(0.002f, 1, 1000, 2.0 / 3); /* two steps of warm-up */
    assert_linear(0.002f, 3, 1000, 2);
    assert_linear(0.002f, 1, 187, 1); /* a part of a step is a whole one */
    assert_linear(1, 3, 3, 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nanogpt), cmocka_unit_test(test_shape), cmocka_unit_test(test_constant),
        cmocka_unit_test(test_to_zero), cmocka_unit_test(test_edges), cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
