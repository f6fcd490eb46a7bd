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
        row->type = t->adding == HALVES ? DTYPE_F16 : DTYPE_F32;
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

/* Heads of q, of k and v; their columns, and how many of these are turned. */
typedef struct form {
    uint32_t heads, kv_heads, head, rotary;
} form;

static op_view qkv_of(uint32_t n, form f)
{
    return v(n, (f.heads + 2 * f.kv_heads) * f.head);
}

static void row_head_norm(optest_table *t, uint32_t n, form f, bool flag)
{
    op_attr attr = norm_attr(f.head, flag);
    attr.heads = f.heads, attr.kv_heads = f.kv_heads, attr.head = f.head;
    optest_row *row = row_add(t, OP_HEAD_NORM);
    row->call.attr = attr;
    row->call.in[HEAD_NORM_QKV] = qkv_of(n, f);
    row = row_add(t, OP_HEAD_NORM_BWD);
    row->call.attr = attr;
    row->call.in[HEAD_NORM_BWD_QKV] = qkv_of(n, f);
    row = row_add(t, OP_HEAD_NORM_BWD_PARAMS);
    row->call.attr = attr;
    row->call.attr.accumulate = flag;
    row->call.in[HEAD_NORM_BWD_PARAMS_QKV] = qkv_of(n, f);
}

static void row_rope(optest_table *t, uint32_t sequences, uint32_t time, form f, uint32_t pos)
{
    optest_row *row = row_add(t, OP_ROPE);
    row->pos = pos;
    row->call.attr =
        (op_attr){.heads = f.heads, .kv_heads = f.kv_heads, .head = f.head, .rotary = f.rotary, .time = time};
    row->call.attr.inverse = (time + f.heads) % 2;
    row->call.in[ROPE_QKV] = qkv_of(sequences * time, f);
    row->call.in[ROPE_TABLE] = v(pos + time + 3, f.rotary);
}

/* The heads of real models: 8 to 256 columns; one that is read in fours, but its halves are not; and odd ones. */
static const form forms[] = {{6, 2, 8, 8},     {3, 1, 16, 16},  {9, 3, 64, 64},  {2, 2, 80, 32},
                             {4, 1, 96, 96},   {14, 2, 64, 64}, {3, 3, 128, 64}, {16, 8, 128, 128},
                             {4, 1, 256, 256}, {5, 1, 12, 12},  {2, 1, 20, 8},   {1, 1, 2, 2}};
enum { FORMS = sizeof forms / sizeof *forms };

static void add_heads(optest_table *t)
{
    static const uint32_t rows[] = {1, 3, 5, 8, 7, 31, 16, 33};
    for (uint32_t aligned = 0; aligned < 2; aligned++) {
        const size_t from = t->count[t->adding];
        for (uint32_t i = 0; i < FORMS; i++) {
            if ((t->adding == HALVES || !aligned) && i % 2 == aligned) continue;
            row_head_norm(t, rows[(i + aligned) % 8], forms[i], i % 2);
            row_rope(t, 1 + i % 3, rows[i % 8], forms[i], i % 2 ? 5 * i : 0);
        }
        row_head_norm(t, 5, (form){3, 1, 7, 0}, aligned);
        row_head_norm(t, 131, (form){2, 1, 33, 0}, !aligned);
        row_rope(t, 1, 1, (form){9, 3, 64, 64}, 1000 + aligned);
        row_rope(t, 2, 64, (form){2, 2, 32, 16}, 0); /* whole work groups */
        place_from(t, from, aligned);
    }
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
        add_heads(t);
        add_gates(t);
        add_embeds(t);
    }
    t->adding = TILED; /* operands that span several ranges */
    row_rmsnorm(t, 1100, 1101, true);
    row_head_norm(t, 1100, (form){9, 3, 80, 0}, true);
    row_rope(t, 3, 400, (form){9, 3, 80, 32}, 7);
    row_gate(t, OP_SILU_GATE, 1100, 551);
    row_gate(t, OP_GELU_GATE, 1100, 1040);
}
