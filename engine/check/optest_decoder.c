/* The op harness: rows of the operations that decoders such as Llama, Qwen and Gemma have. Behind all others, whose numbers decide where their
 * operands lie. */
#include "check/optest_build.h"

static const uint32_t odd[6] = {1, 3, 31, 33, 127, 257};
static const uint32_t widths[7] = {64, 172, 576, 768, 1024, 1152, 2048};

/* Operands lie at aligned places, or at any: see arrange() in optest.c. */
static void place_from(optest_table *t, size_t first, bool aligned)
{
    for (size_t i = first; i < t->count[t->adding]; i++) {
        optest_row *row = &t->rows[t->adding][i];
        row->half = t->adding == HALVES;
        row->seed = 6 * (uint32_t)i + (uint32_t)i % 3 + (aligned ? 0 : 3);
    }
}

static op_attr norm_attr(uint32_t c, bool flag)
{
    /* One column's gradient is a difference of 1 and nearly 1 where eps is small. */
    return (op_attr){.eps = flag || c == 1 ? 0.1f : 1e-6f, .plus = flag};
}

/* As row_layernorm. */
static void row_rmsnorm(optest_table *t, uint32_t n, uint32_t c, bool flag)
{
    optest_row *row = row_add(t, OP_RMSNORM);
    row->call.attr = norm_attr(c, flag);
    row->call.in[RMSNORM_X] = v(n, c);
    row = row_add(t, OP_RMSNORM_BWD);
    row->call.attr = norm_attr(c, flag);
    row->call.in[RMSNORM_BWD_X] = v(n, c);
    if (flag) row->call.in[RMSNORM_BWD_ADD] = v(n, c);
    row = row_add(t, OP_RMSNORM_BWD_PARAMS);
    row->call.attr = norm_attr(c, !flag);
    row->call.attr.accumulate = flag;
    row->call.in[RMSNORM_BWD_PARAMS_X] = v(n, c);
}

static void add_norms(optest_table *t)
{
    const bool half = t->adding == HALVES;
    size_t from = t->count[t->adding];
    for (int i = 0; i < (half ? 2 : 6); i++) {
        row_rmsnorm(t, odd[i], odd[(i + 2) % 6], i % 2);
        row_rmsnorm(t, odd[(i + 1) % 6], odd[i], i % 2 == 0);
    }
    row_rmsnorm(t, 9, 576, true);
    place_from(t, from, false);
    from = t->count[t->adding];
    for (uint32_t i = 0; i < 7; i++) row_rmsnorm(t, i % 2 ? 8 : 5 + i, widths[i], i % 2);
    row_rmsnorm(t, 10, 36, true);   /* in fours, not in registers */
    row_rmsnorm(t, 2100, 4, false); /* more rows than 64 parts of 32 */
    place_from(t, from, true);
}

/* Products of few rows that normalise A by RMS. */
static void add_products(optest_table *t)
{
    const bool half = t->adding == HALVES;
    const size_t from = t->count[t->adding];
    if (!half) {
        row_matmul(t, 1, 2304, 768, 0, "mb"); /* at any place */
        row_matmul(t, 3, 8, 4, 0, "ma");
        row_matmul(t, 4, 131, 260, 2, "m");
        place_from(t, from, false);
    }
    const size_t aligned = t->count[t->adding];
    row_matmul(t, 2, 256, 64, 0, "m");
    row_matmul(t, 3, 31, 100, 2, "mbg");
    row_matmul(t, 1, 124, 516, 0, "ma");
    row_matmul(t, 4, 172, 576, 2, "m");
    place_from(t, aligned, true);
    /* a result in fp16, and one in fp32: see halve() in optest.c */
    for (uint32_t i = (uint32_t)aligned; i < t->count[t->adding]; i++)
        t->rows[t->adding][i].seed = 6 * i + 1 + i / 2 % 2;
    if (!half) return;
    row_matmul(t, 3, 8, 4, 0, "m");
    row_matmul(t, 2, 7, 36, 2, "m");
    place_from(t, t->count[t->adding] - 2, false);
}

static void row_gate(optest_table *t, op_id op, uint32_t n, uint32_t inner)
{
    row_add(t, op)->call.in[0] = v(n, 2 * inner);
    row_add(t, op_table[op].gradient[0])->call.in[1] = v(n, 2 * inner);
}

static void add_gates(optest_table *t)
{
    for (int k = 0; k < 2; k++) {
        const op_id op = k ? OP_GELU_GATE : OP_SILU_GATE;
        size_t from = t->count[t->adding];
        for (int i = 0; i < 6; i++) row_gate(t, op, odd[i], odd[(i + 2 + k) % 6]);
        row_gate(t, op, 3, 172);
        place_from(t, from, false);
        from = t->count[t->adding];
        for (uint32_t i = 0; i < 7; i++) row_gate(t, op, 1 + 2 * i, widths[i]);
        row_gate(t, op, 5, 131);
        row_gate(t, op, 32, 64); /* whole work groups */
        place_from(t, from, true);
    }
}

/* Tables of positions are absent in rotary models, and Gemma's table of tokens has a factor. */
static void add_embeds(optest_table *t)
{
    const size_t from = t->count[t->adding];
    for (int i = 0; i < 4; i++) {
        row_embed(t, 1 + (uint32_t)i, 5, odd[i + 1], odd[4 - i], 9, 2);
        optest_row *row = row_last(t);
        row->call.attr.scale = i % 2 ? 0 : 25.25f;
        if (i != 2) row->call.in[EMBED_POSITIONS] = v(0, 0);
        row_embed_bwd(t, odd[i + 1], odd[4 - i], 7, i % 2);
        row_last(t)->call.attr.scale = i % 2 ? 25.25f : 0.5f;
    }
    place_from(t, from, false);
}

void optest_add_decoders(optest_table *t)
{
    static const optest_set sets[] = {USUAL, HALVES};
    for (int i = 0; i < 2; i++) {
        t->adding = sets[i];
        add_norms(t);
        add_products(t);
        add_gates(t);
        add_embeds(t);
    }
    t->adding = TILED; /* operands that span several ranges */
    row_rmsnorm(t, 1100, 1101, true);
    row_gate(t, OP_SILU_GATE, 1100, 551);
    row_gate(t, OP_GELU_GATE, 1100, 1040);
}
