#include "work_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A run saves by itself so often. */
#define SAVE_SECONDS 60

/* ---- options ---- */

pm_status run_job_note(run_job *j, const char *kind, const char *other, pm_run_note **out)
{
    const char *file;
    if (pm_run_look(j->out, &file) != PM_RUN_SAVED)
        return work_fail(j->w, PM_INVALID, "%s: no run is in this folder that could go on",
                         *j->out ? j->out : "no folder");
    const pm_status status = pm_run_note_load(&j->w->log, j->out, out);
    if (status != PM_OK) return status;
    const char *made_by = pm_run_note_kind(*out);
    if (!made_by || strcmp(made_by, kind) == 0) return PM_OK;
    pm_run_note_free(out);
    return work_fail(j->w, PM_INVALID, "%s: %s", j->out, other);
}

void run_job_take_text(const pm_run_note *note, const char *name, char *to, size_t size)
{
    const char *text = pm_run_note_option(note, name);
    if (text) snprintf(to, size, "%s", text);
}

void run_job_take_float(const pm_run_note *note, const char *name, float *to)
{
    const char *text = pm_run_note_option(note, name);
    char *end = NULL;
    const float value = text ? strtof(text, &end) : 0;
    if (text && end != text) *to = value;
}

void run_job_take_number(const pm_run_note *note, const char *name, uint32_t *to)
{
    const char *text = pm_run_note_option(note, name);
    char *end = NULL;
    const unsigned long value = text ? strtoul(text, &end, 10) : 0;
    if (text && end != text && value <= UINT32_MAX) *to = (uint32_t)value;
}

void run_job_keep_text(run_job *j, const char *name, const char *value)
{
    if (*value) j->options[j->kept++] = (pm_run_option){name, value};
}

void run_job_keep_number(run_job *j, const char *name, double value)
{
    char *text = j->numbers[j->kept];
    snprintf(text, sizeof j->numbers[0], "%.9g", value);
    run_job_keep_text(j, name, text);
}

/* ---- beginning ---- */

static void add_points(curve *c, const pm_run_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) curve_add(c, points[i].step, (double)points[i].value);
}

static pm_status make(void *user, bool resume, const pm_caps *lost, pm_run_parts *out)
{
    run_job *j = user;
    (void)lost; /* the window has to come back first */
    (void)resume;
    work_drop_model(j->w); /* its memory is the run's now */
    work_stage(j->w, "making the model");
    j->kept = 0;
    const pm_status status = j->make(j);
    *out = j->parts;
    return status;
}

static void unmake(void *user)
{
    run_job *j = user;
    pm_trainer_destroy(&j->parts.trainer);
    pm_finetuner_destroy(&j->parts.finetuner);
    pm_model_destroy(&j->parts.model);
}

/* What is known before the first step. */
static void show_start(run_job *j)
{
    pm_train_plan plan = {0};
    size_t losses, val_losses;
    const pm_run_point *loss = pm_run_losses(j->run, &losses), *val = pm_run_val_losses(j->run, &val_losses);
    if (j->parts.trainer) pm_trainer_get_plan(j->parts.trainer, &plan);
    const pm_gpt_config *config = pm_model_config(j->parts.model);
    work_edit(j->w);
    work_run *run = j->shown;
    run->steps = j->info.steps;
    run->step = run->saved = j->info.first;
    run->seconds = j->info.seconds;
    run->parameters = pm_gpt_config_parameters(config);
    run->memory = plan.weights + plan.gradients + plan.optimizer + plan.workspace;
    run->vocab = config->vocab;
    add_points(&run->loss_curve, loss, losses);
    add_points(&run->val_curve, val, val_losses);
    if (losses) run->loss = loss[losses - 1].value;
    if (val_losses) run->val_loss = val[val_losses - 1].value;
    run->best_val = (float)j->info.best;
    work_changed(j->w, true);
}

pm_status run_job_begin(run_job *j)
{
    pm_run_params *p = &j->params;
    if (!*j->out) return work_fail(j->w, PM_INVALID, "the run needs a folder: type one into \"Run folder\"");
    p->log = j->w->log;
    p->dir = j->out;
    p->resume = j->resume;
    p->host = (pm_run_host){.make = make, .unmake = unmake, .user = j};
    p->tokenizer = j->tokenizer;
    p->options = j->options;
    p->option_count = RUN_JOB_OPTIONS;
    p->save_seconds = SAVE_SECONDS;
    p->losses_most = 1; /* the device is the window's */
    const pm_status status = pm_run_open(p, &j->run);
    if (status != PM_OK) return status;
    pm_run_get_info(j->run, &j->info);
    show_start(j);
    work_stage(j->w, "building the kernels");
    return PM_AGAIN;
}

/* ---- steps ---- */

static void show_step(run_job *j, const pm_run_result *r, bool first)
{
    pm_run_info info;
    pm_run_get_info(j->run, &info);
    if (!first) { /* it includes making the pipelines */
        j->tokens += r->tokens;
        j->seconds += r->seconds;
    }
    work_edit(j->w);
    work_run *run = j->shown;
    const float loss = isnan(r->task_loss) ? r->loss : r->task_loss;
    run->step = r->step;
    run->loss = loss;
    run->lr = r->lr;
    run->grad_norm = r->grad_norm;
    run->tokens += r->tokens;
    run->seconds = info.seconds;
    run->saved = info.saved;
    run->best_val = (float)info.best;
    if (j->seconds > 0) {
        run->tokens_per_s = j->tokens / j->seconds;
        run->left_s = (run->steps - r->step) * (double)r->tokens / run->tokens_per_s;
    }
    curve_add(&run->loss_curve, r->step, (double)loss);
    if (r->evaluated) {
        run->val_loss = (float)r->val_loss;
        curve_add(&run->val_curve, r->step, r->val_loss);
    }
    if (j->stepped) j->stepped(j, r, run);
    work_changed(j->w, first || r->evaluated);
}

pm_status run_job_step(run_job *j, pm_control *control)
{
    pm_run_result result;
    if (!pm_run_more(j->run)) return PM_OK;
    if (pm_control_cancelled(control)) return PM_CANCELLED;
    if (work_held(j->w, control)) return PM_AGAIN;
    work_window_step(j->w, &j->window);
    const pm_status status = pm_run_step(j->run, &result);
    const bool first = !j->stepping;
    j->stepping = true;
    if (first) work_stage(j->w, "");
    if (status != PM_OK) return status;
    show_step(j, &result, first);
    return pm_run_more(j->run) ? PM_AGAIN : PM_OK;
}

/* ---- the end ---- */

static void tell(run_job *j, const pm_run_info *info)
{
    const char *line = j->info.first >= info->steps ? "All %u steps are done in %.300s%s"
                       : info->done >= info->steps  ? "Done: %u steps, saved in %.300s%s"
                                                    : "Stopped at step %u, saved in %.300s%s";
    work_say(j->w, line, (unsigned)info->done, j->out, j->info.first >= info->steps ? j->advice : "");
}

static void keep(run_job *j, pm_status status)
{
    pm_run_info info;
    pm_run_get_info(j->run, &info);
    if (status == PM_DEVICE_LOST) {
        (void)work_fail(j->w, status, "the device was lost; the checkpoint of step %u is in %s: go on from there",
                        (unsigned)info.saved, j->out);
        return;
    }
    if (status == PM_DIVERGED) return;
    work_stage(j->w, "saving");
    const pm_status saved = pm_run_save(j->run);
    pm_run_get_info(j->run, &info);
    work_edit(j->w);
    j->shown->saved = info.saved;
    j->shown->done = info.done >= info.steps;
    work_changed(j->w, true);
    if (saved == PM_OK && (status == PM_OK || status == PM_CANCELLED)) tell(j, &info);
}

void run_job_end(run_job *j, pm_status status)
{
    work_window_end(j->w, &j->window);
    if (j->run) keep(j, status);
    pm_run_close(&j->run);
    pm_tokenizer_destroy(&j->tokenizer);
}
