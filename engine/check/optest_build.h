/* Building rows: each function adds one operation, or one and its gradient, to a set. */
#ifndef CHECK_OPTEST_BUILD_H
#define CHECK_OPTEST_BUILD_H

#include "check/optest.h"

/* The rows so far, and the set that grows. */
struct optest_table {
    optest_row rows[SETS][OPTEST_MOST_ROWS];
    size_t count[SETS];
    optest_set adding;
};

static inline op_view v(uint32_t rows, uint32_t cols)
{
    return (op_view){.rows = rows, .cols = cols};
}

/* A row of the set, its seed its number; to be filled. */
optest_row *row_add(optest_table *t, op_id op);
/* The newest one. */
optest_row *row_last(optest_table *t);

/* x of `sequences` sequences of `time` tokens, from position `pos` on. */
void row_embed(optest_table *t, uint32_t sequences, uint32_t time, uint32_t c, uint32_t vocab, uint32_t positions,
               uint32_t pos);
/* The token table's gradient from n rows. */
void row_embed_bwd(optest_table *t, uint32_t n, uint32_t c, uint32_t vocab, bool accumulate);
/* (n, c), its gradient and its parameters' gradient; `flag`: with what is added to those. */
void row_layernorm(optest_table *t, uint32_t n, uint32_t c, bool flag);
/* trans: 1 A as stored is transposed, 2 B. Letters: b bias, p pre, g GELU, d dropout, r residual, s GELU's slope, a accumulate, n A normalised,
 * m by RMS. */
void row_matmul(optest_table *t, uint32_t m, uint32_t n, uint32_t k, uint32_t trans, const char *epilogue);
/* Element by element. */
void row_flat(optest_table *t, op_id op, uint32_t n, uint32_t c);
void row_colsum(optest_table *t, uint32_t n, uint32_t c, bool accumulate);
/* Forward and gradient. */
void row_attention(optest_table *t, uint32_t sequences, uint32_t time, uint32_t heads, uint32_t size, float dropout);
/* Queries at pos, pos + 1, … of a cache of k | v with room for `room` positions a sequence. */
void row_cached(optest_table *t, uint32_t sequences, uint32_t time, uint32_t pos, uint32_t room, uint32_t heads,
                uint32_t size);
/* The same for one query, whose key and value are written to their place first. */
void row_appended(optest_table *t, uint32_t pos, uint32_t room, uint32_t heads, uint32_t size);
/* Of query heads that share keys, with windows, large heads, and a scale of its own: all rows, behind all others. */
void optest_add_attention(optest_table *t);
void row_kv_append(optest_table *t, uint32_t n, uint32_t c, uint32_t pos, uint32_t room);
/* The language model's loss and its gradient. */
void row_loss(optest_table *t, uint32_t n, uint32_t c, uint32_t vocab, uint32_t ignored, bool accumulate,
              bool weighted);
/* `examples` rows of y from `count` rows of x. */
void row_gather(optest_table *t, uint32_t count, uint32_t examples, uint32_t group, uint32_t c);
/* Logits of so many classes, or in a column as questions with choices have them. */
void row_label_loss(optest_table *t, uint32_t examples, uint32_t classes, bool column, uint32_t ignored);
void row_score_loss(optest_table *t, uint32_t examples, uint32_t ignored);
void row_sumsq(optest_table *t, uint32_t n, uint32_t c, uint32_t part, uint32_t parts);
void row_adamw(optest_table *t, uint32_t n, uint32_t c, uint64_t decayed, float weight_decay);

/* Rows of the operations of decoders: optest_decoder.c. */
void optest_add_decoders(optest_table *t);
/* Weights of 16 bits beside fp32: optest_weights.c. */
void optest_add_weights(optest_table *t);

#endif
