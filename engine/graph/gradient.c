/* Reverse-mode differentiation: one rule for each operation, applied from the last node to the first.
 *
 * An internal tensor's gradient is a new tensor: the sum of its users' contributions, by ADD nodes. graph_fuse merges these into the
 * contributors' kernels. A parameter's gradient is written by the first operation that contributes to it; later ones accumulate.
 *
 * With g->recompute, only the inputs of segments are kept between the passes. Before a segment's gradient, those of its nodes are run again
 * whose values the rules read; the last segment's values are still there (Chen et al., 2016: Training Deep Nets with Sublinear Memory Cost). The
 * same kernels on the same operands give the same bits. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

typedef struct backward {
    graph *g;
    /* [tensor_count of the forward graph] */
    tensor_id *gradient; /* so far, or 0 */
    tensor_id *again;    /* its recomputed tensor; 0: the tensor itself */
    bool *needed;        /* to be recomputed, in the present segment */
    uint32_t count;
    tensor_id scalars;
} backward;

static bool is_parameter(const backward *b, tensor_id t)
{
    return b->g->tensors[t].kind == TENSOR_PARAMETER;
}
static bool is_internal(const backward *b, tensor_id t)
{
    return b->g->tensors[t].kind == TENSOR_INTERNAL;
}

/* The parameter that t is an fp16 copy of, else t itself. */
static tensor_id original(const backward *b, tensor_id t)
{
    tensor_id of = b->g->tensors[t].copy_of;
    return of ? of : t;
}

static tensor_id like(backward *b, tensor_id t)
{
    tensor shape = b->g->tensors[t];
    return graph_tensor(b->g, TENSOR_INTERNAL, shape.rows, shape.cols, 0);
}

/* Adds dx to x's gradient. */
static void contribute(backward *b, tensor_id x, tensor_id dx)
{
    if (!is_internal(b, x)) return;
    b->gradient[x] = b->gradient[x] ? graph_add(b->g, b->gradient[x], dx) : dx;
}

/* The gradient tensor of a parameter. *again: an earlier node writes it, so that this one must accumulate. */
static tensor_id parameter_gradient(backward *b, tensor_id parameter, bool *again)
{
    *again = b->gradient[parameter] != 0;
    if (!*again) {
        tensor p = b->g->tensors[parameter];
        b->gradient[parameter] = graph_tensor(b->g, TENSOR_GRADIENT, p.rows, p.cols, p.index);
    }
    return b->gradient[parameter];
}

/* A product that contributes to t's gradient, a parameter's or an internal tensor's. */
static void product(backward *b, tensor_id t, tensor_id left, tensor_id right, bool trans_a, bool trans_b)
{
    t = original(b, t);
    if (is_parameter(b, t)) {
        bool again;
        tensor_id dt = parameter_gradient(b, t, &again);
        graph_node(b->g, (node){.op = OP_MATMUL,
                                .attr = {.trans_a = trans_a, .trans_b = trans_b, .accumulate = again},
                                .in = {left, right},
                                .out = {dt}});
    } else if (is_internal(b, t)) {
        contribute(b, t, graph_matmul(b->g, left, right, 0, trans_a, trans_b));
    }
}

/* In the rules, n is the forward node, and v is n with recomputed tensors in place of those that were not kept. */

static void matmul_rule(backward *b, const node *n, const node *v, tensor_id dy)
{
    tensor_id a = n->in[MATMUL_A], w = n->in[MATMUL_B], bias = n->in[MATMUL_BIAS];
    if (n->attr.trans_b) { /* y = A B^T */
        product(b, a, dy, v->in[MATMUL_B], false, false);
        product(b, w, dy, v->in[MATMUL_A], true, false);
    } else { /* y = A B */
        product(b, a, dy, v->in[MATMUL_B], false, true);
        product(b, w, v->in[MATMUL_A], dy, true, false);
    }
    if (bias) {
        bool again;
        tensor_id dbias = parameter_gradient(b, bias, &again);
        graph_node(b->g, (node){.op = OP_COLSUM, .attr.accumulate = again, .in = {dy}, .out = {dbias}});
    }
}

static void layernorm_rule(backward *b, const node *n, const node *v, tensor_id dy)
{
    tensor_id x = v->in[0], gain = n->in[1], bias = n->in[2], stats = v->out[1];
    bool again;
    tensor_id dgain = parameter_gradient(b, gain, &again), dbias = parameter_gradient(b, bias, &again);
    graph_node(
        b->g,
        (node){.op = OP_LAYERNORM_BWD_PARAMS, .attr.accumulate = again, .in = {dy, x, stats}, .out = {dgain, dbias}});
    if (!is_internal(b, x)) return;
    tensor_id dx = like(b, x);
    graph_node(b->g, (node){.op = OP_LAYERNORM_BWD, .in = {dy, x, stats, gain}, .out = {dx}});
    contribute(b, n->in[0], dx);
}

static void embed_rule(backward *b, const node *n, tensor_id dy)
{
    bool again;
    tensor_id dtable = parameter_gradient(b, n->in[1], &again);
    graph_node(b->g, (node){.op = OP_EMBED_BWD_TOKEN, .attr.accumulate = again, .in = {dy, n->in[0]}, .out = {dtable}});
    tensor_id dpositions = parameter_gradient(b, n->in[2], &again);
    graph_node(b->g, (node){.op = OP_EMBED_BWD_POSITION,
                            .attr = {.accumulate = again, .time = n->attr.time},
                            .in = {dy},
                            .out = {dpositions}});
}

static void lm_loss_rule(backward *b, const node *n)
{
    bool again;
    tensor_id dh = like(b, n->in[0]), dtable = parameter_gradient(b, original(b, n->in[1]), &again);
    graph_node(b->g, (node){.op = OP_LM_LOSS_BWD,
                            .attr = {.accumulate = again, .scale = n->attr.scale},
                            .in = {n->in[0], n->in[1], n->in[2], n->out[0], n->out[1], n->out[2],
                                   b->scalars, [LM_BWD_WEIGHTS] = n->in[LM_WEIGHTS]},
                            .out = {dh, dtable}});
    contribute(b, n->in[0], dh);
}

/* Labels and scores: forward and backward take the same operands. */
static void task_loss_rule(backward *b, const node *n, op_id op)
{
    tensor_id dx = like(b, n->in[0]);
    graph_node(
        b->g,
        (node){.op = op, .attr.scale = n->attr.scale, .in = {n->in[0], n->in[1], n->out[0], b->scalars}, .out = {dx}});
    contribute(b, n->in[0], dx);
}

static tensor_id value_of(const backward *b, tensor_id t)
{
    return b->again[t] ? b->again[t] : t;
}

static node with_values(const backward *b, node n)
{
    for (int k = 0; k < OP_MAX_IN; k++) n.in[k] = value_of(b, n.in[k]);
    for (int k = 0; k < OP_MAX_OUT; k++) n.out[k] = value_of(b, n.out[k]);
    return n;
}

static void rule(backward *b, node n)
{
    const node v = with_values(b, n);
    tensor_id dy = b->gradient[n.out[0]], dx;
    switch (n.op) { /* the gradient begins at losses */
    case OP_LM_LOSS: lm_loss_rule(b, &n); return;
    case OP_LABEL_LOSS: task_loss_rule(b, &n, OP_LABEL_LOSS_BWD); return;
    case OP_SCORE_LOSS: task_loss_rule(b, &n, OP_SCORE_LOSS_BWD); return;
    default: break;
    }
    if (!dy) return; /* no loss depends on it */
    switch (n.op) {
    case OP_MATMUL: matmul_rule(b, &n, &v, dy); break;
    case OP_LAYERNORM: layernorm_rule(b, &n, &v, dy); break;
    case OP_EMBED: embed_rule(b, &n, dy); break;
    case OP_ADD:
        contribute(b, n.in[0], dy);
        contribute(b, n.in[1], dy);
        break;
    case OP_GATHER:
        dx = like(b, n.in[0]);
        graph_node(b->g, (node){.op = OP_GATHER_BWD, .attr = n.attr, .in = {dy, n.in[1]}, .out = {dx}});
        contribute(b, n.in[0], dx);
        break;
    case OP_GELU:
        dx = like(b, n.in[0]);
        graph_node(b->g, (node){.op = OP_GELU_BWD, .in = {dy, v.in[0]}, .out = {dx}});
        contribute(b, n.in[0], dx);
        break;
    case OP_DROPOUT: /* the same mask */
        dx = like(b, n.in[0]);
        graph_node(b->g, (node){.op = OP_DROPOUT, .attr = n.attr, .in = {dy, n.in[1]}, .out = {dx}});
        contribute(b, n.in[0], dx);
        break;
    case OP_ATTENTION:
        dx = like(b, n.in[0]);
        graph_node(b->g, (node){.op = OP_ATTENTION_BWD,
                                .attr = n.attr,
                                .in = {v.in[0], v.out[0], v.out[1], dy, b->scalars},
                                .out = {dx}});
        contribute(b, n.in[0], dx);
        break;
    default: b->g->status = log_fail(b->g->log, PM_INTERNAL, "graph: %s has no gradient rule", op_name(n.op)); break;
    }
}

/* ---- recomputing ---- */

/* Marks the tensors that the node's rule reads. */
static void mark_read(backward *b, const node *n)
{
    switch (n->op) {
    case OP_MATMUL: b->needed[n->in[MATMUL_A]] = b->needed[n->in[MATMUL_B]] = true; break;
    case OP_LAYERNORM: b->needed[n->in[0]] = b->needed[n->out[1]] = true; break;
    case OP_GELU: b->needed[n->in[0]] = true; break;
    case OP_ATTENTION: b->needed[n->in[0]] = b->needed[n->out[0]] = b->needed[n->out[1]] = true; break;
    default: break;
    }
}

/* Adds the node once more, with output tensors of its own. */
static void run_again(backward *b, node n)
{
    node copy = with_values(b, n);
    const op_call call = graph_call(b->g, &n);
    const bool scratch = op_scratch_words(b->g->caps, &call) > 0; /* the last output, which graph_node appends */
    for (int k = 0; k < OP_MAX_OUT && n.out[k]; k++) {
        const bool last = k + 1 == OP_MAX_OUT || !n.out[k + 1];
        copy.out[k] = scratch && last ? 0 : like(b, n.out[k]);
        b->again[n.out[k]] = copy.out[k];
    }
    graph_node(b->g, copy);
}

/* Recomputes forward nodes [first, end). fp16 copies of weights are kept, not recomputed. */
static void segment_again(backward *b, uint32_t first, uint32_t end)
{
    const graph *g = b->g;
    memset(b->needed, 0, b->count * sizeof *b->needed); /* the next segment's inputs were kept */
    for (uint32_t i = first; i < end; i++) mark_read(b, &g->nodes[i]);
    for (uint32_t i = end; i-- > first;) {
        bool wanted = false;
        for (int k = 0; k < OP_MAX_OUT; k++) wanted |= g->nodes[i].out[k] && b->needed[g->nodes[i].out[k]];
        for (int k = 0; k < OP_MAX_IN && wanted; k++) b->needed[g->nodes[i].in[k]] = true;
    }
    for (uint32_t i = first; i < end && g->status == PM_OK; i++) {
        const node n = g->nodes[i];
        bool wanted = false;
        for (int k = 0; k < OP_MAX_OUT; k++) wanted |= n.out[k] && b->needed[n.out[k]];
        b->g->label = n.label;
        if (wanted && n.op != OP_CAST) run_again(b, n);
    }
}

void graph_gradient(graph *g, tensor_id scalars)
{
    if (g->status != PM_OK) return;
    const uint32_t forward = g->node_count;
    uint32_t last = 0; /* the last segment: its values are still there */
    backward b = {.g = g,
                  .scalars = scalars,
                  .count = g->tensor_count,
                  .gradient = calloc(g->tensor_count, sizeof(tensor_id)),
                  .again = calloc(g->tensor_count, sizeof(tensor_id)),
                  .needed = calloc(g->tensor_count, sizeof(bool))};
    if (!b.gradient || !b.again || !b.needed)
        g->status = log_fail(g->log, PM_NO_HOST_MEMORY, "graph: no memory for the gradient");
    g->direction = PM_DIRECTION_BACKWARD;
    g->segment = 0;
    for (uint32_t i = forward; i-- > 0 && g->status == PM_OK;) {
        const uint32_t segment = g->nodes[i].segment;
        const bool end = segment && (i + 1 == forward || g->nodes[i + 1].segment != segment);
        if (end && last == 0) last = segment;
        if (end && g->recompute && segment != last) {
            uint32_t first = i;
            while (first > 0 && g->nodes[first - 1].segment == segment) first--;
            segment_again(&b, first, i + 1);
        }
        g->label = g->nodes[i].label;
        if (g->status == PM_OK) rule(&b, g->nodes[i]);
    }
    free(b.gradient);
    free(b.again);
    free(b.needed);
}
