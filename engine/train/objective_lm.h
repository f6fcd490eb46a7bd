/* Pre-training: the language model's loss on windows of a text, or on tokens that the caller gives. */
#ifndef TRAIN_OBJECTIVE_LM_H
#define TRAIN_OBJECTIVE_LM_H

#include "train/trainer.h"

struct pm_trainer {
    trainer_core core;
    pm_train_params params; /* defaults filled in */
    pass evaluator;         /* made at the first pm_trainer_eval */
};

/* Parameters with their defaults; PM_INVALID names the field. */
pm_status train_params_fill(const pm_log *log, const pm_gpt_config *config, const pm_train_params *params,
                            pm_train_params *out);
/* Makes a forward pass for losses of batches. `owner`: see gpu_program_own. */
pm_status evaluator_init(pass *p, pm_model *model, uint32_t batch, uint32_t time, const void *owner);
/* Fills a row of the mailbox's micro batch 0 with a window. Returns how many targets it has; the rest of the row is then emptied. */
typedef size_t evaluator_fill(const void *user, const pass *p, uint32_t row, uint64_t window);
/* Losses of windows [0, windows): the sum over their targets, and how many there are. */
pm_status evaluator_run(const pass *p, uint64_t windows, evaluator_fill *fill, const void *user, double *sum,
                        double *count);
/* As pm_trainer_step. */
pm_status lm_step(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, step_outcome *out);

#endif
