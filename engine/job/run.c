/* Runs: beginning and going on, steps with what is due behind them, saving, lost devices. */
#include "job/run.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/log.h"
#include "base/sized.h"
#include "data/task.h"
#include "files/json.h"
#include "gpu/gpu.h"
#include "model/gpt.h"
#include "os/clock.h"

/* The device's loss that ends a run. */
enum { LOSSES_MOST = 3 };

static const pm_log *log_of(const pm_run *run)
{
    return &run->params.log;
}

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

static double seconds_of(const pm_run *run)
{
    return run->seconds_before + os_seconds() - run->started;
}

/* What a program's own function answered. */
static pm_status answer(pm_status status)
{
    return status == PM_OK || status == PM_CANCELLED ? status : log_answer(status);
}

/* Without dev, a finetuner's model is always the best one; a trainer's, too. */
static bool keeps_last(const pm_run *run)
{
    return run->kind->text || !run->params.dev;
}

/* ---- saving ---- */

static char *make_note(const pm_run *run)
{
    note_facts f = {.seconds = seconds_of(run), .best = run->best, .best_step = run->best_step};
    f.has_data = run_data_hash(run, &f.data);
    if (run->kind->text) {
        f.tokens = (double)pm_corpus_size(run->params.corpus);
        f.train_tokens = (double)run->params.train_tokens;
    }
    snprintf(f.measure, sizeof f.measure, "%s", run->measure.name);
    if (run->open_step) memcpy(f.open_line, run->line.text, run->line.used + 1);
    return note_write(log_of(run), &f, run->kind->text, run->kind_name, run->params.options, run->params.option_count);
}

/* Lines come before the checkpoint of their steps. */
static pm_status save_checkpoint(pm_run *run)
{
    pm_status status = metrics_sync(&run->curves);
    char *note = status == PM_OK ? make_note(run) : NULL;
    if (status == PM_OK && !note) status = PM_NO_HOST_MEMORY;
    if (status == PM_OK) status = run->kind->save(run, note);
    if (status == PM_OK) run->saved = run->done;
    cJSON_free(note);
    return status;
}

static pm_status save_rest(pm_run *run, bool best)
{
    pm_status status = best ? pm_model_save(run->parts.model, run->dir) : PM_OK;
    const pm_run_host *host = &run->params.host;
    if (status == PM_OK && host->saved) status = answer(host->saved(host->user, run));
    return status;
}

/* `best`: the weights are the best so far. The checkpoint goes first: a run that goes on needs only that, so no step is lost whatever fails later. */
static pm_status save(pm_run *run, bool best)
{
    pm_device *device = run_device(run);
    pm_control *const control = gpu_control(device);
    const double began = os_seconds();
    pm_device_control(device, NULL);
    pm_status status = save_checkpoint(run);
    if (status == PM_OK) status = save_rest(run, best);
    pm_device_control(device, control);
    run->save_ended = os_seconds();
    run->save_took = run->save_ended - began;
    return status;
}

/* ---- beginning ---- */

/* metrics.jsonl marks the folder as a run's and keeps other runs out. The model comes last: a folder with a model has all of it. */
static pm_status begin(pm_run *run)
{
    const pm_run_params *p = &run->params;
    pm_status status = pm_folder_make(&p->log, run->dir);
    if (status == PM_OK) status = metrics_open(&p->log, run->dir, 0, &run->curves);
    if (status == PM_OK && p->overwrite) pm_folder_clear(run->dir, PM_FILES_TOKENIZER | PM_FILES_GENERATION);
    if (status == PM_OK) status = pm_tokenizer_save(&p->log, p->tokenizer, run->dir);
    if (status == PM_OK) status = pm_model_save(run->parts.model, run->dir);
    /* Shows now, not after many steps, whether there is room for a checkpoint. */
    if (status == PM_OK && (p->save_every || p->save_seconds > 0)) status = save_checkpoint(run);
    return status;
}

/* A step whose evaluation is to be done: its line is whole but for that. */
static void take_open_line(pm_run *run, const char *open_line)
{
    char text[sizeof run->line.text + 2];
    snprintf(text, sizeof text, "%s}", open_line);
    cJSON *json = json_parse(text, strlen(text) + 1, NULL, true);
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "step");
    if (cJSON_IsNumber(step) && step->valuedouble == run->done) {
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
        run->line.used = strlen(open_line);
        memcpy(run->line.text, open_line, run->line.used + 1);
        run->open_step = true;
    }
    cJSON_Delete(json);
}

static pm_status take_note(pm_run *run, const char *text)
{
    pm_run_note *note = NULL;
    uint64_t hash = 0;
    pm_status status = note_read(log_of(run), text, &note);
    if (status != PM_OK) return status;
    const note_facts f = note_get(note, run->kind->text);
    const bool known = run_data_hash(run, &hash), other = known && f.has_data && f.data != hash;
    if (run->kind->text && other)
        status = log_fail(log_of(run), PM_FORMAT,
                          "%s: the run in it was started on another text (%.0f tokens there, %zu here)", run->dir,
                          isnan(f.tokens) ? 0 : f.tokens, pm_corpus_size(run->params.corpus));
    run->seconds_before = f.seconds;
    run->best = f.best;
    run->best_step = f.best_step;
    run->other_best = known && !run->kind->text && !isnan(f.best) &&
                      (other || !f.has_data || (f.measure[0] && strcmp(f.measure, run->measure.name) != 0));
    if (status == PM_OK && f.open_line[0]) take_open_line(run, f.open_line);
    pm_run_note_free(&note);
    return status;
}

/* A run may have been killed between its checkpoint and the rest of that save: the model is saved where the checkpoint's weights are the best so far. */
static pm_status go_on(pm_run *run)
{
    char *note = NULL;
    pm_status status = run->kind->load(run, &note);
    if (status == PM_OK) {
        run->done = run->saved = run->kind->done(run);
        status = take_note(run, note);
    }
    free(note);
    if (status != PM_OK) return status;
    status = metrics_open(log_of(run), run->dir, run->open_step ? run->done - 1 : run->done, &run->curves);
    const bool best = keeps_last(run) || (!run->open_step && (isnan(run->best) || run->best_step == run->done));
    if (status == PM_OK) status = save_rest(run, best);
    return status == PM_OK && run->other_best ? run_measure_best(run) : status;
}

/* ---- the parts ---- */

static void unmake(pm_run *run)
{
    metrics_close(&run->curves);
    if (run->made) run->params.host.unmake(run->params.host.user);
    run->made = false;
    run->parts = (pm_run_parts){0};
    run->open_step = false;
    run->best = NAN;
    run->best_step = 0;
    run->seconds_before = 0;
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

/* Makes the parts, and begins or goes on. */
static pm_status start(pm_run *run, bool resume)
{
    const char *file;
    const pm_run_host *host = &run->params.host;
    const bool there = resume && pm_run_look(run->dir, &file) == PM_RUN_SAVED;
    run->made = true;
    pm_status status = answer(host->make(host->user, there, run->losses ? &run->caps : NULL, &run->parts));
    if (run->parts.model && !run->caps.name[0]) run->caps = *pm_device_caps(run_device(run));
    if (status == PM_OK) status = check_parts(run);
    if (status != PM_OK) return status;
    run->kind = run->parts.trainer ? &run_of_text : &run_of_examples;
    run->steps = run->kind->steps(run);
    if (!there) run->done = run->saved = 0;
    run->started = run->save_ended = os_seconds();
    if (!run->kind->text && !run->outputs) status = run_open_dev(run);
    if (status != PM_OK) return status;
    return there ? go_on(run) : begin(run);
}

/* After a loss: makes everything again, as long as there are not too many. */
static pm_status recover(pm_run *run)
{
    const uint32_t most = run->params.losses_most ? run->params.losses_most : LOSSES_MOST;
    pm_status status = PM_DEVICE_LOST;
    while (status == PM_DEVICE_LOST) {
        unmake(run);
        if (++run->losses >= most) return status;
        log_line(log_of(run), PM_LOG_WARN, "%s was lost, for the %s time; opening it again",
                 run->caps.name[0] ? run->caps.name : "the device",
                 run->losses == 1   ? "first"
                 : run->losses == 2 ? "second"
                                    : "next");
        status = start(run, true);
    }
    if (status != PM_OK) unmake(run);
    return status;
}

/* ---- opening ---- */

/* Whether this run may begin or go on in the folder. */
static pm_status check_folder(const pm_run *run)
{
    const pm_run_params *p = &run->params;
    const char *file;
    const pm_run_state state = pm_run_look(run->dir, &file);
    if (state == PM_RUN_STRIPPED)
        return log_fail(
            &p->log, PM_INVALID,
            "%s: its run's checkpoint is gone, and beginning again would replace its model; give another folder",
            run->dir);
    if (!p->resume && (state == PM_RUN_SAVED || state == PM_RUN_BEGUN))
        return log_fail(&p->log, PM_INVALID, "%s: there is a run in it already; go on with it, or give another folder",
                        run->dir);
    if (state == PM_RUN_MODEL)
        return log_fail(&p->log, PM_INVALID, "%s: there is a model in it already, %s; give another folder", run->dir,
                        file);
    if (state == PM_RUN_FILES && !p->overwrite)
        return log_fail(&p->log, PM_INVALID, "%s: %s is there already, and belongs to no run; give another folder",
                        run->dir, file);
    if (state != PM_RUN_SAVED || !run->kind_name) return PM_OK;
    pm_run_note *note = NULL;
    pm_status status = pm_run_note_load(&p->log, run->dir, &note);
    if (status != PM_OK) return status;
    const char *kind = pm_run_note_kind(note);
    if (kind && strcmp(kind, run->kind_name) != 0)
        status =
            log_fail(&p->log, PM_INVALID, "%s: the run in it is one of %s, not of %s", run->dir, kind, run->kind_name);
    pm_run_note_free(&note);
    return status;
}

static pm_status copy_texts(pm_run *run)
{
    const pm_run_params *p = &run->params;
    run->dir = copy_text(p->dir);
    run->kind_name = p->kind ? copy_text(p->kind) : NULL;
    run->measure_name = p->measure ? copy_text(p->measure) : NULL;
    const bool good = run->dir && !run->kind_name == !p->kind && !run->measure_name == !p->measure;
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
    if (status == PM_OK) status = check_folder(run);
    if (status == PM_OK) status = start(run, params.resume);
    if (status == PM_DEVICE_LOST) status = recover(run);
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
    free(run->outputs);
    free(run->confusion);
    free(run->dir);
    free(run->kind_name);
    free(run->measure_name);
    free(run);
    *handle = NULL;
}

/* ---- steps ---- */

bool pm_run_more(const pm_run *run)
{
    return !run->failed && (run->open_step || run->done < run->steps);
}

/* Not a number: that comes of a learning rate that is too high, or of values that fp16 cannot hold. */
static pm_status check_step(pm_run *run)
{
    const pm_run_result *r = &run->result;
    const bool half = run->kind->precision(run) == PM_PRECISION_F16;
    if (isfinite(r->loss) && !r->skipped) return PM_OK;
    if (half && r->skipped && r->loss_scale > 1) return PM_OK;
    run->diverged = true;
    if (half && r->skipped)
        return log_fail(
            log_of(run), PM_DIVERGED,
            "step %u: the model's values overflow fp16; train it in fp32 from the start (the last checkpoint "
            "is of step %u)",
            (unsigned)r->step, (unsigned)run->saved);
    return log_fail(
        log_of(run), PM_DIVERGED,
        "step %u: the loss or its gradient is not a number any more; begin again with a lower learning rate "
        "(the last checkpoint is of step %u)",
        (unsigned)r->step, (unsigned)run->saved);
}

static pm_status take_step(pm_run *run)
{
    pm_device *device = run_device(run);
    const double began = os_seconds(), waited = pm_device_wait_seconds(device);
    pm_status status = run->kind->step(run, &run->result);
    if (status != PM_OK) return status;
    pm_run_result *r = &run->result;
    r->seconds = os_seconds() - began;
    r->waited = pm_device_wait_seconds(device) - waited;
    r->val_loss = r->value = NAN;
    run->done = r->step;
    status = check_step(run);
    if (status != PM_OK) return status;
    metrics_line_begin(&run->line, r->step, (double)r->loss, (double)r->lr, (double)r->grad_norm,
                       r->seconds > 0 ? r->tokens / r->seconds : 0);
    run->kind->describe(run, r, &run->line);
    run->open_step = true;
    return PM_OK;
}

/* Evaluates where that is due, and writes the step's line. */
static pm_status close_step(pm_run *run)
{
    pm_run_result *r = &run->result;
    if (run->kind->due(run, r->step)) {
        const pm_status status = run->kind->evaluate(run, r);
        if (status != PM_OK) return status;
        r->best = !r->evaluated || pm_measure_better(&run->measure, r->value, run->best);
    }
    if (r->evaluated) {
        run->kind->describe_evaluation(run, r, &run->line);
        run->undefined |= isnan(r->value);
        if (r->best && !isnan(r->value)) {
            run->best = r->value;
            run->best_step = r->step;
        }
    }
    run->open_step = false;
    const float loss = isnan(r->task_loss) ? r->loss : r->task_loss;
    return metrics_add(&run->curves, &run->line, r->step, (double)loss, r->val_loss);
}

/* A save where one is due. Without its best model on the disk a run ends: going on would lose it, and a run that goes on reaches it again. */
static pm_status save_step(pm_run *run)
{
    pm_run_result *r = &run->result;
    const pm_run_params *p = &run->params;
    const bool last = r->step >= run->steps, now = run->kind->due(run, r->step);
    const bool slow =
        p->save_seconds > 0 && os_seconds() - run->save_ended > fmax(p->save_seconds, 20 * run->save_took);
    if (!last && !slow && !(p->save_every && r->step % p->save_every == 0) && (run->kind->text || !now)) return PM_OK;
    const bool best = keeps_last(run) || (now && r->best);
    pm_status status = save(run, best);
    r->saved = run->saved == r->step;
    if (status != PM_IO || last || (best && !keeps_last(run))) return status;
    r->save_failed = true;
    log_line(log_of(run), PM_LOG_WARN,
             "step %u: not everything could be saved; training goes on, and the next save tries again (the last "
             "checkpoint is of step %u)",
             (unsigned)r->step, (unsigned)run->saved);
    return PM_OK;
}

/* Steps and evaluations obey the program's control; saving does not. */
static pm_status step_once(pm_run *run)
{
    pm_device *device = run_device(run);
    pm_control *const control = gpu_control(device);
    if (run->params.control) pm_device_control(device, run->params.control);
    pm_status status = run->open_step ? PM_OK : take_step(run);
    if (status == PM_OK) status = close_step(run);
    pm_device_control(device, control);
    return status == PM_OK ? save_step(run) : status;
}

pm_status pm_run_step(pm_run *run, pm_run_result *out)
{
    if (!pm_run_more(run)) return log_fail(log_of(run), PM_INVALID, "run: there is no step to do");
    const uint32_t step = run->open_step ? run->done : run->done + 1;
    pm_status status = step_once(run);
    while (status == PM_DEVICE_LOST) {
        status = recover(run);
        if (status != PM_OK) break;
        if (run->done >= step && !run->open_step) {
            run->result.saved = true; /* it was lost behind this step's checkpoint */
            break;
        }
        status = step_once(run);
    }
    run->failed = status != PM_OK && !(status == PM_CANCELLED && run->made);
    if (status != PM_OK) return status;
    run->result.line = run->line.text;
    run->result.again = run->result.step <= run->told;
    if (!run->result.again) run->told = run->result.step;
    *out = run->result;
    return PM_OK;
}

pm_status pm_run_save(pm_run *run)
{
    if (run->diverged) return log_fail(log_of(run), PM_DIVERGED, "run: it has diverged, and is not saved");
    if (run->done <= run->saved) return PM_OK;
    if (!run->made)
        return log_fail(log_of(run), PM_DEVICE_LOST, "run: the device was lost; the last checkpoint is of step %u",
                        (unsigned)run->saved);
    return save(run, keeps_last(run));
}

/* ---- what it says ---- */

void pm_run_get_info(const pm_run *run, pm_run_info *out)
{
    *out = (pm_run_info){.first = run->first,
                         .done = run->done,
                         .steps = run->steps,
                         .saved = run->saved,
                         .losses = run->losses,
                         .best = run->best,
                         .best_step = run->best_step,
                         .undefined = run->undefined,
                         .measured_again = run->measured_again,
                         .measure = run->measure,
                         .seconds = seconds_of(run)};
}

const pm_run_point *pm_run_losses(const pm_run *run, size_t *count)
{
    *count = run->curves.loss.count;
    return run->curves.loss.points;
}

const pm_run_point *pm_run_val_losses(const pm_run *run, size_t *count)
{
    *count = run->curves.val_loss.count;
    return run->curves.val_loss.points;
}
