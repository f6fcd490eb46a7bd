/* The op harness from inside: a row with its operands. optest_values.c fills them; optest.c places them, runs the row and compares. */
#ifndef CHECK_OPTEST_BENCH_H
#define CHECK_OPTEST_BENCH_H

#include "gpu/gpu.h"
#include "check/optest.h"

enum { MAX_OPERANDS = OP_MAX_IN + OP_MAX_OUT + 2 };

typedef enum role { INPUT, OUTPUT, SCRATCH } role;

typedef struct operand {
    role role;
    op_view *views[4]; /* the views that mean it */
    int view_count;
    uint64_t count; /* elements */
    dtype_id type;
    void *twin;      /* what the CPU twin sees; NULL for scratch */
    uint32_t *image; /* what is uploaded: into its buffer's image */
    int buffer;
    uint64_t offset; /* words */
} operand;

typedef struct place {
    gpu_buffer *buffer;
    gpu_lifetime lifetime;
    uint64_t words;
    uint32_t *image, *got, *again;
} place;

/* One row in the making. */
typedef struct bench {
    pm_device *device;
    const optest_row *row;
    optest_result *result;
    op_call call, before; /* `before`: LM_LOSS, which fills the logits that LM_LOSS_BWD reads */
    operand operands[MAX_OPERANDS];
    int operand_count;
    place places[MAX_OPERANDS];
    int place_count;
    gpu_program *program;
    uint32_t draws;
} bench;

static inline uint64_t operand_words(const operand *o)
{
    return dtype_words(o->type, o->count);
}

/* Whether an operand holds whole numbers. */
static inline bool optest_is_integer(slot_type type)
{
    return type == SLOT_TOKENS || type == SLOT_TARGETS || type == SLOT_INDEX || type == SLOT_LABELS;
}

/* The operand that a view means, or NULL. */
operand *optest_find(bench *b, const op_view *view);

/* Values for all inputs, and for outputs that are changed rather than written. */
void optest_fill(bench *b);

#endif
