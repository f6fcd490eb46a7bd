/* Training on a text: the run's data, model and trainer, its steps, and its folder. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "files.h"
#include "run_folder.h"

enum { EVAL_BATCHES = 10 };

typedef struct job {
    work *w;
    settings how;
    bool resume;
    pm_precision precision;
    pm_tokenizer *tokenizer;
    pm_corpus *corpus;
    size_t tokens, train_tokens;
    pm_gpt_config config;
    pm_train_params params;
    pm_model *model;
    pm_trainer *trainer;
    double started, elapsed_before;
    double rate_tokens, rate_seconds;
    uint32_t first; /* steps that were done before */
    work_window window;
    work_clock clock;
} job;

/* ---- preparing ---- */

/* A run that goes on keeps its options; more steps than it had extend it. */
static pm_status take_options(job *j)
{
    char *note = NULL;
    settings *how = &j->how;
    if (!run_folder_has_checkpoint(how->out))
        return work_fail(j->w, PM_INVALID, "%s: no run is in this folder that could go on",
                         *how->out ? how->out : "no folder");
    const pm_status status = pm_checkpoint_note(&j->w->log, how->out, &note);
    if (status != PM_OK) return status;
    cJSON *json = run_folder_read(note);
    free(note);
    const char *data = run_folder_option(json, "--data"), *tokenizer = run_folder_option(json, "--tokenizer");
    const char *command = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "command"));
    const bool right = !command || strcmp(command, "train") == 0;
    if (data) snprintf(how->data, sizeof how->data, "%s", data);
    if (tokenizer) how->tokenizer = strcmp(tokenizer, "byte") == 0;
    how->layers = (uint32_t)run_folder_number(json, "--layers", how->layers);
    how->heads = (uint32_t)run_folder_number(json, "--heads", how->heads);
    how->embd = (uint32_t)run_folder_number(json, "--embd", how->embd);
    how->ctx = (uint32_t)run_folder_number(json, "--ctx", how->ctx);
    how->batch = (uint32_t)run_folder_number(json, "--batch", how->batch);
    how->seed = (uint32_t)run_folder_number(json, "--seed", how->seed);
    how->lr = (float)run_folder_number(json, "--lr", (double)how->lr);
    how->dropout = (float)run_folder_number(json, "--dropout", (double)how->dropout);
    how->warmup = (uint32_t)run_folder_number(json, "--warmup", how->warmup);
    const char *precision = run_folder_option(json, "--precision");
    for (pm_precision p = PM_PRECISION_F32; precision && p <= PM_PRECISION_AUTO; p++)
        if (strcmp(pm_precision_name(p), precision) == 0) j->precision = p;
    const uint32_t steps = (uint32_t)run_folder_number(json, "--steps", how->steps);
    if (steps > how->steps) how->steps = steps;
    const cJSON *elapsed = cJSON_GetObjectItemCaseSensitive(json, "elapsed_s");
    if (cJSON_IsNumber(elapsed)) j->elapsed_before = elapsed->valuedouble;
    cJSON_Delete(json);
    if (right) return PM_OK;
    return work_fail(j->w, PM_INVALID, "%s: its run teaches a task; go on with it on the page Task", how->out);
}

static pm_status open_data(job *j)
{
    const settings *how = &j->how;
    const pm_log *log = &j->w->log;
    pm_status status;
    if (!how->data[0])
        return work_fail(j->w, PM_INVALID, "choose a text to train on: a file, or a folder of .txt files");
    if (j->resume) {
        status = pm_tokenizer_load(log, how->out, &j->tokenizer);
    } else if (how->tokenizer == 1) {
        status = pm_tokenizer_bytes(log, &j->tokenizer);
    } else {
        char *text = NULL;
        size_t size = 0;
        status = pm_corpus_text(log, how->data, &text, &size);
        if (status == PM_OK) status = pm_tokenizer_chars(log, how->data, text, size, &j->tokenizer);
        free(text);
    }
    const pm_corpus_params params = {.cache_dir = j->w->cache_dir};
    if (status == PM_OK) status = pm_corpus_open_with(log, how->data, j->tokenizer, &params, &j->corpus);
    if (status != PM_OK) return status;
    j->tokens = pm_corpus_size(j->corpus);
    j->train_tokens = j->tokens - j->tokens / 10;
    if (j->tokens - j->train_tokens > how->ctx) return PM_OK;
    return work_fail(
        j->w, PM_INVALID,
        "%s has %zu tokens, of which a tenth validates: that must be more than the context of %u; give more "
        "text or a smaller context",
        how->data, j->tokens, (unsigned)how->ctx);
}

static pm_status make_trainer(job *j)
{
    const settings *how = &j->how;
    j->config = (pm_gpt_config){.vocab = pm_tokenizer_vocab(j->tokenizer),
                                .ctx = how->ctx,
                                .embd = how->embd,
                                .heads = how->heads,
                                .layers = how->layers,
                                .dropout_embd = how->dropout,
                                .dropout_attn = how->dropout,
                                .dropout_resid = how->dropout};
    j->params = (pm_train_params){.batch = how->batch,
                                  .time = how->ctx,
                                  .steps = how->steps,
                                  .lr = how->lr,
                                  .min_lr = 0.1f * how->lr,
                                  .warmup = how->warmup,
                                  .beta2 = 0.99f,
                                  .weight_decay = 0.1f,
                                  .clip = 1,
                                  .dropout = how->dropout,
                                  .seed = how->seed,
                                  .precision = j->precision};
    pm_status status =
        j->resume ? pm_gpt_config_load(&j->w->log, how->out, &j->config) : pm_gpt_config_check(&j->w->log, &j->config);
    if (status == PM_OK) status = pm_model_create(j->w->device, &j->config, how->seed, &j->model);
    if (status == PM_OK) status = pm_trainer_create(j->model, &j->params, &j->trainer);
    return status;
}

/* ---- the folder ---- */

static pm_status save(job *j)
{
    const settings *how = &j->how;
    const run_option options[] = {
        {"--data", how->data, 0},
        {"--tokenizer", how->tokenizer ? "byte" : "char", 0},
        {"--documents", "auto", 0},
        {"--arch", j->config.arch == PM_ARCH_GPT1 ? "gpt1" : "gpt2", 0},
        {"--layers", NULL, how->layers},
        {"--heads", NULL, how->heads},
        {"--embd", NULL, how->embd},
        {"--ctx", NULL, how->ctx},
        {"--dropout", NULL, (double)how->dropout},
        {"--batch", NULL, how->batch},
        {"--steps", NULL, how->steps},
        {"--lr", NULL, (double)how->lr},
        {"--min-lr", NULL, (double)j->params.min_lr},
        {"--warmup", NULL, how->warmup},
        {"--precision", pm_precision_name(pm_trainer_precision(j->trainer)), 0},
        {"--seed", NULL, how->seed},
    };
    const double begin = pm_profile_now();
    work_stage(j->w, "saving");
    char *note = run_folder_note("train", options, sizeof options / sizeof *options, &j->w->state.train,
                                 pm_corpus_hash(j->corpus));
    pm_status status = note ? pm_trainer_save(j->trainer, how->out, note) : PM_NO_HOST_MEMORY;
    cJSON_free(note);
    if (status == PM_OK) status = pm_model_save(j->model, how->out);
    work_state *s = work_edit(j->w);
    work_clock_note(&j->clock, begin);
    if (status == PM_OK) s->train.saved = pm_trainer_steps_done(j->trainer);
    s->stage[0] = 0;
    work_changed(j->w, true);
    return status;
}

static pm_status begin_folder(job *j)
{
    const settings *how = &j->how;
    work_run *run = &j->w->state.train;
    char *note = NULL;
    pm_status status;
    if (!j->resume) {
        status = pm_tokenizer_save(&j->w->log, j->tokenizer, how->out);
        if (status == PM_OK) status = save(j);
        if (status != PM_OK) run_folder_clear(how->out);
        return status;
    }
    status = pm_trainer_load(j->trainer, how->out, &note);
    cJSON *json = run_folder_read(note);
    free(note);
    const char *hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "data_hash"));
    const bool same = !hash || strtoull(hash, NULL, 16) == pm_corpus_hash(j->corpus);
    cJSON_Delete(json);
    if (status != PM_OK) return status;
    if (!same)
        return work_fail(j->w, PM_INVALID, "%s is not the text that the run in %s was started on", how->data, how->out);
    work_state *s = work_edit(j->w);
    const bool good = run_folder_cut(how->out, pm_trainer_steps_done(j->trainer), &run->loss_curve, &run->val_curve);
    s->train.step = s->train.saved = pm_trainer_steps_done(j->trainer);
    if (run->loss_curve.count) run->loss = run->loss_curve.y[run->loss_curve.count - 1];
    for (uint32_t i = 0; i < run->val_curve.count; i++) {
        run->val_loss = run->val_curve.y[i];
        run->best_val = isnan(run->best_val) ? run->val_loss : fminf(run->best_val, run->val_loss);
    }
    work_changed(j->w, true);
    return good ? PM_OK : work_fail(j->w, PM_IO, "%s: metrics.jsonl cannot be written", how->out);
}

static void show_start(job *j)
{
    pm_train_plan plan = {0};
    pm_trainer_get_plan(j->trainer, &plan);
    work_run *run = &work_edit(j->w)->train;
    *run = (work_run){.steps = j->how.steps,
                      .val_loss = NAN,
                      .best_val = NAN,
                      .loss = NAN,
                      .seconds = j->elapsed_before,
                      .parameters = pm_gpt_config_parameters(&j->config),
                      .memory = plan.weights + plan.gradients + plan.optimizer + plan.workspace,
                      .train_tokens = j->train_tokens,
                      .val_tokens = j->tokens - j->train_tokens,
                      .vocab = j->config.vocab};
    j->w->state.training = true;
    j->w->state.train_how = j->how;
    curve_clear(&run->loss_curve);
    curve_clear(&run->val_curve);
    snprintf(run->out, sizeof run->out, "%s", j->how.out);
    work_changed(j->w, true);
}

/* ---- steps ---- */

static pm_status step_once(job *j, bool first)
{
    const settings *how = &j->how;
    pm_step step = {0};
    float val = NAN;
    const double begin = pm_profile_now();
    pm_status status = pm_trainer_step(j->trainer, j->corpus, 0, j->train_tokens, &step);
    if (status != PM_OK) return status;
    const double seconds = pm_profile_now() - begin;
    if (!isfinite(step.loss) || (step.skipped && step.loss_scale <= 1))
        return work_fail(j->w, PM_INVALID,
                         "the loss is not a number any more at step %u: start again with a smaller learning rate",
                         (unsigned)step.step);
    if (step.step % how->eval_every == 0 || step.step == how->steps)
        status =
            pm_trainer_eval(j->trainer, j->corpus, j->train_tokens, j->tokens - j->train_tokens, EVAL_BATCHES, &val);
    if (status != PM_OK && status != PM_CANCELLED)
        return status; /* the step is done, though its measuring was stopped */
    if (!first) {
        j->rate_tokens += step.tokens;
        j->rate_seconds += seconds;
    }
    work_run *run = &work_edit(j->w)->train;
    run->step = step.step;
    run->loss = step.loss;
    run->lr = step.lr;
    run->grad_norm = step.grad_norm;
    run->tokens += step.tokens;
    run->seconds = j->elapsed_before + pm_profile_now() - j->started;
    if (j->rate_seconds > 0) {
        run->tokens_per_s = j->rate_tokens / j->rate_seconds;
        run->left_s = (how->steps - step.step) * (double)step.tokens / run->tokens_per_s;
    }
    curve_add(&run->loss_curve, step.step, (double)step.loss);
    if (!isnan(val)) {
        run->val_loss = val;
        if (isnan(run->best_val) || val < run->best_val) run->best_val = val;
        curve_add(&run->val_curve, step.step, (double)val);
    }
    work_changed(j->w, first || !isnan(val));
    if (run_folder_add(how->out, run, seconds > 0 ? step.tokens / seconds : 0, val)) return status;
    return work_fail(j->w, PM_IO, "%s: metrics.jsonl cannot be written; is the disk full?", how->out);
}

static pm_status prepare(job *j)
{
    work *w = j->w;
    pm_status status = PM_OK;
    work_stage(w, "reading the text");
    if (j->resume) status = take_options(j);
    if (!j->resume && j->how.data[0] && !j->how.out[0] && !run_folder_free(w, "")) status = PM_INVALID;
    if (status == PM_OK) status = open_data(j);
    if (status == PM_OK && !j->resume && !run_folder_free(w, j->how.out)) status = PM_INVALID;
    if (status == PM_OK) {
        work_drop_model(w); /* its memory is the run's now */
        work_stage(w, "making the model");
        status = make_trainer(j);
    }
    if (status == PM_OK) show_start(j);
    if (status == PM_OK) status = begin_folder(j);
    if (status != PM_OK) return status;
    w->live_model = j->model;
    w->live_tokenizer = j->tokenizer;
    j->started = j->clock.saved = pm_profile_now();
    j->first = pm_trainer_steps_done(j->trainer);
    work_stage(w, "building the kernels");
    return PM_AGAIN;
}

pm_status work_train(work_task *task, pm_control *control)
{
    job *j = task->data;
    if (!j) {
        j = task->data = calloc(1, sizeof *j);
        if (!j) return work_fail(task->w, PM_NO_HOST_MEMORY, "out of host memory");
        *j = (job){
            .w = task->w, .how = task->request.how, .resume = task->request.resume, .precision = PM_PRECISION_AUTO};
        return prepare(j);
    }
    const uint32_t before = pm_trainer_steps_done(j->trainer), all = j->how.steps;
    if (before >= all) return PM_OK;
    if (pm_control_cancelled(control)) return PM_CANCELLED;
    if (work_held(j->w, control)) return PM_AGAIN;
    work_window_step(j->w, &j->window);
    pm_status status = step_once(j, before == j->first);
    if (before == j->first) work_stage(j->w, "");
    if (status == PM_OK && before + 1 < all && work_clock_due(&j->clock)) status = save(j);
    return status == PM_OK && before + 1 < all ? PM_AGAIN : status;
}

/* Whatever ended the steps, what they reached is kept. */
static pm_status keep(job *j, pm_status status)
{
    const uint32_t done = pm_trainer_steps_done(j->trainer);
    work_window_end(j->w, &j->window);
    if (status == PM_DEVICE_LOST)
        return work_fail(j->w, status, "the device was lost; the checkpoint of step %u is in %s: go on from there",
                         (unsigned)j->w->state.train.saved, j->how.out);
    if (done > j->w->state.train.saved) {
        const pm_status saved = save(j);
        if (saved != PM_OK) return saved;
    }
    if (status != PM_OK && status != PM_CANCELLED) return status;
    work_state *s = work_edit(j->w);
    s->train.done = done >= j->how.steps;
    snprintf(s->said, sizeof s->said,
             j->first >= j->how.steps ? "All %u steps are done in %.300s: give more steps to go on"
             : s->train.done          ? "Done: %u steps, saved in %.300s"
                                      : "Stopped at step %u, saved in %.300s",
             (unsigned)done, j->how.out);
    work_changed(j->w, true);
    return status;
}

void work_train_end(work_task *task, pm_status status)
{
    job *j = task->data;
    if (!j) return;
    j->w->live_model = NULL;
    j->w->live_tokenizer = NULL;
    work_edit(j->w)->training = false;
    work_changed(j->w, false);
    if (j->started > 0) (void)keep(j, status);
    pm_trainer_destroy(&j->trainer);
    pm_model_destroy(&j->model);
    pm_corpus_close(&j->corpus);
    pm_tokenizer_destroy(&j->tokenizer);
    free(j);
}
