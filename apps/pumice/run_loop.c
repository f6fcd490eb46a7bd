/* A run's steps: what the library does, and what is said of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot.h"
#include "process.h"
#include "progress.h"
#include "run.h"

/* ---- the options that a checkpoint keeps ---- */

/* Reads them anew; the rows stay where they are. A pipe cannot be read again. */
static void keep_options(run_frame *f)
{
    for (size_t i = 0; i < f->command->count; i++) {
        const arg_option *option = &f->command->options[i];
        const char *value = run_keeps_option(option) ? args_text(option, f->numbers[i]) : NULL;
        f->kept[i] = (pm_run_option){option->name, value && !app_input_is_copy(value) ? value : NULL};
    }
}

/* ---- what is said ---- */

/* Prints on stderr the command line as a shell would take it, with --resume. */
static void say_command(int argc, char **argv)
{
    bool resume = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--resume") == 0) resume = true;
        fputs(i ? " " : "  ", stderr);
        process_print_word(stderr, word);
    }
    fputs(resume ? "\n" : " --resume\n", stderr);
}

static void say_lost(const run_frame *f, const pm_run_info *info)
{
    char what[64] = "no checkpoint was written yet";
    if (info->saved)
        snprintf(what, sizeof what, "the checkpoint of step %u is saved", (unsigned)info->saved);
    else if (pm_folder_find(f->out, PM_FILES_CHECKPOINT)) /* lost before it was read */
        snprintf(what, sizeof what, "its checkpoint stays as it was");
    app_error("--out %s: the device was lost %u times in this run; %s. A smaller --batch (with --accum in its "
              "place), " LOSSES_ADVICE "; to go on:",
              f->out, f->losses + 1, what);
    say_command(f->argc, f->argv);
}

/* At the first undefined value. */
static void warn_undefined(run_frame *f, const pm_run_result *r, const pm_run_info *info)
{
    const pm_task *task = pm_model_task(f->parts.model);
    if (!isnan(r->value) || f->said_undefined) return;
    f->said_undefined = true;
    app_warn("at step %u %s is not defined on dev: %s; a model without it is never the best", (unsigned)r->step,
             info->measure.shown, pm_measure_undefined(&info->measure, task, &r->dev));
}

static void say_dev(run_frame *f, const pm_run_result *r, const pm_run_info *info)
{
    char value[160] = "", loss[40] = "";
    warn_undefined(f, r, info);
    if (isnan(r->value))
        snprintf(value, sizeof value, "%s is not defined", info->measure.shown);
    else
        snprintf(value, sizeof value, "%s %.4f", info->measure.shown, r->value);
    if (strcmp(info->measure.name, "loss") != 0) snprintf(loss, sizeof loss, ", loss %.4f", r->val_loss);
    app_say("dev at step %u: %s%s%s", (unsigned)r->step, value, loss,
            r->best && !isnan(r->value) ? ", the best so far" : "");
}

static void say_start(const pm_run_info *info)
{
    if (info->first > 0 && info->first < info->steps)
        app_say("going on from step %u of %u", (unsigned)info->first, (unsigned)info->steps);
    if (info->measured_again && isnan(info->best))
        app_say("%s is not defined on dev for the best model so far", info->measure.shown);
    else if (info->measured_again)
        app_say("the best model so far, of step %u, has %s %.4f on dev", (unsigned)info->best_step, info->measure.shown,
                info->best);
}

typedef struct times {
    double started;      /* app_seconds() */
    double first_step;   /* app_seconds() at its end; it includes making the pipelines */
    double steps, waits; /* seconds in steps after the first and telling of them, and of these waiting for the device */
    double step_seconds, tokens; /* in the steps alone */
    uint32_t count;              /* of steps, with the first */
} times;

static void say_best(const run_frame *f, const pm_run_info *info)
{
    const bool text = f->parts.trainer != NULL;
    if (!isnan(info->best) && text)
        app_say("best validation loss %.4f at step %u", info->best, (unsigned)info->best_step);
    else if (!isnan(info->best))
        app_say("best %s on dev %.4f at step %u", info->measure.shown, info->best, (unsigned)info->best_step);
    else if (f->params.dev && info->undefined)
        app_say("%s was never defined on dev: the last model is kept", info->measure.shown);
}

static void say_summary(const run_frame *f, const times *t, const pm_run_info *info)
{
    char time[32];
    const double host = t->steps > t->waits ? (t->steps - t->waits) / t->steps : 0;
    if (info->first >= info->steps && f->params.steps) {
        app_say("nothing to do: step %u is done already, and --steps is %u", (unsigned)info->first,
                (unsigned)info->steps);
    } else if (info->first >= info->steps) {
        app_say("nothing to do: all %u steps are done already", (unsigned)info->steps);
    } else if (t->count > 0) {
        app_say(
            "%u steps in %s, %.0f tokens/s; %.2f s to the first step; the host took %.1f %% of a step outside waiting",
            (unsigned)t->count, app_duration(app_seconds() - t->started, time),
            t->step_seconds > 0 ? t->tokens / t->step_seconds : 0, t->first_step, 100 * host);
    }
    say_best(f, info);
    if (info->done >= info->steps) {
        app_say("%s has the model, checkpoint.safetensors, metrics.jsonl and loss.png", f->out);
    } else {
        app_say("stopped at step %u of %u, saved in %s; to go on:", (unsigned)info->done, (unsigned)info->steps,
                f->out);
        say_command(f->argc, f->argv);
    }
}

/* ---- the library's calls ---- */

static pm_status make(void *user, bool resume, const pm_caps *lost, pm_run_parts *out)
{
    run_frame *f = user;
    pm_status status = app_device_open(f->common, lost, &f->device);
    if (lost) app_has_work(false); /* what is left of the work is in the checkpoint */
    f->losses += lost != NULL;
    if (status == PM_OK) status = profile_open(&f->profile, f->common, f->device, 1);
    if (status != PM_OK) return status;
    f->code = f->make(f, resume);
    *out = f->parts;
    if (f->code != EXIT_DONE) return f->code == EXIT_LOST ? PM_DEVICE_LOST : PM_INVALID;
    keep_options(f); /* the precision may have been chosen now */
    if (!lost) f->announce(f);
    return PM_OK;
}

static void unmake(void *user)
{
    run_frame *f = user;
    pm_trainer_destroy(&f->parts.trainer);
    pm_finetuner_destroy(&f->parts.finetuner);
    pm_model_destroy(&f->parts.model);
    pm_device_close(&f->device);
}

/* out/loss.png, titled with the model's sizes. */
static pm_status draw(void *user, const pm_run *run)
{
    const run_frame *f = user;
    const pm_gpt_config *c = pm_model_config(f->parts.model);
    plot_curves curves;
    char title[160];
    char *path = app_join(f->out, "loss.png");
    if (!path) return PM_NO_HOST_MEMORY;
    curves.loss.points = pm_run_losses(run, &curves.loss.count);
    curves.val_loss.points = pm_run_val_losses(run, &curves.val_loss.count);
    snprintf(title, sizeof title, "%s: %u layers, %u heads, %u channels, context %u, %.2f M parameters",
             pm_arch_name(c->arch), (unsigned)c->layers, (unsigned)c->heads, (unsigned)c->embd, (unsigned)f->time,
             1e-6 * (double)pm_gpt_config_parameters(c));
    /* A task's loss is an example's, or a squared error. */
    const char *unit = f->parts.trainer ? "loss (nats per token)" : "the task's loss";
    const bool good = plot_draw(path, title, unit, &curves);
    free(path);
    return good ? PM_OK : PM_IO;
}

/* ---- the loop ---- */

static void tell(run_frame *f, const pm_run *run, const pm_run_result *r, progress *shown)
{
    const double rate = r->seconds > 0 ? r->tokens / r->seconds : 0;
    if (r->skipped)
        app_say("step %u: gradients overflow fp16 at a loss scale of %g; skipped", (unsigned)r->step,
                (double)r->loss_scale);
    if (f->common->json && !r->again) {
        fputs(r->line, stdout);
        fflush(stdout);
    }
    progress_step(shown, r->step, (double)(f->parts.trainer ? r->loss : r->task_loss), r->val_loss, rate);
    if (r->evaluated && f->parts.finetuner) {
        pm_run_info info;
        pm_run_get_info(run, &info);
        say_dev(f, r, &info);
    }
}

static void count(times *t, const pm_run_result *r, double telling)
{
    t->count += !r->again;
    if (t->first_step == 0) { /* reported separately */
        t->first_step = app_seconds();
        return;
    }
    t->steps += r->seconds + telling;
    t->step_seconds += r->seconds;
    t->waits += r->waited;
    t->tokens += r->tokens;
}

static pm_status step_through(run_frame *f, pm_run *run, times *t)
{
    pm_run_info info;
    progress shown;
    pm_status status = PM_OK;
    pm_run_get_info(run, &info);
    say_start(&info);
    progress_start(&shown, f->parts.trainer ? "loss" : "task loss", info.first, info.steps);
    while (status == PM_OK && pm_run_more(run) && !app_interrupted()) {
        pm_run_result result;
        profile_step(&f->profile);
        status = pm_run_step(run, &result);
        if (status != PM_OK) break;
        app_has_work(true);
        const double begin = app_seconds();
        tell(f, run, &result, &shown);
        count(t, &result, app_seconds() - begin);
    }
    progress_clear();
    if (status == PM_OK || status == PM_CANCELLED) status = pm_run_save(run);
    return status;
}

/* Fills in what is the same for both commands. */
static bool prepare(run_frame *f)
{
    pm_run_params *p = &f->params;
    f->kept = calloc(f->command->count, sizeof *f->kept);
    f->numbers = calloc(f->command->count, sizeof *f->numbers);
    if (!f->kept || !f->numbers) {
        app_error("out of host memory for the options");
        return false;
    }
    p->log = app_log(f->common);
    p->dir = f->out;
    p->kind = f->command->name;
    p->host = (pm_run_host){make, unmake, draw, f};
    p->options = f->kept;
    p->option_count = f->command->count;
    p->control = app_control();
    return true;
}

static int code_of(run_frame *f, pm_status status, const pm_run_info *info)
{
    if (status == PM_DEVICE_LOST) {
        say_lost(f, info);
        return EXIT_FAILED;
    }
    if (f->code != EXIT_DONE && f->code != EXIT_LOST) return f->code;
    if (status != PM_OK) return app_exit_code(status);
    if (!profile_close(&f->profile)) return EXIT_FAILED;
    return info->done < info->steps ? EXIT_INTERRUPTED : EXIT_DONE;
}

int run_do(run_frame *f)
{
    times t = {.started = app_seconds()};
    pm_run *run = NULL;
    pm_run_info info = {0};
    if (!profile_prepare(f->common) || !prepare(f)) return EXIT_FAILED;
    pm_status status = pm_run_open(&f->params, &run);
    if (status == PM_OK) {
        status = step_through(f, run, &t);
        pm_run_get_info(run, &info);
        if (status == PM_OK) say_summary(f, &t, &info);
    }
    const int code = code_of(f, status, &info);
    pm_run_close(&run);
    free(f->kept);
    free(f->numbers);
    return code;
}
