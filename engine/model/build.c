/* A model's graph, from its description. */
#include "model/gpt.h"

#include <math.h>

#include "push.h"

typedef struct builder {
    graph *g;
    const pm_gpt_config *config;
    const gpt_shape *shape;
    const dtype_id *types; /* of parameters; NULL: all fp32 */
    tensor_id scalars;
    uint32_t block;
} builder;

/* A parameter of the present block or of none; 0 where the model has none such. */
static tensor_id parameter(builder *b, param_role r)
{
    uint32_t rows, cols;
    if (r == ROLE_COUNT || !arch_has(b->config, r)) return 0;
    arch_shape(b->config, r, &rows, &cols);
    const uint32_t index = arch_param(b->config, r, b->block);
    const tensor_id id = graph_tensor(b->g, TENSOR_PARAMETER, rows, cols, index);
    if (id && b->types) b->g->tensors[id].type = b->types[index];
    return id;
}

/* A norm of the family's kind; x itself where the model has no such gain. */
static tensor_id norm(builder *b, tensor_id x, param_role gain, param_role bias)
{
    const pm_gpt_config *c = b->config;
    const norm_kind kind = arch_of(c)->norm;
    const tensor_id w = parameter(b, gain), shift = kind == NORM_LAYER ? parameter(b, bias) : 0;
    if (!w) return x;
    if (kind == NORM_LAYER) return graph_layernorm(b->g, x, w, shift, c->eps);
    return graph_rmsnorm(b->g, x, w, c->eps, kind == NORM_RMS_ONE);
}

static tensor_id norm1(builder *b, tensor_id x)
{
    return norm(b, x, ROLE_NORM1_GAIN, ROLE_NORM1_BIAS);
}

static tensor_id norm2(builder *b, tensor_id x)
{
    return norm(b, x, ROLE_NORM2_GAIN, ROLE_NORM2_BIAS);
}

static tensor_id linear(builder *b, tensor_id x, param_role weight, param_role bias)
{
    const tensor_id w = parameter(b, weight), shift = parameter(b, bias);
    return graph_matmul(b->g, x, w, shift, false, arch_of(b->config)->out_in);
}

/* The heads of q and k, normed and turned, where the family does so. */
static tensor_id turned(builder *b, tensor_id qkv)
{
    const pm_gpt_config *c = b->config;
    const arch_info *family = arch_of(c);
    const op_attr attr = {.heads = c->heads,
                          .kv_heads = c->kv_heads,
                          .head = c->head,
                          .time = b->shape->time,
                          .rotary = c->rotary.columns,
                          .eps = c->eps,
                          .plus = family->norm == NORM_RMS_ONE};
    const tensor_id q_gain = parameter(b, ROLE_Q_NORM), k_gain = parameter(b, ROLE_K_NORM);
    if (q_gain) qkv = graph_head_norm(b->g, qkv, q_gain, k_gain, attr);
    if (!arch_rotary(family)) return qkv;
    const bool local = arch_windowed(c, b->block) && c->rotary.local_theta > 0;
    const tensor_id table =
        graph_tensor(b->g, TENSOR_CONSTANT, c->ctx, c->rotary.columns, local ? CONSTANT_ROTARY_LOCAL : CONSTANT_ROTARY);
    return graph_rope(b->g, qkv, table, b->scalars, attr);
}

/* (N,C) -> (N,C). In GPT_PREFILL the last block gives 0: only its cache is needed. */
static tensor_id attention_branch(builder *b, tensor_id x)
{
    const pm_gpt_config *c = b->config;
    const gpt_shape *s = b->shape;
    tensor_id qkv = turned(b, linear(b, x, ROLE_QKV_WEIGHT, ROLE_QKV_BIAS)), cache = 0;
    const op_attr attr = {.heads = c->heads,
                          .kv_heads = c->kv_heads,
                          .head = c->head,
                          .time = s->time,
                          .window = arch_windowed(c, b->block) ? c->window : 0,
                          .scale = c->query_scalar > 0 ? 1.0f / sqrtf(c->query_scalar) : 0,
                          .dropout = s->dropout_attn};
    if (s->mode == GPT_PREFILL || s->mode == GPT_LOGITS) {
        const uint32_t room = s->room ? s->room : c->ctx;
        cache = graph_tensor(b->g, TENSOR_INPUT, room, gpt_cache_columns(c), INPUT_CACHES + b->block);
        if (cache) b->g->tensors[cache].type = s->cache;
        graph_kv_append(b->g, qkv, cache, b->scalars, &attr);
        if (s->mode == GPT_PREFILL && b->block + 1 == c->layers) return 0;
    }
    tensor_id y = graph_attention(b->g, qkv, cache, b->scalars, &attr);
    y = linear(b, y, ROLE_PROJ_WEIGHT, ROLE_PROJ_BIAS);
    y = norm(b, y, ROLE_POST_NORM1_GAIN, ROLE_COUNT);
    return graph_dropout(b->g, y, b->scalars, s->dropout_resid);
}

static tensor_id mlp_branch(builder *b, tensor_id x)
{
    const mlp_kind kind = arch_of(b->config)->mlp;
    const tensor_id h = linear(b, x, ROLE_FC_WEIGHT, ROLE_FC_BIAS);
    tensor_id y = kind == MLP_GELU ? graph_gelu(b->g, h)
                                   : graph_gate(b->g, kind == MLP_SILU_GATE ? OP_SILU_GATE : OP_GELU_GATE, h);
    y = linear(b, y, ROLE_OUT_WEIGHT, ROLE_OUT_BIAS);
    y = norm(b, y, ROLE_POST_NORM2_GAIN, ROLE_COUNT);
    return graph_dropout(b->g, y, b->scalars, b->shape->dropout_resid);
}

static tensor_id block(builder *b, tensor_id x)
{
    const bool before = arch_of(b->config)->norm_before;
    tensor_id y = attention_branch(b, before ? norm1(b, x) : x);
    if (!y) return 0;
    x = graph_add(b->g, x, y);
    if (!before) x = norm1(b, x);
    x = graph_add(b->g, x, mlp_branch(b, before ? norm2(b, x) : x));
    return before ? x : norm2(b, x);
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
    b->g->label = "task";
    tensor_id extract = graph_tensor(b->g, TENSOR_INPUT, s->batch, 1, INPUT_EXTRACT);
    tensor_id h = graph_gather(b->g, x, extract, s->group);
    h = graph_dropout(b->g, h, b->scalars, s->dropout_head);
    tensor_id w = parameter(b, ROLE_SCORE);
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

void gpt_build(graph *g, const pm_gpt_config *c, const gpt_shape *s, const dtype_id *types, char (*labels)[16],
               tensor_id *scalars)
{
    uint32_t N = s->batch * s->time;
    builder b = {.g = g, .config = c, .shape = s, .types = types};
    g->type = s->type;
    g->recompute = s->recompute;
    b.scalars = *scalars = graph_tensor(g, TENSOR_INPUT, 1, sizeof(struct step_scalars) / 4, INPUT_SCALARS);
    tensor_id tokens = graph_tensor(g, TENSOR_INPUT, N, 1, INPUT_TOKENS);
    const tensor_id table = parameter(&b, ROLE_TOKENS), positions = parameter(&b, ROLE_POSITIONS);

    g->label = "embed";
    const float scale = arch_of(c)->scaled_table ? sqrtf((float)c->embd) : 0;
    tensor_id x = graph_embed(g, tokens, table, positions, b.scalars, s->time, scale);
    x = graph_dropout(g, x, b.scalars, s->dropout_embd);
    for (b.block = 0; b.block < c->layers && x; b.block++) {
        g->label = labels ? labels[b.block] : "h";
        g->segment = b.block + 1;
        x = block(&b, x);
    }
    g->segment = 0;
    if (!x) return;
    g->label = "head";
    x = norm(&b, x, ROLE_NORM_GAIN, ROLE_NORM_BIAS);
    const tensor_id head = arch_has(c, ROLE_HEAD) ? parameter(&b, ROLE_HEAD) : table;
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
