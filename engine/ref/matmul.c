/* Matrix product with its optional epilogue. */
#include <stdlib.h>

#include "ref/ref_internal.h"

/* The epilogue of one element, before it is stored. */
static double epilogue(const op_call *call, uint32_t i, uint32_t j, double v)
{
    size_t at = (size_t)i * call->out[0].cols + j;
    const op_view *in = call->in;
    if (in[MATMUL_GELU_PRE].rows) return v * ref_gelu_slope(((const double *)in[MATMUL_GELU_PRE].data)[at]);
    if (in[MATMUL_BIAS].rows) v += ((const double *)in[MATMUL_BIAS].data)[j];
    if (call->out[1].rows) ((double *)call->out[1].data)[at] = v;
    if (call->attr.gelu) v = ref_gelu_value(v);
    if (call->attr.dropout > 0) {
        const void *scalars = in[MATMUL_SCALARS].data;
        v *= ref_dropout_factor(scalars, call->attr.stream, ref_mask_row(scalars, call->out[0].rows, i), j,
                                call->attr.dropout);
    }
    if (in[MATMUL_RESIDUAL].rows) v += ((const double *)in[MATMUL_RESIDUAL].data)[at];
    return v;
}

static void product(const op_call *call)
{
    const op_view *va = &call->in[MATMUL_A], *vb = &call->in[MATMUL_B];
    const double *a = va->data, *b = vb->data;
    double *y = call->out[0].data; /* (M,N) */
    uint32_t m = call->out[0].rows, n = call->out[0].cols, k_count = call->attr.trans_a ? va->rows : va->cols;
    /* elements between neighbours along K */
    size_t a_step = call->attr.trans_a ? va->cols : 1, b_step = call->attr.trans_b ? 1 : vb->cols;
    ref_begin(call, &call->out[0]);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            const double *a_row = a + (call->attr.trans_a ? i : (size_t)i * va->cols);
            const double *b_col = b + (call->attr.trans_b ? (size_t)j * vb->cols : j);
            double sum = 0;
            for (size_t k = 0; k < k_count; k++) sum += a_row[k * a_step] * b_col[k * b_step];
            y[(size_t)i * n + j] += epilogue(call, i, j, sum);
        }
}

void ref_matmul(const op_call *call)
{
    op_view a = call->in[MATMUL_A];
    if (!call->in[MATMUL_GAIN].rows) {
        product(call);
        return;
    }
    op_call normalised = *call;
    op_view y = a, stats = {.rows = a.rows, .cols = 2};
    const bool rms = !call->in[MATMUL_SHIFT].rows;
    normalised.in[MATMUL_A].data = y.data = malloc(ref_count(&a) * sizeof(double));
    stats.data = malloc(ref_count(&stats) * sizeof(double));
    if (y.data && stats.data) {
        ref_run(&(op_call){.op = rms ? OP_RMSNORM : OP_LAYERNORM,
                           .attr = {.eps = call->attr.eps, .plus = call->attr.plus},
                           .in = {a, call->in[MATMUL_GAIN], call->in[MATMUL_SHIFT]},
                           .out = {y, stats}});
        product(&normalised);
    }
    free(y.data);
    free(stats.data);
}
