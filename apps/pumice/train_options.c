/* The options of `pumice train`. The defaults are nanoGPT's configuration for a CPU: characters, 4 layers of 128. */
#include <math.h>
#include <string.h>

#include "documents.h"
#include "folder.h"
#include "run.h"
#include "train.h"

train_options train_options_now;

#define N(name, field, low, high, fallback, help)                                                                      \
    {                                                                                                                  \
        ARG_U32, name, "N", &train_options_now.field, fallback, low, high, help, false, false                          \
    }
#define X(name, field, low, high, fallback, help)                                                                      \
    {                                                                                                                  \
        ARG_F32, name, "X", &train_options_now.field, fallback, low, high, help, false, false                          \
    }
#define TEXT(name, value, field, fallback, help)                                                                       \
    {                                                                                                                  \
        ARG_TEXT, name, value, &train_options_now.field, fallback, 0, 0, help, false, false                            \
    }

static arg_option table[] = {
    APP_HEAD("Data and results"),
    {ARG_TEXT, "--data", "FILE|DIR", &train_options_now.data, NULL, 0, 0,
     "the text: a file, or a folder with *.txt files; its last tenth validates", true, false},
    TEXT("--out", "DIR", out, NULL, "where the model, the checkpoint, metrics.jsonl and loss.png go"),
    TEXT("--tokenizer", "char|byte|DIR|FILE.gguf", tokenizer, "char",
         "a token for each character of the text, for each byte, or as the model there has them"),
    APP_OPTION_DOCUMENTS(train_options_now.documents),
    APP_OPTION_SPECIAL(train_options_now.special),
    TEXT("--init", "DIR|FILE.gguf", init, NULL,
         "start from this model and its tokenizer instead of from random weights"),
    {ARG_FLAG, "--resume", NULL, &train_options_now.resume, NULL, 0, 0,
     "go on from the checkpoint in --out, with the run's options; options given again replace them, and a larger "
     "--steps extends the run; without a checkpoint a new run begins",
     false, false},
    APP_OPTION_OVERWRITE(train_options_now.overwrite),
    {ARG_FLAG, "--plan", NULL, &train_options_now.plan, NULL, 0, 0,
     "only print the memory and the work that the run would take", false, false},
    APP_HEAD("Model"),
    {ARG_CHOICE, "--arch", APP_ARCHS("gpt2|gpt1"), &train_options_now.arch, "gpt2", 0, 0,
     "the family whose blocks the model has", false, false},
    N("--layers", layers, 1, 1024, "4", "blocks"),
    N("--heads", heads, 1, 1024, "4", "attention heads, which divide --embd"),
    N("--kv-heads", kv_heads, 0, 1024, "0",
      "heads of keys and values, which divide --heads; 0: as many; not of gpt1 and gpt2"),
    N("--embd", embd, 1, 65536, "128", "channels"),
    N("--inner", inner, 0, 262144, "0", "channels within an MLP; 0: as is usual for the family"),
    N("--ctx", ctx, 1, 1048576, "64", "tokens that the model sees at once"),
    X("--dropout", dropout, 0, 0.95, "0", "share of activations to drop while training"),
    APP_HEAD("Optimiser"),
    N("--batch", batch, 1, 65536, "12", "sequences a micro batch"),
    N("--accum", accum, 1, 65536, "1", "micro batches a step: --batch 2 --accum 4 is --batch 8 in less memory"),
    N("--steps", steps, 1, 1e9, "2000", "optimiser steps"),
    X("--lr", lr, 1e-9, 10, "1e-3", "highest learning rate"),
    X("--min-lr", min_lr, 0, 10, NULL, "where the cosine ends (default a tenth of --lr)"),
    N("--warmup", warmup, 0, 1e9, "100", "steps of linear rise"),
    X("--beta2", beta2, 1e-3, 0.999999, "0.99", "AdamW's memory of squared gradients"),
    X("--weight-decay", weight_decay, 0, 10, "0.1", "decay of matrices and tables"),
    X("--clip", clip, 0, 1e6, "1", "largest gradient norm; 0: no limit"),
    APP_OPTION_PRECISION(train_options_now.precision),
    APP_OPTION_RECOMPUTE(train_options_now.recompute),
    {ARG_U64, "--seed", "N", &train_options_now.seed, "1337", 0, 0,
     "of weights, batches and dropout: same seed, same device, same bits", false, false},
    APP_HEAD("Evaluating and saving"),
    N("--eval-every", eval_every, 0, 1e9, "250", "steps between evaluations; 0: only at the end"),
    N("--eval-batches", eval_batches, 1, 1e6, "20", "batches an evaluation, of 12 sequences each whatever --batch is"),
    N("--save-every", save_every, 0, 1e9, "500", "steps between checkpoints; 0: only at the beginning and the end"),
    APP_HEAD("General"),
    APP_OPTION_DEVICE(train_options_now.common),
    APP_OPTION_SUBMIT(train_options_now.common),
    APP_OPTION_PERIOD(train_options_now.common),
    APP_OPTION_PROFILE(train_options_now.common),
    APP_OPTION_PROFILE_STEPS(train_options_now.common, "steps to look at, after the first; 0: all"),
    APP_OPTION_VERBOSE(train_options_now.common),
    APP_OPTION_JSON(train_options_now.common, "print each step's line of metrics.jsonl on stdout (or the plan)"),
};

#undef N
#undef X
#undef TEXT

arg_command train_command = {
    "train",
    "--data FILE|DIR --out DIR [options], or --out DIR --resume",
    "Trains a language model on text",
    "Ctrl-C drops the step that goes on, saves a checkpoint and ends with exit code 130; --resume goes on from it.",
    table,
    sizeof table / sizeof *table,
};

arg_result train_options_parse(int argc, char **argv)
{
    train_options *options = &train_options_now;
    options->min_lr = NAN; /* a tenth of --lr, whatever that becomes */
    const arg_result result = args_read(&train_command, argc, argv);
    if (result != ARGS_OK) return result;
    if (!options->resume && !args_complete(&train_command)) return ARGS_BAD;
    if (!options->out && !options->plan) {
        app_error("train needs --out DIR: see pumice train --help");
        return ARGS_BAD;
    }
    return options->resume || train_options_check() ? ARGS_OK : ARGS_BAD;
}

bool train_options_check(void)
{
    const train_options *options = &train_options_now;
    if (!args_complete(&train_command)) return false;
    if (options->plan && options->common.profile) {
        app_error("--profile %s: --plan runs nothing; leave one of the two out", options->common.profile);
        return false;
    }
    if (options->min_lr > options->lr) {
        app_error("--min-lr %g: must not be above --lr %g", (double)options->min_lr, (double)options->lr);
        return false;
    }
    if (options->init && args_given(&train_command, "--tokenizer")) {
        app_error("--tokenizer %s: --init brings its own tokenizer; leave one of the two out", options->tokenizer);
        return false;
    }
    return true;
}
