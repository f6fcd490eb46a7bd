/* A fine-tuning run as the files of `pumice finetune` see it. */
#ifndef APPS_FINETUNE_H
#define APPS_FINETUNE_H

#include "run.h"

typedef struct finetune_options {
    app_common common;
    const char *task, *model, *train, *dev, *out, *fields, *measure;
    const char *tokenizer, *arch; /* without --model */
    const char *precision;
    bool recompute;
    uint32_t layers, heads, kv_heads, embd, inner, ctx;
    uint32_t epochs, batch, accum;
    uint32_t eval_every, save_every; /* steps; 0: each epoch, only when evaluating */
    float lr, warmup, lambda, beta2, weight_decay, clip, dropout, dropout_head;
    uint64_t seed;
    bool resume, plan, overwrite;
} finetune_options;

/* finetune_options.c: reads the command line into finetune_options_now. */
extern finetune_options finetune_options_now;
arg_result finetune_options_parse(int argc, char **argv);
/* Checks what can be checked without files, once a resumed run's options have been added. False after an error line. */
bool finetune_options_check(void);

#endif
