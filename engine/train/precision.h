/* Which precision a run takes. */
#ifndef TRAIN_PRECISION_H
#define TRAIN_PRECISION_H

#include <pumice/train.h>

#include "gpu/gpu.h"

/* Whether activations are to be fp16. PM_PRECISION_AUTO measures a product in both. Fails: PM_UNSUPPORTED, and with a program's errors. */
pm_status precision_choose(pm_device *device, pm_precision asked, pm_precision *out);

#endif
