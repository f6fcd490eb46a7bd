/* Gated activations and their gradients. */
#include <math.h>

#include "ref/ref_internal.h"

static double silu_value(double x)
{
    return x / (1.0 + exp(-x));
}

static double silu_slope(double x)
{
    const double s = 1.0 / (1.0 + exp(-x));
    return s * (1.0 + x * (1.0 - s));
}

/* y = value(gate) * up */
static void forward(const op_call *call, double (*value)(double))
{
    const double *x = call->in[0].data; /* (N,2I) */
    double *y = call->out[0].data;      /* (N,I) */
    const size_t inner = call->out[0].cols;
    for (size_t n = 0; n < call->out[0].rows; n++)
        for (size_t i = 0; i < inner; i++) {
            const double *gate = x + 2 * n * inner + i;
            y[n * inner + i] = value(gate[0]) * gate[inner];
        }
}

static void backward(const op_call *call, double (*value)(double), double (*slope)(double))
{
    const double *dy = call->in[0].data, *x = call->in[1].data; /* (N,I) (N,2I) */
    double *dx = call->out[0].data;                             /* (N,2I) */
    const size_t inner = call->in[0].cols;
    for (size_t n = 0; n < call->in[0].rows; n++)
        for (size_t i = 0; i < inner; i++) {
            const size_t at = 2 * n * inner + i;
            dx[at] = dy[n * inner + i] * x[at + inner] * slope(x[at]);
            dx[at + inner] = dy[n * inner + i] * value(x[at]);
        }
}

void ref_silu_gate(const op_call *call)
{
    forward(call, silu_value);
}

void ref_silu_gate_bwd(const op_call *call)
{
    backward(call, silu_value, silu_slope);
}

void ref_gelu_gate(const op_call *call)
{
    forward(call, ref_gelu_value);
}

void ref_gelu_gate_bwd(const op_call *call)
{
    backward(call, ref_gelu_value, ref_gelu_slope);
}
