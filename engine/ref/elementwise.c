/* GELU, its gradient, sum of two tensors, dropout. */
#include <math.h>
#include <string.h>

#include "ref/ref_internal.h"

static const double root_2_over_pi = 0.79788456080286535588;

double ref_gelu_value(double x)
{
    double u = root_2_over_pi * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1.0 + tanh(u));
}

double ref_gelu_slope(double x)
{
    double t = tanh(root_2_over_pi * (x + 0.044715 * x * x * x));
    double du = root_2_over_pi * (1.0 + 3.0 * 0.044715 * x * x);
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * du;
}

void ref_gelu(const op_call *call)
{
    const double *x = call->in[0].data;
    double *y = call->out[0].data;
    for (size_t i = 0; i < ref_count(&call->out[0]); i++) y[i] = ref_gelu_value(x[i]);
}

void ref_gelu_bwd(const op_call *call)
{
    const double *dy = call->in[0].data, *x = call->in[1].data;
    double *dx = call->out[0].data;
    for (size_t i = 0; i < ref_count(&call->out[0]); i++) dx[i] = dy[i] * ref_gelu_slope(x[i]);
}

void ref_add(const op_call *call)
{
    const double *a = call->in[0].data, *b = call->in[1].data;
    double *y = call->out[0].data;
    for (size_t i = 0; i < ref_count(&call->out[0]); i++) y[i] = a[i] + b[i];
}

void ref_cast(const op_call *call)
{
    memcpy(call->out[0].data, call->in[0].data, ref_count(&call->out[0]) * sizeof(double));
}

void ref_dropout(const op_call *call)
{
    const double *x = call->in[0].data;
    const void *scalars = call->in[1].data;
    double *y = call->out[0].data;
    uint32_t cols = call->out[0].cols;
    for (uint32_t row = 0; row < call->out[0].rows; row++)
        for (uint32_t col = 0; col < cols; col++) {
            size_t at = (size_t)row * cols + col;
            y[at] = x[at] * ref_dropout_factor(scalars, call->attr.stream,
                                               ref_mask_row(scalars, call->out[0].rows, row), col, call->attr.dropout);
        }
}
