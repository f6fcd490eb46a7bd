/* A graph of operations on tensors. It is built forward, extended by its gradient, fused, planned into memory and recorded.
 *
 * Nodes are stored in an order in which they can run. One node writes each tensor; only a parameter's gradient may have several writers, which
 * accumulate. Building needs no device and returns no errors: the first failure sticks, and graph_status() returns it. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "ops/op.h"

typedef uint32_t tensor_id; /* 0: no tensor */

typedef enum tensor_kind {
    TENSOR_INTERNAL,  /* lives in the workspace */
    TENSOR_INPUT,     /* the caller's, number `index` of its inputs */
    TENSOR_PARAMETER, /* parameter number `index` */
    TENSOR_GRADIENT,  /* gradient of parameter number `index` */
    TENSOR_CONSTANT,  /* the model's, number `index`: no parameter, and never written */
} tensor_kind;

typedef struct tensor {
    tensor_kind kind;
    uint32_t rows, cols, index;
    dtype_id type;
    tensor_id copy_of; /* the parameter of which this is a copy in another type; 0: none */
} tensor;

/* Whole words. */
static inline uint64_t graph_tensor_bytes(const tensor *t)
{
    return 4 * dtype_words(t->type, (uint64_t)t->rows * t->cols);
}

typedef struct node {
    op_id op;
    op_attr attr;
    tensor_id in[OP_MAX_IN], out[OP_MAX_OUT];
    const char *label; /* the part of the model it belongs to */
    pm_direction direction;
    uint32_t segment; /* nodes of a segment are recomputed together; 0: never */
} node;

typedef struct graph {
    const pm_log *log;
    const pm_caps *caps; /* for scratch sizes and fusion */
    tensor *tensors;     /* [0] is no tensor */
    node *nodes;
    uint32_t tensor_count, tensor_capacity, node_count, node_capacity;
    const char *label; /* for nodes added from now on; lives as long as the graph */
    pm_direction direction;
    uint32_t segment; /* for nodes added from now on */
    bool recompute;   /* in graph_gradient: values inside segments are recomputed, not kept */
    dtype_id type;    /* of activations of nodes added from now on; products read copies of weights in it */
    pm_status status;
} graph;

pm_status graph_init(graph *g, const pm_log *log, const pm_caps *caps);
void graph_fini(graph *g);
static inline pm_status graph_status(const graph *g)
{
    return g->status;
}

/* ---- tensors and nodes ---- */

tensor_id graph_tensor(graph *g, tensor_kind kind, uint32_t rows, uint32_t cols, uint32_t index);
/* Adds a node and returns its first output. It makes the outputs that are 0, with the shapes that the others imply, and the scratch that the
 * operation needs. It checks shapes. The node's internal activations take the graph's type. Where that is fp16 a weight is replaced by its copy in it,
 * which a CAST makes before the first use. */
tensor_id graph_node(graph *g, node n);

/* Each builder returns the first output, with the shape that engine/ops/ops.def states. positions may be 0; a scale of 0 is 1. */
tensor_id graph_embed(graph *g, tensor_id tokens, tensor_id table, tensor_id positions, tensor_id scalars,
                      uint32_t time, float scale);
tensor_id graph_layernorm(graph *g, tensor_id x, tensor_id gain, tensor_id bias, float eps);
tensor_id graph_rmsnorm(graph *g, tensor_id x, tensor_id gain, float eps, float plus);
/* attr: heads, kv_heads, head, and eps, plus; or rotary, time. */
tensor_id graph_head_norm(graph *g, tensor_id qkv, tensor_id q_gain, tensor_id k_gain, op_attr attr);
tensor_id graph_rope(graph *g, tensor_id qkv, tensor_id table, tensor_id scalars, op_attr attr);
tensor_id graph_matmul(graph *g, tensor_id a, tensor_id b, tensor_id bias, bool trans_a, bool trans_b);
tensor_id graph_gelu(graph *g, tensor_id x);
/* op: OP_SILU_GATE or OP_GELU_GATE. x (N,2I) = gate | up -> (N,I) */
tensor_id graph_gate(graph *g, op_id op, tensor_id x);
tensor_id graph_add(graph *g, tensor_id a, tensor_id b);
/* Returns x itself where p is 0. Each call gets a stream of its own. */
tensor_id graph_dropout(graph *g, tensor_id x, tensor_id scalars, float p);
/* qkv (N,(H+2K)D) -> (N,H D), keys and values from `cache` (P,2KD) where there is one. attr: all but offsets and the stream, which each call gets
 * of its own. */
tensor_id graph_attention(graph *g, tensor_id qkv, tensor_id cache, tensor_id scalars, const op_attr *attr);
/* attr: heads and kv_heads. */
void graph_kv_append(graph *g, tensor_id qkv, tensor_id cache, tensor_id scalars, const op_attr *attr);
/* Rows of x picked by index (R*group,1), `group` of them summed: (R,C). */
tensor_id graph_gather(graph *g, tensor_id x, tensor_id index, uint32_t group);

/* Losses. `scale` is a loss's weight in the gradient. result (1,4) is an input tensor of the caller's. */
void graph_lm_loss(graph *g, tensor_id h, tensor_id table, tensor_id targets, tensor_id weights, tensor_id result,
                   float scale);
void graph_label_loss(graph *g, tensor_id logits, tensor_id labels, tensor_id result, float scale);
void graph_score_loss(graph *g, tensor_id values, tensor_id scores, tensor_id result, float scale);

/* ---- passes, in this order ---- */

/* Appends the gradient with respect to every parameter of the sum of all losses, each times its scale and grad_scale. */
void graph_gradient(graph *g, tensor_id scalars);

/* Merges bias, GELU, dropout, residual and gradient sums into the kernels that can do them, as far as caps.fused allows. With few rows it
 * merges norms and the writing of the cache too. */
void graph_fuse(graph *g);

/* Where each internal tensor lies. */
typedef struct graph_plan {
    uint32_t *block;       /* [tensor_count] which block of workspace */
    uint64_t *offset;      /* [tensor_count] bytes in it */
    uint64_t *block_bytes; /* [block_count] */
    uint32_t block_count;
    uint64_t total_bytes;
} graph_plan;

/* Tensors begin at multiples of this (bytes): no less than any device's offset alignment. */
enum { GRAPH_ALIGNMENT = 256 };

/* Tensors whose lifetimes overlap do not overlap in memory; no block exceeds max_block bytes. Pure: no device.
 * Fails: PM_NO_HOST_MEMORY; PM_NO_DEVICE_MEMORY where one tensor is larger than a block may be. */
pm_status graph_plan_make(const graph *g, uint64_t max_block, graph_plan *out);
void graph_plan_fini(graph_plan *plan);

/* Enlarges the blocks of `room`, which may be empty, until they hold this plan too. Programs that never run at the same time can then share
 * one workspace. Fails: PM_NO_HOST_MEMORY. */
pm_status graph_plan_cover(const pm_log *log, graph_plan *room, const graph_plan *plan);

/* One buffer for each block of the plan. */
pm_status graph_workspace_create(pm_device *device, const graph_plan *plan, gpu_buffer ***blocks);
void graph_workspace_destroy(const graph_plan *plan, gpu_buffer ***blocks);

/* The buffers that a recorded program uses. */
typedef struct graph_bindings {
    const gpu_span *inputs, *parameters, *gradients, *constants; /* by index */
    gpu_buffer *const *workspace;                                /* by block */
    bool accumulate;                                             /* add to the gradients instead of overwriting them */
} graph_bindings;
void graph_record(const graph *g, const graph_plan *plan, const graph_bindings *to, gpu_program *program);

/* The node as a call of its operation, with shapes but no operands. */
op_call graph_call(const graph *g, const node *n);

/* FLOPs of one run. */
double graph_flops(const graph *g);

#endif
