/* The op harness: rows with weights, or keys and values, of 16 bits beside fp32 activations. Behind all others, whose numbers decide where their operands lie. */
#include "check/optest_build.h"

/* Gives the rows from `first` on fp16 and bf16 in turn. Operands lie at aligned places, or at any: see arrange() in optest.c. */
static void narrow_from(optest_table *t, size_t first, bool aligned)
{
    for (size_t i = first; i < t->count[t->adding]; i++) {
        optest_row *row = &t->rows[t->adding][i];
        row->weight = i % 2 ? DTYPE_F16 : DTYPE_BF16;
        row->seed = 6 * (uint32_t)i + (uint32_t)i % 3 + (aligned ? 0 : 3);
    }
}

/* A driver compiles a kernel for each epilogue, transpose and type: few of each. */
typedef struct form {
    uint32_t m, n, k;
    const char *epilogue;
} form;

static void add_forms(optest_table *t, const form *forms, size_t count, bool aligned)
{
    const size_t from = t->count[t->adding];
    for (size_t i = 0; i < count; i++) {
        row_matmul(t, forms[i].m, forms[i].n, forms[i].k, 0, forms[i].epilogue);
        row_matmul(t, forms[i].m, forms[i].n, forms[i].k, 2, forms[i].epilogue);
        if (i % 2 == 0) /* the other type */
            row_matmul(t, forms[i].m, forms[i].n, forms[i].k, 2, forms[i].epilogue);
    }
    narrow_from(t, from, aligned);
}

/* Rows of B begin amid a word, or at one. */
static void add_products(optest_table *t)
{
    static const form odd[] = {{33, 31, 127, ""}, {5, 33, 3, "br"}, {3, 5, 400001, ""}};
    static const form even[] = {
        {3, 260, 64, ""}, {1, 256, 64, "nb"}, {1, 2048, 1024, "br"}, {4, 64, 128, "m"}, {64, 128, 48, "br"}};
    add_forms(t, odd, sizeof odd / sizeof *odd, false);
    add_forms(t, even, sizeof even / sizeof *even, true);
}

/* By tiles that are not the usual ones of some device. */
static void add_variants(optest_table *t)
{
    static const op_variant variants[] = {VARIANT_BLOCK, VARIANT_BLOCK_SMALL, VARIANT_TILE_8, VARIANT_LANES};
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        const size_t from = t->count[t->adding];
        row_matmul(t, 132, 72, 20, 0, "");
        row_matmul(t, 132, 136, 36, 2, "br");
        narrow_from(t, from, true);
        for (size_t n = from; n < t->count[t->adding]; n++) t->rows[t->adding][n].variant = variants[i];
    }
}

/* The gradient, which row_loss adds too, takes the activations' type alone. */
static void add_loss(optest_table *t, uint32_t n, uint32_t c, uint32_t vocab)
{
    optest_row *row = row_add(t, OP_LM_LOSS);
    row->ignored = OPTEST_SOME;
    row->call.in[LM_LOSS_H] = v(n, c);
    row->call.in[LM_LOSS_TABLE] = v(vocab, c);
    row->call.in[LM_LOSS_TARGETS] = v(n, 1);
}

/* Keys and values in fp16: of each variant, at aligned places and at any. */
static void add_caches(optest_table *t)
{
    static const op_variant variants[] = {VARIANT_USUAL, VARIANT_ATTENTION_FEW, VARIANT_ATTENTION_TILE,
                                          VARIANT_ATTENTION_BLOCK};
    const size_t first = t->count[t->adding];
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        /* In blocks, larger heads take more shared memory than some devices have. */
        const bool block = variants[i] == VARIANT_ATTENTION_BLOCK;
        row_cached(t, 1 + (uint32_t)i % 2, 33, 31, 100, 2, block ? 20 : 64);
        row_last(t)->variant = variants[i];
    }
    row_cached(t, 1, 1, 256, 257, 3, 20);
    row_appended(t, 300, 400, 2, 64);
    row_kv_append(t, 7, 96, 5, 20);
    for (size_t i = first; i < t->count[t->adding]; i++) {
        optest_row *row = &t->rows[t->adding][i];
        row->cache = DTYPE_F16;
        row->seed = 6 * (uint32_t)i + (uint32_t)i % 3;
    }
    row_cached(t, 1, 33, 3, 40, 2, 4);
    row_appended(t, 30, 40, 1, 4);
    row_kv_append(t, 3, 31, 0, 7);
    for (size_t i = t->count[t->adding] - 3; i < t->count[t->adding]; i++) t->rows[t->adding][i].cache = DTYPE_F16;
}

void optest_add_weights(optest_table *t)
{
    t->adding = USUAL;
    add_products(t);
    add_variants(t);
    size_t from = t->count[t->adding];
    for (uint32_t i = 0; i < 2; i++) {
        row_embed(t, 1 + i, 33, 31, 127, 40, 5);
        add_loss(t, 33, 31, 65);
    }
    row_embed(t, 2, 17, 96, 257, 20, 0);
    add_loss(t, 5, 96, 1000);
    narrow_from(t, from, false);
    add_caches(t);
    t->adding = TILED;
    from = t->count[t->adding];
    row_embed(t, 1, 7, 96, 50257, 9, 2);
    add_loss(t, 5, 96, 50257);
    row_matmul(t, 3, 2200, 1001, 0, "");
    row_matmul(t, 3, 2200, 1001, 2, "b");
    row_matmul(t, 5, 300, 8001, 0, "a");
    row_matmul(t, 2, 3, 800001, 2, "");
    narrow_from(t, from, false);
}
