/* Softmax cross-entropy over the vocabulary. Logits are computed where they are needed, never stored. */
#include <math.h>

#include "ref/ref_internal.h"

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

void ref_lm_loss(const op_call *call)
{
    const double *h = call->in[0].data;                     /* (N,C) */
    const double *table = call->in[1].data;                 /* (V,C) */
    const int32_t *targets = call->in[2].data;              /* (N,1) */
    const double *weights = call->in[LM_LOSS_WEIGHTS].data; /* (N,1), or NULL */
    double *rows = call->out[0].data;                       /* (N,4) */
    double *result = call->out[1].data;                     /* (1,4) */
    size_t c_count = call->in[0].cols, v_count = call->in[1].rows;
    double total = 0, counted = 0;
    for (size_t n = 0; n < call->in[0].rows; n++) {
        double max = -INFINITY, sum = 0, target_logit = 0; /* sum of exp(logit - max) so far */
        for (size_t v = 0; v < v_count; v++) {
            double logit = dot(h + n * c_count, table + v * c_count, c_count);
            if (targets[n] >= 0 && v == (size_t)targets[n]) target_logit = logit;
            if (logit > max) {
                sum *= exp(max - logit);
                max = logit;
            }
            sum += exp(logit - max);
        }
        double lse = max + log(sum);
        rows[n * 4] = lse;
        rows[n * 4 + 1] = target_logit;
        rows[n * 4 + 2] = max;
        rows[n * 4 + 3] = sum;
        if (targets[n] < 0) continue;
        double weight = weights ? weights[n] : 1.0;
        total += weight * (lse - target_logit);
        counted += weight;
    }
    result[0] = counted > 0 ? total / counted : 0.0;
    result[1] = total;
    result[2] = counted;
    result[3] = 0;
}

void ref_lm_loss_bwd(const op_call *call)
{
    const double *h = call->in[0].data;        /* (N,C) */
    const double *table = call->in[1].data;    /* (V,C) */
    const int32_t *targets = call->in[2].data; /* (N,1) */
    const double *rows = call->in[3].data;     /* (N,4) */
    const double *result = call->in[4].data;   /* (1,4) */
    const step_scalars *scalars = call->in[6].data;
    const double *weights = call->in[LM_LOSS_BWD_WEIGHTS].data; /* (N,1), or NULL */
    double *dh = call->out[0].data;                             /* (N,C) */
    double *dtable = call->out[1].data;                         /* (V,C) */
    size_t c_count = call->in[0].cols, v_count = call->in[1].rows;
    for (size_t i = 0; i < ref_count(&call->out[0]); i++) dh[i] = 0;
    ref_begin(call, &call->out[1]);
    for (size_t n = 0; n < call->in[0].rows; n++) {
        if (targets[n] < 0) continue;
        double weight =
            (weights ? weights[n] : 1.0) * (double)call->attr.scale * (double)scalars->grad_scale / result[2];
        for (size_t v = 0; v < v_count; v++) {
            double logit = dot(h + n * c_count, table + v * c_count, c_count);
            double d = (exp(logit - rows[n * 4]) - (v == (size_t)targets[n] ? 1.0 : 0.0)) * weight;
            for (size_t c = 0; c < c_count; c++) {
                dh[n * c_count + c] += d * table[v * c_count + c];
                dtable[v * c_count + c] += d * h[n * c_count + c];
            }
        }
    }
}
