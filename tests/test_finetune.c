/* Fine-tuning through the public interface. The same seed gives the same bits, and a resumed run equals an uninterrupted one. Padding and other
 * examples in the batch change nothing. The order of examples is fair, and a small task is learnt. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "exec/pass_set.h"
#include "train/order.h"

static char *root;
static pm_device *device;
static pm_tokenizer *bytes;
static pm_task task;
static pm_taskset *set;

enum { CTX = 32, EXAMPLES = 45 };

/* Writes texts of different lengths; the label says whether there is an x. */
static void write_examples(const char *path)
{
    char *text = calloc(EXAMPLES, 80);
    assert_non_null(text);
    size_t used = 0;
    for (int i = 0; i < EXAMPLES; i++) {
        char word[32] = "";
        int length = 1 + i * 7 % 26;
        for (int k = 0; k < length; k++) word[k] = (char)('a' + (i * 5 + k * 3) % 20);
        if (i % 2) word[i % length] = 'x';
        used += (size_t)sprintf(text + used, "{\"text\": \"%s\", \"label\": %d}\n", word, i % 2);
    }
    test_write(path, text, used);
    free(text);
}

static int setup(void **state)
{
    (void)state;
    root = test_dir_make();
    const char *path = test_path(root, "train.jsonl");
    write_examples(path);
    device = test_device(NULL);
    assert_int_equal(pm_tokenizer_bytes(NULL, &bytes), PM_OK);
    assert_int_equal(pm_task_learn(NULL, PM_TASK_CLASSIFY, path, NULL, 256, &task), PM_OK);
    assert_int_equal(pm_taskset_open(NULL, path, &task, bytes, CTX, true, &set), PM_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pm_taskset_close(&set);
    pm_task_fini(&task);
    pm_tokenizer_destroy(&bytes);
    test_device_done(&device);
    test_dir_remove(root);
    return 0;
}

static pm_model *new_model(void)
{
    const pm_gpt_config config = {
        .arch = PM_ARCH_GPT1, .vocab = 256, .ctx = CTX, .embd = 16, .heads = 2, .layers = 2, .dropout_resid = 0.1f};
    pm_model *base = NULL, *model = NULL;
    assert_int_equal(pm_model_create(device, &config, 5, &base), PM_OK);
    assert_int_equal(pm_model_for_task(base, &task, 6, &model), PM_OK);
    pm_model_destroy(&base);
    return model;
}

/* Trains until step `until`, from the checkpoint in `from` if there is one; saves to `to`. */
static void train(const char *from, const char *to, uint32_t until)
{
    pm_finetune_params params = PM_FINETUNE_PARAMS;
    params.batch = 8;
    params.accum = 2;
    params.epochs = 4;
    params.lr = 1e-2f;
    params.dropout = 0.1f;
    params.seed = 77;
    pm_model *model = new_model();
    pm_finetuner *finetuner = NULL;
    pm_finetune_step step;
    assert_int_equal(pm_finetuner_create(model, set, &params, &finetuner), PM_OK);
    assert_int_equal(pm_finetuner_epoch_steps(finetuner), 6);
    assert_int_equal(pm_finetuner_steps(finetuner), 24);
    if (from) assert_int_equal(pm_finetuner_load(finetuner, from, NULL), PM_OK);
    while (pm_finetuner_steps_done(finetuner) < until) {
        assert_int_equal(pm_finetuner_step(finetuner, &step), PM_OK);
        assert_true(isfinite(step.loss) && step.examples <= 8 && step.tokens > 0);
        assert_true(fabs((double)step.loss - (double)step.task_loss - 0.5 * (double)step.lm_loss) < 1e-5);
    }
    if (until == 24) assert_int_equal(pm_finetuner_step(finetuner, &step), PM_INVALID); /* the run is over */
    assert_int_equal(pm_finetuner_save(finetuner, to, "note"), PM_OK);
    assert_int_equal(pm_model_save(model, to), PM_OK);
    pm_finetuner_destroy(&finetuner);
    pm_model_destroy(&model);
}

static void test_bits(void **state)
{
    (void)state;
    const char *once = test_path(root, "once"), *again = test_path(root, "again"), *half = test_path(root, "half"),
               *resumed = test_path(root, "resumed");
    train(NULL, once, 24);
    train(NULL, again, 24);
    test_same_file(once, again, "model.safetensors");
    test_same_file(once, again, "checkpoint.safetensors");
    train(NULL, half, 11);
    train(half, resumed, 24);
    test_same_file(once, resumed, "model.safetensors");
    test_same_file(once, resumed, "checkpoint.safetensors");
}

/* Every example comes once an epoch, in another order each time. Examples of one batch have similar lengths. */
static void test_order(void **state)
{
    (void)state;
    order o;
    uint32_t first[EXAMPLES];
    assert_int_equal(order_init(&o, NULL, set, 8), PM_OK);
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        unsigned char seen[EXAMPLES] = {0}, batches[6] = {0};
        order_epoch(&o, set, 9, epoch);
        for (uint32_t i = 0; i < EXAMPLES; i++) seen[o.examples[i]]++;
        for (uint32_t b = 0; b < o.batch_count; b++) batches[o.batches[b]]++;
        for (uint32_t i = 0; i < EXAMPLES; i++) assert_int_equal(seen[i], 1);
        for (uint32_t b = 0; b < 6; b++) assert_int_equal(batches[b], 1);
        for (uint32_t i = 1; i < EXAMPLES; i++)
            assert_true(order_length(set, o.examples[i - 1]) <= order_length(set, o.examples[i]));
        if (epoch == 0) memcpy(first, o.examples, sizeof first);
        if (epoch == 1) assert_memory_not_equal(first, o.examples, sizeof first);
    }
    order_epoch(&o, set, 9, 0);
    assert_memory_equal(first, o.examples, sizeof first);
    order_fini(&o);
    for (uint32_t ctx = 6; ctx < 1100; ctx += 7)
        for (uint32_t length = 1; length <= ctx; length++) {
            uint32_t padded = padded_length(length, ctx);
            assert_true(padded >= length && padded <= ctx && (length - 1) / padding_unit(ctx) < 16);
        }
}

/* An example's outputs do not depend on what is predicted beside it, nor on how far it is padded. */
static void test_padding(void **state)
{
    (void)state;
    pm_model *model = new_model();
    float together[2 * EXAMPLES];
    assert_int_equal(pm_model_predict(model, set, together), PM_OK);
    size_t size;
    char *lines = test_read(test_path(root, "train.jsonl"), &size), *line = lines;
    for (int i = 0; i < EXAMPLES; i++) {
        char *end = strchr(line, '\n');
        const char *path = test_path(root, "one.jsonl");
        pm_taskset *one = NULL;
        float alone[2];
        test_write(path, line, (size_t)(end + 1 - line));
        assert_int_equal(pm_taskset_open(NULL, path, &task, bytes, CTX, true, &one), PM_OK);
        if (i % 9 == 0) {
            assert_int_equal(pm_model_predict(model, one, alone), PM_OK);
            for (int k = 0; k < 2; k++) assert_true(fabs((double)alone[k] - (double)together[2 * i + k]) < 1e-6);
        }
        pm_taskset_close(&one);
        line = end + 1;
    }
    free(lines);
    pm_model_destroy(&model);
}

/* The old weights stay, the new rows are small noise, and a loaded folder has the task. */
static void test_model_for_task(void **state)
{
    (void)state;
    const pm_gpt_config config = {.arch = PM_ARCH_GPT2, .vocab = 256, .ctx = 16, .embd = 8, .heads = 2, .layers = 1};
    pm_model *base = NULL, *model = NULL, *loaded = NULL, *again = NULL;
    static float old[256 * 8], new[259 * 8], back[259 * 8], head[2 * 8], head_again[2 * 8];
    assert_int_equal(pm_model_create(device, &config, 1, &base), PM_OK);
    assert_null(pm_model_task(base));
    assert_int_equal(pm_model_for_task(base, &task, 2, &model), PM_OK);
    assert_int_equal(pm_model_config(model)->vocab, 259);
    assert_int_equal(pm_model_param_count(model), pm_model_param_count(base) + 1);
    assert_int_equal(pm_model_read(base, 0, old), PM_OK);
    assert_int_equal(pm_model_read(model, 0, new), PM_OK);
    assert_memory_equal(old, new, sizeof old);
    double square = 0;
    for (int i = 256 * 8; i < 259 * 8; i++) square += (double)new[i] * (double)new[i];
    double deviation = sqrt(square / 24); /* of 24 draws from N(0, 0.196) */
    assert_true(deviation > 0.1 && deviation < 0.3);

    const char *dir = test_path(root, "task");
    assert_int_equal(pm_model_save(model, dir), PM_OK);
    assert_int_equal(pm_model_load(device, dir, &loaded), PM_OK);
    assert_int_equal(pm_model_read(loaded, 0, back), PM_OK);
    assert_memory_equal(new, back, sizeof new);
    const pm_task *t = pm_model_task(loaded);
    assert_non_null(t);
    assert_true(t->kind == PM_TASK_CLASSIFY && t->outputs == 2 && t->numbered && t->vocab == 256);
    assert_string_equal(t->labels[1], "1");

    /* once more: special tokens and head stay */
    size_t last = pm_model_param_count(model) - 1;
    assert_int_equal(pm_model_for_task(loaded, &task, 3, &again), PM_OK);
    assert_int_equal(pm_model_read(again, 0, back), PM_OK);
    assert_memory_equal(new, back, sizeof new);
    assert_int_equal(pm_model_read(model, last, head), PM_OK);
    assert_int_equal(pm_model_read(again, last, head_again), PM_OK);
    assert_memory_equal(head, head_again, sizeof head);
    pm_model_destroy(&again);
    pm_model_destroy(&loaded);
    pm_model_destroy(&model);
    pm_model_destroy(&base);
}

/* Calls that the interface refuses. */
static void test_refusals(void **state)
{
    (void)state;
    const char *path = test_path(root, "train.jsonl");
    pm_model *model = new_model();
    pm_finetuner *finetuner = NULL;
    pm_taskset *plain = NULL;
    pm_finetune_params params = PM_FINETUNE_PARAMS;
    params.lambda = 1.5f;
    assert_int_equal(pm_finetuner_create(model, set, &params, &finetuner), PM_INVALID);
    params.lambda = NAN;
    assert_int_equal(pm_finetuner_create(model, set, &params, &finetuner), PM_INVALID);
    params = (pm_finetune_params)PM_FINETUNE_PARAMS;
    params.batch = 4;
    params.accum = 5;
    assert_int_equal(pm_finetuner_create(model, set, &params, &finetuner), PM_INVALID);
    params.accum = 0;
    assert_int_equal(pm_taskset_open(NULL, path, &task, bytes, CTX, false, &plain), PM_OK);
    assert_int_equal(pm_finetuner_create(model, plain, &params, &finetuner), PM_INVALID);
    pm_taskset_close(&plain);
    assert_int_equal(pm_taskset_open(NULL, path, &task, bytes, CTX - 1, true, &plain), PM_OK);
    pm_taskset_close(&plain);
    assert_null(finetuner);
    pm_model_destroy(&model);
}

/* Whether there is an x: learnt from 45 examples. */
static void test_learns(void **state)
{
    (void)state;
    pm_model *model = new_model();
    pm_finetune_params params = PM_FINETUNE_PARAMS;
    params.batch = 9;
    params.epochs = 50;
    params.lr = 5e-3f;
    params.dropout = params.dropout_head = 0;
    pm_finetuner *finetuner = NULL;
    pm_finetune_step step;
    pm_task_metrics before, after;
    float outputs[2 * EXAMPLES];
    assert_int_equal(pm_finetuner_create(model, set, &params, &finetuner), PM_OK);
    assert_int_equal(pm_finetuner_predict(finetuner, set, outputs), PM_OK);
    pm_taskset_measure(set, outputs, &before, NULL);
    while (pm_finetuner_steps_done(finetuner) < pm_finetuner_steps(finetuner))
        assert_int_equal(pm_finetuner_step(finetuner, &step), PM_OK);
    assert_int_equal(pm_finetuner_predict(finetuner, set, outputs), PM_OK);
    pm_taskset_measure(set, outputs, &after, NULL);
    if (!(after.accuracy > 0.95 && after.loss < 0.3 && before.loss > 0.5))
        fail_msg("accuracy %g, loss %g from %g", after.accuracy, after.loss, before.loss);
    pm_finetuner_destroy(&finetuner);
    pm_model_destroy(&model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bits),           TEST(test_order),    TEST(test_padding),
        TEST(test_model_for_task), TEST(test_refusals), TEST(test_learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
