/* Fusion of nodes into one kernel. A product absorbs the operations behind it if nothing else reads the values between. The gradient of
 * LAYERNORM, RMSNORM or GATHER absorbs the sum that it is added to. With few tokens a product absorbs the norm before it, and attention
 * absorbs KV_APPEND. The merged node takes the place of the later one, where all operands exist. */
#include "graph/graph.h"

#include <stdlib.h>

#include "base/log.h"

typedef struct fusion {
    graph *g;
    uint32_t *uses;     /* [tensor_count] how many operands read it */
    uint32_t *producer; /* [tensor_count] the node that writes it, or none */
    bool *removed;      /* [node_count] */
} fusion;

#define NONE UINT32_MAX

/* The node that writes t, if its operation is the given one; else NULL. */
static node *maker(const fusion *f, tensor_id t, op_id op)
{
    uint32_t i = f->producer[t];
    return i != NONE && !f->removed[i] && f->g->nodes[i].op == op && f->g->nodes[i].out[0] == t ? &f->g->nodes[i]
                                                                                                : NULL;
}

/* Whether a product's epilogue can still take a stage before the residual sum and GELU's slope. */
static bool is_open(const node *m)
{
    return !m->in[MATMUL_RESIDUAL] && !m->in[MATMUL_GELU_PRE] && !m->attr.accumulate;
}

static bool fuse_gelu(fusion *f, node *n)
{
    node *m = maker(f, n->in[0], OP_MATMUL);
    if (!m || !is_open(m) || m->attr.gelu || m->attr.dropout > 0) return false;
    if (m->in[MATMUL_GAIN] && f->uses[n->in[0]] > 1) return false;
    node merged = *m;
    merged.attr.gelu = true;
    merged.out[0] = n->out[0];
    merged.out[MATMUL_PRE] = f->uses[n->in[0]] > 1 ? n->in[0] : 0; /* the gradient needs the value before GELU */
    f->removed[m - f->g->nodes] = true;
    *n = merged;
    return true;
}

static bool fuse_dropout(fusion *f, node *n)
{
    node *m = maker(f, n->in[0], OP_MATMUL);
    if (!m || !is_open(m) || m->in[MATMUL_GAIN] || m->attr.dropout > 0 || f->uses[n->in[0]] > 1) return false;
    node merged = *m;
    merged.attr.dropout = n->attr.dropout;
    merged.attr.stream = n->attr.stream;
    merged.in[MATMUL_SCALARS] = n->in[DROPOUT_SCALARS];
    merged.out[0] = n->out[0];
    f->removed[m - f->g->nodes] = true;
    *n = merged;
    return true;
}

static bool fuse_add(fusion *f, node *n, int product)
{
    tensor_id t = n->in[product], other = n->in[1 - product];
    if (f->uses[t] > 1) return false;
    node *m = maker(f, t, OP_MATMUL), *l = maker(f, t, OP_LAYERNORM_BWD), *s = maker(f, t, OP_GATHER_BWD);
    node *r = maker(f, t, OP_RMSNORM_BWD);
    node merged;
    if (m && f->g->caps->fused && is_open(m) && !m->in[MATMUL_GAIN]) {
        merged = *m;
        merged.in[MATMUL_RESIDUAL] = other;
        f->removed[m - f->g->nodes] = true;
    } else if (l && !l->in[LAYERNORM_BWD_ADD]) {
        merged = *l;
        merged.in[LAYERNORM_BWD_ADD] = other;
        f->removed[l - f->g->nodes] = true;
    } else if (r && !r->in[RMSNORM_BWD_ADD]) {
        merged = *r;
        merged.in[RMSNORM_BWD_ADD] = other;
        f->removed[r - f->g->nodes] = true;
    } else if (s && !s->in[GATHER_BWD_ADD]) {
        merged = *s;
        merged.in[GATHER_BWD_ADD] = other;
        f->removed[s - f->g->nodes] = true;
    } else {
        return false;
    }
    merged.out[0] = n->out[0];
    *n = merged;
    return true;
}

static bool fuse_sum(fusion *f, node *n)
{
    return fuse_add(f, n, ADD_B) || fuse_add(f, n, ADD_A);
}

static bool fuse_gelu_slope(fusion *f, node *n)
{
    node *m = maker(f, n->in[0], OP_MATMUL);
    if (!m || m->in[MATMUL_GELU_PRE] || m->in[MATMUL_GAIN] || m->attr.accumulate || f->uses[n->in[0]] > 1) return false;
    node merged = *m;
    merged.in[MATMUL_GELU_PRE] = n->in[GELU_BWD_X];
    merged.out[0] = n->out[0];
    f->removed[m - f->g->nodes] = true;
    *n = merged;
    return true;
}

static bool fuse_norm(fusion *f, node *n)
{
    node *l = maker(f, n->in[MATMUL_A], OP_LAYERNORM), *r = maker(f, n->in[MATMUL_A], OP_RMSNORM);
    if (f->g->direction == PM_DIRECTION_BACKWARD) return false; /* the gradient reads the normalised values */
    op_call call = graph_call(f->g, n);
    if (!l) l = r; /* its first operands are the same */
    if (!l || f->uses[l->out[LAYERNORM_Y]] > 1 || f->uses[l->out[LAYERNORM_STATS]] > 0 || !is_open(n) ||
        !op_normalises(f->g->caps, &call))
        return false;
    n->in[MATMUL_A] = l->in[LAYERNORM_X];
    n->in[MATMUL_GAIN] = l->in[LAYERNORM_GAIN], n->in[MATMUL_SHIFT] = r ? 0 : l->in[LAYERNORM_BIAS];
    n->attr.eps = l->attr.eps;
    n->attr.plus = l->attr.plus;
    f->removed[l - f->g->nodes] = true;
    return true;
}

static bool fuse_append(fusion *f, node *n)
{
    node *append = maker(f, n->in[ATTENTION_K], OP_KV_APPEND);
    if (!append || append->in[KV_APPEND_QKV] != n->in[ATTENTION_QKV] || f->uses[n->in[ATTENTION_K]] > 2 ||
        !op_appends(f->g->caps, f->g->tensors[n->in[0]].rows))
        return false;
    n->out[ATTENTION_CACHE] = n->in[ATTENTION_K];
    n->in[ATTENTION_K] = n->in[ATTENTION_V] = 0;
    f->removed[append - f->g->nodes] = true;
    return true;
}

/* What may be merged into what, tried in this order. */
static const struct rule {
    op_id op;     /* of the later node */
    bool product; /* the merged kernel is a product's with a full epilogue, or attention's: it needs caps.fused */
    bool (*fuse)(fusion *f, node *n);
} rules[] = {
    {OP_GELU, true, fuse_gelu}, {OP_DROPOUT, true, fuse_dropout}, {OP_GELU_BWD, true, fuse_gelu_slope},
    {OP_ADD, false, fuse_sum},  {OP_MATMUL, true, fuse_norm},     {OP_ATTENTION, true, fuse_append},
};

static void fuse_node(fusion *f, uint32_t i)
{
    node *n = &f->g->nodes[i];
    bool merged = false;
    for (size_t r = 0; r < sizeof rules / sizeof *rules && !merged; r++)
        if (rules[r].op == n->op && (f->g->caps->fused || !rules[r].product)) merged = rules[r].fuse(f, n);
    if (merged)
        for (int k = 0; k < OP_MAX_OUT; k++) f->producer[n->out[k]] = i;
}

void graph_fuse(graph *g)
{
    if (g->status != PM_OK) return;
    fusion f = {.g = g,
                .uses = calloc(g->tensor_count, sizeof *f.uses),
                .producer = malloc(g->tensor_count * sizeof *f.producer),
                .removed = calloc(g->node_count + 1, sizeof *f.removed)};
    if (!f.uses || !f.producer || !f.removed) {
        g->status = log_fail(g->log, PM_NO_HOST_MEMORY, "graph: no memory for fusion");
        goto done;
    }
    for (uint32_t t = 0; t < g->tensor_count; t++) f.producer[t] = NONE;
    for (uint32_t i = 0; i < g->node_count; i++) {
        for (int k = 0; k < OP_MAX_IN; k++) f.uses[g->nodes[i].in[k]]++;
        for (int k = 0; k < OP_MAX_OUT; k++) f.producer[g->nodes[i].out[k]] = i;
    }
    f.producer[0] = NONE;
    for (uint32_t i = 0; i < g->node_count; i++) fuse_node(&f, i);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->node_count; i++)
        if (!f.removed[i]) g->nodes[kept++] = g->nodes[i];
    g->node_count = kept;
done:
    free(f.uses);
    free(f.producer);
    free(f.removed);
}
