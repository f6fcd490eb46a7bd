/* A training run as the files of `pumice train` see it. */
#ifndef APPS_TRAIN_H
#define APPS_TRAIN_H

#include "run.h"

typedef struct train_options {
    app_common common;
    const char *data, *out, *tokenizer, *arch, *precision, *init;
    const char *documents;
    bool special;
    bool recompute;
    uint32_t layers, heads, kv_heads, embd, inner, ctx;
    uint32_t batch, accum, steps, warmup;
    float lr, min_lr, beta2, weight_decay, clip, dropout;
    uint32_t eval_every, eval_batches, save_every; /* steps; 0: only at the end */
    uint64_t seed;
    bool resume, plan, overwrite;
} train_options;

/* train_options.c: reads the command line into train_options_now. */
extern train_options train_options_now;
arg_result train_options_parse(int argc, char **argv);
/* Checks what can be checked without files, once a resumed run's options have been added. False after an error line. */
bool train_options_check(void);

#endif
