/* The GPT graph: GPT-1 (Radford et al., 2018; LayerNorm after each sum) and GPT-2 (Radford et al., 2019; before each branch). */
#include "model/gpt.h"

#include "push.h"

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

/* (N,C) -> (N,C). In GPT_PREFILL the last block gives 0: only its cache is needed. */
static tensor_id attention_branch(builder *b, tensor_id x)
{
    const pm_gpt_config *c = b->config;
    const gpt_shape *s = b->shape;
    tensor_id qkv = linear(b, x, BLOCK_QKV_WEIGHT, c->embd, 3 * c->embd), cache = 0;
    if (s->mode == GPT_PREFILL || s->mode == GPT_LOGITS) {
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

/* Mean negative log-likelihood of the targets, weighted in fine-tuning. */
static void language_loss(builder *b, tensor_id x, tensor_id head, float scale)
{
    uint32_t N = b->shape->batch * b->shape->time;
    bool weighted = b->shape->mode == GPT_FINETUNE;
    tensor_id targets = graph_tensor(b->g, TENSOR_INPUT, N, 1, INPUT_TARGETS);
    tensor_id weights = weighted ? graph_tensor(b->g, TENSOR_INPUT, N, 1, INPUT_WEIGHTS) : 0;
    graph_lm_loss(b->g, x, head, targets, weights, graph_tensor(b->g, TENSOR_INPUT, 1, 4, INPUT_RESULT), scale);
}

/* The head: hidden values at <e>, added over `group` sequences, times W^T. The result is y, or a new tensor where y is 0. */
static tensor_id outputs(builder *b, tensor_id x, tensor_id y)
{
    const gpt_shape *s = b->shape;
    const pm_gpt_config *c = b->config;
    b->g->label = "task";
    tensor_id extract = graph_tensor(b->g, TENSOR_INPUT, s->batch, 1, INPUT_EXTRACT);
    tensor_id h = graph_gather(b->g, x, extract, s->group);
    h = graph_dropout(b->g, h, b->scalars, s->dropout_head);
    tensor_id w = tail(b, TAIL_SCORE, c->outputs, c->embd);
    if (!y) return graph_matmul(b->g, h, w, 0, false, true);
    graph_node(b->g, (node){.op = OP_MATMUL, .attr.trans_b = true, .in = {h, w}, .out = {y}});
    return y;
}

static void task_loss(builder *b, tensor_id x)
{
    tensor_id y = outputs(b, x, 0);
    tensor_id answers = graph_tensor(b->g, TENSOR_INPUT, b->shape->examples, 2, INPUT_ANSWERS);
    tensor_id result = graph_tensor(b->g, TENSOR_INPUT, 1, 4, INPUT_TASK_RESULT);
    if (b->shape->scores)
        graph_score_loss(b->g, y, answers, result, 1);
    else
        graph_label_loss(b->g, y, answers, result, 1);
}

void gpt_build(graph *g, const pm_gpt_config *c, const gpt_shape *s, char (*labels)[16], tensor_id *scalars)
{
    uint32_t N = s->batch * s->time;
    builder b = {.g = g, .config = c, .shape = s};
    g->half = s->half;
    g->recompute = s->recompute;
    b.scalars = *scalars = graph_tensor(g, TENSOR_INPUT, 1, sizeof(struct step_scalars) / 4, INPUT_SCALARS);
    tensor_id tokens = graph_tensor(g, TENSOR_INPUT, N, 1, INPUT_TOKENS);
    tensor_id table = parameter(&b, PARAM_TOKENS, c->vocab, c->embd);

    g->label = "embed";
    tensor_id x = graph_embed(g, tokens, table, parameter(&b, PARAM_POSITIONS, c->ctx, c->embd), b.scalars, s->time);
    x = graph_dropout(g, x, b.scalars, s->dropout_embd);
    for (b.block = 0; b.block < c->layers && x; b.block++) {
        g->label = labels ? labels[b.block] : "h";
        g->segment = b.block + 1;
        x = block(&b, x);
    }
    g->segment = 0;
    if (!x) return;
    g->label = "head";
    if (gpt_has(c, TAIL_NORM_GAIN))
        x = graph_layernorm(g, x, tail(&b, TAIL_NORM_GAIN, 1, c->embd), tail(&b, TAIL_NORM_BIAS, 1, c->embd), c->eps);
    tensor_id head = gpt_has(c, TAIL_HEAD) ? tail(&b, TAIL_HEAD, c->vocab, c->embd) : table;
    switch (s->mode) {
    case GPT_LOGITS: {
        tensor_id logits = graph_tensor(g, TENSOR_INPUT, N, c->vocab, INPUT_LOGITS);
        graph_node(g, (node){.op = OP_MATMUL, .attr.trans_b = true, .in = {x, head}, .out = {logits}});
        break;
    }
    case GPT_FINETUNE:
        if (s->lambda > 0) language_loss(&b, x, head, s->lambda);
        task_loss(&b, x);
        break;
    case GPT_ANSWER:
        outputs(&b, x, graph_tensor(g, TENSOR_INPUT, s->batch / s->group, c->outputs, INPUT_OUTPUTS));
        break;
    default: language_loss(&b, x, head, 1); break;
    }
}
