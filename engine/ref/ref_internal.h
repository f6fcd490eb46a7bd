/* The families of the CPU twin, and what they share. Only this folder sees it. */
#ifndef REF_REF_INTERNAL_H
#define REF_REF_INTERNAL_H

#include "push.h"
#include "ref/ref.h"

#define OP(id, function, name, ins, outs, ...) void ref_##function(const op_call *call);
#define OP_FLAT OP
#include "ops/ops.def"

/* Elements of an operand. */
static inline size_t ref_count(const op_view *view)
{
    return (size_t)view->rows * view->cols;
}

/* Sets an output to zeros unless the call accumulates. */
void ref_begin(const op_call *call, const op_view *out);

double ref_gelu_value(double x);
double ref_gelu_slope(double x);

#endif
