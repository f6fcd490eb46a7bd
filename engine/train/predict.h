/* A head's outputs for a set's examples. */
#ifndef TRAIN_PREDICT_H
#define TRAIN_PREDICT_H

#include "data/task.h"
#include "exec/pass_set.h"

/* A row that gives one hidden vector: one sequence, or the two of a similarity. */
typedef struct predict_row {
    size_t sequence, output; /* its first sequence; the place of its outputs */
    uint32_t length;         /* tokens of the longest */
} predict_row;

typedef struct predictor {
    pm_model *model;
    const pm_taskset *set;
    predict_row *rows; /* by length */
    size_t row_count;
    pass_set passes;
} predictor;

/* Whether the examples are of the model's task and fit it: PM_INVALID with a line that begins with `who`. */
pm_status predict_check(const pm_model *model, const pm_taskset *set, const char *who);

/* `owner`: see gpu_program_own. */
pm_status predictor_init(predictor *p, pm_model *model, const pm_taskset *set, const void *owner);
void predictor_fini(predictor *p);
pm_status predictor_run(predictor *p, float *outputs);

/* Puts a sequence into row `row` of T tokens, with padding behind. Returns the place of <e>, as a row of the hidden values. */
int32_t predict_fill(const pass *p, uint32_t micro, uint32_t row, const pm_taskset *set, size_t sequence);

#endif
