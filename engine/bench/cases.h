/* What an operation of the benchmark is made of: operands, and the calls that read and write them. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include <pumice/bench.h>

#include "ops/op.h"

enum { BENCH_DIMS = 6, CASE_OPERANDS = 12, CASE_CALLS = 2 };

/* An operand's first values. */
typedef enum case_values {
    VALUES_NONE,     /* zeros: it is written before it is read */
    VALUES_RANDOM,   /* uniform in -1 … 1 */
    VALUES_TABLE,    /* uniform, divided by the root of the columns: products with it stay near 1 */
    VALUES_POSITIVE, /* uniform in 0.5 … 1.5 */
    VALUES_TOKENS,   /* whole numbers below `limit` */
    VALUES_LABELS,   /* pairs: a class below `limit`, and limit */
    VALUES_SCALARS,  /* one struct step_scalars */
} case_values;

typedef struct case_operand {
    uint32_t rows, cols;
    case_values values;
    uint32_t limit;
    uint32_t moves; /* how often each element must move: 1, 2 where it is changed in place, 0 for scratch */
    dtype_id type;
} case_operand;

/* One operation at one shape. A view's `data` points to its case_operand: spans are bound for each copy. Not to be moved. */
typedef struct bench_case {
    case_operand operands[CASE_OPERANDS];
    uint32_t operand_count;
    op_call calls[CASE_CALLS];
    uint32_t call_count;
    double flops, needed_flops;
} bench_case;

/* A row of the table of all that can be timed. `make` is NULL for whole steps. */
typedef struct case_kind {
    pm_bench_op op;
    uint32_t dims;
    void (*make)(bench_case *c, const pm_caps *caps, const uint32_t *dims);
} case_kind;

/* By number; NULL beyond the last. */
const case_kind *case_kind_at(size_t index);

/* A product without an epilogue, or attention, of this call's shapes and formats. */
void case_like(bench_case *c, const pm_caps *caps, const op_call *call);

/* Makes the case's activations fp16; false where it has none. */
bool case_halve(bench_case *c);
uint64_t case_operand_bytes(const case_operand *o);

#endif
