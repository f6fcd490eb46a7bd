/* Reverse-mode differentiation: one rule an operation, applied from the last node to the first.
 *
 * An internal tensor's gradient is a new tensor: what its users contribute, summed by ADD nodes (which graph_fuse merges into the
 * contributors' kernels). A parameter's gradient is written by the operation that makes it; from the second on they accumulate. */
#include "graph/graph.h"

#include <stdlib.h>

#include "base/log.h"

typedef struct backward {
    graph *g;
    tensor_id *gradient; /* [tensor_count of the forward graph]: the gradient so far, or 0 */
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

/* The parameter that a copy is of, else t itself. */
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

/* dx is a part of x's gradient. */
static void contribute(backward *b, tensor_id x, tensor_id dx)
{
    if (!is_internal(b, x)) return;
    b->gradient[x] = b->gradient[x] ? graph_add(b->g, b->gradient[x], dx) : dx;
}

/* The gradient tensor of a parameter; *again tells whether something was written to it before. */
static tensor_id parameter_gradient(backward *b, tensor_id parameter, bool *again)
{
    *again = b->gradient[parameter] != 0;
    if (!*again) {
        tensor p = b->g->tensors[parameter];
        b->gradient[parameter] = graph_tensor(b->g, TENSOR_GRADIENT, p.rows, p.cols, p.index);
    }
    return b->gradient[parameter];
}

/* A product that is a gradient of t: added to a parameter's, or contributed. */
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

static void matmul_rule(backward *b, const node *n, tensor_id dy)
{
    tensor_id a = n->in[MATMUL_A], w = n->in[MATMUL_B], bias = n->in[MATMUL_BIAS];
    if (n->attr.trans_b) { /* y = A B^T */
        product(b, a, dy, w, false, false);
        product(b, w, dy, a, true, false);
    } else { /* y = A B */
        product(b, a, dy, w, false, true);
        product(b, w, a, dy, true, false);
    }
    if (bias) {
        bool again;
        tensor_id dbias = parameter_gradient(b, bias, &again);
        graph_node(b->g, (node){.op = OP_COLSUM, .attr.accumulate = again, .in = {dy}, .out = {dbias}});
    }
}

static void layernorm_rule(backward *b, const node *n, tensor_id dy)
{
    tensor_id x = n->in[0], gain = n->in[1], bias = n->in[2], stats = n->out[1];
    bool again;
    tensor_id dgain = parameter_gradient(b, gain, &again), dbias = parameter_gradient(b, bias, &again);
    graph_node(
        b->g,
        (node){.op = OP_LAYERNORM_BWD_PARAMS, .attr.accumulate = again, .in = {dy, x, stats}, .out = {dgain, dbias}});
    if (!is_internal(b, x)) return;
    tensor_id dx = like(b, x);
    graph_node(b->g, (node){.op = OP_LAYERNORM_BWD, .in = {dy, x, stats, gain}, .out = {dx}});
    contribute(b, x, dx);
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

static void rule(backward *b, node n)
{
    tensor_id dy = b->gradient[n.out[0]], dx;
    switch (n.op) { /* losses are where it begins */
    case OP_LM_LOSS: lm_loss_rule(b, &n); return;
    case OP_LABEL_LOSS: task_loss_rule(b, &n, OP_LABEL_LOSS_BWD); return;
    case OP_SCORE_LOSS: task_loss_rule(b, &n, OP_SCORE_LOSS_BWD); return;
    default: break;
    }
    if (!dy) return; /* nothing depends on it */
    switch (n.op) {
    case OP_MATMUL: matmul_rule(b, &n, dy); break;
    case OP_LAYERNORM: layernorm_rule(b, &n, dy); break;
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
        graph_node(b->g, (node){.op = OP_GELU_BWD, .in = {dy, n.in[0]}, .out = {dx}});
        contribute(b, n.in[0], dx);
        break;
    case OP_DROPOUT: /* the same mask again */
        dx = like(b, n.in[0]);
        graph_node(b->g, (node){.op = OP_DROPOUT, .attr = n.attr, .in = {dy, n.in[1]}, .out = {dx}});
        contribute(b, n.in[0], dx);
        break;
    case OP_ATTENTION:
        dx = like(b, n.in[0]);
        graph_node(b->g, (node){.op = OP_ATTENTION_BWD,
                                .attr = n.attr,
                                .in = {n.in[0], n.out[0], n.out[1], dy, b->scalars},
                                .out = {dx}});
        contribute(b, n.in[0], dx);
        break;
    default: b->g->status = log_fail(b->g->log, PM_INTERNAL, "graph: %s has no gradient rule", op_name(n.op)); break;
    }
}

void graph_gradient(graph *g, tensor_id scalars)
{
    if (g->status != PM_OK) return;
    uint32_t forward = g->node_count;
    g->direction = PM_DIRECTION_BACKWARD;
    backward b = {.g = g, .scalars = scalars, .gradient = calloc(g->tensor_count, sizeof(tensor_id))};
    if (!b.gradient) {
        g->status = log_fail(g->log, PM_NO_HOST_MEMORY, "graph: no memory for the gradient");
        return;
    }
    for (uint32_t i = forward; i-- > 0 && g->status == PM_OK;) {
        g->label = g->nodes[i].label;
        rule(&b, g->nodes[i]);
    }
    free(b.gradient);
}
