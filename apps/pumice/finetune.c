/* `pumice finetune`: from the options to a finetuner that is ready to step. */
#include "finetune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "report.h"

typedef struct finetune_run {
    run_frame frame; /* first */
    const finetune_options *options;
    pm_log log;
    pm_tokenizer *tokenizer;
    pm_task task;
    pm_taskset *train, *dev; /* dev NULL: none */
    pm_gpt_config config;    /* of the language model that it starts from */
    pm_precision precision;  /* as asked, later as chosen */
    bool resume;             /* there is a checkpoint to go on from */
    pm_run_note *kept;       /* the run's options, where it is resumed; owns their texts */
} finetune_run;

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
        .vocab = pm_tokenizer_vocab(run->tokenizer),
        .ctx = options->ctx,
        .embd = options->embd,
        .heads = options->heads,
        .kv_heads = options->kv_heads,
        .inner = options->inner,
        .layers = options->layers,
        .dropout_embd = options->dropout,
        .dropout_attn = options->dropout,
        .dropout_resid = options->dropout,
    };
    (void)pm_arch_named(options->arch, &run->config.arch); /* one of the option's choices */
    return PM_OK;
}

static pm_status open_base(const finetune_run *run, pm_model **base)
{
    const finetune_options *options = run->options;
    if (options->model) return pm_model_load(run->frame.device, options->model, base);
    return pm_model_create(run->frame.device, &run->config, options->seed, base);
}

/* Examples are read, and found good or bad, before anything is written. */
static pm_status open_sets(finetune_run *run, uint32_t ctx)
{
    const finetune_options *options = run->options;
    pm_status status =
        report_open_set(&run->log, options->train, NULL, &run->task, run->tokenizer, ctx, true, &run->train);
    if (status == PM_OK && options->dev)
        status = report_open_set(&run->log, options->dev, NULL, &run->task, run->tokenizer, ctx, true, &run->dev);
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
    pm_measure measure; /* is checked before anything is made */
    const pm_log log = app_log_of("--measure");
    if (status == PM_OK) status = pm_task_measure(&log, &run->task, options->measure, &measure);
    return status == PM_OK ? open_sets(run, run->config.ctx) : status;
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

static pm_status make_plan(void *user, const pm_log *log, const pm_caps *caps, pm_train_plan *out)
{
    const finetune_run *run = user;
    const pm_finetune_params p = params_of(run);
    return pm_finetune_plan_make(log, caps, &run->config, run->train, &p, out);
}

static pm_status make_fit(void *user, const pm_log *log, const pm_caps *caps, plan_settings *settings,
                          pm_train_plan *out)
{
    const finetune_run *run = user;
    pm_finetune_params p = params_of(run);
    const pm_status status = pm_finetune_fit(log, caps, &run->config, run->train, &p, out);
    *settings = (plan_settings){p.recompute, p.batch, p.accum, 0};
    return status;
}

/* Refuses, after an error line, a run that does not fit; with `print`, prints what the run takes. */
static int check_memory(finetune_run *run, const pm_caps *caps, bool print)
{
    const finetune_options *options = run->options;
    const plan_run it = {{options->recompute, options->batch, options->accum, 0}, make_plan, make_fit, run};
    return plan_training(&options->common, &run->config, caps, &it, print);
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
    pm_model_name_tokens(run->frame.parts.model, ends.begin, end,
                         batches ? pm_tokenizer_end(run->tokenizer) : PM_TOKEN_NONE);
    return PM_OK;
}

static int make_finetuner(run_frame *frame, bool resume)
{
    finetune_run *run = (finetune_run *)frame;
    const pm_finetune_params params = params_of(run);
    pm_run_parts *parts = &frame->parts;
    pm_model *base = NULL;
    (void)resume; /* the base is read again for its task's special tokens */
    const int code = check_memory(run, pm_device_caps(frame->device), false);
    if (code != EXIT_DONE) return code;
    pm_status status = open_base(run, &base);
    if (status == PM_OK) status = pm_model_for_task(base, &run->task, run->options->seed, &parts->model);
    pm_model_destroy(&base);
    if (status == PM_OK) status = name_tokens(run);
    if (status == PM_OK) status = pm_finetuner_create(parts->model, run->train, &params, &parts->finetuner);
    if (status == PM_OK) { /* not measured again after a loss or in a resume */
        run->precision = pm_finetuner_precision(parts->finetuner);
        finetune_options_now.precision = pm_precision_name(run->precision);
    }
    return app_exit_code(status);
}

static void announce(const run_frame *frame)
{
    const finetune_run *run = (const finetune_run *)frame;
    const pm_finetuner *finetuner = frame->parts.finetuner;
    run_say_model(frame->device, pm_finetuner_precision(finetuner), pm_model_config(frame->parts.model));
    char answers[64] = "choices";
    if (run->task.scores)
        snprintf(answers, sizeof answers, "scores of %.3g +- %.3g", (double)run->task.mean, (double)run->task.spread);
    else if (run->task.labels)
        snprintf(answers, sizeof answers, "%u labels", (unsigned)run->task.outputs);
    app_say("%s, %s: %zu examples to train on, %zu for dev; %u steps in %u epoch%s", run->options->task, answers,
            pm_taskset_size(run->train), run->dev ? pm_taskset_size(run->dev) : 0,
            (unsigned)pm_finetuner_steps(finetuner), (unsigned)run->options->epochs,
            run->options->epochs == 1 ? "" : "s");
}

/* ---- the run ---- */

static int work(finetune_run *run, int argc, char **argv)
{
    const finetune_options *options = run->options;
    run->frame = (run_frame){.command = &finetune_command,
                             .common = &options->common,
                             .out = options->out,
                             .argc = argc,
                             .argv = argv,
                             .time = run->config.ctx,
                             .make = make_finetuner,
                             .announce = announce,
                             .params = {.resume = options->resume,
                                        .overwrite = options->overwrite,
                                        .tokenizer = run->tokenizer,
                                        .dev = run->dev,
                                        .measure = options->measure,
                                        .eval_every = options->eval_every,
                                        .save_every = options->save_every}};
    return run_do(&run->frame);
}

static int finetune(finetune_run *run, int argc, char **argv)
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
    return code == EXIT_DONE ? work(run, argc, argv) : code;
}

int finetune_main(int argc, char **argv)
{
    switch (finetune_options_parse(argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    finetune_run run = {.options = &finetune_options_now, .log = app_log(&finetune_options_now.common)};
    const int code = finetune(&run, argc, argv);
    pm_taskset_close(&run.train);
    pm_taskset_close(&run.dev);
    pm_task_fini(&run.task);
    pm_tokenizer_destroy(&run.tokenizer);
    pm_run_note_free(&run.kept);
    return code;
}
