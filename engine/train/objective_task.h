/* Fine-tuning: a task's loss on labelled examples and, where lambda is above 0, the language model's on their sequences. */
#ifndef TRAIN_OBJECTIVE_TASK_H
#define TRAIN_OBJECTIVE_TASK_H

#include "train/order.h"
#include "train/predict.h"
#include "train/trainer.h"

struct pm_finetuner {
    trainer_core core;
    const pm_taskset *set;
    pm_finetune_params params; /* defaults filled in */
    uint32_t steps;            /* of the whole run */
    uint32_t micro;            /* examples a micro batch */
    order order;
    uint32_t epoch;           /* the order's; UINT32_MAX: none yet */
    const uint32_t *examples; /* of the step that begins */
    predictor predictor;      /* of the last set asked for */
};

/* Parameters with their defaults, from the caller's struct; PM_INVALID names the field. */
pm_status finetune_params_fill(const pm_log *log, const pm_finetune_params *params, size_t size,
                               pm_finetune_params *out);

#endif
