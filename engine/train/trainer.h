/* Internal declarations of the trainer. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include <pumice/finetune.h>

#include "train/adamw.h"
#include "train/flights.h"

/* Makes a forward pass without gradient: losses of batches. `owner`: see gpu_program_own. */
pm_status evaluator_init(pass *p, pm_model *model, uint32_t batch, uint32_t time, const void *owner);
/* Loss of the batch in the mailbox's micro batch 0: the sum over its targets, and how many there are. */
pm_status evaluator_run(const pass *p, double *sum, double *count);

struct pm_trainer {
    pm_model *model;
    pm_train_params params; /* defaults filled in */
    uint32_t done;          /* steps */
    adamw optimizer;
    pass pass;
    flights flights;
    double *counts[MOST_FLIGHTS]; /* by flight and micro batch: the targets that count */
    pass evaluator;               /* made at the first pm_trainer_eval */
};

/* Parameters with their defaults; PM_INVALID names the field. */
pm_status train_params_fill(const pm_log *log, const pm_gpt_config *config, const pm_train_params *params,
                            pm_train_params *out);
/* The same of a finetuner's, from the caller's struct. */
pm_status finetune_params_fill(const pm_log *log, const pm_finetune_params *params, size_t size,
                               pm_finetune_params *out);

/* Where windows are drawn: from tokens [first, first + count) of a corpus. `stream` keeps uses of a seed apart. */
typedef struct batch_source {
    const pm_corpus *corpus;
    size_t first, count;
    uint64_t seed;
    uint32_t stream;
} batch_source;

/* Whether windows of time + 1 tokens can be drawn. */
pm_status batch_check(const pm_log *log, const batch_source *from, uint32_t time);
/* Fills a row of a micro batch with window number `window` of draw number `draw`. These two and the source alone decide on the tokens. So a batch
 * has the same windows in any number of micro batches. */
void batch_draw(const pass *p, uint32_t micro, uint32_t row, const batch_source *from, uint32_t draw, uint32_t window);
/* Empties a row. It has no target and does not count. */
void batch_clear(const pass *p, uint32_t micro, uint32_t row);

#endif
