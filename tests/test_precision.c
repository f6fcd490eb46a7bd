/* fp16 activations: halves as IEEE has them, gradients close to those of fp32, steps that overflow change nothing and lower the loss scale. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "base/half.h"
#include "helper_device.h"
#include "helper_log.h"
#include "train/loss_scale.h"

/* ---- halves ---- */

static void test_half(void **state)
{
    (void)state;
    static const struct {
        float value;
        uint16_t half;
    } known[] = {{0, 0},
                 {-0.0f, 0x8000},
                 {1, 0x3c00},
                 {-2, 0xc000},
                 {65504, 0x7bff},
                 {65519.9f, 0x7bff},
                 {65520, 0x7c00},
                 {INFINITY, 0x7c00},
                 {0x1p-14f, 0x400},
                 {0x1p-24f, 1},
                 {0x1p-25f, 0},
                 {0x1.8p-25f, 1},
                 {0x1.8p-24f, 2},
                 {1 + 0x1p-11f, 0x3c00},
                 {1 + 0x1.8p-10f, 0x3c02},
                 {0x1.ff8p-15f, 0x3ff},
                 {0x1.ffcp-15f, 0x400}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(half_from_float(known[i].value), known[i].half);
    assert_true(isnan(half_to_float(half_from_float(NAN))));
    /* Every half comes back. A value between two neighbours goes to the nearer one, in the middle to the even one. */
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float low = half_to_float((uint16_t)h), high = h < 0x7bff ? half_to_float((uint16_t)(h + 1)) : 65536;
        const float middle = low + (high - low) / 2;
        assert_int_equal(half_from_float(low), h);
        assert_int_equal(half_from_float(-low), h | 0x8000);
        assert_int_equal(half_from_float(middle), h + (h & 1));
        assert_int_equal(half_from_float(nextafterf(middle, 0)), h);
        assert_int_equal(half_from_float(nextafterf(middle, INFINITY)), h + 1);
        /* A double is rounded once, not to a float first. */
        assert_true(pm_half_value((uint16_t)h) == (double)low);
        assert_int_equal(pm_half_bits(nextafter((double)middle, 0)), h);
        assert_int_equal(pm_half_bits((double)middle), h + (h & 1));
        assert_int_equal(pm_half_bits(-nextafter((double)middle, INFINITY)), (h + 1) | 0x8000);
    }
    assert_int_equal(pm_half_bits(0), 0);
    assert_int_equal(pm_half_bits(-1e-300), 0x8000);
    assert_int_equal(pm_half_bits(1e300), 0x7c00);
    assert_true(isnan(pm_half_value(pm_half_bits(NAN))));
}

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* Many at once are what one at a time is, wherever they lie; bf16 is the upper half of a float, rounded. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 1021 };
    static float in[MANY], back[MANY];
    static unsigned char out[2 * MANY + 1];
    for (uint64_t first = 0; first <= UINT32_MAX; first += MANY * 9973ull) {
        for (uint32_t i = 0; i < MANY; i++) in[i] = of_bits((uint32_t)first + i * 9973u);
        halves_from_floats(in, MANY, out + 1);
        for (uint32_t i = 0; i < MANY; i++) {
            uint16_t half;
            memcpy(&half, out + 1 + 2 * i, 2);
            assert_int_equal(half, half_from_double((double)in[i]));
        }
        bf16s_from_floats(in, MANY, out + 1);
        floats_from_bf16s(out + 1, MANY, back);
        for (uint32_t i = 0; i < MANY; i++) {
            const uint32_t bits = (uint32_t)first + i * 9973u, upper = bits & 0xffff0000;
            uint32_t want =
                         upper + (bits - upper > 0x8000 || (bits - upper == 0x8000 && upper & 0x10000) ? 0x10000 : 0),
                     got;
            memcpy(&got, &back[i], 4);
            if ((bits & 0x7fffffff) > 0x7f800000) want = upper | 0x400000; /* a NaN is a quiet one */
            assert_int_equal(got, want);
        }
    }
    for (uint32_t h = 0; h <= UINT16_MAX; h++) {
        const uint16_t half = (uint16_t)h;
        const int exponent = half >> 10 & 31, fraction = half & 1023;
        const double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        floats_from_halves(&half, 1, back);
        assert_true((signbit(back[0]) != 0) == half >> 15);
        assert_true(exponent < 31 ? fabs((double)back[0]) == size : fraction ? isnan(back[0]) : isinf(back[0]));
    }
}

/* ---- the loss scale ---- */

static void test_scale(void **state)
{
    (void)state;
    loss_scale s = loss_scale_begin(true), fp32 = loss_scale_begin(false);
    assert_true(s.scale == 65536 && fp32.scale == 1);
    assert_true(loss_scale_after(&s, INFINITY) && loss_scale_after(&s, NAN) && loss_scale_after(&fp32, NAN));
    assert_true(s.scale == 16384 && s.last == 32768 && s.skipped == 2 && fp32.scale == 1 && fp32.skipped == 1);
    for (int i = 0; i < 1999; i++) assert_false(loss_scale_after(&s, 1));
    assert_true(s.scale == 16384);
    assert_false(loss_scale_after(&s, 1));
    assert_true(s.scale == 32768 && s.good == 0);
}

/* ---- training ---- */

static const pm_gpt_config CONFIG = {.vocab = 61, .ctx = 24, .embd = 48, .heads = 3, .layers = 2};
enum { BATCH = 2, TOKENS = 2 * 24 };

static pm_trainer *trainer_of(pm_model *model, pm_precision precision, float lr)
{
    const pm_train_params params = {
        .batch = BATCH, .steps = 100, .lr = lr, .clip = 1, .weight_decay = 0.1f, .seed = 3, .precision = precision};
    pm_trainer *trainer = NULL;
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    return trainer;
}

static void fill(int32_t *tokens, int32_t *targets)
{
    for (int i = 0; i < TOKENS; i++) {
        tokens[i] = i * 37 % 61;
        targets[i] = (i * 37 + 5) % 61;
    }
}

/* Skips the test where there is no 16-bit storage. */
static pm_device *half_device(void)
{
    pm_device *device = test_device(NULL);
    if (!pm_device_caps(device)->storage16) {
        test_device_done(&device);
        skip();
    }
    return device;
}

static size_t count_of(const pm_model *model, size_t param)
{
    pm_param p = pm_model_param(model, param);
    return (size_t)p.rows * p.cols;
}

/* The relative distance of each parameter's gradient: fp16 rounds each of a few dozen activations on the way by 2^-11. */
static void test_gradients(void **state)
{
    (void)state;
    int32_t tokens[TOKENS], targets[TOKENS];
    pm_device *device = half_device();
    fill(tokens, targets);
    pm_model *model[2] = {NULL, NULL};
    pm_trainer *trainer[2];
    pm_step step[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pm_model_create(device, &CONFIG, 5, &model[i]), PM_OK);
        trainer[i] = trainer_of(model[i], i ? PM_PRECISION_F16 : PM_PRECISION_F32, 1e-3f);
        assert_int_equal(pm_trainer_precision(trainer[i]), i ? PM_PRECISION_F16 : PM_PRECISION_F32);
        assert_int_equal(pm_trainer_step_tokens(trainer[i], tokens, targets, &step[i]), PM_OK);
    }
    assert_true(step[1].loss_scale == 65536 && !step[1].skipped && step[0].loss_scale == 1);
    assert_true(fabsf(step[1].loss - step[0].loss) < 1e-3f * step[0].loss);
    assert_true(fabsf(step[1].grad_norm - step[0].grad_norm) < 5e-3f * step[0].grad_norm);
    for (size_t p = 0; p < pm_model_param_count(model[0]); p++) {
        size_t count = count_of(model[0], p);
        float *one = malloc(count * sizeof *one), *two = malloc(count * sizeof *two);
        assert_true(one && two);
        assert_int_equal(pm_trainer_read_gradient(trainer[0], p, one), PM_OK);
        assert_int_equal(pm_trainer_read_gradient(trainer[1], p, two), PM_OK);
        double error = 0, norm = 0;
        for (size_t i = 0; i < count; i++) {
            error += pow((double)two[i] - (double)one[i], 2);
            norm += pow((double)one[i], 2);
        }
        if (error > 1e-4 * norm)
            print_error("%s: relative %.2g\n", pm_model_param(model[0], p).name, sqrt(error / norm));
        assert_true(norm > 0 && error > 0 && error <= 1e-4 * norm);
        free(one);
        free(two);
    }
    for (int i = 0; i < 2; i++) {
        pm_trainer_destroy(&trainer[i]);
        pm_model_destroy(&model[i]);
    }
    test_device_done(&device);
}

/* All parameters, one after another; malloc'd. */
static float *weights_of(const pm_model *model, size_t *total)
{
    *total = 0;
    for (size_t p = 0; p < pm_model_param_count(model); p++) *total += count_of(model, p);
    float *all = malloc(*total * sizeof *all), *at = all;
    assert_non_null(all);
    for (size_t p = 0; p < pm_model_param_count(model); at += count_of(model, p++))
        assert_int_equal(pm_model_read(model, p, at), PM_OK);
    return all;
}

/* A final gain of 3000 makes gradients that overflow at first: those steps change nothing; once the scale is low enough, the run goes on. */
static void test_overflow(void **state)
{
    (void)state;
    int32_t tokens[TOKENS], targets[TOKENS];
    pm_device *device = half_device();
    fill(tokens, targets);
    pm_model *model = NULL;
    assert_int_equal(pm_model_create(device, &CONFIG, 5, &model), PM_OK);
    float gain[48];
    for (int i = 0; i < 48; i++) gain[i] = 3000;
    for (size_t p = 0; p < pm_model_param_count(model); p++)
        if (!strcmp(pm_model_param(model, p).name, "transformer.ln_f.weight"))
            assert_int_equal(pm_model_write(model, p, gain), PM_OK);
    pm_trainer *trainer = trainer_of(model, PM_PRECISION_F16, 1e-3f);
    size_t total;
    float *before = weights_of(model, &total), scale = 65536;
    pm_step step;
    int skipped = 0;
    do {
        assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
        assert_true(step.loss_scale == scale);
        float *after = weights_of(model, &total);
        assert_int_equal(step.skipped, memcmp(before, after, total * sizeof *after) == 0);
        free(after);
        skipped += step.skipped;
        scale /= 2;
    } while (step.skipped && skipped < 30);
    assert_true(skipped > 0 && skipped < 16 && isfinite(step.loss) && isfinite(step.grad_norm));
    free(before);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
}

/* fp16 is refused where the device cannot do it, and `auto` then takes fp32. Halves take less room. */
static void test_choice(void **state)
{
    (void)state;
    pm_device *device = test_device_open(&(pm_device_params){.log = test_log(), .disable = "storage16"});
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_train_params params = {.batch = BATCH, .precision = PM_PRECISION_F16};
    assert_int_equal(pm_model_create(device, &CONFIG, 5, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_UNSUPPORTED);
    assert_non_null(strstr(test_last_error(), "16-bit storage"));
    trainer = trainer_of(model, PM_PRECISION_AUTO, 1e-3f);
    assert_int_equal(pm_trainer_precision(trainer), PM_PRECISION_F32);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);

    pm_log log = test_log();
    pm_caps caps = *pm_device_caps(device);
    pm_train_plan full, half;
    assert_int_equal(pm_train_plan_make(&log, &caps, &CONFIG, &params, &half), PM_OK);
    params.precision = PM_PRECISION_F32;
    assert_int_equal(pm_train_plan_make(&log, &caps, &CONFIG, &params, &full), PM_OK);
    assert_true(half.workspace < full.workspace && half.weights == full.weights);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half),      cmocka_unit_test(test_many),     cmocka_unit_test(test_scale),
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_overflow), cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
