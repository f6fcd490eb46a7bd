/* The CPU twin of every operation: plain loops, accumulating in double. What the GPU is checked against. */
#ifndef REF_REF_H
#define REF_REF_H

#include "ops/op.h"

/* Compute the call on its views' data. Scratch outputs may be absent, except LM_LOSS's logits, which the twin does not need either. */
void ref_run(const op_call *call);

/* The dropout mask's factor for one element: 0, or 1 / keep. Same generator as shaders/common/philox.glsl. */
double ref_dropout(const void *scalars, uint32_t stream, uint32_t row, uint32_t col, float p);

#endif
