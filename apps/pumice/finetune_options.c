/* The options of `pumice finetune`. The defaults are the paper's. */
#include <string.h>

#include "finetune.h"
#include "folder.h"
#include "report.h"
#include "run.h"

finetune_options finetune_options_now;

#define N(name, field, low, high, fallback, help)                                                                      \
    {                                                                                                                  \
        ARG_U32, name, "N", &finetune_options_now.field, fallback, low, high, help, false, false                       \
    }
#define X(name, field, low, high, fallback, help)                                                                      \
    {                                                                                                                  \
        ARG_F32, name, "X", &finetune_options_now.field, fallback, low, high, help, false, false                       \
    }
#define TEXT(name, value, field, required, help)                                                                       \
    {                                                                                                                  \
        ARG_TEXT, name, value, &finetune_options_now.field, NULL, 0, 0, help, required, false                          \
    }

static arg_option table[] = {
    APP_HEAD("Task, data and results"),
    {ARG_CHOICE, "--task", "classify|entail|similar|choice", &finetune_options_now.task, NULL, 0, 0,
     "the form of the examples", true, false},
    TEXT("--train", "FILE", train, true, "examples to learn from: JSON lines, or NAME.tsv or NAME.csv"),
    TEXT("--dev", "FILE", dev, false, "examples to choose the best model by (default: the last is kept)"),
    TEXT("--measure", "NAME", measure, false,
         "what tells on --dev which model is best: "
         "accuracy|macro_f1|f1:LABEL|matthews|pearson|spearman|loss (default: accuracy, or pearson of scores)"),
    REPORT_OPTION_FIELDS(finetune_options_now.fields, "; the model keeps them"),
    TEXT("--out", "DIR", out, false, "where the best model, the checkpoint, metrics.jsonl and loss.png go"),
    TEXT("--model", "DIR|FILE.gguf", model, false, "the model to start from; without it, random weights"),
    {ARG_FLAG, "--resume", NULL, &finetune_options_now.resume, NULL, 0, 0,
     "go on from the checkpoint in --out, with the run's options; options given again replace them; without a "
     "checkpoint a new run begins",
     false, false},
    APP_OPTION_OVERWRITE(finetune_options_now.overwrite),
    {ARG_FLAG, "--plan", NULL, &finetune_options_now.plan, NULL, 0, 0,
     "only print the memory and the work that the run would take", false, false},
    APP_HEAD("Model, without --model"),
    {ARG_TEXT, "--tokenizer", "byte|DIR|FILE.gguf", &finetune_options_now.tokenizer, "byte", 0, 0,
     "a token for each byte, or as the tokenizer there has them", false, false},
    {ARG_CHOICE, "--arch", APP_ARCHS("gpt1|gpt2"), &finetune_options_now.arch, "gpt1", 0, 0,
     "the family whose blocks the model has", false, false},
    N("--layers", layers, 1, 1024, "4", "blocks"),
    N("--heads", heads, 1, 1024, "4", "attention heads, which divide --embd"),
    N("--kv-heads", kv_heads, 0, 1024, "0",
      "heads of keys and values, which divide --heads; 0: as many; not of gpt1 and gpt2"),
    N("--embd", embd, 1, 65536, "128", "channels"),
    N("--inner", inner, 0, 262144, "0", "channels within an MLP; 0: as is usual for the family"),
    N("--ctx", ctx, 6, 1048576, "128", "tokens that the model sees at once"),
    APP_HEAD("Training"),
    N("--epochs", epochs, 1, 65536, "3", "times through the examples"),
    N("--batch", batch, 1, 65536, "32", "examples a step"),
    N("--accum", accum, 1, 65536, "1", "micro batches that a step's examples are divided among: less memory"),
    X("--lr", lr, 1e-9, 10, "6.25e-5", "highest learning rate"),
    X("--warmup", warmup, 0, 1, "0.002", "share of the steps in which it rises; then it falls to 0 in a line"),
    X("--lambda", lambda, 0, 1, "0.5", "weight of the language-model loss; 0: none is computed"),
    X("--beta2", beta2, 1e-3, 0.999999, "0.999", "AdamW's memory of squared gradients"),
    X("--weight-decay", weight_decay, 0, 10, "0.01", "decay of matrices and tables"),
    X("--clip", clip, 0, 1e6, "1", "largest gradient norm; 0: no limit"),
    X("--dropout", dropout, 0, 0.95, "0.1", "share of activations to drop in the model"),
    X("--head-dropout", dropout_head, 0, 0.95, "0.1", "dropout of the head's input"),
    APP_OPTION_PRECISION(finetune_options_now.precision),
    APP_OPTION_RECOMPUTE(finetune_options_now.recompute),
    {ARG_U64, "--seed", "N", &finetune_options_now.seed, "1337", 0, 0,
     "of new weights, order and dropout: same seed, same device, same bits", false, false},
    N("--eval-every", eval_every, 0, 1e9, "0",
      "steps between evaluations on --dev, each with a checkpoint; 0: once an epoch"),
    N("--save-every", save_every, 0, 1e9, "500", "steps between further checkpoints; 0: none"),
    APP_HEAD("General"),
    APP_OPTION_DEVICE(finetune_options_now.common),
    APP_OPTION_SUBMIT(finetune_options_now.common),
    APP_OPTION_PERIOD(finetune_options_now.common),
    APP_OPTION_PROFILE(finetune_options_now.common),
    APP_OPTION_PROFILE_STEPS(finetune_options_now.common, "steps to look at, after the first; 0: all"),
    APP_OPTION_VERBOSE(finetune_options_now.common),
    APP_OPTION_JSON(finetune_options_now.common, "print each step's line of metrics.jsonl on stdout"),
};

#undef N
#undef X
#undef TEXT

arg_command finetune_command = {
    "finetune",
    "--task TASK --train FILE --dev FILE --out DIR [--model DIR|FILE.gguf] [options], or --out DIR --resume",
    "Teaches a language model a task from labelled examples",
    "A line of FILE is a JSON object:\n"
    "  classify  {\"text\": \"…\", \"label\": …}\n"
    "  entail    {\"premise\": \"…\", \"hypothesis\": \"…\", \"label\": …}\n"
    "  similar   {\"text_a\": \"…\", \"text_b\": \"…\", \"score\": number}, or \"label\" instead\n"
    "  choice    {\"passage\": \"…\", \"question\": \"…\", \"choices\": [\"…\", …], \"answer\": index from 0}\n"
    "FILE.tsv has these fields in columns, without quoting, and FILE.csv with quotes as in RFC 4180; the first line "
    "names them.\n"
    "Ctrl-C drops the step that goes on, saves a checkpoint and ends with exit code 130; --resume goes on from it.",
    table,
    sizeof table / sizeof *table,
};

arg_result finetune_options_parse(int argc, char **argv)
{
    const finetune_options *options = &finetune_options_now;
    const arg_result result = args_read(&finetune_command, argc, argv);
    if (result != ARGS_OK) return result;
    if (!options->resume && !args_complete(&finetune_command)) return ARGS_BAD;
    if (!options->out && !options->plan) {
        app_error("finetune needs --out DIR: see pumice finetune --help");
        return ARGS_BAD;
    }
    return options->resume || finetune_options_check() ? ARGS_OK : ARGS_BAD;
}

bool finetune_options_check(void)
{
    static const char *const sizes[] = {"--tokenizer", "--arch", "--layers", "--heads",
                                        "--kv-heads",  "--embd", "--inner",  "--ctx"};
    const finetune_options *options = &finetune_options_now;
    if (!args_complete(&finetune_command)) return false;
    if (options->plan && options->common.profile) {
        app_error("--profile %s: --plan runs nothing; leave one of the two out", options->common.profile);
        return false;
    }
    for (size_t i = 0; options->model && i < sizeof sizes / sizeof *sizes; i++) {
        if (!args_given(&finetune_command, sizes[i])) continue;
        app_error("%s: the model in --model %s says it; leave it out", sizes[i], options->model);
        return false;
    }
    if (options->measure && !options->dev && !options->plan) {
        app_error("--measure %s: it chooses by --dev FILE; give that, too", options->measure);
        return false;
    }
    if (options->accum > options->batch) {
        app_error("--accum %u: not more than --batch %u examples can be divided", (unsigned)options->accum,
                  (unsigned)options->batch);
        return false;
    }
    return true;
}
