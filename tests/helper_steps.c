#include "helper_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_device.h"

const pm_gpt_config test_steps_config = {
    .arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = CTX, .embd = 48, .heads = 4, .layers = 2};

void test_steps_batch(int32_t tokens[TOKENS], int32_t targets[TOKENS], uint32_t step)
{
    for (uint32_t i = 0; i < TOKENS; i++) {
        tokens[i] = (int32_t)((i * 7 + step * 13) % VOCAB);
        targets[i] = i % 5 == step % 5 ? -1 : (int32_t)((i * 7 + step * 13 + 7) % VOCAB);
    }
}

test_steps test_steps_make(uint32_t submit_ms, pm_precision precision)
{
    test_steps f = {.device = test_device_open(&(pm_device_params){.submit_ms = submit_ms})};
    const pm_train_params params = {
        .batch = BATCH, .accum = ACCUM, .steps = 50, .dropout = 0.1f, .precision = precision};
    assert_int_equal(pm_model_create(f.device, &test_steps_config, 5, &f.model), PM_OK);
    assert_int_equal(pm_trainer_create(f.model, &params, &f.trainer), PM_OK);
    return f;
}

void test_steps_done(test_steps *f)
{
    pm_trainer_destroy(&f->trainer);
    pm_model_destroy(&f->model);
    test_device_done(&f->device);
}

/* All weights one behind the other; the caller frees them. */
static float *weights_of(const pm_model *model, size_t *count)
{
    float *all = malloc(sizeof *all * pm_gpt_config_parameters(pm_model_config(model)));
    assert_non_null(all);
    *count = 0;
    for (size_t p = 0; p < pm_model_param_count(model); p++) {
        const pm_param param = pm_model_param(model, p);
        assert_int_equal(pm_model_read(model, p, all + *count), PM_OK);
        *count += (size_t)param.rows * param.cols;
    }
    return all;
}

const test_right *test_steps_undisturbed(pm_precision precision)
{
    static test_right kept[2];
    test_right *r = &kept[precision];
    if (r->weights) return r;
    test_steps f = test_steps_make(0, precision);
    int32_t tokens[TOKENS], targets[TOKENS];
    for (uint32_t i = 0; i < STEPS; i++) {
        test_steps_batch(tokens, targets, i);
        assert_int_equal(pm_trainer_step_tokens(f.trainer, tokens, targets, &r->steps[i]), PM_OK);
    }
    r->weights = weights_of(f.model, &r->count);
    test_steps_done(&f);
    return r;
}

void test_steps_expect(const test_right *r, const pm_step steps[STEPS], const pm_model *model)
{
    for (uint32_t i = 0; i < STEPS; i++) {
        assert_int_equal(steps[i].step, i + 1);
        assert_memory_equal(&steps[i].loss, &r->steps[i].loss, sizeof(float));
        assert_memory_equal(&steps[i].grad_norm, &r->steps[i].grad_norm, sizeof(float));
        assert_memory_equal(&steps[i].lr, &r->steps[i].lr, sizeof(float));
        assert_memory_equal(&steps[i].loss_scale, &r->steps[i].loss_scale, sizeof(float));
    }
    size_t count;
    float *weights = weights_of(model, &count);
    assert_int_equal(count, r->count);
    assert_memory_equal(weights, r->weights, count * sizeof *weights);
    free(weights);
}

void test_steps_begin(test_steps *f, uint32_t step)
{
    int32_t tokens[TOKENS], targets[TOKENS];
    test_steps_batch(tokens, targets, step);
    assert_int_equal(pm_trainer_begin_tokens(f->trainer, tokens, targets), PM_OK);
}
