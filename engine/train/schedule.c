/* Warm-up and cosine as in nanoGPT's train.py (get_lr), whose iteration 0 is step 1; no step has a rate of 0. Fine-tuning has warm-up and a
 * straight line. */
#include "train/schedule.h"

#include <math.h>

float schedule_lr(const pm_train_params *p, uint32_t step)
{
    const double pi = 3.14159265358979323846;
    uint32_t done = step > 0 ? step - 1 : 0;
    if (done < p->warmup) return (float)((double)p->lr * (done + 1.0) / (p->warmup + 1.0));
    if (done >= p->steps) return p->min_lr;
    double ratio = (double)(done - p->warmup) / (double)(p->steps - p->warmup);
    return (float)(p->min_lr + 0.5 * (1.0 + cos(pi * ratio)) * ((double)p->lr - p->min_lr));
}

float schedule_linear(float lr, float warmup, uint32_t step, uint32_t steps)
{
    /* As a float, 0.2 of 5 steps is a little more than 1 step. It means 1. */
    double rise = ceil((double)warmup * steps * (1 - 1e-6)), done = step > 0 ? step - 1 : 0;
    if (done < rise) return (float)((double)lr * (done + 1) / (rise + 1));
    return done < steps ? (float)((double)lr * (steps - done) / (steps - rise)) : 0;
}
