/* Training on a text: the run's data, model and trainer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "work_run.h"

enum { EVAL_BATCHES = 10 };

typedef struct training {
    fit fit; /* first */
    pm_precision precision;
    pm_corpus *corpus;
    size_t train_tokens; /* the others validate */
    pm_gpt_config config;
} training;

/* ---- preparing ---- */

/* A run that goes on keeps its options; more steps than it had extend it. */
static pm_status take_options(training *t)
{
    settings *how = &t->fit.how;
    pm_run_note *note = NULL;
    const pm_status status =
        fit_note(&t->fit, "train", "its run teaches a task; go on with it on the page Task", &note);
    if (status != PM_OK) return status;
    const char *tokenizer = pm_run_note_option(note, "--tokenizer");
    const char *precision = pm_run_note_option(note, "--precision");
    const uint32_t asked = how->steps;
    if (tokenizer) how->tokenizer = strcmp(tokenizer, "byte") == 0;
    fit_take_text(note, "--data", how->data, sizeof how->data);
    fit_take_number(note, "--layers", &how->layers);
    fit_take_number(note, "--heads", &how->heads);
    fit_take_number(note, "--embd", &how->embd);
    fit_take_number(note, "--ctx", &how->ctx);
    fit_take_number(note, "--batch", &how->batch);
    fit_take_number(note, "--seed", &how->seed);
    fit_take_float(note, "--lr", &how->lr);
    fit_take_float(note, "--dropout", &how->dropout);
    fit_take_number(note, "--warmup", &how->warmup);
    fit_take_number(note, "--steps", &how->steps);
    if (how->steps < asked) how->steps = asked;
    for (pm_precision p = PM_PRECISION_F32; precision && p <= PM_PRECISION_AUTO; p++)
        if (strcmp(pm_precision_name(p), precision) == 0) t->precision = p;
    pm_run_note_free(&note);
    return PM_OK;
}

static pm_status open_data(training *t)
{
    fit *f = &t->fit;
    const settings *how = &f->how;
    const pm_log *log = &f->w->log;
    pm_status status;
    if (!how->data[0])
        return work_fail(f->w, PM_INVALID, "choose a text to train on: a file, or a folder of .txt files");
    if (f->resume) {
        status = pm_tokenizer_load(log, how->out, &f->tokenizer);
    } else if (how->tokenizer == 1) {
        status = pm_tokenizer_bytes(log, &f->tokenizer);
    } else {
        char *text = NULL;
        size_t size = 0;
        status = pm_corpus_text(log, how->data, &text, &size);
        if (status == PM_OK) status = pm_tokenizer_chars(log, how->data, text, size, &f->tokenizer);
        free(text);
    }
    const pm_corpus_params params = {.cache_dir = f->w->cache_dir};
    if (status == PM_OK) status = pm_corpus_open_with(log, how->data, f->tokenizer, &params, &t->corpus);
    if (status != PM_OK) return status;
    const size_t tokens = pm_corpus_size(t->corpus);
    t->train_tokens = tokens - tokens / 10;
    if (tokens / 10 > how->ctx) return PM_OK;
    return work_fail(
        f->w, PM_INVALID,
        "%s has %zu tokens, of which a tenth validates: that must be more than the context of %u; give more "
        "text or a smaller context",
        how->data, tokens, (unsigned)how->ctx);
}

/* In the names of `pumice train`, which goes on with such a run. */
static void keep_options(training *t, float min_lr)
{
    fit *f = &t->fit;
    const settings *how = &f->how;
    fit_keep_text(f, "--data", how->data);
    fit_keep_text(f, "--tokenizer", how->tokenizer ? "byte" : "char");
    fit_keep_text(f, "--documents", "auto");
    fit_keep_text(f, "--arch", t->config.arch == PM_ARCH_GPT1 ? "gpt1" : "gpt2");
    fit_keep_number(f, "--layers", how->layers);
    fit_keep_number(f, "--heads", how->heads);
    fit_keep_number(f, "--embd", how->embd);
    fit_keep_number(f, "--ctx", how->ctx);
    fit_keep_number(f, "--dropout", (double)how->dropout);
    fit_keep_number(f, "--batch", how->batch);
    fit_keep_number(f, "--steps", how->steps);
    fit_keep_number(f, "--lr", (double)how->lr);
    fit_keep_number(f, "--min-lr", (double)min_lr);
    fit_keep_number(f, "--warmup", how->warmup);
    fit_keep_text(f, "--precision", pm_precision_name(pm_trainer_precision(f->parts.trainer)));
    fit_keep_number(f, "--seed", how->seed);
}

/* A run that does not fit into the free memory takes less of it, where its steps stay the same. */
static pm_status make_fit(training *t, pm_train_params *params)
{
    fit *f = &t->fit;
    pm_train_plan plan;
    pm_train_params fitting = *params;
    const pm_caps *caps = pm_device_caps(f->w->device);
    const pm_status status = pm_train_fit(&f->w->log, caps, &t->config, &fitting, &plan);
    if (status != PM_OK) return status;
    if (fitting.time < params->time)
        return work_fail(f->w, PM_NO_DEVICE_MEMORY,
                         "this needs more memory than is free on %s: a context of %u would fit", caps->name,
                         (unsigned)fitting.time);
    if (fitting.recompute)
        work_say(f->w, "Little memory is free: %u x %u sequences a step, with recomputation", (unsigned)fitting.accum,
                 (unsigned)fitting.batch);
    *params = fitting;
    return PM_OK;
}

static pm_status make_trainer(fit *f)
{
    training *t = (training *)f;
    const settings *how = &f->how;
    t->config = (pm_gpt_config){.vocab = pm_tokenizer_vocab(f->tokenizer),
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
        f->resume ? pm_gpt_config_load(&f->w->log, how->out, &t->config) : pm_gpt_config_check(&f->w->log, &t->config);
    if (status == PM_OK) status = make_fit(t, &params);
    if (status == PM_OK) status = pm_model_create(f->w->device, &t->config, how->seed, &f->parts.model);
    if (status == PM_OK) status = pm_trainer_create(f->parts.model, &params, &f->parts.trainer);
    if (status == PM_OK) keep_options(t, params.min_lr);
    return status;
}

/* ---- the job ---- */

static void show_data(training *t)
{
    fit *f = &t->fit;
    work_state *s = work_edit(f->w);
    f->shown = &s->train;
    work_clear_run(f->shown, f->how.out);
    f->shown->train_tokens = t->train_tokens;
    f->shown->val_tokens = pm_corpus_size(t->corpus) - t->train_tokens;
    s->training = true;
    s->train_how = f->how;
    work_changed(f->w, true);
}

static pm_status prepare(training *t)
{
    fit *f = &t->fit;
    work_stage(f->w, "reading the text");
    pm_status status = f->resume ? take_options(t) : PM_OK;
    if (status == PM_OK) status = open_data(t);
    if (status != PM_OK) return status;
    f->params.corpus = t->corpus;
    f->params.train_tokens = t->train_tokens;
    f->params.steps = f->how.steps;
    f->params.eval_every = f->how.eval_every;
    f->params.eval_batches = EVAL_BATCHES;
    show_data(t);
    status = fit_begin(f);
    f->w->live_model = f->parts.model;
    f->w->live_tokenizer = f->tokenizer;
    return status;
}

pm_status work_train(work_task *task, pm_control *control)
{
    training *t = task->data;
    if (t) return fit_step(&t->fit, control);
    t = task->data = calloc(1, sizeof *t);
    if (!t) return work_fail(task->w, PM_NO_HOST_MEMORY, "out of host memory");
    t->precision = PM_PRECISION_AUTO;
    t->fit = (fit){.w = task->w,
                   .how = task->request.how,
                   .resume = task->request.resume,
                   .make = make_trainer,
                   .advice = ": give more steps to go on"};
    t->fit.out = t->fit.how.out;
    return prepare(t);
}

void work_train_end(work_task *task, pm_status status)
{
    training *t = task->data;
    if (!t) return;
    t->fit.w->live_model = NULL;
    t->fit.w->live_tokenizer = NULL;
    work_edit(t->fit.w)->training = false;
    work_changed(t->fit.w, false);
    fit_end(&t->fit, status);
    pm_corpus_close(&t->corpus);
    free(t);
}
