/* Compares fine-tuning with PyTorch, for each of the four tasks: the heads' outputs, both losses, every gradient and five steps. The batch has
 * padding. golden/make_task_golden.py made the values and says how. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_golden.h"

/* Largest relative distances from PyTorch. */
static const double OUTPUTS_TOLERANCE = 1e-5, LOSS_TOLERANCE = 1e-5, GRADIENT_TOLERANCE = 1e-4, STEPS_TOLERANCE = 1e-4;
static const double HALF_TOLERANCE =
    2e-3; /* a few roundings to fp16, each by 2^-11 of a value; gradients pass dozens: ten times that */

typedef struct golden {
    pm_device *device;
    pm_tokenizer *tokenizer;
    pm_model *model;
    pm_taskset *set;
    st_file values;
    uint32_t steps;
} golden;

typedef struct variant {
    const char *name;    /* a folder of golden/ */
    const char *disable; /* device features to do without */
} variant;

static variant variants[] = {
    {"task-classify", NULL},  {"task-entail", NULL},  {"task-similar", NULL},  {"task-choice", NULL},
    {"task-classify", "all"}, {"task-entail", "all"}, {"task-similar", "all"}, {"task-choice", "all"},
};

static golden golden_open(const variant *v)
{
    golden g = {0};
    char dir[512], path[512];
    golden_path(dir, TEST_DATA_DIR "/golden", v->name);
    golden_path(path, dir, "train.jsonl");
    g.device = test_device(v->disable);
    assert_int_equal(pm_model_load(g.device, dir, &g.model), PM_OK);
    assert_int_equal(pm_tokenizer_load(NULL, dir, &g.tokenizer), PM_OK);
    assert_non_null(pm_model_task(g.model));
    assert_int_equal(
        pm_taskset_open(NULL, path, pm_model_task(g.model), g.tokenizer, pm_model_config(g.model)->ctx, true, &g.set),
        PM_OK);
    golden_open_tensors(dir, "values.safetensors", &g.values);
    g.steps = (uint32_t)golden_setting(&g.values, "steps");
    return g;
}

static void golden_close(golden *g)
{
    st_close(&g->values);
    pm_taskset_close(&g->set);
    pm_model_destroy(&g->model);
    pm_tokenizer_destroy(&g->tokenizer);
    test_device_done(&g->device);
}

/* One step an epoch: all examples in one batch. */
static pm_finetuner *new_finetuner(const golden *g, uint32_t accum, float lambda, pm_precision precision)
{
    pm_finetune_params params = {0};
    params.batch = (uint32_t)pm_taskset_size(g->set);
    params.accum = accum;
    params.epochs = g->steps;
    params.lr = (float)golden_setting(&g->values, "lr");
    params.warmup = (float)golden_setting(&g->values, "warmup");
    params.lambda = lambda;
    params.beta1 = (float)golden_setting(&g->values, "beta1");
    params.beta2 = (float)golden_setting(&g->values, "beta2");
    params.eps = (float)golden_setting(&g->values, "eps");
    params.weight_decay = (float)golden_setting(&g->values, "weight_decay");
    params.clip = (float)golden_setting(&g->values, "clip");
    params.precision = precision;
    pm_finetuner *finetuner = NULL;
    assert_int_equal(pm_finetuner_create(g->model, g->set, &params, &finetuner), PM_OK);
    assert_int_equal(pm_finetuner_steps(finetuner), g->steps);
    return finetuner;
}

static void assert_loss(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * want)) fail_msg("%s: %.9g instead of %.9g", what, got, want);
}

/* (steps,3): sum, task, language model. */
static const float *losses_of(const golden *g)
{
    return golden_tensor(&g->values, "losses", ST_F32, 3ull * g->steps)->data;
}

static void check_gradients(const golden *g, const pm_finetuner *finetuner, double tolerance)
{
    for (size_t p = 0; p < pm_model_param_count(g->model); p++) {
        pm_param param = pm_model_param(g->model, p);
        size_t n = (size_t)param.rows * param.cols;
        char name[128];
        snprintf(name, sizeof name, "grad.%s", param.name);
        float *got = golden_floats(n);
        assert_int_equal(pm_finetuner_read_gradient(finetuner, p, got), PM_OK);
        golden_near(name, got, golden_tensor(&g->values, name, ST_F32, n)->data, n, tolerance);
        free(got);
    }
}

static void test_task(void **state)
{
    golden g = golden_open(*state);
    size_t n = pm_taskset_all_outputs(g.set);
    float *outputs = golden_floats(n);
    assert_int_equal(pm_taskset_cut(g.set), 1);
    assert_int_equal(pm_model_predict(g.model, g.set, outputs), PM_OK);
    golden_near("outputs", outputs, golden_tensor(&g.values, "outputs", ST_F32, n)->data, n, OUTPUTS_TOLERANCE);

    const float *want = losses_of(&g);
    pm_finetuner *finetuner = new_finetuner(&g, 1, (float)golden_setting(&g.values, "lambda"), PM_PRECISION_F32);
    for (uint32_t i = 0; i < g.steps; i++) {
        pm_finetune_step step;
        double tolerance = i ? STEPS_TOLERANCE : LOSS_TOLERANCE;
        assert_int_equal(pm_finetuner_step(finetuner, &step), PM_OK);
        assert_loss("loss", (double)step.loss, (double)want[3 * i], tolerance);
        assert_loss("task loss", (double)step.task_loss, (double)want[3 * i + 1], tolerance);
        assert_loss("language-model loss", (double)step.lm_loss, (double)want[3 * i + 2], tolerance);
        if (i == 0) check_gradients(&g, finetuner, GRADIENT_TOLERANCE);
    }
    pm_finetuner_destroy(&finetuner);
    free(outputs);
    golden_close(&g);
}

/* Three micro batches add up to the same step, where all examples have the same number of sequences. */
static void test_accumulation(void **state)
{
    golden g = golden_open(*state);
    const float *want = losses_of(&g);
    pm_finetuner *finetuner = new_finetuner(&g, 3, (float)golden_setting(&g.values, "lambda"), PM_PRECISION_F32);
    pm_finetune_step step;
    assert_int_equal(pm_finetuner_step(finetuner, &step), PM_OK);
    assert_loss("task loss", (double)step.task_loss, (double)want[1], LOSS_TOLERANCE);
    assert_loss("language-model loss", (double)step.lm_loss, (double)want[2], LOSS_TOLERANCE);
    check_gradients(&g, finetuner, GRADIENT_TOLERANCE);
    pm_finetuner_destroy(&finetuner);
    golden_close(&g);
}

/* With lambda 0 the task's loss does not change. */
static void test_no_language_model(void **state)
{
    golden g = golden_open(*state);
    const float *want = losses_of(&g);
    pm_finetuner *finetuner = new_finetuner(&g, 1, 0, PM_PRECISION_F32);
    pm_finetune_step step;
    assert_int_equal(pm_finetuner_step(finetuner, &step), PM_OK);
    assert_loss("task loss", (double)step.task_loss, (double)want[1], LOSS_TOLERANCE);
    assert_loss("loss", (double)step.loss, (double)want[1], LOSS_TOLERANCE);
    assert_true(isnan(step.lm_loss));
    pm_finetuner_destroy(&finetuner);
    golden_close(&g);
}

/* The first step with fp16 activations that does not overflow: losses and gradients of each head. */
static void test_half(void **state)
{
    golden g = golden_open(*state);
    if (!pm_device_caps(g.device)->storage16) {
        golden_close(&g);
        skip();
    }
    const float *want = losses_of(&g);
    pm_finetuner *finetuner = new_finetuner(&g, 1, (float)golden_setting(&g.values, "lambda"), PM_PRECISION_F16);
    pm_finetune_step step;
    do assert_int_equal(pm_finetuner_step(finetuner, &step), PM_OK);
    while (step.skipped);
    assert_loss("task loss", (double)step.task_loss, (double)want[1], HALF_TOLERANCE);
    assert_loss("language-model loss", (double)step.lm_loss, (double)want[2], HALF_TOLERANCE);
    check_gradients(&g, finetuner, 10 * HALF_TOLERANCE);
    pm_finetuner_destroy(&finetuner);
    golden_close(&g);
}

int main(void)
{
    enum { TASKS = sizeof variants / sizeof *variants, KINDS = 4 };
    struct CMUnitTest tests[TASKS + KINDS + 3];
    for (int i = 0; i < TASKS; i++)
        tests[i] = (struct CMUnitTest){.name = variants[i].name, .test_func = test_task, .initial_state = &variants[i]};
    static const char *const halves[KINDS] = {"fp16, classify", "fp16, entail", "fp16, similar", "fp16, choice"};
    for (int i = 0; i < KINDS; i++)
        tests[TASKS + 3 + i] = (struct CMUnitTest){halves[i], test_half, NULL, NULL, &variants[i]};
    tests[TASKS] = (struct CMUnitTest){"accumulation, labels", test_accumulation, NULL, NULL, &variants[0]};
    tests[TASKS + 1] = (struct CMUnitTest){"accumulation, scores", test_accumulation, NULL, NULL, &variants[2]};
    tests[TASKS + 2] = (struct CMUnitTest){"lambda 0", test_no_language_model, NULL, NULL, &variants[1]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
