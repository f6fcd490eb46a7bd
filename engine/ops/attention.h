/* Attention, as two files share it: attention.c has the operation's parts and their operands, attention_variant.c the kernel variants of each. */
#ifndef OPS_ATTENTION_H
#define OPS_ATTENTION_H

#include "ops/variant.h"

/* The parts, each with a choice of its own: the forward pass; of the gradient dq, which also stores delta, dk and dv by one kernel, or each apart. */
typedef enum attention_kind {
    ATTENTION_FORWARD,
    ATTENTION_DQ,
    ATTENTION_DKV,
    ATTENTION_DK,
    ATTENTION_DV,
    ATTENTION_KINDS
} attention_kind;

/* One part of a call. A launch of it points to its operands and push constants: not to be moved. */
enum { ATTENTION_ARGS = 7 };
typedef struct attention {
    const op_call *call;
    attention_kind kind;
    struct attention_push push;
    uint32_t group; /* query heads that share a head of k and v */
    dtype_id cache; /* of keys and values */
    bool windowed;  /* some query sees fewer keys than causality allows it */
    gpu_arg args[ATTENTION_ARGS];
    uint32_t arg_count;
} attention;

void attention_init(attention *a, const op_call *call, attention_kind kind);
/* Its launch, with operands, push constants and the specialization constants of every kernel of attention. */
launch attention_launch(gpu_program *program, const pm_caps *caps, const attention *a);

/* Records a part with the variant that autotuning chose, or with the usual one. */
void attention_record(gpu_program *program, const op_call *call, attention_kind kind);
/* op_choices() of ATTENTION and ATTENTION_BWD. */
uint32_t attention_choices(const pm_caps *caps, const op_call *call, op_choice choices[OP_MOST_CHOICES]);
/* Whether a forward pass with so many queries a sequence is attention_row.comp's, which needs scratch and appends to the cache itself. Then no other
 * variant is possible, and else not this one: no choice changes what scratch was planned. */
bool attention_by_row(const pm_caps *caps, uint32_t time);

#endif
