/* The operations of a GPT. ops.def has a row for each: what it computes, on which operands, with which attributes.
 *
 * A call names an operation, its attributes and its operands. op_record() puts it into a program for the GPU; ref_run()
 * (engine/ref) computes the same thing on the CPU, in double. Every tensor is a matrix of rows x cols, row-major, dense: floats, or int32
 * for tokens and targets. Activations, their gradients and a product's weights may be fp16 in memory: all of a call's, or none. Beside fp32
 * activations, weights and tables of tokens may be fp16 or bf16, and keys and values fp16. Everything else is fp32: arithmetic, parameters' gradients, statistics, losses, and scratch except for LM_LOSS's logits.
 *
 * With attr.accumulate an operation adds to the outputs that its row marks so. `scalars` is one struct step_scalars (shaders/push.h). Scratch is
 * an output that only the operation itself reads, or its gradient.
 *
 * Letters: B sequences, T positions a sequence, N = B*T rows, C channels, H heads, K heads of k and of v, D head size, R of its columns that are
 * turned, I inner channels, V vocabulary, P rows of a table of positions.
 */
#ifndef OPS_OP_H
#define OPS_OP_H

#include "base/dtype.h"
#include "gpu/gpu.h"

typedef enum op_id {
#define OP(id, function, name, ins, outs, ...) OP_##id,
#define OP_FLAT OP
#include "ops/ops.def"
    OP_COUNT
} op_id;

enum { OP_MAX_IN = 8, OP_MAX_OUT = 4, SUMSQ_PARTS = 256 };

typedef struct op_attr {
    uint32_t time, heads, group;
    uint32_t kv_heads, head; /* heads of k and of v; columns of a head. In attention 0: as q's; by y's columns */
    uint32_t rotary;         /* how many of these are turned */
    uint32_t window;         /* attention: keys that a query sees, its own the last; 0: all up to that */
    uint32_t off_q, off_k, off_v;
    bool trans_a, trans_b, gelu, accumulate;
    bool inverse;  /* the transposed operation, for one that is its own gradient */
    float dropout; /* probability of dropping; 0: none */
    uint32_t stream;
    float
        scale; /* a loss's weight in the gradient; EMBED: of the table's rows, 0: 1; of attention's scores, 0: 1 / sqrt(head) */
    float plus; /* what is added to an RMS norm's gain */
    float eps, clip, beta1, beta2, weight_decay;
    uint64_t decayed;
    uint32_t part;
} op_attr;

/* One operand. The GPU uses span, the CPU twin data (double for floats, int32_t for tokens and targets, step_scalars for scalars). */
typedef struct op_view {
    uint32_t rows, cols;
    dtype_id type;
    gpu_span span;
    void *data;
} op_view;

typedef struct op_call {
    op_id op;
    op_attr attr;
    op_view in[OP_MAX_IN], out[OP_MAX_OUT]; /* absent: rows == 0 */
} op_call;

/* Names of operand slots, of inputs and of outputs. */
#define SLOT(slot, name, type, shape, flags) slot,
#define OP(id, function, name, ins, outs, ...)                                                                         \
    enum { ins };                                                                                                      \
    enum { outs };
#define OP_FLAT OP
#include "ops/ops.def"

/* What an operand is. */
typedef enum slot_type {
    SLOT_NONE,
    SLOT_ACT,          /* an activation: all of a call are fp16, or none */
    SLOT_WEIGHT,       /* a product's matrix: as the activations; beside fp32 ones also fp16 or bf16 */
    SLOT_CACHE,        /* keys and values: as the activations; beside fp32 ones also fp16 */
    SLOT_TABLE,        /* EMBED's table: fp32; beside fp32 activations also fp16 or bf16 */
    SLOT_ACT_OR_FLOAT, /* MATMUL's y, which may be fp32 beside fp16 factors */
    SLOT_FLOAT,
    SLOT_TOKENS,  /* int32 below V */
    SLOT_TARGETS, /* the same; one < 0 is ignored */
    SLOT_INDEX,   /* int32 row numbers below N; one < 0 is none */
    SLOT_LABELS,  /* int32 pairs: a class, of how many */
    SLOT_SCORES,  /* pairs of floats: a value, its weight */
    SLOT_SCALARS, /* one struct step_scalars */
    SLOT_SCRATCH, /* floats; op_scratch_words() of them */
} slot_type;

enum slot_flags {
    SLOT_OPTIONAL = 1,
    SLOT_ADDS = 2,     /* an output that attr.accumulate adds to */
    SLOT_IN_PLACE = 4, /* an output whose old values matter */
    SLOT_APART = 8,    /* an output whose columns have different meanings */
    SLOT_TRANS_A = 16, /* rows and columns change places with attr.trans_a, */
    SLOT_TRANS_B = 32  /* with attr.trans_b */
};

typedef struct op_slot {
    const char *name;
    const char *shape;           /* ops.def says how it is written */
    const char *missing, *wrong; /* lines for op_check() */
    slot_type type;              /* SLOT_NONE: there is no such operand */
    uint32_t flags;
} op_slot;

enum { OP_MAX_GRADIENTS = 2 };

/* A row of ops.def. */
typedef struct op_info {
    const char *name;
    op_slot in[OP_MAX_IN], out[OP_MAX_OUT];
    void (*record)(gpu_program *program, const op_call *call);
    double flops;                                                  /* for each element of the first input, */
    double (*count_flops)(const op_call *call);                    /* or of the call */
    const char *(*check)(const op_call *call);                     /* what shapes do not say: NULL, or what is wrong */
    uint64_t (*scratch)(const pm_caps *caps, const op_call *call); /* words */
    /* The operations that make its gradient, in this order; 0, which is no gradient, where there is no further one. An operation that stands
     * here itself is linear and its own gradient, with attr.inverse turned over. MATMUL and ADD have rules of their own in graph/gradient.c. */
    op_id gradient[OP_MAX_GRADIENTS];
} op_info;
extern const op_info op_table[OP_COUNT];

const char *op_name(op_id op);

/* Slots in one count: the inputs, then the outputs. */
enum { OP_SLOTS = OP_MAX_IN + OP_MAX_OUT };
static inline const op_slot *op_slot_at(op_id op, int slot)
{
    return slot < OP_MAX_IN ? &op_table[op].in[slot] : &op_table[op].out[slot - OP_MAX_IN];
}
static inline op_view *op_view_at(op_call *call, int slot)
{
    return slot < OP_MAX_IN ? &call->in[slot] : &call->out[slot - OP_MAX_IN];
}
static inline op_view op_view_of(const op_call *call, int slot)
{
    return slot < OP_MAX_IN ? call->in[slot] : call->out[slot - OP_MAX_IN];
}
/* Whether the operand in this slot, of in or of out, has the type of the activations. */
static inline bool op_is_act(op_id op, bool out, int slot)
{
    const slot_type type = out ? op_table[op].out[slot].type : op_table[op].in[slot].type;
    return type == SLOT_ACT || type == SLOT_WEIGHT || type == SLOT_CACHE || type == SLOT_ACT_OR_FLOAT;
}
/* The first slot of this type, or of this name; -1: there is none. */
int op_slot_of(op_id op, slot_type type);
int op_slot_named(op_id op, const char *name);

/* The operation whose gradient this one computes; OP_COUNT: it is no gradient. */
op_id op_forward(op_id op);

/* The value of a letter of the shapes in this call; 0: nothing says it. */
uint32_t op_letter(const op_call *call, char letter);
/* Gives absent operands that are not optional the shape that the others imply, where they do. Scratch stays absent. */
void op_complete(op_call *call);

/* Whether operands, their shapes and types agree; NULL, or what is wrong. */
const char *op_check(const op_call *call);

/* Record the call. Failures stick in the program. */
void op_record(gpu_program *program, const op_call *call);

/* The most terms in one running sum of a product. In fp32 a sum loses a decimal digit for each hundredfold of its terms. A longer sum, as in
 * a weight gradient over very many tokens, is computed in pieces; not where y is fp16, which would lose more by adding pieces. */
enum { OP_LONGEST_SUM = 16384 };

/* Words of scratch that the call needs on this device, in its slot of that type; 0: none. Depends on shapes and attributes only. */
uint64_t op_scratch_words(const pm_caps *caps, const op_call *call);

/* Floating-point operations, and bytes that must move if each operand is touched once. */
double op_flops(const op_call *call);
double op_bytes(const op_call *call);

/* Partial sums that SUMSQ writes for so many elements: SUMSQ_PARTS for each piece that one operand may span. */
uint32_t op_sumsq_parts(const pm_caps *caps, uint64_t elements);

/* Whether a product applies the norm of its input itself: on a GPU, for up to OP_NORM_ROWS rows whose K values fit shared memory. */
enum { OP_NORM_ROWS = 4 };
bool op_normalises(const pm_caps *caps, const op_call *call);
/* Attention: the most columns of a head; the heads of k and of v, and how many query heads share one. */
enum { OP_MOST_HEAD = 256 };
static inline uint32_t op_kv_heads(const op_attr *attr)
{
    return attr->kv_heads ? attr->kv_heads : attr->heads;
}
static inline uint32_t op_query_heads(const op_attr *attr)
{
    return attr->heads / op_kv_heads(attr);
}
/* Whether attention also does KV_APPEND: on a GPU, for one query of one sequence. */
bool op_appends(const pm_caps *caps, uint32_t queries);

/* Whether fp16 products and attention use matrix units without autotuning. */
bool op_matrix_units(const pm_caps *caps);

/* Vocabulary entries in one tile of LM_LOSS for rows x channels hidden values. */
uint32_t op_lm_tile(const pm_caps *caps, uint32_t rows, uint32_t channels, uint32_t vocab);
/* Words of its logits. */
uint64_t op_lm_scratch(const pm_caps *caps, uint32_t rows, uint32_t channels, uint32_t vocab);

#endif
