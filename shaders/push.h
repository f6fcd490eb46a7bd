/* Push-constant structs (at most 64 bytes each) and the scalars buffer, shared by C and GLSL. Every member is one 32-bit word, so that the
 * layouts agree. */
#ifndef PM_PUSH_H
#define PM_PUSH_H

#include "spec.h"

#ifdef PM_GLSL
#define PM_STRUCT(name) struct name
#define U32 uint
#define F32 float
#else
#include <stddef.h>
#include <stdint.h>
#define PM_STRUCT(name)                                                                                                \
    typedef struct name name;                                                                                          \
    struct name
#define U32 uint32_t
#define F32 float
#endif

/* The scalars buffer: the host writes it before each run of a program. Only it and the batch change between runs. X(word, type, name): C makes
 * struct step_scalars of this list. GLSL, where the buffer is bound as uints, takes a field's word from it. */
#define STEP_SCALARS(X)                                                                                                \
    X(0, U32, seed_lo) /* key of the dropout generator */                                                              \
    X(1, U32, seed_hi)                                                                                                 \
    X(2, U32, step) /* counter word 3: new masks for each step, counted from 0 */                                      \
    X(3, U32, pos)  /* tokens already in the key/value cache */                                                        \
    X(4, F32, lr)                                                                                                      \
    X(5, F32, beta1_fix) /* 1 / (1 - beta^t) */                                                                        \
    X(6, F32, beta2_fix)                                                                                               \
    X(7, F32, grad_scale) /* a micro batch's share of the step's targets or examples, times the loss scale */          \
    X(8, F32, unscale)    /* 1 / loss scale, the factor from stored gradients to real ones */                          \
    X(9, U32, micro)      /* number of the micro batch within the step */

#ifdef PM_GLSL
#define STEP_FIELD(word, type, name) uint name;
struct step_words {
    uint none;
    STEP_SCALARS(STEP_FIELD)
};
#define STEP_WORD(word, type, name) , word
#define SCALAR_WORD(field) step_words(0 STEP_SCALARS(STEP_WORD)).field /* a constant: the compiler folds it */
#else
#define STEP_FIELD(word, type, name) type name;
PM_STRUCT(step_scalars){STEP_SCALARS(STEP_FIELD)};
#define STEP_WORD(word, type, name) _Static_assert(offsetof(step_scalars, name) == 4 * (word), #name);
STEP_SCALARS(STEP_WORD)
#undef STEP_WORD
#endif
#undef STEP_FIELD

/* A row of dropout: mask = f(seed; col / 4, micro * rows + row, stream, step), with the rows of a micro batch. A step has the same masks however it
 * is cut into micro batches. */

PM_STRUCT(matmul_push) /* C (M,N) = op(A) op(B); see matmul_*.comp */
{
    U32 m, n, k;
    U32 lda, ldb, ldc; /* elements between rows as stored */
    F32 keep;          /* dropout: probability of keeping */
    U32 stream;        /* dropout */
    F32 eps, plus;     /* of A's normalisation; plus: added to an RMS norm's gain */
};

/* Stages of a matmul's epilogue, in this order. */
#define EPILOGUE_BIAS 1u
#define EPILOGUE_PRE 2u /* store the value before GELU */
#define EPILOGUE_GELU 4u
#define EPILOGUE_DROPOUT 8u
#define EPILOGUE_RESIDUAL 16u
#define EPILOGUE_GELU_SLOPE 32u
#define EPILOGUE_ACCUMULATE 64u

/* A tile of matmul_lanes.comp: rows, and vectors of columns. */
#define MATMUL_LANES_ROWS 16
#define MATMUL_LANES_VECTORS 4
/* The most k of a slice of matmul_coop.comp. Of matmul_block.comp: k of a slice, sides of the two tiles, invocations. */
#define MATMUL_COOP_DEPTH 32
#define MATMUL_BLOCK_DEPTH 8
#define MATMUL_BLOCK_TILE 128
#define MATMUL_BLOCK_SMALL_TILE 64
#define MATMUL_BLOCK_THREADS 128
/* A work group of attention_block.comp: own rows, keys at a time, invocations. */
#define ATTENTION_BLOCK_ROWS 64
#define ATTENTION_BLOCK_KEYS 32
#define ATTENTION_BLOCK_THREADS 128
/* A work group of attention_coop.comp: subgroups, each with the own rows of one matrix, and other rows at a time. Other rows are staged in the
 * place of own rows, so that the rows of WARPS matrices are at most 2 OTHERS. */
#define ATTENTION_COOP_WARPS 4
#define ATTENTION_COOP_OTHERS 32
/* A work group of attention_few.comp: own rows, and other rows at a time, one an invocation. */
#define ATTENTION_FEW_ROWS 4
#define ATTENTION_FEW_OTHERS 64
/* The most loads of four columns of K or V that an invocation of attention_row.comp has in flight. */
#define ATTENTION_ROW_FLIGHT 8
/* Columns of a head beyond which common/attention_lanes.glsl has two work groups for it. */
#define ATTENTION_LANES_COLUMNS 128
/* Floats that a split of the keys writes, for heads of so many columns. */
#define ATTENTION_PART(head) ((head) + 4)

PM_STRUCT(rows_push) /* kernels over rows x cols */
{
    U32 rows, cols;
    U32 parts;  /* partial sums, for the two-pass reductions */
    U32 stream; /* dropout */
    F32 value;  /* eps, or keep */
};

PM_STRUCT(finish_push) /* the second pass of colsum.comp */
{
    U32 cols;     /* of the result */
    U32 parts;    /* rows of partial sums, */
    U32 ld, from; /* elements between them, and the first that is taken of each */
};

PM_STRUCT(append_push) /* new rows of the key/value cache: elementwise.comp */
{
    U32 rows;
    U32 from, cols; /* columns of q, which are passed over, and of the k and v behind them */
};

PM_STRUCT(rms_push) /* RMS norms of rows or of heads */
{
    U32 rows, cols; /* C, or D; for sums over rows, their columns, from the row's first on */
    U32 parts;      /* partial sums, for the two-pass reductions */
    U32 ld;         /* elements between rows */
    U32 heads;      /* H heads of q, K of k and of v; sums: norms in a row's columns */
    U32 kv_heads;
    F32 eps, plus; /* plus: added to the gain */
};

PM_STRUCT(embed_push)
{
    U32 rows, cols;   /* N = B*T positions, C channels */
    U32 time;         /* T */
    U32 first, count; /* token ids [first, first + count) are bound */
    U32 table_rows;   /* for the position table's gradient: P */
    F32 scale;        /* of the token table's rows */
};

PM_STRUCT(rope_push)
{
    U32 count, first; /* pairs, in a kernel's N at a time, and the first of this dispatch */
    U32 row, time;    /* the first row's number within all sequences; T */
    F32 sign;         /* of the angle */
};

PM_STRUCT(gate_push)
{
    U32 count, first; /* elements of (N, I), and the first of this dispatch */
};

PM_STRUCT(attention_push)
{
    U32 sequences, time_q, time_k; /* B; queries and keys a sequence */
    U32 ld_q, ld_k, ld_v, ld_y;    /* elements between rows */
    U32 off_q, off_k, off_v;       /* first element of head 0 within a row */
    U32 channels, head;            /* C = query heads * head size; head size */
    F32 scale, keep;
    U32 stream;
    U32 window; /* keys that a query sees; with SPEC_ATTENTION_WINDOWED */
};

PM_STRUCT(loss_push)
{
    U32 rows;         /* N */
    U32 ld;           /* columns of the logits tile as stored */
    U32 first, count; /* vocabulary [first, first + count) is in the tile */
    U32 is_first;
    F32 scale; /* of the gradient, besides grad_scale */
};

PM_STRUCT(task_push) /* gather.comp, task_loss.comp */
{
    U32 rows, cols; /* R examples; C channels, or K logits an example */
    U32 group;      /* rows of x that one row of y sums */
    F32 scale;      /* of the gradient, besides grad_scale */
};

PM_STRUCT(adamw_push)
{
    U32 count;   /* elements */
    U32 decayed; /* the first this many are decayed */
    F32 beta1, beta2, eps, weight_decay;
};

PM_STRUCT(reduce_push)
{
    U32 count;     /* elements */
    U32 parts, at; /* partial sums written, from index `at` on */
    F32 clip;      /* largest norm; 0: no clipping */
};

PM_STRUCT(meter_push) /* meter.comp, meter_coop.comp */
{
    U32 count; /* 4-vectors to copy, or rounds of METER_STEPS steps */
    F32 a;
};

/* A round of meter.comp: chains, and steps of each. */
#define METER_CHAINS 12
#define METER_STEPS 16
/* A round of meter_coop.comp: matrices of sums of a subgroup. */
#define METER_MATRICES 8

#ifdef PM_GLSL
#undef PM_STRUCT
#undef U32
#undef F32
#else
#undef PM_STRUCT
#undef U32
#undef F32
#endif
#endif
