/* The learning rate of each step. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include <pumice/train.h>

/* Linear rise over p->warmup steps, then half a cosine from p->lr to p->min_lr at p->steps, then p->min_lr. Steps count
 * from 1. Reads lr, min_lr, warmup and steps as they are: defaults must have been filled in. */
float schedule_lr(const pm_train_params *p, uint32_t step);

/* Linear rise over the first `warmup` of all steps (rounded up), then a line that reaches 0 behind the last one. */
float schedule_linear(float lr, float warmup, uint32_t step, uint32_t steps);

#endif
