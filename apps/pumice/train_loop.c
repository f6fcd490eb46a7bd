/* The steps of `pumice train`: evaluating, saving, stopping when asked, and the last lines. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "progress.h"
#include "run.h"
#include "train.h"

/* ---- the checkpoint's note: what the run knows beyond the trainer ---- */

static char *make_note(const train_run *run, double elapsed)
{
    char hash[32];
    snprintf(hash, sizeof hash, "%016" PRIx64, pm_corpus_hash(run->corpus));
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "data_hash", hash);
    cJSON_AddNumberToObject(json, "tokens", (double)run->tokens);
    cJSON_AddNumberToObject(json, "train_tokens", (double)run->train_tokens);
    cJSON_AddNumberToObject(json, "elapsed_s", elapsed);
    if (!isnan(run->best_val)) {
        cJSON_AddNumberToObject(json, "best_val_loss", run->best_val);
        cJSON_AddNumberToObject(json, "best_step", run->best_step);
    }
    return run_note(json, &train_command);
}

bool train_take_note(train_run *run, const char *note)
{
    char hash[32];
    bool good = true;
    snprintf(hash, sizeof hash, "%016" PRIx64, pm_corpus_hash(run->corpus));
    cJSON *json = run_read_note(&run->log, note);
    const cJSON *data_hash = cJSON_GetObjectItemCaseSensitive(json, "data_hash");
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(json, "tokens");
    const cJSON *elapsed = cJSON_GetObjectItemCaseSensitive(json, "elapsed_s");
    const cJSON *best = cJSON_GetObjectItemCaseSensitive(json, "best_val_loss");
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "best_step");
    if (cJSON_IsString(data_hash) && strcmp(data_hash->valuestring, hash) != 0) {
        app_error("--data %s: not the text that the run in %s was started on (%.0f tokens there, %zu here)",
                  run->options->data, run->options->out, cJSON_IsNumber(tokens) ? tokens->valuedouble : 0, run->tokens);
        good = false;
    }
    if (cJSON_IsNumber(elapsed)) run->elapsed_before = elapsed->valuedouble;
    if (cJSON_IsNumber(best) && cJSON_IsNumber(step)) {
        run->best_val = best->valuedouble;
        run->best_step = (uint32_t)step->valuedouble;
    }
    cJSON_Delete(json);
    return good;
}

/* ---- what is said at the end ---- */

typedef struct loop_times {
    double started;      /* app_seconds() */
    double first_step;   /* app_seconds() at its end */
    double steps, waits; /* seconds in steps after the first, and of these waiting for the device */
    double tokens, token_seconds;
} loop_times;

static void say_summary(const train_run *run, const loop_times *times, uint32_t first)
{
    char time[32];
    const uint32_t done = pm_trainer_steps_done(run->trainer), steps = done - first;
    const double elapsed = app_seconds() - times->started;
    const double host = times->steps > times->waits ? (times->steps - times->waits) / times->steps : 0;
    if (steps > 0) {
        app_say(
            "%u steps in %s, %.0f tokens/s; %.2f s to the first step; the host took %.1f %% of a step outside waiting",
            (unsigned)steps, app_duration(elapsed, time),
            times->token_seconds > 0 ? times->tokens / times->token_seconds : 0, times->first_step, 100 * host);
    }
    if (!isnan(run->best_val)) app_say("best validation loss %.4f at step %u", run->best_val, (unsigned)run->best_step);
    if (done >= run->options->steps) {
        app_say("%s has the model, checkpoint.safetensors, metrics.jsonl and loss.png", run->options->out);
    } else {
        app_say("stopped at step %u of %u, saved in %s; to go on:", (unsigned)done, (unsigned)run->options->steps,
                run->options->out);
        run_say_command(run->argc, run->argv);
    }
}

/* ---- saving ---- */

static pm_status save_checkpoint(train_run *run, loop_times *times)
{
    if (!metrics_sync(&run->curves)) return PM_IO;
    char *note = make_note(run, run->elapsed_before + app_seconds() - times->started);
    if (!note) return PM_NO_HOST_MEMORY;
    const pm_status status = pm_trainer_save(run->trainer, run->options->out, note);
    if (status == PM_OK) run->saved = pm_trainer_steps_done(run->trainer);
    free(note);
    return status;
}

/* The checkpoint goes first: a resume needs only that, so no step is lost whatever fails later. The model may be older than the checkpoint for a
 * moment; both are whole. */
static pm_status save(train_run *run, loop_times *times)
{
    const char *out = run->options->out;
    pm_status status = save_checkpoint(run, times);
    if (status == PM_OK) status = pm_model_save(run->model, out);
    if (status == PM_OK && !run_draw_plot(out, &run->config, run->params.time, &run->curves)) status = PM_IO;
    return status;
}

/* ---- the loop ---- */

static int step_once(train_run *run, loop_times *times, progress *shown)
{
    const train_options *options = run->options;
    pm_step step = {0};
    float val = NAN;
    profile_step(&run->profile);
    const double begin = app_seconds();
    double wait = pm_device_wait_seconds(run->device);
    pm_device_control(run->device, app_control());
    pm_status status = pm_trainer_step(run->trainer, run->corpus, 0, run->train_tokens, &step);
    pm_device_control(run->device, NULL);
    if (status == PM_CANCELLED) return EXIT_DONE; /* the step did not take place */
    if (status != PM_OK) return app_exit_code(status);
    app_has_work(true);
    const double ended = app_seconds(), seconds = ended - begin;
    wait = pm_device_wait_seconds(run->device) - wait;
    const run_step outcome = {.step = step.step,
                              .saved = run->saved,
                              .lr = options->lr,
                              .loss = step.loss,
                              .loss_scale = step.loss_scale,
                              .skipped = step.skipped,
                              .precision = pm_trainer_precision(run->trainer)};
    if (!run_step_check(&outcome)) return EXIT_FAILED;
    if ((options->eval_every && step.step % options->eval_every == 0) || step.step == options->steps) {
        status = pm_trainer_eval(run->trainer, run->corpus, run->train_tokens, run->tokens - run->train_tokens,
                                 options->eval_batches, &val);
        if (status != PM_OK) return app_exit_code(status);
        if (isnan(run->best_val) || (double)val < run->best_val) {
            run->best_val = (double)val;
            run->best_step = step.step;
        }
    }
    const double shown_from = app_seconds();
    const double rate = seconds > 0 ? step.tokens / seconds : 0;
    const metrics_line line = {
        .step = step.step,
        .loss = (double)step.loss,
        .lr = (double)step.lr,
        .grad_norm = (double)step.grad_norm,
        .tokens_per_s = rate,
        .val_loss = (double)val,
        .more = {{"loss_scale", outcome.precision == PM_PRECISION_F16 ? (double)step.loss_scale : NAN},
                 {"skipped", step.skipped ? 1 : NAN}}};
    if (!metrics_add(&run->curves, &line, options->common.json && step.step > run->told)) return EXIT_FAILED;
    if (step.step > run->told) run->told = step.step;
    progress_step(shown, step.step, (double)step.loss, (double)val, rate);
    if (times->first_step == 0) { /* it includes making the pipelines, and is reported separately */
        times->first_step = ended;
    } else {
        times->steps += seconds + (app_seconds() - shown_from);
        times->waits += wait;
        times->tokens += step.tokens;
        times->token_seconds += seconds;
    }
    return EXIT_DONE;
}

int train_loop(train_run *run)
{
    const train_options *options = run->options;
    const uint32_t first = pm_trainer_steps_done(run->trainer);
    loop_times times = {.started = app_seconds()};
    uint32_t done = first;
    progress shown;
    int code = EXIT_DONE;
    /* Shows now, not after --save-every steps, whether there is room for a checkpoint. */
    if (first == 0 && options->save_every) code = app_exit_code(save_checkpoint(run, &times));
    progress_start(&shown, first, options->steps);
    while (done < options->steps && !app_interrupted() && code == EXIT_DONE) {
        const uint32_t before = done;
        code = step_once(run, &times, &shown);
        done = pm_trainer_steps_done(run->trainer);
        if (code == EXIT_DONE && done > before && options->save_every && done % options->save_every == 0 &&
            done < options->steps) {
            const pm_status status = save(run, &times);
            if (status != PM_OK) code = run_save_failed(status, true, done, run->saved);
        }
    }
    progress_clear();
    if (code != EXIT_DONE) return code;
    code = app_exit_code(save(run, &times));
    if (code != EXIT_DONE) return code;
    if (first >= options->steps && run->losses.count == 0)
        app_say("nothing to do: step %u is done already, and --steps is %u", (unsigned)first, (unsigned)options->steps);
    say_summary(run, &times, first);
    return done < options->steps ? EXIT_INTERRUPTED : EXIT_DONE;
}
