/* The families of the CPU twin, and what they share. Only this folder sees it. */
#ifndef REF_REF_INTERNAL_H
#define REF_REF_INTERNAL_H

#include "push.h"
#include "ref/ref.h"

void ref_embed(const op_call *call);
void ref_embed_bwd_token(const op_call *call);
void ref_embed_bwd_position(const op_call *call);
void ref_layernorm(const op_call *call);
void ref_layernorm_bwd(const op_call *call);
void ref_layernorm_bwd_params(const op_call *call);
void ref_matmul(const op_call *call);
void ref_colsum(const op_call *call);
void ref_gelu(const op_call *call);
void ref_gelu_bwd(const op_call *call);
void ref_add(const op_call *call);
void ref_cast(const op_call *call);
void ref_dropout_op(const op_call *call);
void ref_attention(const op_call *call);
void ref_attention_bwd(const op_call *call);
void ref_kv_append(const op_call *call);
void ref_lm_loss(const op_call *call);
void ref_lm_loss_bwd(const op_call *call);
void ref_gather(const op_call *call);
void ref_gather_bwd(const op_call *call);
void ref_label_loss(const op_call *call);
void ref_label_loss_bwd(const op_call *call);
void ref_score_loss(const op_call *call);
void ref_score_loss_bwd(const op_call *call);
void ref_sumsq(const op_call *call);
void ref_clip(const op_call *call);
void ref_adamw(const op_call *call);

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
