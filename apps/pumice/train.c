/* `pumice train`: from the options to a trainer that is ready to step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"
#include "plan.h"
#include "train.h"

typedef struct train_run {
    run_frame frame; /* first */
    const train_options *options;
    pm_log log;
    pm_tokenizer *tokenizer;
    pm_corpus *corpus;
    size_t tokens, train_tokens; /* the first train_tokens are trained on, the others validate */
    pm_gpt_config config;
    pm_train_params params;
    bool resume;       /* there is a checkpoint to go on from */
    pm_run_note *kept; /* the run's options, where it is resumed; owns their texts */
} train_run;

/* ---- the data ---- */

static pm_status make_tokenizer(train_run *run, const char *folder)
{
    const train_options *options = run->options;
    if (folder) {
        pm_status status = pm_tokenizer_load(&run->log, folder, &run->tokenizer);
        if (status != PM_OK || !args_given(&train_command, "--tokenizer")) return status;
        const char *kind = pm_tokenizer_kind(run->tokenizer), *asked = options->tokenizer;
        if (strcmp(kind, asked) == 0 || (strcmp(asked, "char") != 0 && strcmp(asked, "byte") != 0)) return PM_OK;
        app_error("--tokenizer %s: the run in %s uses %s", asked, folder, kind);
        return PM_INVALID;
    }
    if (strcmp(options->tokenizer, "byte") == 0) return pm_tokenizer_bytes(&run->log, &run->tokenizer);
    if (strcmp(options->tokenizer, "char") != 0)
        return pm_tokenizer_load(&run->log, options->tokenizer, &run->tokenizer);
    char *text = NULL;
    size_t size = 0;
    pm_status status = pm_corpus_text(&run->log, options->data, &text, &size);
    if (status == PM_OK) status = pm_tokenizer_chars(&run->log, options->data, text, size, &run->tokenizer);
    free(text);
    return status;
}

/* Encodes the text and divides the tokens into the two parts. `folder`: whose tokenizer to take; NULL: as --tokenizer
 * says. */
static int prepare_data(train_run *run, const char *folder)
{
    const train_options *options = run->options;
    const pm_corpus_params how = documents_params(options->documents, options->special);
    pm_status status = make_tokenizer(run, folder);
    if (status == PM_OK) status = pm_corpus_open_with(&run->log, options->data, run->tokenizer, &how, &run->corpus);
    if (status != PM_OK) return app_exit_code(status);
    run->tokens = pm_corpus_size(run->corpus);
    run->train_tokens = run->tokens - run->tokens / 10;
    return EXIT_DONE;
}

/* Whether each part of the text is longer than the context, which a model may have given. */
static int check_text(const train_run *run)
{
    const size_t val_tokens = run->tokens - run->train_tokens;
    const size_t shorter = val_tokens < run->train_tokens ? val_tokens : run->train_tokens;
    if (shorter > run->params.time) return EXIT_DONE;
    app_error("--ctx %u: %s has %zu tokens, %zu to train on and %zu to validate, and each part must be longer than "
              "the context; give more text or a smaller --ctx",
              (unsigned)run->params.time, run->options->data, run->tokens, run->train_tokens, val_tokens);
    return EXIT_USAGE;
}

/* ---- the model ---- */

/* The model in `dir` gives the sizes; sizes on the command line must agree with it. A smaller context is allowed. */
static int check_sizes(const train_run *run, const char *dir, const pm_gpt_config *model)
{
    const train_options *options = run->options;
    const struct {
        const char *name;
        uint32_t asked, has;
    } sizes[] = {{"--layers", options->layers, model->layers},
                 {"--heads", options->heads, model->heads},
                 {"--kv-heads", options->kv_heads ? options->kv_heads : model->heads, model->kv_heads},
                 {"--embd", options->embd, model->embd},
                 {"--inner", options->inner, model->inner}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (args_given(&train_command, sizes[i].name) && sizes[i].asked != sizes[i].has) {
            app_error("%s %u: the model in %s has %u", sizes[i].name, (unsigned)sizes[i].asked, dir,
                      (unsigned)sizes[i].has);
            return EXIT_USAGE;
        }
    }
    if (args_given(&train_command, "--arch") && strcmp(options->arch, pm_arch_name(model->arch)) != 0) {
        app_error("--arch %s: the model in %s is of %s", options->arch, dir, pm_arch_name(model->arch));
        return EXIT_USAGE;
    }
    if (args_given(&train_command, "--ctx") && options->ctx > model->ctx) {
        app_error("--ctx %u: the model in %s has a context of %u", (unsigned)options->ctx, dir, (unsigned)model->ctx);
        return EXIT_USAGE;
    }
    if (model->vocab < pm_tokenizer_vocab(run->tokenizer)) {
        app_error("%s: the tokenizer has %u tokens, the model only %u", dir,
                  (unsigned)pm_tokenizer_vocab(run->tokenizer), (unsigned)model->vocab);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int make_config(train_run *run)
{
    const train_options *options = run->options;
    run->params = (pm_train_params){
        .batch = options->batch,
        .time = options->ctx,
        .accum = options->accum,
        .steps = options->steps,
        .lr = options->lr,
        .min_lr = isnan(options->min_lr) ? 0.1f * options->lr : options->min_lr,
        .warmup = options->warmup,
        .beta2 = options->beta2,
        .weight_decay = options->weight_decay,
        .clip = options->clip,
        .dropout = options->dropout,
        .seed = options->seed,
        .precision = run_precision(options->precision),
        .recompute = options->recompute,
    };
    const char *dir = run->resume ? options->out : options->init;
    if (dir) {
        const pm_status status = pm_gpt_config_load(&run->log, dir, &run->config);
        if (status == PM_OK && run->params.time > run->config.ctx) run->params.time = run->config.ctx;
        return status == PM_OK ? check_sizes(run, dir, &run->config) : app_exit_code(status);
    }
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
    return app_exit_code(pm_gpt_config_check(&run->log, &run->config));
}

static pm_status make_plan(void *user, const pm_log *log, const pm_caps *caps, pm_train_plan *out)
{
    const train_run *run = user;
    return pm_train_plan_make(log, caps, &run->config, &run->params, out);
}

static pm_status make_fit(void *user, const pm_log *log, const pm_caps *caps, plan_settings *settings,
                          pm_train_plan *out)
{
    const train_run *run = user;
    pm_train_params p = run->params;
    const pm_status status = pm_train_fit(log, caps, &run->config, &p, out);
    *settings = (plan_settings){p.recompute, p.batch, p.accum, p.time};
    return status;
}

/* Refuses, after an error line, a run that does not fit; with `print`, prints what the run takes. */
static int check_memory(train_run *run, const pm_caps *caps, bool print)
{
    const pm_train_params *p = &run->params;
    const plan_run it = {{p->recompute, p->batch, p->accum, p->time}, make_plan, make_fit, run};
    return plan_training(&run->options->common, &run->config, caps, &it, print);
}

/* The tokenizer's token, where the model is trained on it: a text must not begin or end in a row that never learns. */
static uint32_t trained(const train_run *run, uint32_t token)
{
    const bool there = token != PM_TOKEN_NONE && pm_corpus_has(run->corpus, 0, run->train_tokens, token);
    return there ? token : PM_TOKEN_NONE;
}

/* The tokens that begin and end texts, for config.json: those of the model in --init, then those that are in the text. */
static pm_status name_tokens(train_run *run, bool resume)
{
    const char *init = resume ? NULL : run->options->init;
    const pm_tokenizer *tok = run->tokenizer;
    pm_model *model = run->frame.parts.model;
    if (init) {
        pm_text_ends ends;
        const pm_status status = pm_text_ends_load(&run->log, init, tok, run->config.vocab, &ends);
        if (status != PM_OK) return status;
        pm_model_name_tokens(model, ends.begin, ends.end_count ? ends.ends[0] : PM_TOKEN_NONE, PM_TOKEN_NONE);
    }
    pm_model_name_tokens(model, trained(run, pm_tokenizer_begin(tok)), trained(run, pm_tokenizer_end(tok)),
                         PM_TOKEN_NONE);
    return PM_OK;
}

static int make_trainer(run_frame *frame, bool resume)
{
    train_run *run = (train_run *)frame;
    const train_options *options = run->options;
    pm_run_parts *parts = &frame->parts;
    const int code = check_memory(run, pm_device_caps(frame->device), false);
    if (code != EXIT_DONE) return code;
    /* A checkpoint has the weights, but not what belongs to a task's head. */
    const char *dir = !resume ? options->init : run->config.outputs ? options->out : NULL;
    pm_status status = dir ? pm_model_load(frame->device, dir, &parts->model)
                           : pm_model_create(frame->device, &run->config, options->seed, &parts->model);
    if (status == PM_OK) status = name_tokens(run, resume);
    if (status == PM_OK) status = pm_trainer_create(parts->model, &run->params, &parts->trainer);
    if (status == PM_OK) { /* not measured again after a loss or in a resume */
        run->params.precision = pm_trainer_precision(parts->trainer);
        train_options_now.precision = pm_precision_name(run->params.precision);
    }
    return app_exit_code(status);
}

static void announce(const run_frame *frame)
{
    const train_run *run = (const train_run *)frame;
    run_say_model(frame->device, pm_trainer_precision(frame->parts.trainer), &run->config);
    app_say("%s: %zu tokens to train on, %zu to validate", run->options->data, run->train_tokens,
            run->tokens - run->train_tokens);
    if (pm_corpus_documents(run->corpus) > 0)
        app_say("%s: %zu documents, each with an end-of-text token behind it", run->options->data,
                pm_corpus_documents(run->corpus));
    if (run->params.time < run->config.ctx)
        app_say("--ctx %u%s: the model learns from windows of so many tokens; it can see %u",
                (unsigned)run->params.time, args_given(&train_command, "--ctx") ? "" : ", the default",
                (unsigned)run->config.ctx);
    if (run->params.warmup >= run->params.steps)
        app_say("--warmup %u%s: the learning rate rises until the end of --steps %u, and does not reach --lr %g",
                (unsigned)run->params.warmup, args_given(&train_command, "--warmup") ? "" : ", the default",
                (unsigned)run->params.steps, (double)run->params.lr);
}

/* ---- the run ---- */

static int work(train_run *run, int argc, char **argv)
{
    const train_options *options = run->options;
    run->frame = (run_frame){.command = &train_command,
                             .common = &options->common,
                             .out = options->out,
                             .argc = argc,
                             .argv = argv,
                             .time = run->params.time,
                             .make = make_trainer,
                             .announce = announce,
                             .params = {.resume = options->resume,
                                        .overwrite = options->overwrite,
                                        .tokenizer = run->tokenizer,
                                        .corpus = run->corpus,
                                        .train_tokens = run->train_tokens,
                                        .steps = options->steps,
                                        .eval_batches = options->eval_batches,
                                        .eval_every = options->eval_every,
                                        .save_every = options->save_every}};
    return run_do(&run->frame);
}

static int train(train_run *run, int argc, char **argv)
{
    const train_options *options = run->options;
    int code = EXIT_DONE;
    if (options->out && (!options->plan || options->resume))
        run->resume = run_decide_resume(options->out, options->resume, options->overwrite, &code);
    if (run->resume) code = run_take_options(&train_command, &run->log, options->out, &run->kept);
    if (code == EXIT_DONE && !train_options_check()) code = EXIT_USAGE;
    if (code == EXIT_DONE && !app_input("--data", &train_options_now.data)) code = EXIT_FAILED;
    app_catch_interrupts();
    if (code == EXIT_DONE) code = prepare_data(run, run->resume ? options->out : options->init);
    if (code == EXIT_DONE) code = make_config(run);
    if (code == EXIT_DONE) code = check_text(run);
    if (code == EXIT_DONE && options->plan) {
        pm_caps caps;
        return plan_device(&options->common, &caps) ? check_memory(run, &caps, true) : EXIT_FAILED;
    }
    return code == EXIT_DONE ? work(run, argc, argv) : code;
}

int train_main(int argc, char **argv)
{
    switch (train_options_parse(argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    train_run run = {.options = &train_options_now, .log = app_log(&train_options_now.common)};
    const int code = train(&run, argc, argv);
    pm_corpus_close(&run.corpus);
    pm_tokenizer_destroy(&run.tokenizer);
    pm_run_note_free(&run.kept);
    return code;
}
