/* Token embeddings, with positions or without, and the gradients of both tables. */
#include "ref/ref_internal.h"

static double scale_of(const op_call *call)
{
    return call->attr.scale == 0 ? 1.0 : (double)call->attr.scale;
}

void ref_embed(const op_call *call)
{
    const int32_t *tokens = call->in[0].data;        /* (N,1) */
    const double *token_table = call->in[1].data;    /* (V,C) */
    const double *position_table = call->in[2].data; /* (P,C), or absent */
    const step_scalars *scalars = call->in[3].data;
    double *y = call->out[0].data; /* (N,C) */
    size_t c_count = call->out[0].cols;
    for (size_t n = 0; n < call->out[0].rows; n++) {
        size_t token = (size_t)tokens[n], position = scalars->pos + n % call->attr.time;
        for (size_t c = 0; c < c_count; c++)
            y[n * c_count + c] = scale_of(call) * token_table[token * c_count + c] +
                                 (call->in[2].rows ? position_table[position * c_count + c] : 0.0);
    }
}

void ref_embed_bwd_token(const op_call *call)
{
    const double *dy = call->in[0].data;      /* (N,C) */
    const int32_t *tokens = call->in[1].data; /* (N,1) */
    double *dtable = call->out[0].data;       /* (V,C) */
    size_t c_count = call->in[0].cols;
    ref_begin(call, &call->out[0]);
    for (size_t n = 0; n < call->in[0].rows; n++)
        for (size_t c = 0; c < c_count; c++)
            dtable[(size_t)tokens[n] * c_count + c] += scale_of(call) * dy[n * c_count + c];
}

void ref_embed_bwd_position(const op_call *call)
{
    const double *dy = call->in[0].data; /* (N,C) */
    double *dtable = call->out[0].data;  /* (P,C); rows from T on get no gradient */
    size_t c_count = call->in[0].cols;
    ref_begin(call, &call->out[0]);
    for (size_t n = 0; n < call->in[0].rows; n++)
        for (size_t c = 0; c < c_count; c++) dtable[n % call->attr.time * c_count + c] += dy[n * c_count + c];
}
