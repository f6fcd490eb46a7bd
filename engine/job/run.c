/* Runs: beginning and going on, and lost devices. */
#include "job/run.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/log.h"
#include "base/sized.h"
#include "base/utf8.h"
#include "data/task.h"
#include "files/json.h"
#include "gpu/gpu.h"
#include "model/gpt.h"
#include "os/clock.h"

/* The device's loss that ends a run. */
enum { LOSSES_MOST = 3 };

pm_device *run_device(const pm_run *run)
{
    return run->parts.model->device;
}

bool run_data_hash(const pm_run *run, uint64_t *hash)
{
    if (!run->kind->text && !run->params.dev) return false;
    *hash = run->kind->text ? pm_corpus_hash(run->params.corpus) : taskset_hash(run->params.dev);
    return true;
}

double run_seconds(const pm_run *run)
{
    return run->seconds_before + os_seconds() - run->started;
}

bool run_keeps_last(const pm_run *run)
{
    return run->kind->text || !run->params.dev;
}

/* What a program's own function answered. */
static pm_status answer(pm_status status)
{
    return status == PM_OK || status == PM_CANCELLED ? status : log_answer(status);
}

/* ---- going on ---- */

/* A step whose evaluation is to be done: its line is whole but for that. */
static void take_open_line(pm_run *run, const char *open_line)
{
    if (!metrics_line_open(&run->line, open_line)) return;
    char *text = run->line.text;
    memcpy(text + run->line.used, "}", 2);
    cJSON *json = json_parse(text, run->line.used + 2, NULL, true);
    text[run->line.used] = 0;
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "step");
    if (run->done > 0 && cJSON_IsNumber(step) && step->valuedouble == run->done) {
        static const struct {
            const char *name;
            size_t at;
        } numbers[] = {
            {"loss", offsetof(pm_run_result, loss)},           {"task_loss", offsetof(pm_run_result, task_loss)},
            {"lm_loss", offsetof(pm_run_result, lm_loss)},     {"lr", offsetof(pm_run_result, lr)},
            {"grad_norm", offsetof(pm_run_result, grad_norm)}, {"loss_scale", offsetof(pm_run_result, loss_scale)}};
        run->result = (pm_run_result){.step = (uint32_t)step->valuedouble,
                                      .val_loss = NAN,
                                      .value = NAN,
                                      .skipped = cJSON_GetObjectItemCaseSensitive(json, "skipped") != NULL};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, numbers[i].name);
            *(float *)((char *)&run->result + numbers[i].at) =
                cJSON_IsNumber(number) ? (float)number->valuedouble : NAN;
        }
        run->open_step = true;
    }
    cJSON_Delete(json);
}

/* *other_best: the best value so far is of another measure or dev. */
static pm_status take_note(pm_run *run, const char *text, bool *other_best)
{
    pm_run_note *note = NULL;
    uint64_t hash = 0;
    pm_status status = note_read(run_log(run), text, &note);
    if (status != PM_OK) return status;
    const note_facts f = note_get(note, run->kind->text);
    const bool known = run_data_hash(run, &hash), other = known && f.has_data && f.data != hash;
    if (run->kind->text && other)
        status = log_fail(run_log(run), PM_FORMAT, "%s: the run in it was started on another text", run->params.dir);
    else if (run->kind->text && f.train_tokens > 0 && f.train_tokens != (double)run->params.train_tokens)
        log_line(run_log(run), PM_LOG_WARN, "%s: the run goes on with %zu tokens to train on (%.0f before)",
                 run->params.dir, run->params.train_tokens, f.train_tokens);
    run->seconds_before = f.seconds;
    run->best = known ? f.best : NAN; /* without dev there is no best model */
    run->best_step = known ? f.best_step : 0;
    *other_best = known && !run->kind->text && !isnan(f.best) &&
                  (other || !f.has_data || (f.measure[0] && strcmp(f.measure, run->measure.name) != 0));
    if (status == PM_OK && f.open_line[0]) take_open_line(run, f.open_line);
    pm_run_note_free(&note);
    return status;
}

/* A run may have been killed between its checkpoint and the rest of that save: the model is saved where the checkpoint's weights are the best so far. */
static pm_status go_on(pm_run *run)
{
    char *note = NULL;
    bool other_best = false;
    pm_status status = trainer_load(run_trainer(run), run->params.dir, &note);
    if (status == PM_OK) {
        run->done = run->saved = run_trainer(run)->done;
        status = take_note(run, note, &other_best);
    }
    free(note);
    if (status != PM_OK) return status;
    status = metrics_open(run_log(run), run->params.dir, run->open_step ? run->done - 1 : run->done, &run->curves);
    const bool best = run_keeps_last(run) || (!run->open_step && (isnan(run->best) || run->best_step == run->done));
    if (status == PM_OK) status = run_save_rest(run, best);
    return status == PM_OK && other_best ? run_measure_best(run) : status;
}

/* ---- the parts ---- */

static void unmake(pm_run *run)
{
    if (run->made) run->params.host.unmake(run->params.host.user);
    run->made = run->open_step = false;
    run->parts = (pm_run_parts){0};
}

static pm_status check_parts(const pm_run *run)
{
    const pm_run_parts *parts = &run->parts;
    const pm_run_params *p = &run->params;
    const char *fault = !parts->model                          ? "make gave no model"
                        : !parts->trainer == !parts->finetuner ? "make must give a trainer or a finetuner"
                        : parts->finetuner                     ? NULL
                        : !p->corpus                           ? "a trainer needs a corpus"
                        : p->steps == 0                        ? "steps is 0"
                        : p->train_tokens == 0 || p->train_tokens >= pm_corpus_size(p->corpus)
                            ? "train_tokens must leave tokens to validate"
                            : NULL;
    return fault ? log_fail(&p->log, PM_INVALID, "run: %s", fault) : PM_OK;
}

/* What a checkpoint restores. */
static void forget(pm_run *run)
{
    metrics_close(&run->curves);
    run->best = NAN;
    run->best_step = 0;
    run->seconds_before = 0;
    run->rest = false;
}

/* Makes the parts, and begins or goes on. */
static pm_status start(pm_run *run, bool resume)
{
    const char *file;
    const pm_run_host *host = &run->params.host;
    const bool there = resume && pm_run_look(run->params.dir, &file) == PM_RUN_SAVED;
    run->made = true;
    pm_status status = answer(host->make(host->user, there, run->losses ? &run->caps : NULL, &run->parts));
    if (run->parts.model && !run->caps.name[0]) run->caps = *pm_device_caps(run_device(run));
    if (status == PM_OK) status = check_parts(run);
    if (status != PM_OK) return status;
    forget(run);
    run->kind = run->parts.trainer ? &run_of_text : &run_of_examples;
    run->steps = run->kind->steps(run);
    run->every = run->kind->every(run);
    if (!there) run->done = run->saved = 0;
    run->started = run->save_ended = os_seconds();
    if (!run->kind->text && !run->outputs) status = run_open_dev(run);
    if (status != PM_OK) return status;
    return there ? go_on(run) : run_save_first(run);
}

pm_status run_recover(pm_run *run)
{
    const uint32_t most = run->params.losses_most ? run->params.losses_most : LOSSES_MOST;
    for (;;) {
        if (!run->lost) { /* else the last try was cancelled */
            unmake(run);
            run->lost = true;
            run->done = run->saved;
            if (++run->losses >= most) return PM_DEVICE_LOST;
            log_line(run_log(run), PM_LOG_WARN, "%s was lost, for the %s time; opening it again",
                     run->caps.name[0] ? run->caps.name : "the device",
                     run->losses == 1   ? "first"
                     : run->losses == 2 ? "second"
                                        : "next");
        }
        const pm_status status = start(run, true);
        run->lost = status != PM_OK && status != PM_DEVICE_LOST;
        if (run->lost) unmake(run);
        if (status != PM_DEVICE_LOST) return status;
    }
}

/* ---- opening ---- */

/* Whether this run may begin or go on in the folder. */
static pm_status check_folder(const pm_run *run)
{
    const pm_run_params *p = &run->params;
    const char *file;
    const pm_run_state state = pm_run_look(run->params.dir, &file);
    if (state == PM_RUN_STRIPPED)
        return log_fail(
            &p->log, PM_INVALID,
            "%s: its run's checkpoint is gone, and beginning again would replace its model; give another folder",
            run->params.dir);
    if (!p->resume && (state == PM_RUN_SAVED || state == PM_RUN_BEGUN))
        return log_fail(&p->log, PM_INVALID, "%s: there is a run in it already; go on with it, or give another folder",
                        run->params.dir);
    if (state == PM_RUN_MODEL)
        return log_fail(&p->log, PM_INVALID, "%s: there is a model in it already, %s; give another folder",
                        run->params.dir, file);
    if (state == PM_RUN_FILES && !p->overwrite)
        return log_fail(&p->log, PM_INVALID, "%s: %s is there already, and belongs to no run; give another folder",
                        run->params.dir, file);
    if (state != PM_RUN_SAVED || !run->params.kind) return PM_OK;
    pm_run_note *note = NULL;
    pm_status status = pm_run_note_load(&p->log, run->params.dir, &note);
    if (status != PM_OK) return status;
    const char *kind = pm_run_note_kind(note);
    if (kind && strcmp(kind, run->params.kind) != 0)
        status = log_fail(&p->log, PM_INVALID, "%s: the run in it is one of %s, not of %s", run->params.dir, kind,
                          run->params.kind);
    pm_run_note_free(&note);
    return status;
}

static pm_status copy_texts(pm_run *run)
{
    pm_run_params *p = &run->params;
    run->texts[0] = copy_text(p->dir);
    run->texts[1] = p->kind ? copy_text(p->kind) : NULL;
    run->texts[2] = p->measure ? copy_text(p->measure) : NULL;
    const bool good = run->texts[0] && !run->texts[1] == !p->kind && !run->texts[2] == !p->measure;
    p->dir = run->texts[0];
    p->kind = run->texts[1];
    p->measure = run->texts[2];
    return good ? PM_OK : log_fail(&p->log, PM_NO_HOST_MEMORY, "run: out of host memory");
}

pm_status pm_run_open_sized(const pm_run_params *given, size_t given_size, pm_run **out)
{
    pm_run_params params;
    pm_status status =
        sized_read(given ? &given->log : NULL, "pm_run_params", given, given_size, &params, sizeof params);
    if (status != PM_OK) return status;
    if (!params.dir || !*params.dir || !params.host.make || !params.host.unmake || !params.tokenizer)
        return log_fail(&params.log, PM_INVALID, "run: dir, make, unmake and a tokenizer are needed");
    pm_run *run = calloc(1, sizeof *run);
    if (!run) return log_fail(&params.log, PM_NO_HOST_MEMORY, "run: out of host memory");
    run->params = params;
    run->best = NAN;
    run->measure = (pm_measure){"loss", "loss", -1, true};
    status = copy_texts(run);
    if (status == PM_OK && run->params.kind &&
        utf8_valid(run->params.kind, strlen(run->params.kind)) != strlen(run->params.kind))
        status = log_fail(&params.log, PM_INVALID, "run: its kind is no UTF-8");
    if (status == PM_OK) status = check_folder(run);
    if (status == PM_OK) status = start(run, params.resume);
    if (status == PM_DEVICE_LOST) status = run_recover(run);
    if (status != PM_OK) {
        pm_run_close(&run);
        return status;
    }
    run->first = run->told = run->done - (run->open_step ? 1 : 0);
    *out = run;
    return PM_OK;
}

void pm_run_close(pm_run **handle)
{
    pm_run *run = *handle;
    if (!run) return;
    unmake(run);
    metrics_close(&run->curves);
    free(run->outputs);
    free(run->confusion);
    for (size_t i = 0; i < sizeof run->texts / sizeof *run->texts; i++) free(run->texts[i]);
    free(run);
    *handle = NULL;
}
