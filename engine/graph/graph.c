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
    return (op_view){.rows = t->rows, .cols = t->cols, .type = t->type};
}

/* The copy of a parameter in the type of activations. */
static tensor_id typed_copy(graph *g, tensor_id parameter)
{
    for (uint32_t i = 0; i < g->tensor_count; i++)
        if (g->tensors[i].copy_of == parameter) return i;
    const tensor p = g->tensors[parameter];
    const tensor_id copy = graph_tensor(g, TENSOR_INTERNAL, p.rows, p.cols, 0);
    if (!copy) return 0;
    g->tensors[copy].copy_of = parameter;
    return graph_node(g, (node){.op = OP_CAST, .in = {parameter}, .out = {copy}});
}

static void set_types(graph *g, node *n)
{
    for (int i = 0; i < OP_MAX_IN; i++)
        if (op_is_act(n->op, false, i) && g->tensors[n->in[i]].kind == TENSOR_PARAMETER &&
            g->tensors[n->in[i]].type != g->type)
            n->in[i] = typed_copy(g, n->in[i]);
    for (int i = 0; i < OP_MAX_OUT; i++)
        if (n->out[i] && op_is_act(n->op, true, i) && g->tensors[n->out[i]].kind == TENSOR_INTERNAL)
            g->tensors[n->out[i]].type = g->type;
}

/* An internal tensor for each output that the caller left out, of the shape that the others imply; and the scratch. */
static void make_outputs(graph *g, node *n)
{
    op_call call = graph_call(g, n);
    op_complete(&call);
    for (int i = 0; i < OP_MAX_OUT; i++) {
        const op_slot *slot = &op_table[n->op].out[i];
        const op_view v = call.out[i];
        if (slot->type == SLOT_NONE || slot->type == SLOT_SCRATCH || n->out[i] || v.rows == 0) continue;
        n->out[i] = graph_tensor(g, TENSOR_INTERNAL, v.rows, v.cols, 0);
    }
}

static void make_scratch(graph *g, node *n)
{
    const op_call call = graph_call(g, n);
    const uint64_t words = op_scratch_words(g->caps, &call);
    const int slot = op_slot_of(n->op, SLOT_SCRATCH) - OP_MAX_IN;
    if (words > 0) n->out[slot] = graph_tensor(g, TENSOR_INTERNAL, 1, (uint32_t)words, 0);
}

tensor_id graph_node(graph *g, node n)
{
    if (g->status != PM_OK) return 0;
    make_outputs(g, &n);
    if (g->type != DTYPE_F32) set_types(g, &n);
    op_call call = graph_call(g, &n);
    const char *wrong = op_check(&call);
    if (wrong) {
        fail(g, PM_INTERNAL, op_name(n.op), wrong);
        return 0;
    }
    make_scratch(g, &n);
    if (!n.label) n.label = g->label;
    n.direction = g->direction;
    n.segment = g->segment;
    if (!grow(g, (void **)&g->nodes, g->node_count, &g->node_capacity, sizeof *g->nodes)) return 0;
    g->nodes[g->node_count++] = n;
    return n.out[0];
}

tensor_id graph_embed(graph *g, tensor_id tokens, tensor_id table, tensor_id positions, tensor_id scalars,
                      uint32_t time, float scale)
{
    return graph_node(
        g, (node){.op = OP_EMBED, .attr = {.time = time, .scale = scale}, .in = {tokens, table, positions, scalars}});
}

tensor_id graph_layernorm(graph *g, tensor_id x, tensor_id gain, tensor_id bias, float eps)
{
    return graph_node(g, (node){.op = OP_LAYERNORM, .attr.eps = eps, .in = {x, gain, bias}});
}

tensor_id graph_rmsnorm(graph *g, tensor_id x, tensor_id gain, float eps, float plus)
{
    return graph_node(g, (node){.op = OP_RMSNORM, .attr = {.eps = eps, .plus = plus}, .in = {x, gain}});
}

tensor_id graph_head_norm(graph *g, tensor_id qkv, tensor_id q_gain, tensor_id k_gain, op_attr attr)
{
    return graph_node(g, (node){.op = OP_HEAD_NORM, .attr = attr, .in = {qkv, q_gain, k_gain}});
}

tensor_id graph_rope(graph *g, tensor_id qkv, tensor_id table, tensor_id scalars, op_attr attr)
{
    return graph_node(g, (node){.op = OP_ROPE, .attr = attr, .in = {qkv, table, scalars}});
}

tensor_id graph_matmul(graph *g, tensor_id a, tensor_id b, tensor_id bias, bool trans_a, bool trans_b)
{
    return graph_node(g, (node){.op = OP_MATMUL,
                                .attr = {.trans_a = trans_a, .trans_b = trans_b},
                                .in = {[MATMUL_A] = a, [MATMUL_B] = b, [MATMUL_BIAS] = bias}});
}

tensor_id graph_gelu(graph *g, tensor_id x)
{
    return graph_node(g, (node){.op = OP_GELU, .in = {x}});
}

tensor_id graph_gate(graph *g, op_id op, tensor_id x)
{
    return graph_node(g, (node){.op = op, .in = {x}});
}

tensor_id graph_add(graph *g, tensor_id a, tensor_id b)
{
    return graph_node(g, (node){.op = OP_ADD, .in = {a, b}});
}

tensor_id graph_dropout(graph *g, tensor_id x, tensor_id scalars, float p)
{
    if (p <= 0) return x;
    return graph_node(g, (node){.op = OP_DROPOUT, .attr = {.dropout = p, .stream = g->node_count}, .in = {x, scalars}});
}

tensor_id graph_attention(graph *g, tensor_id qkv, tensor_id cache, tensor_id scalars, const op_attr *attr)
{
    const uint32_t heads = attr->heads, kv_heads = op_kv_heads(attr);
    const uint32_t head = attr->head ? attr->head : g->tensors[qkv].cols / (heads + 2 * kv_heads);
    const tensor_id kv = cache ? cache : qkv;
    const tensor_id y = graph_tensor(g, TENSOR_INTERNAL, g->tensors[qkv].rows, heads * head, 0);
    node n = {.op = OP_ATTENTION, .attr = *attr, .in = {qkv, kv, kv, scalars}, .out = {y}};
    n.attr.off_q = 0;
    n.attr.off_k = cache ? 0 : heads * head;
    n.attr.off_v = n.attr.off_k + kv_heads * head;
    n.attr.stream = g->node_count;
    return graph_node(g, n);
}

void graph_kv_append(graph *g, tensor_id qkv, tensor_id cache, tensor_id scalars, const op_attr *attr)
{
    const op_attr heads = {.heads = attr->heads, .kv_heads = attr->kv_heads};
    graph_node(g, (node){.op = OP_KV_APPEND, .attr = heads, .in = {qkv, scalars}, .out = {cache}});
}

tensor_id graph_gather(graph *g, tensor_id x, tensor_id index, uint32_t group)
{
    return graph_node(g, (node){.op = OP_GATHER, .attr.group = group, .in = {x, index}});
}

void graph_lm_loss(graph *g, tensor_id h, tensor_id table, tensor_id targets, tensor_id weights, tensor_id result,
                   float scale)
{
    graph_node(g, (node){.op = OP_LM_LOSS,
                         .attr.scale = scale,
                         .in = {h, table, targets, [LM_LOSS_WEIGHTS] = weights},
                         .out = {[LM_LOSS_RESULT] = result}});
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
    case TENSOR_CONSTANT: return to->constants[t->index];
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
