/* The optimiser's state on the device: gradients, both moments, and the end of each step. */
#ifndef TRAIN_ADAMW_H
#define TRAIN_ADAMW_H

#include "exec/pass.h"
#include "train/loss_scale.h"

typedef struct adamw {
    pm_model *model;
    float beta1, beta2, eps, weight_decay, clip; /* set before adamw_init */
    loss_scale scale;                            /* likewise */
    gpu_buffer **gradients, **m, **v;            /* by segment of the model's layout */
    gpu_buffer *partials;                        /* of the gradient norm */
    bool kept;                                   /* the last checkpoint was read or written whole */
} adamw;

/* Allocates the model's gradients and moments, filled with zeros. */
pm_status adamw_init(adamw *a, pm_model *model);
void adamw_fini(adamw *a);

/* A step of so many micro batches. Its last commands are the gradient norm over all segments, clipping, and AdamW on each. */
pass_step adamw_step(const adamw *a, uint32_t micros);

/* The scalars of step number `step` (1 is the first) at this learning rate, for a micro batch that is `share` of the step. */
struct step_scalars adamw_scalars(const adamw *a, uint32_t step, float share, float lr, uint64_t seed);

/* A parameter's gradient, divided by the loss scale. */
pm_status adamw_read_gradient(const adamw *a, size_t param, float *out);

#endif
