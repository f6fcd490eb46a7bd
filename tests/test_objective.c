/* An objective of the test's own: texts of several lengths, each in the shortest pass that takes it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "train/trainer.h"

enum { BATCH = 3, ACCUM = 2, VOCAB = 29, PASSES = 3, STEPS = 6 };
static const uint32_t times[PASSES] = {16, 6, 11}, lengths[STEPS] = {16, 5, 11, 6, 1, 14};
static const pm_gpt_config config = {.vocab = VOCAB, .ctx = 16, .embd = 16, .heads = 2, .layers = 2};

static uint32_t length(const trainer_core *t, uint32_t number)
{
    (void)t;
    return number < PASSES ? times[number] : 0;
}

static void shape(const trainer_core *t, gpt_shape *out)
{
    (void)t;
    out->mode = GPT_LOSS;
    out->batch = BATCH;
}

static pm_status choose(trainer_core *t, const void *from, flight *f, uint32_t *longest)
{
    f->outcome.lr = t->settings.lr;
    *longest = *(const uint32_t *)from;
    return PM_OK;
}

/* The second micro batch has one text less. */
static pm_status fill(trainer_core *t, const void *from, flight *f, uint32_t micro)
{
    const uint32_t time = f->pass->shape.time, count = *(const uint32_t *)from, texts = BATCH - micro;
    (void)t;
    for (uint32_t row = 0; row < BATCH; row++) {
        int32_t *tokens = pass_row(f->pass, micro, row, INPUT_TOKENS);
        int32_t *targets = pass_row(f->pass, micro, row, INPUT_TARGETS);
        for (uint32_t i = 0; i < time; i++) {
            const bool there = row < texts && i < count;
            tokens[i] = there ? (int32_t)((5 * i + row + 3 * f->outcome.step) % VOCAB) : 0;
            targets[i] = there ? (tokens[i] + 5) % VOCAB : -1;
        }
    }
    f->weights[micro] = texts * count;
    f->outcome.tokens += texts * count;
    return PM_OK;
}

static void collect(const trainer_core *t, flight *f)
{
    double loss = 0;
    for (uint32_t m = 0; m < ACCUM; m++)
        loss += (double)mailbox_floats(&f->pass->box, m, INPUT_RESULT)[0] * f->weights[m];
    f->outcome.loss = (float)(loss / trainer_weight(t, f));
}

static const objective texts_of_lengths = {"test", "test step", length, shape, choose, fill, collect, NULL};

/* Steps of all lengths, `ahead` begun before the first one ends. */
static void learn(pm_device *device, uint32_t ahead, step_outcome out[STEPS])
{
    pm_model *model = NULL;
    assert_int_equal(pm_model_create(device, &config, 4, &model), PM_OK);
    trainer_core t = {
        .objective = &texts_of_lengths,
        .settings =
            {.accum = ACCUM, .lr = 1e-2f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f, .dropout = 0.1f, .seed = 3},
        .config = pm_model_config(model),
        .model = model};
    assert_int_equal(trainer_init(&t), PM_OK);
    for (uint32_t ended = 0, begun = 0; ended < STEPS; ended++) {
        for (; begun < STEPS && begun < ended + ahead; begun++)
            assert_int_equal(trainer_begin(&t, &lengths[begun]), PM_OK);
        assert_int_equal(trainer_end(&t, &out[ended]), PM_OK);
    }
    assert_int_equal(t.passes.count, PASSES);
    for (uint32_t i = 1; i < PASSES; i++) assert_true(t.passes.all[i - 1].shape.time < t.passes.all[i].shape.time);
    assert_int_equal(pass_set_find(&t.passes, 6)->shape.time, 6);
    assert_int_equal(pass_set_find(&t.passes, 7)->shape.time, 11);
    assert_null(pass_set_find(&t.passes, 17));
    trainer_fini(&t);
    pm_model_destroy(&model);
}

/* Passes that share a workspace do not disturb each other: two steps at a time have the bits of one at a time. */
static void test_lengths(void **state)
{
    step_outcome one[STEPS], two[STEPS];
    pm_device *device = test_device(NULL);
    (void)state;
    learn(device, 1, one);
    learn(device, 2, two);
    for (uint32_t i = 0; i < STEPS; i++) {
        assert_int_equal(one[i].step, i + 1);
        assert_int_equal(one[i].tokens, (2 * BATCH - 1) * lengths[i]);
        assert_true(isnan(one[i].task_loss) && isnan(one[i].lm_loss) && one[i].loss > 0);
        assert_memory_equal(&one[i].loss, &two[i].loss, sizeof(float));
        assert_memory_equal(&one[i].grad_norm, &two[i].grad_norm, sizeof(float));
    }
    assert_true(one[STEPS - 1].loss < one[0].loss);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
