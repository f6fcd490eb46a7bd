/* Training and generation through the public interface. The same seed gives the same bits, a resumed run equals an uninterrupted one, and the cache
 * changes nothing. Damaged and foreign files are refused. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"
#include "files/safetensors.h"
#include "os/file.h"

static const char TEXT[] =
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season "
    "of Darkness, it was the spring of hope, it was the winter of despair, we had everything before us.";

static const pm_gpt_config CONFIG = {.vocab = 256, .ctx = 32, .embd = 32, .heads = 2, .layers = 2};
static const pm_train_params PARAMS = {.batch = 4,
                                       .accum = 2,
                                       .steps = 40,
                                       .lr = 3e-3f,
                                       .min_lr = 3e-4f,
                                       .warmup = 4,
                                       .beta2 = 0.99f,
                                       .clip = 1.0f,
                                       .seed = 7,
                                       .dropout = 0.1f,
                                       .weight_decay = 0.1f};

static pm_device *open_device(void)
{
    static pm_log log;
    log = test_log();
    pm_device_params params = {.log = log};
    return test_device_open(&params);
}

static pm_corpus *open_corpus(void)
{
    pm_log log = test_log();
    const char *path = test_path(test_root, "text.txt");
    test_write(path, TEXT, sizeof TEXT - 1);
    pm_tokenizer *bytes = NULL;
    pm_corpus *corpus = NULL;
    assert_int_equal(pm_tokenizer_bytes(&log, &bytes), PM_OK);
    assert_int_equal(pm_corpus_open_with(&log, path, bytes, &(pm_corpus_params){.cache_dir = ""}, &corpus), PM_OK);
    pm_tokenizer_destroy(&bytes);
    return corpus;
}

/* Trains to `until` steps, from a checkpoint in `from` where there is one, and saves model and checkpoint in `to`. */
static float train_so(pm_device *device, pm_corpus *corpus, pm_precision precision, bool recompute, const char *from,
                      const char *to, uint32_t until)
{
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_step step = {0};
    pm_train_params params = PARAMS;
    params.precision = precision;
    params.recompute = recompute;
    assert_int_equal(pm_model_create(device, &CONFIG, 5, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    if (from) {
        char *note = NULL;
        assert_int_equal(pm_trainer_load(trainer, from, &note), PM_OK);
        assert_string_equal(note, "a note");
        free(note);
    }
    while (pm_trainer_steps_done(trainer) < until)
        assert_int_equal(pm_trainer_step(trainer, corpus, 0, pm_corpus_size(corpus), &step), PM_OK);
    assert_int_equal(step.step, until);
    assert_int_equal(pm_model_save(model, to), PM_OK);
    assert_int_equal(pm_trainer_save(trainer, to, "a note"), PM_OK);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    return step.loss;
}

static float train(pm_device *device, pm_corpus *corpus, pm_precision precision, const char *from, const char *to,
                   uint32_t until)
{
    return train_so(device, corpus, precision, false, from, to, until);
}

static void reproduce(pm_device *device, pm_corpus *corpus, pm_precision precision)
{
    const char *once = test_path(test_root, "once"), *again = test_path(test_root, "again");
    const char *half = test_path(test_root, "half"), *resumed = test_path(test_root, "resumed");
    float loss = train(device, corpus, precision, NULL, once, 40);
    assert_true(loss < 4.0f && loss > 0.0f); /* from log 256 = 5.5 */
    train(device, corpus, precision, NULL, again, 40);
    test_same_file(once, again, "model.safetensors");
    train_so(device, corpus, precision, true, NULL, again, 40); /* recomputed values are the same */
    test_same_file(once, again, "model.safetensors");
    train(device, corpus, precision, NULL, half, 20);
    train(device, corpus, precision, half, resumed, 40);
    test_same_file(once, resumed, "model.safetensors");
    test_same_file(once, resumed, "checkpoint.safetensors");
}

static void test_reproducible(void **state)
{
    (void)state;
    pm_device *device = open_device();
    pm_corpus *corpus = open_corpus();
    reproduce(device, corpus, PM_PRECISION_F32);
    if (pm_device_caps(device)->storage16) reproduce(device, corpus, PM_PRECISION_F16);
    pm_corpus_close(&corpus);
    test_device_done(&device);
}

/* Makes a trainer of a new model, tied or not, which resumes from the checkpoint in `from`; then saves one in `to`. */
static pm_status checkpoint_passes(pm_device *device, pm_corpus *corpus, bool untied, const char *from, const char *to)
{
    pm_gpt_config config = CONFIG;
    config.untied = untied;
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_step step;
    assert_int_equal(pm_model_create(device, &config, 5, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &PARAMS, &trainer), PM_OK);
    pm_status status = from ? pm_trainer_load(trainer, from, NULL) : PM_OK;
    if (!from) assert_int_equal(pm_trainer_step(trainer, corpus, 0, pm_corpus_size(corpus), &step), PM_OK);
    if (status == PM_OK && to) assert_int_equal(pm_trainer_save(trainer, to, NULL), PM_OK);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    return status;
}

/* A checkpoint says whether the model has an output table of its own; one that does not say it is of a tied model. */
static void test_untied_checkpoint(void **state)
{
    (void)state;
    pm_device *device = open_device();
    pm_corpus *corpus = open_corpus();
    const char *untied = test_path(test_root, "untied"), *tied = test_path(test_root, "tied"),
               *back = test_path(test_root, "back");
    assert_int_equal(checkpoint_passes(device, corpus, true, NULL, untied), PM_OK);
    assert_int_equal(checkpoint_passes(device, corpus, true, untied, back), PM_OK);
    test_same_file(untied, back, "checkpoint.safetensors");
    assert_int_equal(checkpoint_passes(device, corpus, false, untied, NULL), PM_FORMAT);
    assert_non_null(strstr(test_last_error(), "untied 1"));

    assert_int_equal(checkpoint_passes(device, corpus, false, NULL, tied), PM_OK);
    assert_int_equal(checkpoint_passes(device, corpus, true, tied, NULL), PM_FORMAT);
    char path[512];
    st_file file;
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", tied);
    assert_int_equal(st_open(NULL, path, &file), PM_OK);
    for (size_t i = 0; i < file.meta_count; i++)
        if (!strcmp(file.meta[i].key, "untied")) memcpy(file.meta[i].key, "unlike", 6); /* as if it had not been kept */
    char made[512];
    snprintf(made, sizeof made, "%s/edited", tied);
    assert_int_equal(st_write(NULL, made, file.tensors, file.tensor_count, file.meta, file.meta_count), PM_OK);
    st_close(&file);
    assert_true(os_rename(made, path)); /* Windows replaces no file that is mapped */
    assert_int_equal(checkpoint_passes(device, corpus, false, tied, NULL), PM_OK);
    assert_int_equal(checkpoint_passes(device, corpus, true, tied, NULL), PM_FORMAT);
    pm_corpus_close(&corpus);
    test_device_done(&device);
}

/* Compares greedy generation with the cache with reading the whole prefix again for each token, also prefixes longer than a chunk of 32. */
static void test_cache(void **state)
{
    (void)state;
    pm_device *device = open_device();
    for (int arch = 0; arch < 2; arch++) {
        pm_gpt_config config = CONFIG;
        config.arch = (pm_arch)arch;
        config.ctx = 96;
        pm_model *model = NULL;
        pm_session *cached = NULL, *whole = NULL;
        assert_int_equal(pm_model_create(device, &config, 11, &model), PM_OK);
        assert_int_equal(pm_session_create(model, &cached), PM_OK);
        assert_int_equal(pm_session_create(model, &whole), PM_OK);
        uint32_t tokens[96] = {'I', 't', ' ', 'w', 'a', 's'}, count = 6;
        pm_sampling greedy = {0};
        assert_int_equal(pm_session_feed(cached, tokens, count), PM_OK);
        while (count < 96) {
            uint32_t a, b;
            assert_int_equal(pm_session_sample(cached, &greedy, &a), PM_OK);
            pm_session_reset(whole);
            assert_int_equal(pm_session_feed(whole, tokens, count), PM_OK);
            assert_int_equal(pm_session_sample(whole, &greedy, &b), PM_OK);
            assert_int_equal(a, b);
            /* An untrained model soon repeats itself; a varied text makes the comparison stricter. */
            tokens[count] = (a + 31 * count) % 256;
            assert_int_equal(pm_session_feed(cached, tokens + count, 1), PM_OK);
            count++;
        }
        pm_session_destroy(&cached);
        pm_session_destroy(&whole);
        pm_model_destroy(&model);
    }
    test_device_done(&device);
}

/* New tables have the deviations that pumice/model.h states; those of positions and tokens differ. */
static void check_table(const pm_model *model, size_t param, double deviation)
{
    static float values[256 * 32];
    const pm_param p = pm_model_param(model, param);
    const size_t count = (size_t)p.rows * p.cols;
    double square = 0;
    assert_true(count <= 256 * 32);
    assert_int_equal(pm_model_read(model, param, values), PM_OK);
    for (size_t i = 0; i < count; i++) square += (double)values[i] * values[i];
    assert_float_equal(sqrt(square / (double)count), deviation, 0.1 * deviation);
}

static void test_beginning(void **state)
{
    (void)state;
    pm_device *device = open_device();
    for (int arch = PM_ARCH_GPT2; arch <= PM_ARCH_GPT1; arch++) {
        pm_gpt_config config = CONFIG;
        config.arch = (pm_arch)arch;
        pm_model *model = NULL;
        assert_int_equal(pm_model_create(device, &config, 3, &model), PM_OK);
        check_table(model, 0, 0.02 * sqrt(768.0 / 32.0));
        check_table(model, 1, arch == PM_ARCH_GPT2 ? 0.01 : 0.02);
        pm_model_destroy(&model);
    }
    test_device_done(&device);
}

/* Beyond the context the session drops the older half. Then it equals a fresh session that reads the newer half: in bits where that reads the same
 * pieces, 16 tokens and one; nearly where it reads all at once, because few tokens have other kernels than many, which add in another order. */
static void test_slide(void **state)
{
    (void)state;
    pm_device *device = open_device();
    pm_model *model = NULL;
    pm_session *longer = NULL, *pieces = NULL, *fresh = NULL;
    assert_int_equal(pm_model_create(device, &CONFIG, 3, &model), PM_OK);
    assert_int_equal(pm_session_create(model, &longer), PM_OK);
    assert_int_equal(pm_session_create(model, &pieces), PM_OK);
    assert_int_equal(pm_session_create(model, &fresh), PM_OK);
    uint32_t tokens[33];
    for (uint32_t i = 0; i < 33; i++) tokens[i] = (7 * i + 1) % 256;
    assert_int_equal(pm_session_feed(longer, tokens, 33), PM_OK);
    assert_int_equal(pm_session_feed(pieces, tokens + 16, 16), PM_OK);
    assert_int_equal(pm_session_feed(pieces, tokens + 32, 1), PM_OK);
    assert_int_equal(pm_session_feed(fresh, tokens + 16, 17), PM_OK);
    const float *slid = pm_session_logits(longer), *whole = pm_session_logits(fresh);
    assert_memory_equal(slid, pm_session_logits(pieces), 256 * sizeof(float));
    double difference = 0, size = 0;
    for (int i = 0; i < 256; i++) {
        difference += ((double)slid[i] - whole[i]) * ((double)slid[i] - whole[i]);
        size += (double)whole[i] * whole[i];
    }
    assert_true(size > 0 && difference <= 1e-12 * size);
    uint32_t outside = 256;
    assert_int_equal(pm_session_feed(fresh, &outside, 1), PM_INVALID);
    assert_int_equal(pm_session_feed(fresh, tokens, 0), PM_INVALID);
    pm_session_destroy(&longer);
    pm_session_destroy(&pieces);
    pm_session_destroy(&fresh);
    pm_model_destroy(&model);
    test_device_done(&device);
}

/* The whole text's loss in windows equals the same losses gathered through the trainer's own forward pass. */
static void test_eval(void **state)
{
    (void)state;
    pm_device *device = open_device();
    pm_corpus *corpus = open_corpus();
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    assert_int_equal(pm_model_create(device, &CONFIG, 5, &model), PM_OK);
    pm_eval_result result;
    assert_int_equal(pm_model_eval(model, corpus, &result), PM_OK);
    assert_int_equal(result.tokens, sizeof TEXT - 2); /* neither the final 0 nor the first character */
    pm_train_params params = {.batch = 1, .lr = 1e-9f, .dropout = 0};
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    double sum = 0;
    for (size_t at = 0; at < sizeof TEXT - 2; at += 32) {
        int32_t tokens[32], targets[32];
        double n = 0;
        for (size_t i = 0; i < 32; i++) {
            bool in = at + i + 1 < sizeof TEXT - 1;
            tokens[i] = in ? (unsigned char)TEXT[at + i] : 0;
            targets[i] = in ? (unsigned char)TEXT[at + i + 1] : -1;
            n += in;
        }
        pm_step step;
        assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
        sum += n * (double)step.loss;
    }
    assert_true(result.loss > 5 && result.loss < 6);
    double difference = sum / (double)result.tokens - result.loss;
    assert_true(difference < 1e-5 && difference > -1e-5);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    pm_corpus_close(&corpus);
    test_device_done(&device);
}

static char *find(char *text, size_t size, const char *part)
{
    for (size_t at = 0; at + strlen(part) <= size; at++)
        if (!memcmp(text + at, part, strlen(part))) return text + at;
    fail_msg("no %s", part);
    return NULL;
}

/* Refused calls give one line and the right status, and change nothing. */
static void test_refused(void **state)
{
    (void)state;
    pm_device *device = open_device();
    pm_corpus *corpus = open_corpus();
    const char *dir = test_path(test_root, "checkpoint");
    train(device, corpus, PM_PRECISION_F32, NULL, dir, 2);
    pm_model *model = NULL, *broken = NULL;
    pm_trainer *trainer = NULL;
    pm_step step;
    assert_int_equal(pm_model_create(device, &CONFIG, 5, &model), PM_OK);
    pm_train_params params = PARAMS;
    params.batch = 3;
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    test_log_reset();
    assert_int_equal(pm_trainer_load(trainer, dir, NULL), PM_FORMAT);
    assert_non_null(strstr(test_last_error(), "batch 4, this run has 3"));
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_int_equal(pm_trainer_step(trainer, corpus, 0, 32, &step), PM_INVALID); /* needs 33 */
    assert_non_null(strstr(test_last_error(), "32 tokens are too few"));

    /* Cut short, and with a dtype that does not fit. */
    char path[600];
    size_t size;
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    char *bytes = test_read(path, &size);
    test_write(path, bytes, size / 2);
    test_log_reset();
    assert_int_equal(pm_model_load(device, dir, &broken), PM_FORMAT);
    assert_non_null(strstr(test_last_error(), "model.safetensors"));
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    memcpy(find(bytes, size, "\"F32\""), "\"I32\"", 5);
    memcpy(find(bytes, size, "pumice.xxh64"), "pumice.XXXXX",
           12); /* as another program would write it: without a seal */
    test_write(path, bytes, size);
    assert_int_equal(pm_model_load(device, dir, &broken), PM_FORMAT);
    assert_non_null(strstr(test_last_error(), "F32, F16, BF16 or F64, and has I32"));
    assert_null(broken);
    free(bytes);

    /* Weights are not written without config.json, in whose place there is a folder. */
    const char *half = test_path(test_root, "half-written");
    snprintf(path, sizeof path, "%s/config.json", half);
    test_make_folder(half);
    test_make_folder(path);
    assert_int_equal(pm_model_save(model, half), PM_IO);
    assert_int_equal(test_dir_count(half, ""), 1);

    pm_gpt_config config = CONFIG;
    config.heads = 3;
    assert_int_equal(pm_model_create(device, &config, 1, &broken), PM_INVALID);
    assert_non_null(strstr(test_last_error(), "heads"));
    int32_t token = 999;
    assert_int_equal(pm_trainer_step_tokens(trainer, &token, &token, &step), PM_INVALID);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    pm_corpus_close(&corpus);
    test_device_done(&device);
}

/* The plan made without a device is the plan that a trainer has. */
static void test_plan(void **state)
{
    (void)state;
    pm_device *device = open_device();
    pm_log log = test_log();
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_train_plan before, after;
    assert_int_equal(pm_train_plan_make(&log, pm_device_caps(device), &CONFIG, &PARAMS, &before), PM_OK);
    assert_int_equal(pm_model_create(device, &CONFIG, 5, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &PARAMS, &trainer), PM_OK);
    pm_trainer_get_plan(trainer, &after);
    assert_true(after.dispatches > after.nodes);
    after.dispatches = 0;
    assert_memory_equal(&before, &after, sizeof before);
    assert_true(before.weights >= 4 * pm_gpt_config_parameters(&CONFIG));
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reproducible), cmocka_unit_test(test_untied_checkpoint),
        cmocka_unit_test(test_cache),        cmocka_unit_test(test_slide),
        cmocka_unit_test(test_beginning),    cmocka_unit_test(test_eval),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_plan),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
