/* A run has the same windows however a step is cut into micro batches, and the same evaluation for every batch size. A resume has the run's settings,
 * or a line reports a change. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "files/safetensors.h"
#include "os/file.h"
#include "train/objective_lm.h"

static const pm_gpt_config CONFIG = {.vocab = 256, .ctx = 8, .embd = 8, .heads = 2, .layers = 1};
static const pm_train_params PARAMS = {.batch = 8, .steps = 20, .lr = 1e-2f, .warmup = 2, .clip = 1, .seed = 7};
enum { WINDOWS = 8, TIME = 8, STEPS = 10 };

typedef struct fixture {
    pm_device *device;
    pm_corpus *corpus;
} fixture;

static int open_all(void **state)
{
    static fixture f;
    static pm_log log;
    char text[600];
    pm_tokenizer *bytes = NULL;
    if (test_root_make(state)) return 1;
    log = test_log();
    f.device = test_device_open(&(pm_device_params){.log = log});
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i * i % 23);
    const char *path = test_path(test_root, "text");
    test_write(path, text, sizeof text);
    assert_int_equal(pm_tokenizer_bytes(&log, &bytes), PM_OK);
    assert_int_equal(pm_corpus_open_with(&log, path, bytes, &(pm_corpus_params){.cache_dir = ""}, &f.corpus), PM_OK);
    pm_tokenizer_destroy(&bytes);
    *state = &f;
    return 0;
}

static int close_all(void **state)
{
    fixture *f = *state;
    pm_corpus_close(&f->corpus);
    test_device_done(&f->device);
    return test_root_remove(state);
}

typedef struct run {
    pm_model *model;
    pm_trainer *trainer;
} run;

static run run_open(const fixture *f, const pm_train_params *params)
{
    run r = {0};
    assert_int_equal(pm_model_create(f->device, &CONFIG, 5, &r.model), PM_OK);
    assert_int_equal(pm_trainer_create(r.model, params, &r.trainer), PM_OK);
    return r;
}

static void run_close(run *r)
{
    pm_trainer_destroy(&r->trainer);
    pm_model_destroy(&r->model);
}

static pm_step step(const fixture *f, run *r)
{
    pm_step out = {0};
    assert_int_equal(pm_trainer_step(r->trainer, f->corpus, 0, pm_corpus_size(f->corpus), &out), PM_OK);
    return out;
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance * fabs(b))) fail_msg("%.9g is not %.9g", a, b);
}

/* The windows of a step, one behind the other. */
static void windows_of(const run *r, int32_t out[WINDOWS * TIME])
{
    const pm_train_params *p = &r->trainer->params;
    for (uint32_t micro = 0; micro < p->accum; micro++)
        memcpy(out + micro * p->batch * TIME, mailbox_ints(&r->trainer->core.passes.all[0].box, micro, INPUT_TOKENS),
               sizeof *out * p->batch * TIME);
}

/* 8 windows at once, in 4 pairs and singly: the same windows in the same order, the same dropout masks, and losses and gradients that differ by
 * rounding only. */
static void test_cut(void **state)
{
    static const uint32_t accums[] = {1, 4, 8};
    const fixture *f = *state;
    static int32_t whole[STEPS][WINDOWS * TIME], cut[WINDOWS * TIME];
    pm_step first[STEPS];
    for (size_t i = 0; i < sizeof accums / sizeof *accums; i++) {
        pm_train_params params = PARAMS;
        params.accum = accums[i];
        params.batch = WINDOWS / accums[i];
        params.dropout = 0.2f;
        run r = run_open(f, &params);
        for (int s = 0; s < STEPS; s++) {
            const pm_step now = step(f, &r);
            windows_of(&r, i ? cut : whole[s]);
            if (!i) {
                first[s] = now;
                continue;
            }
            assert_memory_equal(cut, whole[s], sizeof cut);
            assert_int_equal(now.tokens, first[s].tokens);
            assert_near((double)now.loss, (double)first[s].loss, s ? 1e-4 : 1e-6);
            assert_near((double)now.grad_norm, (double)first[s].grad_norm, s ? 1e-3 : 1e-5);
        }
        run_close(&r);
    }
    assert_memory_not_equal(whole[0], whole[1], sizeof cut);
}

/* Targets that are ignored in one micro batch only: the loss is the mean over all that count. */
static void test_ignored_targets(void **state)
{
    const fixture *f = *state;
    int32_t tokens[WINDOWS * TIME], targets[WINDOWS * TIME];
    pm_step out[2] = {0};
    for (int i = 0; i < WINDOWS * TIME; i++) {
        tokens[i] = i * i % 251;
        targets[i] = i < 5 * TIME + 3 ? -1 : i * 7 % 251;
    }
    for (uint32_t cut = 0; cut < 2; cut++) {
        pm_train_params params = PARAMS;
        params.accum = cut ? 4 : 1;
        params.batch = WINDOWS / params.accum;
        run r = run_open(f, &params);
        assert_int_equal(pm_trainer_step_tokens(r.trainer, tokens, targets, &out[cut]), PM_OK);
        run_close(&r);
    }
    assert_near((double)out[1].loss, (double)out[0].loss, 1e-6);
    assert_near((double)out[1].grad_norm, (double)out[0].grad_norm, 1e-5);
}

/* An evaluation has the same windows for every batch size: one that divides their number, one that does not, one that is larger. */
static void test_evaluation(void **state)
{
    static const uint32_t batches[] = {12, 1, 7, 40};
    const fixture *f = *state;
    float first = 0;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        float loss = 0;
        pm_train_params params = PARAMS;
        params.batch = batches[i];
        run r = run_open(f, &params);
        assert_int_equal(pm_trainer_eval(r.trainer, f->corpus, 0, pm_corpus_size(f->corpus), 2, &loss), PM_OK);
        if (!i) first = loss;
        assert_near((double)loss, (double)first, 1e-6);
        run_close(&r);
    }
}

/* A trainer with these parameters goes on from `dir`. */
static pm_status resume(const fixture *f, const pm_train_params *params, const char *dir)
{
    run r = run_open(f, params);
    test_log_reset();
    const pm_status status = pm_trainer_load(r.trainer, dir, NULL);
    if (status == PM_OK) step(f, &r);
    run_close(&r);
    return status;
}

static void saved_run(const fixture *f, const char *dir)
{
    run r = run_open(f, &PARAMS);
    step(f, &r);
    assert_int_equal(pm_trainer_save(r.trainer, dir, "{}"), PM_OK);
    run_close(&r);
}

/* A setting that may change is reported in one line with both values; without a change there is no line. A change of a fixed setting is refused. */
static void test_settings(void **state)
{
    const fixture *f = *state;
    const char *dir = test_path(test_root, "settings");
    saved_run(f, dir);
    assert_int_equal(resume(f, &PARAMS, dir), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);

    pm_train_params params = PARAMS;
    params.lr = 3e-4f;
    params.min_lr = 1e-5f;
    params.warmup = 5;
    params.steps = 30;
    params.beta2 = 0.99f;
    params.weight_decay = 0.1f;
    params.clip = 0.5f;
    params.batch = 2;
    params.accum = 4;
    assert_int_equal(resume(f, &params, dir), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    static const char *const told[] = {"settings",         "lr 0.0003 (was 0.01)",     "min-lr 1e-05 (was 0)",
                                       "warmup 5 (was 2)", "steps 30 (was 20)",        "beta2 0.99 (was 0.999)",
                                       "clip 0.5 (was 1)", "weight-decay 0.1 (was 0)", "batch 2 (was 8)",
                                       "accum 4 (was 1)"};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (!strstr(test_last_warning(), told[i])) fail_msg("no \"%s\" in: %s", told[i], test_last_warning());

    params = PARAMS;
    params.accum = 2;
    assert_int_equal(resume(f, &params, dir), PM_FORMAT);
    assert_non_null(strstr(test_last_error(), "made with accum 1, this run has 2"));
    params = PARAMS;
    params.dropout = 0.1f;
    assert_int_equal(resume(f, &params, dir), PM_FORMAT);
    assert_non_null(strstr(test_last_error(), "made with dropout 0, this run has 0.1"));
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
}

/* The checkpoint in `dir` with another value of a key, or, where `to` is NULL, without it. */
static void edit(const char *dir, const char *key, const char *to)
{
    char path[600], made[600];
    st_file file;
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", dir);
    snprintf(made, sizeof made, "%s/edited", dir);
    assert_int_equal(st_open(NULL, path, &file), PM_OK);
    size_t at = 0;
    while (at < file.meta_count && strcmp(file.meta[at].key, key) != 0) at++;
    assert_true(at < file.meta_count);
    char other[32];
    const st_meta kept = file.meta[at];
    snprintf(other, sizeof other, "old_%s", key);
    if (to)
        file.meta[at].value = (char *)to;
    else
        file.meta[at].key = other;
    assert_int_equal(st_write(NULL, made, file.tensors, file.tensor_count, file.meta, file.meta_count), PM_OK);
    file.meta[at] = kept;
    st_close(&file);
    assert_true(os_rename(made, path)); /* Windows replaces no file that is mapped */
}

/* A checkpoint of another device or driver is reported in one line. One that does not name them, or its lr, is not. */
static void test_another_device(void **state)
{
    const fixture *f = *state;
    const char *dir = test_path(test_root, "device");
    const pm_caps *caps = pm_device_caps(f->device);
    saved_run(f, dir);
    edit(dir, "device", "Some GPU");
    assert_int_equal(resume(f, &PARAMS, dir), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "made on Some GPU ("));
    assert_non_null(strstr(test_last_warning(), "bits may differ"));
    edit(dir, "device", caps->name);
    edit(dir, "driver", "a driver 1.2");
    assert_int_equal(resume(f, &PARAMS, dir), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "(a driver 1.2)"));
    edit(dir, "driver", NULL);
    edit(dir, "lr", NULL);
    edit(dir, "dropout", "0.00");         /* the same number */
    edit(dir, "pumice_version", "9.9.9"); /* read, but ignored */
    assert_int_equal(resume(f, &PARAMS, dir), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
}

/* Reads the note alone, without a device. Where the last checkpoint is damaged, it comes from the one before. */
static void test_note(void **state)
{
    const fixture *f = *state;
    const pm_log log = test_log();
    const char *dir = test_path(test_root, "note");
    char path[600], *note = NULL;
    assert_int_equal(pm_checkpoint_note(&log, dir, &note), PM_IO);
    run r = run_open(f, &PARAMS);
    assert_int_equal(pm_trainer_save(r.trainer, dir, "first"), PM_OK);
    assert_int_equal(pm_trainer_save(r.trainer, dir, "second"), PM_OK);
    run_close(&r);
    assert_int_equal(pm_checkpoint_note(&log, dir, &note), PM_OK);
    assert_string_equal(note, "second");
    free(note);
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", dir);
    test_write(path, "damaged", 7);
    test_log_reset();
    assert_int_equal(pm_checkpoint_note(&log, dir, &note), PM_OK);
    assert_string_equal(note, "first");
    free(note);
    snprintf(path, sizeof path, "%s/checkpoint.previous.safetensors", dir);
    test_write(path, "damaged", 7);
    assert_int_equal(pm_checkpoint_note(&log, dir, &note), PM_FORMAT);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),      cmocka_unit_test(test_ignored_targets), cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_another_device),  cmocka_unit_test(test_note),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
