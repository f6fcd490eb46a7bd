/* Sums over rows, sums of squares, the factor that clips a gradient's norm. */
#include <math.h>

#include "ref/ref_internal.h"

void ref_colsum(const op_call *call)
{
    const double *x = call->in[0].data; /* (N,C) */
    double *y = call->out[0].data;      /* (1,C) */
    size_t c_count = call->in[0].cols;
    ref_begin(call, &call->out[0]);
    for (size_t n = 0; n < call->in[0].rows; n++)
        for (size_t c = 0; c < c_count; c++) y[c] += x[n * c_count + c];
}

/* Only the total of the parts has a meaning: the first part gets it. */
void ref_sumsq(const op_call *call)
{
    const double *x = call->in[0].data;
    double *parts = (double *)call->out[0].data + call->attr.part;
    double sum = 0;
    for (size_t i = 0; i < ref_count(&call->in[0]); i++) sum += x[i] * x[i];
    parts[0] = sum;
    for (int i = 1; i < SUMSQ_PARTS; i++) parts[i] = 0;
}

void ref_clip(const op_call *call)
{
    const double *parts = call->in[0].data; /* (1,n) */
    const step_scalars *scalars = call->in[1].data;
    double *norm = call->out[0].data; /* (1,2) */
    double sum = 0, clip = (double)call->attr.clip;
    for (size_t i = 0; i < ref_count(&call->in[0]); i++) sum += parts[i];
    norm[0] = sqrt(sum) * scalars->unscale;
    norm[1] = !isfinite(norm[0]) ? 0 : scalars->unscale * (clip > 0 ? fmin(1.0, clip / (norm[0] + 1e-6)) : 1.0);
}
