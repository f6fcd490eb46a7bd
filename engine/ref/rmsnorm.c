/* RMS norms: forward, gradient of the input, gradient of the gain; of rows, and of the heads of q and k. */
#include <math.h>
#include <string.h>

#include "ref/ref_internal.h"

/* One norm's share of a row: the gain that is added to, and eps. */
typedef struct norm {
    size_t count;
    const double *gain;
    double plus, eps;
} norm;

/* Returns rstd. */
static double forward(norm n, const double *x, double *y)
{
    double square = 0;
    for (size_t i = 0; i < n.count; i++) square += x[i] * x[i];
    double rstd = 1.0 / sqrt(square / (double)n.count + n.eps);
    for (size_t i = 0; i < n.count; i++) y[i] = x[i] * rstd * (n.plus + n.gain[i]);
    return rstd;
}

/* With xhat = x * rstd and g = dy * (plus + gain): dx = rstd * (g - xhat * mean(g * xhat)). */
static void backward(norm n, const double *dy, const double *x, double rstd, double *dx)
{
    double mean = 0;
    for (size_t i = 0; i < n.count; i++) mean += dy[i] * (n.plus + n.gain[i]) * x[i] * rstd;
    mean /= (double)n.count;
    for (size_t i = 0; i < n.count; i++) dx[i] = rstd * (dy[i] * (n.plus + n.gain[i]) - x[i] * rstd * mean);
}

void ref_rmsnorm(const op_call *call)
{
    const double *x = call->in[RMSNORM_X].data;                                    /* (N,C) */
    double *y = call->out[RMSNORM_Y].data, *stats = call->out[RMSNORM_STATS].data; /* (N,C) (N,1) */
    const norm n = {call->in[RMSNORM_X].cols, call->in[RMSNORM_GAIN].data, (double)call->attr.plus,
                    (double)call->attr.eps};
    for (size_t row = 0; row < call->in[RMSNORM_X].rows; row++)
        stats[row] = forward(n, x + row * n.count, y + row * n.count);
}

void ref_rmsnorm_bwd(const op_call *call)
{
    const op_view add = call->in[RMSNORM_BWD_ADD];
    const double *dy = call->in[RMSNORM_BWD_DY].data, *x = call->in[RMSNORM_BWD_X].data; /* (N,C) */
    const double *stats = call->in[RMSNORM_BWD_STATS].data;                              /* (N,1) */
    double *dx = call->out[RMSNORM_BWD_DX].data;                                         /* (N,C) */
    const norm n = {call->in[RMSNORM_BWD_X].cols, call->in[RMSNORM_BWD_GAIN].data, (double)call->attr.plus, 0};
    for (size_t row = 0; row < call->in[RMSNORM_BWD_X].rows; row++)
        backward(n, dy + row * n.count, x + row * n.count, stats[row], dx + row * n.count);
    for (size_t i = 0; i < ref_count(&add); i++) dx[i] += ((const double *)add.data)[i];
}

void ref_rmsnorm_bwd_params(const op_call *call)
{
    const double *dy = call->in[RMSNORM_BWD_PARAMS_DY].data, *x = call->in[RMSNORM_BWD_PARAMS_X].data; /* (N,C) */
    const double *stats = call->in[RMSNORM_BWD_PARAMS_STATS].data;                                     /* (N,1) */
    double *dgain = call->out[RMSNORM_BWD_PARAMS_DGAIN].data;                                          /* (1,C) */
    const size_t c_count = call->in[RMSNORM_BWD_PARAMS_X].cols;
    ref_begin(call, &call->out[RMSNORM_BWD_PARAMS_DGAIN]);
    for (size_t row = 0; row < call->in[RMSNORM_BWD_PARAMS_X].rows; row++)
        for (size_t c = 0; c < c_count; c++) dgain[c] += dy[row * c_count + c] * x[row * c_count + c] * stats[row];
}

/* ---- heads ---------------------------------------------------------------------------------------------------------- */

/* A call's heads: H of q, K of k, K of v, D columns each. */
typedef struct heads {
    size_t all, normed, of_q, size;
} heads;

static heads heads_of(const op_call *call)
{
    const op_attr *a = &call->attr;
    return (heads){a->heads + 2 * (size_t)a->kv_heads, a->heads + (size_t)a->kv_heads, a->heads, a->head};
}

void ref_head_norm(const op_call *call)
{
    const double *qkv = call->in[HEAD_NORM_QKV].data;                                  /* (N,W) */
    double *y = call->out[HEAD_NORM_Y].data, *stats = call->out[HEAD_NORM_STATS].data; /* (N,W) (N,H+K) */
    const heads h = heads_of(call);
    norm n = {h.size, NULL, (double)call->attr.plus, (double)call->attr.eps};
    for (size_t row = 0; row < call->in[HEAD_NORM_QKV].rows; row++)
        for (size_t i = 0; i < h.all; i++) {
            const size_t at = (row * h.all + i) * h.size;
            n.gain = call->in[i < h.of_q ? HEAD_NORM_Q_GAIN : HEAD_NORM_K_GAIN].data;
            if (i < h.normed)
                stats[row * h.normed + i] = forward(n, qkv + at, y + at);
            else
                memcpy(y + at, qkv + at, h.size * sizeof *y);
        }
}

void ref_head_norm_bwd(const op_call *call)
{
    const double *dy = call->in[HEAD_NORM_BWD_DY].data, *qkv = call->in[HEAD_NORM_BWD_QKV].data; /* (N,W) */
    const double *stats = call->in[HEAD_NORM_BWD_STATS].data;                                    /* (N,H+K) */
    double *dqkv = call->out[HEAD_NORM_BWD_DQKV].data;                                           /* (N,W) */
    const heads h = heads_of(call);
    norm n = {h.size, NULL, (double)call->attr.plus, 0};
    for (size_t row = 0; row < call->in[HEAD_NORM_BWD_QKV].rows; row++)
        for (size_t i = 0; i < h.all; i++) {
            const size_t at = (row * h.all + i) * h.size;
            n.gain = call->in[i < h.of_q ? HEAD_NORM_BWD_Q_GAIN : HEAD_NORM_BWD_K_GAIN].data;
            if (i < h.normed)
                backward(n, dy + at, qkv + at, stats[row * h.normed + i], dqkv + at);
            else
                memcpy(dqkv + at, dy + at, h.size * sizeof *dqkv);
        }
}

void ref_head_norm_bwd_params(const op_call *call)
{
    const double *dy = call->in[HEAD_NORM_BWD_PARAMS_DY].data,
                 *qkv = call->in[HEAD_NORM_BWD_PARAMS_QKV].data;     /* (N,W) */
    const double *stats = call->in[HEAD_NORM_BWD_PARAMS_STATS].data; /* (N,H+K) */
    const heads h = heads_of(call);
    ref_begin(call, &call->out[HEAD_NORM_BWD_PARAMS_DQ_GAIN]);
    ref_begin(call, &call->out[HEAD_NORM_BWD_PARAMS_DK_GAIN]);
    for (size_t row = 0; row < call->in[HEAD_NORM_BWD_PARAMS_QKV].rows; row++)
        for (size_t i = 0; i < h.normed; i++) {
            const size_t at = (row * h.all + i) * h.size;
            double *dgain = call->out[i < h.of_q ? HEAD_NORM_BWD_PARAMS_DQ_GAIN : HEAD_NORM_BWD_PARAMS_DK_GAIN].data;
            for (size_t d = 0; d < h.size; d++) dgain[d] += dy[at + d] * qkv[at + d] * stats[row * h.normed + i];
        }
}
