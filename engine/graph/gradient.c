/* Reverse-mode differentiation, from the last node to the first. An operation's row in ops.def names the operations that make its gradient, and
 * their operands are connected by name. MATMUL and ADD have rules of their own.
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

static void add_rule(backward *b, const node *n, const node *v, tensor_id dy)
{
    (void)v;
    contribute(b, n->in[ADD_A], dy);
    contribute(b, n->in[ADD_B], dy);
}

/* Operations whose gradient is none of one operation's. */
static const struct own_rule {
    op_id op;
    void (*apply)(backward *b, const node *n, const node *v, tensor_id dy);
    uint32_t reads; /* inputs whose values it reads, a bit each */
} own_rules[] = {{OP_MATMUL, matmul_rule, 1u << MATMUL_A | 1u << MATMUL_B}, {OP_ADD, add_rule, 0}};

static const struct own_rule *own_rule_of(op_id op)
{
    for (size_t i = 0; i < sizeof own_rules / sizeof *own_rules; i++)
        if (own_rules[i].op == op) return &own_rules[i];
    return NULL;
}

static tensor_id *slot_of(node *n, int slot)
{
    return slot < OP_MAX_IN ? &n->in[slot] : &n->out[slot - OP_MAX_IN];
}

/* The forward slot of which `name` is the gradient: "dx" of "x". -1: of none. */
static int gradient_of(op_id forward, const char *name)
{
    return *name == 'd' ? op_slot_named(forward, name + 1) : -1;
}

/* Fills in a gradient's inputs: values of the forward node by their names, and the gradient of its first output. An operation that is its own
 * gradient takes that gradient as its first input. */
static void connect_inputs(const backward *b, node *gradient, const node *v, tensor_id dy)
{
    for (int slot = 0; slot < OP_MAX_IN; slot++) {
        const op_slot *s = &op_table[gradient->op].in[slot];
        if (s->type == SLOT_NONE) break;
        const int same = op_slot_named(v->op, s->name);
        if ((gradient->op == v->op && slot == 0) || gradient_of(v->op, s->name) == OP_MAX_IN)
            gradient->in[slot] = dy;
        else if (s->type == SLOT_SCALARS)
            gradient->in[slot] = b->scalars;
        else if (same >= 0)
            gradient->in[slot] = *slot_of((node *)v, same);
    }
}

/* The forward input whose gradient this output is; 0 for scratch. */
static tensor_id target_of(const backward *b, const node *gradient, const node *n, int slot)
{
    const op_slot *s = &op_table[gradient->op].out[slot];
    if (s->type == SLOT_NONE || s->type == SLOT_SCRATCH) return 0;
    const int of = gradient->op == n->op ? slot : gradient_of(n->op, s->name);
    return of >= 0 && of < OP_MAX_IN ? original(b, n->in[of]) : 0;
}

/* Adds one operation of n's gradient, if anything wants what it computes. */
static void add_gradient(backward *b, op_id op, const node *n, const node *v, tensor_id dy)
{
    node gradient = {.op = op, .attr = n->attr};
    if (op == n->op) gradient.attr.inverse = !n->attr.inverse;
    tensor_id targets[OP_MAX_OUT];
    bool wanted = false;
    connect_inputs(b, &gradient, v, dy);
    for (int slot = 0; slot < OP_MAX_OUT; slot++) {
        const tensor_id t = targets[slot] = target_of(b, &gradient, n, slot);
        wanted |= t && (is_parameter(b, t) || is_internal(b, t));
    }
    if (!wanted) return;
    for (int slot = 0; slot < OP_MAX_OUT; slot++) {
        const tensor_id t = targets[slot];
        if (t)
            gradient.out[slot] = is_parameter(b, t) ? parameter_gradient(b, t, &gradient.attr.accumulate) : like(b, t);
    }
    graph_node(b->g, gradient);
    for (int slot = 0; slot < OP_MAX_OUT; slot++)
        if (targets[slot]) contribute(b, targets[slot], gradient.out[slot]);
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

/* Whether the operation is a loss: its gradient begins by itself. */
static bool is_loss(op_id op)
{
    const op_id gradient = op_table[op].gradient[0];
    if (!gradient || gradient == op) return false;
    for (int slot = 0; slot < OP_MAX_IN; slot++) {
        const op_slot *s = &op_table[gradient].in[slot];
        if (s->type != SLOT_NONE && gradient_of(op, s->name) == OP_MAX_IN) return false;
    }
    return true;
}

static void rule(backward *b, node n)
{
    const node v = with_values(b, n);
    const tensor_id dy = b->gradient[n.out[0]];
    const struct own_rule *own = own_rule_of(n.op);
    const op_id *gradient = op_table[n.op].gradient;
    if (!dy && !is_loss(n.op)) return; /* no loss depends on it */
    if (own) {
        own->apply(b, &n, &v, dy);
        return;
    }
    if (!gradient[0]) b->g->status = log_fail(b->g->log, PM_INTERNAL, "graph: %s has no gradient rule", op_name(n.op));
    for (int k = 0; k < OP_MAX_GRADIENTS && gradient[k]; k++) add_gradient(b, gradient[k], &n, &v, dy);
}

/* ---- recomputing ---- */

/* Marks the tensors that the node's gradient reads. */
static void mark_read(backward *b, node n)
{
    const struct own_rule *own = own_rule_of(n.op);
    for (int slot = 0; own && slot < OP_MAX_IN; slot++)
        if (own->reads >> slot & 1) b->needed[n.in[slot]] = true;
    for (int k = 0; k < OP_MAX_GRADIENTS; k++) {
        const op_id op = op_table[n.op].gradient[k];
        for (int slot = 0; op && op != n.op && slot < OP_MAX_IN; slot++) {
            const op_slot *s = &op_table[op].in[slot];
            const int same = s->type == SLOT_NONE ? -1 : op_slot_named(n.op, s->name);
            if (same >= 0) b->needed[*slot_of(&n, same)] = true;
        }
    }
}

/* Adds the node once more, with output tensors of its own. graph_node makes its scratch. */
static void run_again(backward *b, node n)
{
    node copy = with_values(b, n);
    for (int k = 0; k < OP_MAX_OUT; k++) {
        const bool scratch = op_table[n.op].out[k].type == SLOT_SCRATCH;
        copy.out[k] = n.out[k] && !scratch ? like(b, n.out[k]) : 0;
        b->again[n.out[k]] = copy.out[k];
    }
    b->again[0] = 0;
    graph_node(b->g, copy);
}

/* Recomputes forward nodes [first, end). fp16 copies of weights are kept, not recomputed. */
static void segment_again(backward *b, uint32_t first, uint32_t end)
{
    const graph *g = b->g;
    memset(b->needed, 0, b->count * sizeof *b->needed); /* the next segment's inputs were kept */
    for (uint32_t i = first; i < end; i++) mark_read(b, g->nodes[i]);
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
