/* The steps of `pumice finetune`: evaluating on dev, keeping the best, stopping when asked. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finetune.h"
#include "progress.h"
#include "report.h"
#include "run.h"

/* ---- the checkpoint's note: what the run knows beyond the finetuner ---- */

static char *make_note(const finetune_run *run, double elapsed)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "elapsed_s", elapsed);
    if (!isnan(run->best)) {
        cJSON_AddNumberToObject(json, "best", run->best);
        cJSON_AddNumberToObject(json, "best_step", run->best_step);
        cJSON_AddStringToObject(json, "measure", run->choice.name);
    }
    return run_note(json, &finetune_command);
}

void finetune_take_note(finetune_run *run, const char *note)
{
    cJSON *json = run_read_note(&run->log, note);
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(json, "options");
    const cJSON *elapsed = cJSON_GetObjectItemCaseSensitive(json, "elapsed_s");
    const cJSON *best = cJSON_GetObjectItemCaseSensitive(json, "best");
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "best_step");
    const char *measure = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "measure"));
    if (cJSON_IsNumber(elapsed)) run->elapsed_before = elapsed->valuedouble;
    const char *dev = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(options, "--dev"));
    if (cJSON_IsNumber(best) && cJSON_IsNumber(step)) {
        run->best = best->valuedouble;
        run->best_step = (uint32_t)step->valuedouble;
        run->measured_elsewhere = (measure && strcmp(measure, run->choice.name) != 0) ||
                                  (dev && run->options->dev && strcmp(dev, run->options->dev) != 0);
    }
    cJSON_Delete(json);
}

/* ---- saving ---- */

typedef struct loop {
    double started;       /* app_seconds() */
    double steps, tokens; /* seconds in steps, tokens in them */
    pm_task_metrics dev;  /* of the last evaluation */
    double value;         /* the chosen measure there */
} loop;

static pm_status save_checkpoint(finetune_run *run, loop *l)
{
    if (!metrics_sync(&run->curves)) return PM_IO;
    char *note = make_note(run, run->elapsed_before + app_seconds() - l->started);
    if (!note) return PM_NO_HOST_MEMORY;
    const pm_status status = pm_finetuner_save(run->finetuner, run->options->out, note);
    if (status == PM_OK) run->saved = pm_finetuner_steps_done(run->finetuner);
    free(note);
    return status;
}

static pm_status draw(const finetune_run *run)
{
    const pm_gpt_config *config = pm_model_config(run->model);
    return run_draw_plot(run->options->out, config, config->ctx, &run->curves) ? PM_OK : PM_IO;
}

/* `best`: the weights are the best so far. The checkpoint goes first: a resume needs only that. */
static pm_status save(finetune_run *run, loop *l, bool best)
{
    pm_status status = save_checkpoint(run, l);
    if (status == PM_OK && best) status = pm_model_save(run->model, run->options->out);
    return status == PM_OK ? draw(run) : status;
}

/* A run may have been killed between its checkpoint and the rest of that save. This saves the model, where the checkpoint's weights are the best so
 * far. Without --dev, or where its measure was never a number, each model is the best until the next. */
static pm_status save_rest(finetune_run *run)
{
    const bool best = !run->dev || isnan(run->best) || run->best_step == pm_finetuner_steps_done(run->finetuner);
    const pm_status status = best ? pm_model_save(run->model, run->options->out) : PM_OK;
    return status == PM_OK ? draw(run) : status;
}

/* The best model so far, which is the folder's, by the measure and the --dev of this call. */
static pm_status measure_best(finetune_run *run)
{
    if (!run->measured_elsewhere || !run->dev) return PM_OK;
    pm_model *model = NULL;
    pm_task_metrics dev;
    pm_status status = pm_model_load(run->device, run->options->out, &model);
    if (status == PM_OK) status = pm_model_predict(model, run->dev, run->outputs);
    pm_model_destroy(&model);
    if (status != PM_OK) return status;
    pm_taskset_measure(run->dev, run->outputs, &dev, run->confusion);
    run->best = report_value(&run->choice, &run->task, &dev, run->confusion);
    run->measured_elsewhere = false;
    if (isnan(run->best))
        app_say("%s is not defined on dev for the best model so far", run->choice.shown);
    else
        app_say("the best model so far, of step %u, has %s %.4f on dev", (unsigned)run->best_step, run->choice.shown,
                run->best);
    return PM_OK;
}

/* ---- the loop ---- */

static bool due(const finetune_run *run, uint32_t step)
{
    const uint32_t every =
        run->options->eval_every ? run->options->eval_every : pm_finetuner_epoch_steps(run->finetuner);
    return step % every == 0 || step == pm_finetuner_steps(run->finetuner);
}

/* Once a run. */
static void warn_undefined(finetune_run *run, uint32_t step, const loop *l)
{
    if (run->undefined_told) return;
    run->undefined_told = true;
    progress_clear();
    app_warn("at step %u %s is not defined on %s: %s; a model without it is never the best", (unsigned)step,
             run->choice.shown, run->options->dev, report_undefined(&run->choice, &run->task, &l->dev));
}

/* Measures the model on dev and decides whether to keep it. Without dev every model is kept until the next. */
static pm_status evaluate(finetune_run *run, uint32_t step, loop *l, bool *best)
{
    *best = true;
    if (!run->dev) return PM_OK;
    pm_status status = pm_finetuner_predict(run->finetuner, run->dev, run->outputs);
    if (status != PM_OK) return status;
    pm_taskset_measure(run->dev, run->outputs, &l->dev, run->confusion);
    l->value = report_value(&run->choice, &run->task, &l->dev, run->confusion);
    *best = report_better(&run->choice, l->value, run->best);
    if (isnan(l->value)) {
        warn_undefined(run, step, l);
    } else if (*best) {
        run->best = l->value;
        run->best_step = step;
    }
    return PM_OK;
}

static bool record(finetune_run *run, const pm_finetune_step *step, double rate, const loop *l, bool evaluated)
{
    metrics_line line = {.step = step->step,
                         .loss = (double)step->loss,
                         .lr = (double)step->lr,
                         .grad_norm = (double)step->grad_norm,
                         .tokens_per_s = rate,
                         .val_loss = evaluated ? l->dev.loss : NAN};
    int n = 0;
    line.more[n++] = (metrics_field){"task_loss", (double)step->task_loss};
    line.more[n++] = (metrics_field){"lm_loss", (double)step->lm_loss};
    if (pm_finetuner_precision(run->finetuner) == PM_PRECISION_F16)
        line.more[n++] = (metrics_field){"loss_scale", (double)step->loss_scale};
    if (step->skipped) line.more[n++] = (metrics_field){"skipped", 1};
    report_measure all[REPORT_MEASURES];
    report_measures(&run->task, &l->dev, all);
    for (int i = 0; evaluated && all[i].name; i++)
        if (all[i].applies && strcmp(all[i].name, "loss") != 0)
            line.more[n++] = (metrics_field){all[i].name, isnan(all[i].value) ? METRICS_NULL : all[i].value};
    if (evaluated && run->choice.label >= 0)
        line.more[n++] = (metrics_field){"f1", isnan(l->value) ? METRICS_NULL : l->value};
    const bool echo = run->options->common.json && step->step > run->told;
    if (step->step > run->told) run->told = step->step;
    return metrics_add(&run->curves, &line, echo);
}

static void say_dev(const finetune_run *run, uint32_t step, const loop *l, bool best)
{
    char value[160] = "", loss[40] = "";
    if (isnan(l->value))
        snprintf(value, sizeof value, "%s is not defined", run->choice.shown);
    else
        snprintf(value, sizeof value, "%s %.4f", run->choice.shown, l->value);
    if (strcmp(run->choice.name, "loss") != 0) snprintf(loss, sizeof loss, ", loss %.4f", l->dev.loss);
    app_say("dev at step %u: %s%s%s", (unsigned)step, value, loss, best && !isnan(l->value) ? ", the best so far" : "");
}

static int step_once(finetune_run *run, loop *l, progress *shown)
{
    pm_finetune_step step = {0};
    profile_step(&run->profile);
    const double begin = app_seconds();
    pm_device_control(run->device, app_control());
    pm_status status = pm_finetuner_step(run->finetuner, &step);
    pm_device_control(run->device, NULL);
    if (status == PM_CANCELLED) return EXIT_DONE; /* the step did not take place */
    if (status != PM_OK) return app_exit_code(status);
    app_has_work(true);
    const double seconds = app_seconds() - begin, rate = seconds > 0 ? step.tokens / seconds : 0;
    l->steps += seconds;
    l->tokens += step.tokens;
    const run_step outcome = {.step = step.step,
                              .saved = run->saved,
                              .lr = run->options->lr,
                              .loss = step.loss,
                              .loss_scale = step.loss_scale,
                              .skipped = step.skipped,
                              .precision = pm_finetuner_precision(run->finetuner)};
    if (!run_step_check(&outcome)) return EXIT_FAILED;
    const bool now = due(run, step.step);
    bool best = false;
    if (now) status = evaluate(run, step.step, l, &best);
    if (status != PM_OK) return app_exit_code(status);
    const bool evaluated = now && run->dev;
    if (!record(run, &step, rate, l, evaluated)) return EXIT_FAILED;
    progress_step(shown, step.step, (double)step.loss, evaluated ? l->dev.loss : NAN, rate);
    if (evaluated) {
        progress_clear();
        say_dev(run, step.step, l, best);
    }
    const uint32_t every = run->options->save_every;
    if (!now && (!every || step.step % every != 0)) return EXIT_DONE;
    status = save(run, l, now ? best : !run->dev);
    if (status == PM_OK) return EXIT_DONE;
    /* Without its best model on the disk the run ends: going on would lose it, and a resume reaches it again. */
    const bool again = step.step < pm_finetuner_steps(run->finetuner) && !(now && best && run->dev);
    return run_save_failed(status, again, step.step, run->saved);
}

static void say_summary(const finetune_run *run, const loop *l, uint32_t first)
{
    char time[32];
    const uint32_t done = pm_finetuner_steps_done(run->finetuner), all = pm_finetuner_steps(run->finetuner);
    if (done > first)
        app_say("%u steps in %s, %.0f tokens/s", (unsigned)(done - first),
                app_duration(app_seconds() - l->started, time), l->steps > 0 ? l->tokens / l->steps : 0);
    if (!isnan(run->best))
        app_say("best %s on dev %.4f at step %u", run->choice.shown, run->best, (unsigned)run->best_step);
    else if (run->dev && run->undefined_told)
        app_say("%s was never defined on dev: the last model is kept", run->choice.shown);
    if (done >= all) {
        app_say("%s has the model, checkpoint.safetensors, metrics.jsonl and loss.png", run->options->out);
    } else {
        app_say("stopped at step %u of %u, saved in %s; to go on:", (unsigned)done, (unsigned)all, run->options->out);
        run_say_command(run->argc, run->argv);
    }
}

int finetune_loop(finetune_run *run)
{
    const uint32_t first = pm_finetuner_steps_done(run->finetuner), all = pm_finetuner_steps(run->finetuner);
    loop l = {.started = app_seconds()};
    progress shown;
    int code = EXIT_DONE;
    if (first > 0) {
        pm_status status = save_rest(run);
        if (status == PM_OK) status = measure_best(run);
        code = app_exit_code(status);
    } else if (run->options->save_every) {
        code = app_exit_code(save_checkpoint(run, &l)); /* shows now whether there is room for it */
    }
    progress_start(&shown, first, all);
    while (pm_finetuner_steps_done(run->finetuner) < all && !app_interrupted() && code == EXIT_DONE)
        code = step_once(run, &l, &shown);
    progress_clear();
    if (code != EXIT_DONE) return code;
    const uint32_t done = pm_finetuner_steps_done(run->finetuner);
    if (done > run->saved) /* interrupted between evaluations: the weights are not known to be the best */
        code = app_exit_code(save(run, &l, !run->dev));
    if (code != EXIT_DONE) return code;
    if (first >= all && run->losses.count == 0) app_say("nothing to do: all %u steps are done already", (unsigned)all);
    say_summary(run, &l, first);
    return done < all ? EXIT_INTERRUPTED : EXIT_DONE;
}
