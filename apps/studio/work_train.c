/* Training on a text: the run's data, model and trainer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "work_run.h"

enum { EVAL_BATCHES = 10 };

typedef struct training {
    run_job job; /* first */
    pm_precision precision;
    pm_corpus *corpus;
    size_t train_tokens; /* the others validate */
    pm_gpt_config config;
} training;

/* ---- preparing ---- */

/* A run that goes on keeps its options; more steps than it had extend it. */
static pm_status take_options(training *t)
{
    settings *how = &t->job.how;
    pm_run_note *note = NULL;
    const pm_status status =
        run_job_note(&t->job, "train", "its run teaches a task; go on with it on the page Task", &note);
    if (status != PM_OK) return status;
    const char *tokenizer = pm_run_note_option(note, "--tokenizer");
    const char *precision = pm_run_note_option(note, "--precision");
    const uint32_t asked = how->steps;
    if (tokenizer) how->tokenizer = strcmp(tokenizer, "byte") == 0;
    run_job_take_text(note, "--data", how->data, sizeof how->data);
    run_job_take_number(note, "--layers", &how->layers);
    run_job_take_number(note, "--heads", &how->heads);
    run_job_take_number(note, "--embd", &how->embd);
    run_job_take_number(note, "--ctx", &how->ctx);
    run_job_take_number(note, "--batch", &how->batch);
    run_job_take_number(note, "--seed", &how->seed);
    run_job_take_float(note, "--lr", &how->lr);
    run_job_take_float(note, "--dropout", &how->dropout);
    run_job_take_number(note, "--warmup", &how->warmup);
    run_job_take_number(note, "--steps", &how->steps);
    if (how->steps < asked) how->steps = asked;
    for (pm_precision p = PM_PRECISION_F32; precision && p <= PM_PRECISION_AUTO; p++)
        if (strcmp(pm_precision_name(p), precision) == 0) t->precision = p;
    pm_run_note_free(&note);
    return PM_OK;
}

static pm_status open_data(training *t)
{
    run_job *j = &t->job;
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
    if (status == PM_OK) status = pm_corpus_open_with(log, how->data, j->tokenizer, &params, &t->corpus);
    if (status != PM_OK) return status;
    const size_t tokens = pm_corpus_size(t->corpus);
    t->train_tokens = tokens - tokens / 10;
    if (tokens / 10 > how->ctx) return PM_OK;
    return work_fail(
        j->w, PM_INVALID,
        "%s has %zu tokens, of which a tenth validates: that must be more than the context of %u; give more "
        "text or a smaller context",
        how->data, tokens, (unsigned)how->ctx);
}

/* In the names of `pumice train`, which goes on with such a run. */
static void keep_options(training *t, float min_lr)
{
    run_job *j = &t->job;
    const settings *how = &j->how;
    run_job_keep_text(j, "--data", how->data);
    run_job_keep_text(j, "--tokenizer", how->tokenizer ? "byte" : "char");
    run_job_keep_text(j, "--documents", "auto");
    run_job_keep_text(j, "--arch", pm_arch_name(t->config.arch));
    run_job_keep_number(j, "--layers", how->layers);
    run_job_keep_number(j, "--heads", how->heads);
    run_job_keep_number(j, "--embd", how->embd);
    run_job_keep_number(j, "--ctx", how->ctx);
    run_job_keep_number(j, "--dropout", (double)how->dropout);
    run_job_keep_number(j, "--batch", how->batch);
    run_job_keep_number(j, "--steps", how->steps);
    run_job_keep_number(j, "--lr", (double)how->lr);
    run_job_keep_number(j, "--min-lr", (double)min_lr);
    run_job_keep_number(j, "--warmup", how->warmup);
    run_job_keep_text(j, "--precision", pm_precision_name(pm_trainer_precision(j->parts.trainer)));
    run_job_keep_number(j, "--seed", how->seed);
}

/* A run that does not fit into the free memory takes less of it, where its steps stay the same. */
static pm_status make_fit(training *t, pm_train_params *params)
{
    run_job *j = &t->job;
    pm_train_plan plan;
    pm_train_params fitting = *params;
    const pm_caps *caps = pm_device_caps(j->w->device);
    const pm_status status = pm_train_fit(&j->w->log, caps, &t->config, &fitting, &plan);
    if (status != PM_OK) return status;
    if (fitting.time < params->time)
        return work_fail(j->w, PM_NO_DEVICE_MEMORY,
                         "this needs more memory than is free on %s: a context of %u would fit", caps->name,
                         (unsigned)fitting.time);
    if (fitting.recompute)
        work_say(j->w, "Little memory is free: %u x %u sequences a step, with recomputation", (unsigned)fitting.accum,
                 (unsigned)fitting.batch);
    *params = fitting;
    return PM_OK;
}

static pm_status make_trainer(run_job *j)
{
    training *t = (training *)j;
    const settings *how = &j->how;
    t->config = (pm_gpt_config){.vocab = pm_tokenizer_vocab(j->tokenizer),
                                .ctx = how->ctx,
                                .embd = how->embd,
                                .heads = how->heads,
                                .layers = how->layers,
                                .dropout_embd = how->dropout,
                                .dropout_attn = how->dropout,
                                .dropout_resid = how->dropout};
    pm_train_params params = {.batch = how->batch,
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
                              .precision = t->precision};
    pm_status status =
        j->resume ? pm_gpt_config_load(&j->w->log, how->out, &t->config) : pm_gpt_config_check(&j->w->log, &t->config);
    if (status == PM_OK) status = make_fit(t, &params);
    if (status == PM_OK) status = pm_model_create(j->w->device, &t->config, how->seed, &j->parts.model);
    if (status == PM_OK) status = pm_trainer_create(j->parts.model, &params, &j->parts.trainer);
    if (status == PM_OK) keep_options(t, params.min_lr);
    return status;
}

/* ---- the job ---- */

static void show_data(training *t)
{
    run_job *j = &t->job;
    work_state *s = work_edit(j->w);
    j->shown = &s->train;
    work_clear_run(j->shown, j->how.out);
    j->shown->train_tokens = t->train_tokens;
    j->shown->val_tokens = pm_corpus_size(t->corpus) - t->train_tokens;
    s->training = true;
    s->train_how = j->how;
    work_changed(j->w, true);
}

static pm_status prepare(training *t)
{
    run_job *j = &t->job;
    work_stage(j->w, "reading the text");
    pm_status status = j->resume ? take_options(t) : PM_OK;
    if (status == PM_OK) status = open_data(t);
    if (status != PM_OK) return status;
    j->params.corpus = t->corpus;
    j->params.train_tokens = t->train_tokens;
    j->params.steps = j->how.steps;
    j->params.eval_every = j->how.eval_every;
    j->params.eval_batches = EVAL_BATCHES;
    show_data(t);
    status = run_job_begin(j);
    j->w->live_model = j->parts.model;
    j->w->live_tokenizer = j->tokenizer;
    return status;
}

pm_status work_train(work_task *task, pm_control *control)
{
    training *t = task->data;
    if (t) return run_job_step(&t->job, control);
    t = task->data = calloc(1, sizeof *t);
    if (!t) return work_fail(task->w, PM_NO_HOST_MEMORY, "out of host memory");
    t->precision = PM_PRECISION_AUTO;
    t->job = (run_job){.w = task->w,
                       .how = task->request.how,
                       .resume = task->request.resume,
                       .make = make_trainer,
                       .advice = ": give more steps to go on"};
    t->job.out = t->job.how.out;
    return prepare(t);
}

void work_train_end(work_task *task, pm_status status)
{
    training *t = task->data;
    if (!t) return;
    t->job.w->live_model = NULL;
    t->job.w->live_tokenizer = NULL;
    work_edit(t->job.w)->training = false;
    work_changed(t->job.w, false);
    run_job_end(&t->job, status);
    pm_corpus_close(&t->corpus);
    free(t);
}
