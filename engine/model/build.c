/* The GPT graph: GPT-1 (Radford et al., 2018; LayerNorm after each sum) and GPT-2 (Radford et al., 2019; before each branch). */
#include "model/gpt.h"

typedef struct builder {
    graph *g;
    const pm_gpt_config *config;
    const gpt_shape *shape;
    tensor_id scalars;
    uint32_t block;
} builder;

static tensor_id parameter(builder *b, uint32_t index, uint32_t rows, uint32_t cols)
{
    return graph_tensor(b->g, TENSOR_PARAMETER, rows, cols, index);
}

/* A parameter of the present block. */
static tensor_id own(builder *b, uint32_t which, uint32_t rows, uint32_t cols)
{
    return parameter(b, gpt_block_param(b->block, which), rows, cols);
}

static tensor_id tail(builder *b, gpt_tail which, uint32_t rows, uint32_t cols)
{
    return parameter(b, gpt_tail_param(b->config, which), rows, cols);
}

static tensor_id norm(builder *b, tensor_id x, uint32_t gain)
{
    uint32_t C = b->config->embd;
    return graph_layernorm(b->g, x, own(b, gain, 1, C), own(b, gain + 1, 1, C), b->config->eps);
}

static tensor_id linear(builder *b, tensor_id x, uint32_t weight, uint32_t in, uint32_t out)
{
    return graph_matmul(b->g, x, own(b, weight, in, out), own(b, weight + 1, 1, out), false, false);
}

/* (N,C) -> (N,C), or 0 where only the caches were wanted and this was the last. */
static tensor_id attention_branch(builder *b, tensor_id x)
{
    const pm_gpt_config *c = b->config;
    const gpt_shape *s = b->shape;
    tensor_id qkv = linear(b, x, BLOCK_QKV_WEIGHT, c->embd, 3 * c->embd), cache = 0;
    if (s->mode != GPT_LOSS) {
        cache = graph_tensor(b->g, TENSOR_INPUT, c->ctx, 2 * c->embd, INPUT_CACHES + b->block);
        graph_kv_append(b->g, qkv, cache, b->scalars);
        if (s->mode == GPT_PREFILL && b->block + 1 == c->layers) return 0;
    }
    tensor_id y = graph_attention(b->g, qkv, cache, b->scalars, c->heads, s->time, s->dropout_attn);
    y = linear(b, y, BLOCK_PROJ_WEIGHT, c->embd, c->embd);
    return graph_dropout(b->g, y, b->scalars, s->dropout_resid);
}

static tensor_id mlp_branch(builder *b, tensor_id x)
{
    const pm_gpt_config *c = b->config;
    tensor_id h = graph_gelu(b->g, linear(b, x, BLOCK_FC_WEIGHT, c->embd, c->inner));
    tensor_id y = linear(b, h, BLOCK_OUT_WEIGHT, c->inner, c->embd);
    return graph_dropout(b->g, y, b->scalars, b->shape->dropout_resid);
}

static tensor_id block(builder *b, tensor_id x)
{
    bool before = b->config->arch == PM_ARCH_GPT2;
    tensor_id y = attention_branch(b, before ? norm(b, x, BLOCK_LN1_GAIN) : x);
    if (!y) return 0;
    x = graph_add(b->g, x, y);
    if (!before) x = norm(b, x, BLOCK_LN1_GAIN);
    x = graph_add(b->g, x, mlp_branch(b, before ? norm(b, x, BLOCK_LN2_GAIN) : x));
    return before ? x : norm(b, x, BLOCK_LN2_GAIN);
}

void gpt_build(graph *g, const pm_gpt_config *c, const gpt_shape *s, char (*labels)[16], tensor_id *scalars)
{
    uint32_t N = s->batch * s->time;
    builder b = {.g = g, .config = c, .shape = s};
    b.scalars = *scalars = graph_tensor(g, TENSOR_INPUT, 1, 8, INPUT_SCALARS);
    tensor_id tokens = graph_tensor(g, TENSOR_INPUT, N, 1, INPUT_TOKENS);
    tensor_id table = parameter(&b, PARAM_TOKENS, c->vocab, c->embd);

    g->label = "embed";
    tensor_id x = graph_embed(g, tokens, table, parameter(&b, PARAM_POSITIONS, c->ctx, c->embd), b.scalars, s->time);
    x = graph_dropout(g, x, b.scalars, s->dropout_embd);
    for (b.block = 0; b.block < c->layers && x; b.block++) {
        g->label = labels ? labels[b.block] : "h";
        x = block(&b, x);
    }
    if (!x) return;
    g->label = "head";
    if (gpt_has(c, TAIL_NORM_GAIN))
        x = graph_layernorm(g, x, tail(&b, TAIL_NORM_GAIN, 1, c->embd), tail(&b, TAIL_NORM_BIAS, 1, c->embd), c->eps);
    tensor_id head = gpt_has(c, TAIL_HEAD) ? tail(&b, TAIL_HEAD, c->vocab, c->embd) : table;
    if (s->mode == GPT_LOGITS) {
        tensor_id logits = graph_tensor(g, TENSOR_INPUT, N, c->vocab, INPUT_LOGITS);
        graph_node(g, (node){.op = OP_MATMUL, .attr.trans_b = true, .in = {x, head}, .out = {logits}});
    } else {
        tensor_id targets = graph_tensor(g, TENSOR_INPUT, N, 1, INPUT_TARGETS);
        graph_lm_loss(g, x, head, targets, 0, graph_tensor(g, TENSOR_INPUT, 1, 4, INPUT_RESULT), 1);
    }
}
