/* The CPU twin of every operation: plain loops that accumulate in double. Tests compare the GPU with it. */
#ifndef REF_REF_H
#define REF_REF_H

#include "ops/op.h"

/* Computes the call on its views' data. Scratch outputs may be absent. */
void ref_run(const op_call *call);

/* The dropout mask's factor for one element: 0, or 1 / keep. The generator is that of shaders/common/philox.glsl. */
double ref_dropout_factor(const void *scalars, uint32_t stream, uint32_t row, uint32_t col, float p);

/* A row of a micro batch as a row of the whole step, by which masks are drawn; `rows`: the mask rows of a micro batch. */
uint32_t ref_mask_row(const void *scalars, uint32_t rows, uint32_t row);

#endif
