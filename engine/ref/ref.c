/* Which function computes which operation, and what the families share. */
#include "ref/ref.h"

#include <assert.h>
#include <string.h>

#include "base/rng.h"
#include "ref/ref_internal.h"

static void (*const twins[OP_COUNT])(const op_call *call) = {
    [OP_EMBED] = ref_embed,
    [OP_EMBED_BWD_TOKEN] = ref_embed_bwd_token,
    [OP_EMBED_BWD_POSITION] = ref_embed_bwd_position,
    [OP_LAYERNORM] = ref_layernorm,
    [OP_LAYERNORM_BWD] = ref_layernorm_bwd,
    [OP_LAYERNORM_BWD_PARAMS] = ref_layernorm_bwd_params,
    [OP_MATMUL] = ref_matmul,
    [OP_COLSUM] = ref_colsum,
    [OP_GELU] = ref_gelu,
    [OP_GELU_BWD] = ref_gelu_bwd,
    [OP_ADD] = ref_add,
    [OP_CAST] = ref_cast,
    [OP_DROPOUT] = ref_dropout_op,
    [OP_ATTENTION] = ref_attention,
    [OP_ATTENTION_BWD] = ref_attention_bwd,
    [OP_KV_APPEND] = ref_kv_append,
    [OP_LM_LOSS] = ref_lm_loss,
    [OP_LM_LOSS_BWD] = ref_lm_loss_bwd,
    [OP_GATHER] = ref_gather,
    [OP_GATHER_BWD] = ref_gather_bwd,
    [OP_LABEL_LOSS] = ref_label_loss,
    [OP_LABEL_LOSS_BWD] = ref_label_loss_bwd,
    [OP_SCORE_LOSS] = ref_score_loss,
    [OP_SCORE_LOSS_BWD] = ref_score_loss_bwd,
    [OP_SUMSQ] = ref_sumsq,
    [OP_CLIP] = ref_clip,
    [OP_ADAMW] = ref_adamw,
};

void ref_run(const op_call *call)
{
    assert(call->op >= 0 && call->op < OP_COUNT);
    twins[call->op](call);
}

double ref_dropout(const void *scalars, uint32_t stream, uint32_t row, uint32_t col, float p)
{
    const step_scalars *s = scalars;
    uint64_t seed = ((uint64_t)s->seed_hi << 32) | s->seed_lo;
    float keep = 1.0f - p;
    rng_block block = rng_philox(seed, col / 4, row, stream, s->step);
    return rng_uniform(block.v[col % 4]) < keep ? 1.0 / keep : 0.0;
}

uint32_t ref_mask_row(const void *scalars, uint32_t rows, uint32_t row)
{
    return ((const step_scalars *)scalars)->micro * rows + row;
}

void ref_begin(const op_call *call, const op_view *out)
{
    if (!call->attr.accumulate) memset(out->data, 0, ref_count(out) * sizeof(double));
}
