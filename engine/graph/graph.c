#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

pm_status graph_init(graph *g, const pm_log *log, const pm_caps *caps)
{
    *g = (graph){.log = log, .caps = caps, .label = "", .direction = PM_DIRECTION_FORWARD};
    graph_tensor(g, TENSOR_INTERNAL, 0, 0, 0); /* tensor 0 */
    return g->status;
}

void graph_fini(graph *g)
{
    free(g->tensors);
    free(g->nodes);
    *g = (graph){0};
}

static void fail(graph *g, pm_status status, const char *op, const char *what)
{
    if (g->status != PM_OK) return;
    g->status = log_fail(g->log, status, "graph: %s: %s", op, what);
}

/* Room for one more element; false when memory is out. */
static bool grow(graph *g, void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return true;
    uint32_t wanted = *capacity ? 2 * *capacity : 64;
    void *p = realloc(*array, wanted * size);
    if (!p) {
        fail(g, PM_NO_HOST_MEMORY, "build", "no memory for another node");
        return false;
    }
    *array = p;
    *capacity = wanted;
    return true;
}

tensor_id graph_tensor(graph *g, tensor_kind kind, uint32_t rows, uint32_t cols, uint32_t index)
{
    if (!grow(g, (void **)&g->tensors, g->tensor_count, &g->tensor_capacity, sizeof *g->tensors)) return 0;
    g->tensors[g->tensor_count] = (tensor){.kind = kind, .rows = rows, .cols = cols, .index = index};
    return g->tensor_count++;
}

static op_view shape_of(const graph *g, tensor_id id)
{
    const tensor *t = &g->tensors[id];
    return (op_view){.rows = t->rows, .cols = t->cols, .half = t->half};
}

/* The fp16 copy of a parameter. */
static tensor_id half_copy(graph *g, tensor_id parameter)
{
    for (uint32_t i = 0; i < g->tensor_count; i++)
        if (g->tensors[i].copy_of == parameter) return i;
    const tensor p = g->tensors[parameter];
    tensor_id copy = graph_tensor(g, TENSOR_INTERNAL, p.rows, p.cols, 0);
    if (!copy) return 0;
    g->tensors[copy].copy_of = parameter;
    graph_node(g, (node){.op = OP_CAST, .in = {parameter}, .out = {copy}});
    return copy;
}

static void halve(graph *g, node *n)
{
    for (int i = 0; i < OP_MAX_IN; i++)
        if (op_is_act(n->op, false, i) && g->tensors[n->in[i]].kind == TENSOR_PARAMETER)
            n->in[i] = half_copy(g, n->in[i]);
    for (int i = 0; i < OP_MAX_OUT; i++)
        if (n->out[i] && op_is_act(n->op, true, i) && g->tensors[n->out[i]].kind == TENSOR_INTERNAL)
            g->tensors[n->out[i]].half = true;
}

void graph_node(graph *g, node n)
{
    if (g->status != PM_OK) return;
    if (g->half) halve(g, &n);
    op_call call = graph_call(g, &n);
    const char *wrong = op_check(&call);
    if (wrong) {
        fail(g, PM_INTERNAL, op_name(n.op), wrong);
        return;
    }
    uint64_t scratch = op_scratch_words(g->caps, &call);
    if (scratch > 0) {
        int slot = 0;
        while (n.out[slot]) slot++;
        n.out[slot] = graph_tensor(g, TENSOR_INTERNAL, 1, (uint32_t)scratch, 0);
    }
    if (!n.label) n.label = g->label;
    n.direction = g->direction;
    n.segment = g->segment;
    if (!grow(g, (void **)&g->nodes, g->node_count, &g->node_capacity, sizeof *g->nodes)) return;
    g->nodes[g->node_count++] = n;
}

/* An internal tensor of a's rows and so many columns. */
static tensor_id internal(graph *g, tensor_id rows_of, uint32_t cols)
{
    return graph_tensor(g, TENSOR_INTERNAL, g->tensors[rows_of].rows, cols, 0);
}

tensor_id graph_embed(graph *g, tensor_id tokens, tensor_id table, tensor_id positions, tensor_id scalars,
                      uint32_t time)
{
    tensor_id y = internal(g, tokens, g->tensors[table].cols);
    graph_node(g, (node){.op = OP_EMBED, .attr.time = time, .in = {tokens, table, positions, scalars}, .out = {y}});
    return y;
}

tensor_id graph_layernorm(graph *g, tensor_id x, tensor_id gain, tensor_id bias, float eps)
{
    tensor_id y = internal(g, x, g->tensors[x].cols), stats = internal(g, x, 2);
    graph_node(g, (node){.op = OP_LAYERNORM, .attr.eps = eps, .in = {x, gain, bias}, .out = {y, stats}});
    return y;
}

tensor_id graph_matmul(graph *g, tensor_id a, tensor_id b, tensor_id bias, bool trans_a, bool trans_b)
{
    const tensor *ta = &g->tensors[a], *tb = &g->tensors[b];
    tensor_id y = graph_tensor(g, TENSOR_INTERNAL, trans_a ? ta->cols : ta->rows, trans_b ? tb->rows : tb->cols, 0);
    graph_node(g, (node){.op = OP_MATMUL,
                         .attr = {.trans_a = trans_a, .trans_b = trans_b},
                         .in = {[MATMUL_A] = a, [MATMUL_B] = b, [MATMUL_BIAS] = bias},
                         .out = {y}});
    return y;
}

tensor_id graph_gelu(graph *g, tensor_id x)
{
    tensor_id y = internal(g, x, g->tensors[x].cols);
    graph_node(g, (node){.op = OP_GELU, .in = {x}, .out = {y}});
    return y;
}

tensor_id graph_add(graph *g, tensor_id a, tensor_id b)
{
    tensor_id y = internal(g, a, g->tensors[a].cols);
    graph_node(g, (node){.op = OP_ADD, .in = {a, b}, .out = {y}});
    return y;
}

tensor_id graph_dropout(graph *g, tensor_id x, tensor_id scalars, float p)
{
    if (p <= 0) return x;
    tensor_id y = internal(g, x, g->tensors[x].cols);
    graph_node(
        g, (node){.op = OP_DROPOUT, .attr = {.dropout = p, .stream = g->node_count}, .in = {x, scalars}, .out = {y}});
    return y;
}

tensor_id graph_attention(graph *g, tensor_id qkv, tensor_id cache, tensor_id scalars, uint32_t heads, uint32_t time,
                          float p)
{
    uint32_t channels = g->tensors[qkv].cols / 3;
    tensor_id y = internal(g, qkv, channels), lse = internal(g, qkv, heads), kv = cache ? cache : qkv;
    graph_node(g, (node){.op = OP_ATTENTION,
                         .attr = {.heads = heads,
                                  .time = time,
                                  .off_k = cache ? 0 : channels,
                                  .off_v = cache ? channels : 2 * channels,
                                  .dropout = p,
                                  .stream = g->node_count},
                         .in = {qkv, kv, kv, scalars},
                         .out = {y, lse}});
    return y;
}

void graph_kv_append(graph *g, tensor_id qkv, tensor_id cache, tensor_id scalars)
{
    graph_node(g, (node){.op = OP_KV_APPEND, .in = {qkv, scalars}, .out = {cache}});
}

tensor_id graph_gather(graph *g, tensor_id x, tensor_id index, uint32_t group)
{
    tensor_id y = graph_tensor(g, TENSOR_INTERNAL, g->tensors[index].rows / (group ? group : 1), g->tensors[x].cols, 0);
    graph_node(g, (node){.op = OP_GATHER, .attr.group = group, .in = {x, index}, .out = {y}});
    return y;
}

void graph_lm_loss(graph *g, tensor_id h, tensor_id table, tensor_id targets, tensor_id weights, tensor_id result,
                   float scale)
{
    tensor_id rows = internal(g, h, 4);
    graph_node(g, (node){.op = OP_LM_LOSS,
                         .attr.scale = scale,
                         .in = {h, table, targets, [LM_WEIGHTS] = weights},
                         .out = {rows, result}});
}

void graph_label_loss(graph *g, tensor_id logits, tensor_id labels, tensor_id result, float scale)
{
    graph_node(g, (node){.op = OP_LABEL_LOSS, .attr.scale = scale, .in = {logits, labels}, .out = {result}});
}

void graph_score_loss(graph *g, tensor_id values, tensor_id scores, tensor_id result, float scale)
{
    graph_node(g, (node){.op = OP_SCORE_LOSS, .attr.scale = scale, .in = {values, scores}, .out = {result}});
}

/* The node's operation and attributes as a call without operands. */
op_call graph_call(const graph *g, const node *n)
{
    op_call call = {.op = n->op, .attr = n->attr};
    for (int i = 0; i < OP_MAX_IN; i++) call.in[i] = shape_of(g, n->in[i]);
    for (int i = 0; i < OP_MAX_OUT; i++) call.out[i] = shape_of(g, n->out[i]);
    return call;
}

double graph_flops(const graph *g)
{
    double flops = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        op_call call = graph_call(g, &g->nodes[i]);
        flops += op_flops(&call);
    }
    return flops;
}

static gpu_span span_of(const graph *g, const graph_plan *plan, const graph_bindings *to, tensor_id id)
{
    const tensor *t = &g->tensors[id];
    switch (t->kind) {
    case TENSOR_INPUT: return to->inputs[t->index];
    case TENSOR_PARAMETER: return to->parameters[t->index];
    case TENSOR_GRADIENT: return to->gradients[t->index];
    case TENSOR_INTERNAL: break;
    }
    gpu_span span = gpu_span_of(to->workspace[plan->block[id]]);
    span.offset += plan->offset[id];
    span.size = graph_tensor_bytes(t);
    return span;
}

void graph_record(const graph *g, const graph_plan *plan, const graph_bindings *to, gpu_program *program)
{
    if (g->status != PM_OK) {
        gpu_record_fail(program, g->status);
        return;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        op_call call = graph_call(g, n);
        for (int k = 0; k < OP_MAX_IN; k++)
            if (n->in[k]) call.in[k].span = span_of(g, plan, to, n->in[k]);
        for (int k = 0; k < OP_MAX_OUT; k++)
            if (n->out[k]) call.out[k].span = span_of(g, plan, to, n->out[k]);
        if (to->accumulate)
            for (int k = 0; k < OP_MAX_OUT; k++) call.attr.accumulate |= g->tensors[n->out[k]].kind == TENSOR_GRADIENT;
        gpu_program_label(program, n->label, n->direction);
        op_record(program, &call);
    }
}
