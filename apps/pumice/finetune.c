/* `pumice finetune`: from the options to a finetuner that is ready to step. */
#include "finetune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "report.h"
#include "run.h"

static pm_status open_tokenizer(finetune_run *run, const char *folder)
{
    const char *name = folder ? folder : run->options->tokenizer;
    if (!folder && strcmp(name, "byte") == 0) return pm_tokenizer_bytes(&run->log, &run->tokenizer);
    return pm_tokenizer_load(&run->log, name, &run->tokenizer);
}

/* The configuration of the model to start from: a folder's, or of a new one. */
static pm_status base_config(finetune_run *run)
{
    const finetune_options *options = run->options;
    if (options->model) return pm_gpt_config_load(&run->log, options->model, &run->config);
    run->config = (pm_gpt_config){
        .arch = strcmp(options->arch, "gpt1") == 0 ? PM_ARCH_GPT1 : PM_ARCH_GPT2,
        .vocab = pm_tokenizer_vocab(run->tokenizer),
        .ctx = options->ctx,
        .embd = options->embd,
        .heads = options->heads,
        .layers = options->layers,
        .dropout_embd = options->dropout,
        .dropout_attn = options->dropout,
        .dropout_resid = options->dropout,
    };
    return PM_OK;
}

static pm_status open_base(finetune_run *run, pm_model **base)
{
    const finetune_options *options = run->options;
    if (options->model) return pm_model_load(run->device, options->model, base);
    return pm_model_create(run->device, &run->config, options->seed, base);
}

/* Examples are read, and found good or bad, before anything is written. */
static pm_status open_sets(finetune_run *run, uint32_t ctx)
{
    const finetune_options *options = run->options;
    pm_status status =
        report_open_set(&run->log, options->train, NULL, &run->task, run->tokenizer, ctx, true, &run->train);
    if (status == PM_OK && options->dev)
        status = report_open_set(&run->log, options->dev, NULL, &run->task, run->tokenizer, ctx, true, &run->dev);
    if (status == PM_OK && run->dev) {
        run->outputs = malloc((pm_taskset_all_outputs(run->dev) + 1) * sizeof *run->outputs);
        run->confusion = calloc((size_t)run->task.outputs * run->task.outputs, sizeof *run->confusion);
        if (!run->outputs || !run->confusion) {
            app_error("out of host memory for the answers to --dev");
            status = PM_NO_HOST_MEMORY;
        }
    }
    return status;
}

/* Tokens of text: all but those that an earlier task added. */
static uint32_t text_vocab(const pm_gpt_config *config)
{
    return config->vocab - config->task_tokens;
}

/* All preparations that need no device. */
static pm_status prepare(finetune_run *run)
{
    const finetune_options *options = run->options;
    pm_task_kind kind = PM_TASK_CLASSIFY;
    pm_task_named(options->task, &kind);
    pm_status status = open_tokenizer(run, options->model);
    if (status == PM_OK) status = base_config(run);
    if (status == PM_OK)
        status = pm_task_learn(&run->log, kind, options->train, options->fields, text_vocab(&run->config), &run->task);
    if (status == PM_OK && !report_choose(&run->task, options->measure, &run->choice)) status = PM_INVALID;
    if (status == PM_OK) status = open_sets(run, run->config.ctx);
    if (status == PM_OK && !profile_prepare(&options->common)) status = PM_IO;
    return status;
}

static pm_finetune_params params_of(const finetune_run *run)
{
    const finetune_options *options = run->options;
    return (pm_finetune_params){.batch = options->batch,
                                .accum = options->accum,
                                .epochs = options->epochs,
                                .lr = options->lr,
                                .warmup = options->warmup,
                                .lambda = options->lambda,
                                .beta2 = options->beta2,
                                .weight_decay = options->weight_decay,
                                .clip = options->clip,
                                .dropout = options->dropout,
                                .dropout_head = options->dropout_head,
                                .seed = options->seed,
                                .precision = run->precision,
                                .recompute = options->recompute};
}

static pm_status make_plan(void *user, const pm_log *log, const pm_caps *caps, const plan_settings *settings,
                           pm_train_plan *out)
{
    const finetune_run *run = user;
    pm_finetune_params params = params_of(run);
    params.recompute = settings->recompute;
    params.accum = settings->accum;
    return pm_finetune_plan_make(log, caps, &run->config, run->train, &params, out);
}

/* Refuses, after an error line, a run that does not fit; with `print`, prints what the run takes. */
static int check_memory(finetune_run *run, const pm_caps *caps, bool print)
{
    const finetune_options *options = run->options;
    const plan_settings settings = {options->recompute, options->batch, options->accum, 0};
    return plan_training(&options->common, &run->config, caps, &settings, make_plan, run, print);
}

/* The tokens that begin and end texts, for config.json, are those of --model: no example has others. No text holds the end-of-text token, so it fills
 * up batches of texts. */
static pm_status name_tokens(finetune_run *run)
{
    const char *base = run->options->model;
    const bool batches = run->task.kind == PM_TASK_CLASSIFY || run->task.kind == PM_TASK_ENTAIL;
    pm_text_ends ends = {.begin = PM_TOKEN_NONE};
    const pm_status status =
        base ? pm_text_ends_load(&run->log, base, run->tokenizer, text_vocab(&run->config), &ends) : PM_OK;
    if (status != PM_OK) return status;
    const uint32_t end = ends.end_count ? ends.ends[0] : PM_TOKEN_NONE;
    pm_model_name_tokens(run->model, ends.begin, end, batches ? pm_tokenizer_end(run->tokenizer) : PM_TOKEN_NONE);
    return PM_OK;
}

static int make_finetuner(finetune_run *run)
{
    const finetune_options *options = run->options;
    const pm_finetune_params params = params_of(run);
    pm_model *base = NULL;
    pm_status status = app_device_open(&options->common, &run->losses, &run->device);
    if (status == PM_OK) status = profile_open(&run->profile, &options->common, run->device, 1);
    if (status != PM_OK) return app_exit_code(status);
    const int code = check_memory(run, pm_device_caps(run->device), false);
    if (code != EXIT_DONE) return code;
    status = open_base(run, &base);
    if (status == PM_OK) status = pm_model_for_task(base, &run->task, options->seed, &run->model);
    pm_model_destroy(&base);
    if (status == PM_OK) status = name_tokens(run);
    if (status == PM_OK) status = pm_finetuner_create(run->model, run->train, &params, &run->finetuner);
    if (status == PM_OK) { /* not measured again after a loss or in a resume */
        run->precision = pm_finetuner_precision(run->finetuner);
        finetune_options_now.precision = pm_precision_name(run->precision);
    }
    return app_exit_code(status);
}

static void announce(const finetune_run *run)
{
    run_say_model(run->device, pm_finetuner_precision(run->finetuner), pm_model_config(run->model));
    char answers[64] = "choices";
    if (run->task.scores)
        snprintf(answers, sizeof answers, "scores of %.3g +- %.3g", (double)run->task.mean, (double)run->task.spread);
    else if (run->task.labels)
        snprintf(answers, sizeof answers, "%u labels", (unsigned)run->task.outputs);
    app_say("%s, %s: %zu examples to train on, %zu for dev; %u steps in %u epochs", run->options->task, answers,
            pm_taskset_size(run->train), run->dev ? pm_taskset_size(run->dev) : 0,
            (unsigned)pm_finetuner_steps(run->finetuner), (unsigned)run->options->epochs);
}

/* Loads the checkpoint, or saves a first one, which also shows at once whether the folder can be written. */
static int start_or_resume(finetune_run *run)
{
    const finetune_options *options = run->options;
    if (!run->resume)
        return run_start(&run->curves, &run->log, options->out, options->overwrite, run->tokenizer, run->model);
    char *note = NULL;
    const pm_status status = pm_finetuner_load(run->finetuner, options->out, &note);
    if (status == PM_OK) finetune_take_note(run, note);
    free(note);
    if (status != PM_OK) return app_exit_code(status);
    run->saved = pm_finetuner_steps_done(run->finetuner);
    if (run->saved < pm_finetuner_steps(run->finetuner))
        app_say("going on from step %u of %u", (unsigned)run->saved, (unsigned)pm_finetuner_steps(run->finetuner));
    return metrics_open(&run->curves, options->out, run->saved) ? EXIT_DONE : EXIT_FAILED;
}

/* Opens a device and runs until the run ends or the device is lost. */
static int attempt(finetune_run *run)
{
    int code = make_finetuner(run);
    if (code == EXIT_DONE && run->losses.count == 0) announce(run);
    if (code == EXIT_DONE) code = start_or_resume(run);
    return code == EXIT_DONE ? finetune_loop(run) : code;
}

/* Frees what is made again with each device, and resets what a checkpoint's note restores. */
static void close_device(finetune_run *run)
{
    metrics_close(&run->curves);
    pm_finetuner_destroy(&run->finetuner);
    pm_model_destroy(&run->model);
    pm_device_close(&run->device);
    run->elapsed_before = 0;
    run->best = NAN;
}

static int finetune(finetune_run *run)
{
    const finetune_options *options = run->options;
    const char *out = options->out;
    int code = EXIT_DONE;
    if (out && (!options->plan || options->resume))
        run->resume = run_decide_resume(out, options->resume, options->overwrite, &code);
    if (run->resume) code = run_take_options(&finetune_command, &run->log, out, &run->kept);
    if (code == EXIT_DONE && !finetune_options_check()) code = EXIT_USAGE;
    if (code == EXIT_DONE &&
        !(app_input("--train", &finetune_options_now.train) && app_input("--dev", &finetune_options_now.dev)))
        code = EXIT_FAILED;
    app_catch_interrupts();
    if (code == EXIT_DONE) run->precision = run_precision(options->precision);
    if (code == EXIT_DONE) code = app_exit_code(prepare(run));
    if (code == EXIT_DONE && options->plan) {
        pm_caps caps;
        return plan_device(&options->common, &caps) ? check_memory(run, &caps, true) : EXIT_FAILED;
    }
    if (code == EXIT_DONE) code = attempt(run);
    while (code == EXIT_LOST && app_losses_go_on(&run->losses, run->device ? pm_device_caps(run->device) : NULL)) {
        close_device(run);
        run->resume = run_decide_resume(out, true, options->overwrite, &code);
        code = attempt(run);
    }
    if (code == EXIT_LOST) run_say_lost(&run->losses, out, run->saved, run->argc, run->argv);
    if ((code == EXIT_DONE || code == EXIT_INTERRUPTED) && !profile_close(&run->profile)) code = EXIT_FAILED;
    return code;
}

int finetune_main(int argc, char **argv)
{
    switch (finetune_options_parse(argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    finetune_run run = {.options = &finetune_options_now,
                        .argc = argc,
                        .argv = argv,
                        .log = app_log(&finetune_options_now.common),
                        .best = NAN};
    const int code = finetune(&run);
    close_device(&run);
    pm_taskset_close(&run.train);
    pm_taskset_close(&run.dev);
    pm_task_fini(&run.task);
    pm_tokenizer_destroy(&run.tokenizer);
    free(run.outputs);
    free(run.confusion);
    cJSON_Delete(run.kept);
    return code;
}
