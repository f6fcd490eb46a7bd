/* A training run as the files of `pumice train` see it. */
#ifndef APPS_TRAIN_H
#define APPS_TRAIN_H

#include "again.h"
#include "metrics.h"

typedef struct train_options {
    app_common common;
    const char *data, *out, *tokenizer, *arch, *precision, *init;
    const char *documents;
    bool special;
    bool recompute;
    uint32_t layers, heads, embd, ctx;
    uint32_t batch, accum, steps, warmup;
    float lr, min_lr, beta2, weight_decay, clip, dropout;
    uint32_t eval_every, eval_batches, save_every; /* steps; 0: only at the end */
    uint64_t seed;
    bool resume, plan, overwrite;
} train_options;

typedef struct train_run {
    const train_options *options;
    int argc; /* the whole command line, to print how to continue */
    char **argv;
    pm_log log;
    pm_tokenizer *tokenizer;
    pm_corpus *corpus;
    size_t tokens, train_tokens; /* the first train_tokens are trained on, the others validate */
    pm_gpt_config config;
    pm_train_params params;
    app_losses losses;
    pm_device *device;
    app_profile profile;
    pm_model *model;
    pm_trainer *trainer;
    metrics curves;
    bool resume;           /* there is a checkpoint to go on from */
    struct cJSON *kept;    /* the run's options, where it is resumed; owns their texts */
    double elapsed_before; /* seconds of training before a resume */
    double best_val;       /* NaN before the first evaluation */
    uint32_t best_step;
    uint32_t saved; /* the last checkpoint's step; 0: none */
    uint32_t told;  /* steps that --json has printed; it prints no step twice */
} train_run;

/* train_options.c: reads the command line into train_options_now. */
extern train_options train_options_now;
arg_result train_options_parse(int argc, char **argv);
/* Checks what can be checked without files, once a resumed run's options have been added. False after an error line. */
bool train_options_check(void);

/* train_loop.c: steps, evaluates and saves until done or interrupted; returns the exit code. */
int train_loop(train_run *run);
/* Takes over what a checkpoint's note says about the run so far; false, after an error line, if it was on other
 * data. */
bool train_take_note(train_run *run, const char *note);

#endif
