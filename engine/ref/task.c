/* Hidden values at chosen positions, and the losses of labels and scores. */
#include <math.h>

#include "ref/ref_internal.h"

void ref_gather(const op_call *call)
{
    const double *x = call->in[0].data;      /* (N,C) */
    const int32_t *index = call->in[1].data; /* (R*group,1) */
    double *y = call->out[0].data;           /* (R,C) */
    size_t c_count = call->out[0].cols, group = call->attr.group;
    for (size_t r = 0; r < call->out[0].rows; r++)
        for (size_t c = 0; c < c_count; c++) {
            double sum = 0;
            for (size_t j = 0; j < group; j++) {
                int32_t from = index[r * group + j];
                if (from >= 0) sum += x[(size_t)from * c_count + c];
            }
            y[r * c_count + c] = sum;
        }
}

void ref_gather_bwd(const op_call *call)
{
    const double *dy = call->in[0].data;     /* (R,C) */
    const int32_t *index = call->in[1].data; /* (R*group,1) */
    const double *add = call->in[2].data;    /* (N,C), or NULL */
    double *dx = call->out[0].data;          /* (N,C) */
    size_t c_count = call->in[0].cols, group = call->attr.group;
    for (size_t i = 0; i < ref_count(&call->out[0]); i++) dx[i] = add ? add[i] : 0.0;
    for (size_t i = 0; i < call->in[0].rows * group; i++) {
        if (index[i] < 0) continue;
        for (size_t c = 0; c < c_count; c++) dx[(size_t)index[i] * c_count + c] += dy[i / group * c_count + c];
    }
}

/* The number of classes of example r, and the log of the sum of exp of their logits. */
static double log_sum_exp(const double *logits, size_t classes)
{
    double max = -INFINITY, sum = 0;
    for (size_t k = 0; k < classes; k++) max = fmax(max, logits[k]);
    for (size_t k = 0; k < classes; k++) sum += exp(logits[k] - max);
    return max + log(sum);
}

void ref_label_loss(const op_call *call)
{
    const double *logits = call->in[0].data;  /* (R,K) */
    const int32_t *labels = call->in[1].data; /* (R,2) */
    double *result = call->out[0].data;       /* (1,4) */
    size_t rows = call->in[1].rows, k_count = ref_count(&call->in[0]) / rows;
    double total = 0, counted = 0, hits = 0;
    for (size_t r = 0; r < rows; r++) {
        const double *row = logits + r * k_count;
        int32_t label = labels[2 * r];
        if (label < 0) continue;
        size_t classes = (size_t)labels[2 * r + 1], best = 0;
        for (size_t k = 1; k < classes; k++)
            if (row[k] > row[best]) best = k;
        total += log_sum_exp(row, classes) - row[label];
        counted += 1;
        hits += best == (size_t)label;
    }
    result[0] = counted > 0 ? total / counted : 0.0;
    result[1] = total;
    result[2] = counted;
    result[3] = hits;
}

void ref_label_loss_bwd(const op_call *call)
{
    const double *logits = call->in[0].data;  /* (R,K) */
    const int32_t *labels = call->in[1].data; /* (R,2) */
    const double *result = call->in[2].data;  /* (1,4) */
    const step_scalars *scalars = call->in[3].data;
    double *dlogits = call->out[0].data; /* (R,K) */
    size_t rows = call->in[1].rows, k_count = ref_count(&call->in[0]) / rows;
    double scale = (double)call->attr.scale * (double)scalars->grad_scale / result[2];
    for (size_t r = 0; r < rows; r++) {
        int32_t label = labels[2 * r];
        size_t classes = label < 0 ? 0 : (size_t)labels[2 * r + 1];
        double lse = log_sum_exp(logits + r * k_count, classes);
        for (size_t k = 0; k < k_count; k++)
            dlogits[r * k_count + k] =
                k < classes ? (exp(logits[r * k_count + k] - lse) - (k == (size_t)label ? 1.0 : 0.0)) * scale : 0.0;
    }
}

void ref_score_loss(const op_call *call)
{
    const double *y = call->in[0].data;      /* (R,1) */
    const double *scores = call->in[1].data; /* (R,2) */
    double *result = call->out[0].data;      /* (1,4) */
    double total = 0, counted = 0;
    for (size_t r = 0; r < call->in[1].rows; r++) {
        double d = y[r] - scores[2 * r];
        total += d * d * scores[2 * r + 1];
        counted += scores[2 * r + 1];
    }
    result[0] = counted > 0 ? total / counted : 0.0;
    result[1] = total;
    result[2] = counted;
    result[3] = 0;
}

void ref_score_loss_bwd(const op_call *call)
{
    const double *y = call->in[0].data;      /* (R,1) */
    const double *scores = call->in[1].data; /* (R,2) */
    const double *result = call->in[2].data; /* (1,4) */
    const step_scalars *scalars = call->in[3].data;
    double *dy = call->out[0].data; /* (R,1) */
    double scale = (double)call->attr.scale * (double)scalars->grad_scale / result[2];
    for (size_t r = 0; r < call->in[1].rows; r++)
        dy[r] = scores[2 * r + 1] > 0 ? 2 * (y[r] - scores[2 * r]) * scores[2 * r + 1] * scale : 0.0;
}
