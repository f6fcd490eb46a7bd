#include "work_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A run saves by itself so often. */
#define SAVE_SECONDS 60

/* ---- options ---- */

pm_status fit_note(fit *f, const char *kind, const char *other, pm_run_note **out)
{
    const char *file;
    if (pm_run_look(f->out, &file) != PM_RUN_SAVED)
        return work_fail(f->w, PM_INVALID, "%s: no run is in this folder that could go on",
                         *f->out ? f->out : "no folder");
    const pm_status status = pm_run_note_load(&f->w->log, f->out, out);
    if (status != PM_OK) return status;
    const char *made_by = pm_run_note_kind(*out);
    if (!made_by || strcmp(made_by, kind) == 0) return PM_OK;
    pm_run_note_free(out);
    return work_fail(f->w, PM_INVALID, "%s: %s", f->out, other);
}

void fit_take_text(const pm_run_note *note, const char *name, char *to, size_t size)
{
    const char *text = pm_run_note_option(note, name);
    if (text) snprintf(to, size, "%s", text);
}

void fit_take_float(const pm_run_note *note, const char *name, float *to)
{
    const char *text = pm_run_note_option(note, name);
    char *end = NULL;
    const float value = text ? strtof(text, &end) : 0;
    if (text && end != text) *to = value;
}

void fit_take_number(const pm_run_note *note, const char *name, uint32_t *to)
{
    const char *text = pm_run_note_option(note, name);
    char *end = NULL;
    const unsigned long value = text ? strtoul(text, &end, 10) : 0;
    if (text && end != text && value <= UINT32_MAX) *to = (uint32_t)value;
}

void fit_keep_text(fit *f, const char *name, const char *value)
{
    if (*value) f->options[f->kept++] = (pm_run_option){name, value};
}

void fit_keep_number(fit *f, const char *name, double value)
{
    char *text = f->numbers[f->kept];
    snprintf(text, sizeof f->numbers[0], "%.9g", value);
    fit_keep_text(f, name, text);
}

/* ---- beginning ---- */

static void add_points(curve *c, const pm_run_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) curve_add(c, points[i].step, (double)points[i].value);
}

static pm_status make(void *user, bool resume, const pm_caps *lost, pm_run_parts *out)
{
    fit *f = user;
    (void)lost; /* the window has to come back first */
    (void)resume;
    work_drop_model(f->w); /* its memory is the run's now */
    work_stage(f->w, "making the model");
    f->kept = 0;
    const pm_status status = f->make(f);
    *out = f->parts;
    return status;
}

static void unmake(void *user)
{
    fit *f = user;
    pm_trainer_destroy(&f->parts.trainer);
    pm_finetuner_destroy(&f->parts.finetuner);
    pm_model_destroy(&f->parts.model);
}

/* What is known before the first step. */
static void show_start(fit *f)
{
    pm_train_plan plan = {0};
    size_t losses, val_losses;
    const pm_run_point *loss = pm_run_losses(f->run, &losses), *val = pm_run_val_losses(f->run, &val_losses);
    if (f->parts.trainer) pm_trainer_get_plan(f->parts.trainer, &plan);
    const pm_gpt_config *config = pm_model_config(f->parts.model);
    work_edit(f->w);
    work_run *run = f->shown;
    run->steps = f->info.steps;
    run->step = run->saved = f->info.first;
    run->seconds = f->info.seconds;
    run->parameters = pm_gpt_config_parameters(config);
    run->memory = plan.weights + plan.gradients + plan.optimizer + plan.workspace;
    run->vocab = config->vocab;
    add_points(&run->loss_curve, loss, losses);
    add_points(&run->val_curve, val, val_losses);
    if (losses) run->loss = loss[losses - 1].value;
    if (val_losses) run->val_loss = val[val_losses - 1].value;
    run->best_val = (float)f->info.best;
    work_changed(f->w, true);
}

pm_status fit_begin(fit *f)
{
    pm_run_params *p = &f->params;
    if (!*f->out) return work_fail(f->w, PM_INVALID, "the run needs a folder: type one into \"Run folder\"");
    p->log = f->w->log;
    p->dir = f->out;
    p->resume = f->resume;
    p->host = (pm_run_host){.make = make, .unmake = unmake, .user = f};
    p->tokenizer = f->tokenizer;
    p->options = f->options;
    p->option_count = FIT_OPTIONS;
    p->save_seconds = SAVE_SECONDS;
    p->losses_most = 1; /* the device is the window's */
    const pm_status status = pm_run_open(p, &f->run);
    if (status != PM_OK) return status;
    pm_run_get_info(f->run, &f->info);
    show_start(f);
    work_stage(f->w, "building the kernels");
    return PM_AGAIN;
}

/* ---- steps ---- */

static void show_step(fit *f, const pm_run_result *r, bool first)
{
    pm_run_info info;
    pm_run_get_info(f->run, &info);
    if (!first) { /* it includes making the pipelines */
        f->tokens += r->tokens;
        f->seconds += r->seconds;
    }
    work_edit(f->w);
    work_run *run = f->shown;
    const float loss = isnan(r->task_loss) ? r->loss : r->task_loss;
    run->step = r->step;
    run->loss = loss;
    run->lr = r->lr;
    run->grad_norm = r->grad_norm;
    run->tokens += r->tokens;
    run->seconds = info.seconds;
    run->saved = info.saved;
    run->best_val = (float)info.best;
    if (f->seconds > 0) {
        run->tokens_per_s = f->tokens / f->seconds;
        run->left_s = (run->steps - r->step) * (double)r->tokens / run->tokens_per_s;
    }
    curve_add(&run->loss_curve, r->step, (double)loss);
    if (r->evaluated) {
        run->val_loss = (float)r->val_loss;
        curve_add(&run->val_curve, r->step, r->val_loss);
    }
    if (f->stepped) f->stepped(f, r, run);
    work_changed(f->w, first || r->evaluated);
}

pm_status fit_step(fit *f, pm_control *control)
{
    pm_run_result result;
    if (!pm_run_more(f->run)) return PM_OK;
    if (pm_control_cancelled(control)) return PM_CANCELLED;
    if (work_held(f->w, control)) return PM_AGAIN;
    work_window_step(f->w, &f->window);
    const pm_status status = pm_run_step(f->run, &result);
    const bool first = !f->stepping;
    f->stepping = true;
    if (first) work_stage(f->w, "");
    if (status != PM_OK) return status;
    show_step(f, &result, first);
    return pm_run_more(f->run) ? PM_AGAIN : PM_OK;
}

/* ---- the end ---- */

static void tell(fit *f, const pm_run_info *info)
{
    const char *line = f->info.first >= info->steps ? "All %u steps are done in %.300s%s"
                       : info->done >= info->steps  ? "Done: %u steps, saved in %.300s%s"
                                                    : "Stopped at step %u, saved in %.300s%s";
    work_say(f->w, line, (unsigned)info->done, f->out, f->info.first >= info->steps ? f->advice : "");
}

static void keep(fit *f, pm_status status)
{
    pm_run_info info;
    pm_run_get_info(f->run, &info);
    if (status == PM_DEVICE_LOST) {
        (void)work_fail(f->w, status, "the device was lost; the checkpoint of step %u is in %s: go on from there",
                        (unsigned)info.saved, f->out);
        return;
    }
    if (status == PM_DIVERGED) return;
    work_stage(f->w, "saving");
    const pm_status saved = pm_run_save(f->run);
    pm_run_get_info(f->run, &info);
    work_edit(f->w);
    f->shown->saved = info.saved;
    f->shown->done = info.done >= info.steps;
    work_changed(f->w, true);
    if (saved == PM_OK && (status == PM_OK || status == PM_CANCELLED)) tell(f, &info);
}

void fit_end(fit *f, pm_status status)
{
    work_window_end(f->w, &f->window);
    if (f->run) keep(f, status);
    pm_run_close(&f->run);
    pm_tokenizer_destroy(&f->tokenizer);
}
