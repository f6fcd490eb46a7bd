/* LayerNorm: forward, gradient of the input, gradients of gain and bias. */
#include <math.h>

#include "ref/ref_internal.h"

void ref_layernorm(const op_call *call)
{
    const double *x = call->in[0].data;    /* (N,C) */
    const double *gain = call->in[1].data; /* (1,C) */
    const double *bias = call->in[2].data; /* (1,C) */
    double *y = call->out[0].data;         /* (N,C) */
    double *stats = call->out[1].data;     /* (N,2) */
    size_t c_count = call->in[0].cols;
    for (size_t n = 0; n < call->in[0].rows; n++) {
        const double *row = x + n * c_count;
        double mean = 0, var = 0;
        for (size_t c = 0; c < c_count; c++) mean += row[c];
        mean /= (double)c_count;
        for (size_t c = 0; c < c_count; c++) var += (row[c] - mean) * (row[c] - mean);
        var /= (double)c_count;
        double rstd = 1.0 / sqrt(var + (double)call->attr.eps);
        for (size_t c = 0; c < c_count; c++) y[n * c_count + c] = (row[c] - mean) * rstd * gain[c] + bias[c];
        stats[n * 2] = mean;
        stats[n * 2 + 1] = rstd;
    }
}

/* With xhat = (x - mean) * rstd and g = dy * gain: dx = rstd * (g - mean(g) - xhat * mean(g * xhat)). */
void ref_layernorm_bwd(const op_call *call)
{
    const double *dy = call->in[0].data;                            /* (N,C) */
    const double *x = call->in[1].data;                             /* (N,C) */
    const double *stats = call->in[2].data;                         /* (N,2) */
    const double *gain = call->in[3].data;                          /* (1,C) */
    const double *add = call->in[4].rows ? call->in[4].data : NULL; /* (N,C) */
    double *dx = call->out[0].data;                                 /* (N,C) */
    size_t c_count = call->in[0].cols;
    for (size_t n = 0; n < call->in[0].rows; n++) {
        const double *dy_row = dy + n * c_count, *x_row = x + n * c_count;
        double mean = stats[n * 2], rstd = stats[n * 2 + 1];
        double g_mean = 0, gx_mean = 0;
        for (size_t c = 0; c < c_count; c++) {
            double g = dy_row[c] * gain[c];
            g_mean += g;
            gx_mean += g * (x_row[c] - mean) * rstd;
        }
        g_mean /= (double)c_count;
        gx_mean /= (double)c_count;
        for (size_t c = 0; c < c_count; c++) {
            double gradient = rstd * (dy_row[c] * gain[c] - g_mean - (x_row[c] - mean) * rstd * gx_mean);
            dx[n * c_count + c] = gradient + (add ? add[n * c_count + c] : 0.0);
        }
    }
}

void ref_layernorm_bwd_params(const op_call *call)
{
    const double *dy = call->in[0].data;    /* (N,C) */
    const double *x = call->in[1].data;     /* (N,C) */
    const double *stats = call->in[2].data; /* (N,2) */
    double *dgain = call->out[0].data;      /* (1,C) */
    double *dbias = call->out[1].data;      /* (1,C) */
    size_t c_count = call->in[0].cols;
    ref_begin(call, &call->out[0]);
    ref_begin(call, &call->out[1]);
    for (size_t n = 0; n < call->in[0].rows; n++)
        for (size_t c = 0; c < c_count; c++) {
            double xhat = (x[n * c_count + c] - stats[n * 2]) * stats[n * 2 + 1];
            dgain[c] += dy[n * c_count + c] * xhat;
            dbias[c] += dy[n * c_count + c];
        }
}
