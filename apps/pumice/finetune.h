/* A fine-tuning run as the files of `pumice finetune` see it. */
#ifndef APPS_FINETUNE_H
#define APPS_FINETUNE_H

#include "again.h"
#include "metrics.h"
#include "report.h"

typedef struct finetune_options {
    app_common common;
    const char *task, *model, *train, *dev, *out, *fields, *measure;
    const char *tokenizer, *arch; /* without --model */
    const char *precision;
    bool recompute;
    uint32_t layers, heads, embd, ctx;
    uint32_t epochs, batch, accum;
    uint32_t eval_every, save_every; /* steps; 0: each epoch, only when evaluating */
    float lr, warmup, lambda, beta2, weight_decay, clip, dropout, dropout_head;
    uint64_t seed;
    bool resume, plan, overwrite;
} finetune_options;

typedef struct finetune_run {
    const finetune_options *options;
    int argc; /* the whole command line, to print how to continue */
    char **argv;
    pm_log log;
    pm_tokenizer *tokenizer;
    pm_task task;
    pm_taskset *train, *dev; /* dev NULL: none */
    pm_gpt_config config;    /* of the language model that it starts from */
    float *outputs;          /* of dev */
    uint32_t *confusion;     /* of dev: [K * K] */
    report_choice choice;    /* the measure of the best model */
    app_losses losses;
    pm_device *device;
    app_profile profile;
    pm_model *model;
    pm_finetuner *finetuner;
    metrics curves;
    bool resume;             /* there is a checkpoint to go on from */
    struct cJSON *kept;      /* the run's options, where it is resumed; owns their texts */
    double elapsed_before;   /* seconds of training before a resume */
    double best;             /* the chosen measure on dev; NaN before it is first defined */
    bool measured_elsewhere; /* `best` is of another measure or another dev: see finetune_take_note */
    uint32_t best_step;
    pm_precision precision; /* as asked, later as chosen */
    uint32_t saved;         /* the last checkpoint's step; 0: none */
    bool undefined_told;    /* the warning that the measure is not defined; once */
    uint32_t told;          /* steps that --json has printed; it prints no step twice */
} finetune_run;

/* finetune_options.c: reads the command line into finetune_options_now. */
extern finetune_options finetune_options_now;
arg_result finetune_options_parse(int argc, char **argv);
/* Checks what can be checked without files, once a resumed run's options have been added. False after an error line. */
bool finetune_options_check(void);

/* finetune_loop.c: steps, evaluates and saves until done or interrupted; returns the exit code. */
int finetune_loop(finetune_run *run);
/* Takes over what a checkpoint's note says about the run so far. Where the best model was chosen by another measure, or on another --dev, the loop
 * measures it anew before the first step. */
void finetune_take_note(finetune_run *run, const char *note);

#endif
