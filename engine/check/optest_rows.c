/* The op harness: the table of rows. */
#include "check/optest_build.h"

#include <stdlib.h>

static const uint32_t sizes[6] = {1, 3, 31, 33, 127, 257};

static void add_embed_rows(optest_table *t)
{
    for (int i = 0; i < 6; i++) {
        uint32_t a = sizes[i], b = sizes[(i + 2) % 6], c = sizes[(i + 3) % 6];
        row_embed(t, 1 + i % 3, a, b, c, a + 5, i % 2 ? 5 : 0);
        row_embed_bwd(t, a * (1 + i % 3), b, c, i % 2);
        row_embed_bwd(t, c, a, b, i % 2 == 0);
    }
    row_embed(t, 1, 1, 48, 65, 64, 63);
    row_embed_bwd(t, 127, 33, 1, false); /* one token all along */
    for (int i = 0; i < 8; i++) {
        uint32_t time = sizes[i % 6], c = sizes[(i + 3) % 6];
        optest_row *row = row_add(t, OP_EMBED_BWD_POSITION);
        row->call.attr.time = time;
        row->call.attr.accumulate = i % 2;
        row->call.in[0] = v(time * (1 + i % 4), c);
        row->call.out[0] = v(time + (i % 3 ? 7 : 0), c);
    }
}

/* What the letters stand for: see row_matmul. The first two need no more operands than a plain product. */
static const char *const epilogues[] = {"b",     "ba", "bp", "bg",     "bpg", "bd", "br", "bdr",
                                        "bpgdr", "s",  "sa", "bpgdra", "g",   "d",  "r"};

static void add_matmul_rows(optest_table *t)
{
    static const int shifts[4][2] = {{0, 0}, {1, 3}, {2, 5}, {4, 1}};
    for (int i = 0; i < 24; i++)
        for (uint32_t trans = 0; trans < 4; trans++)
            row_matmul(t, sizes[i % 6], sizes[(i + shifts[i / 6][0]) % 6], sizes[(i + shifts[i / 6][1]) % 6], trans,
                       (i + trans) % 3 == 0 ? "a" : "");
    for (uint32_t trans = 0; trans < 4; trans++) {
        row_matmul(t, 1, 192, 768, trans, "");
        row_matmul(t, 16, 129, 65, trans, "b");
        row_matmul(t, 66, 80, 1, trans, "a");
        row_matmul(t, 130, 64, 512, trans, "");
        row_matmul(t, 3, 5, 400001, trans, ""); /* a sum longer than is made in one go */
    }
    /* matvec.comp: few rows, read in fours */
    row_matmul(t, 2, 124, 36, 0, "bpg");
    row_matmul(t, 4, 128, 260, 0, "a");
    row_matmul(t, 3, 260, 36, 2, "bdr");
    row_matmul(t, 4, 1031, 388, 2, "b");
    row_matmul(t, 1, 2304, 768, 0, "nb"); /* A normalised */
    row_matmul(t, 1, 124, 516, 0, "nbg");
    row_matmul(t, 3, 8, 4, 0, "na");
    row_matmul(t, 4, 131, 260, 2, "nb");
    for (size_t e = 0; e < sizeof epilogues / sizeof epilogues[0]; e++) {
        row_matmul(t, 33, 31, 127, e % 2 ? 2 : 0, epilogues[e]);
        row_matmul(t, e % 2 ? 1 : 67, e % 2 ? 127 : 3, 31, (uint32_t)e % 4, epilogues[e]);
    }
}

static void add_flat_rows(optest_table *t)
{
    static const op_id ops[5] = {OP_GELU, OP_GELU_BWD, OP_ADD, OP_DROPOUT, OP_CAST};
    for (int o = 0; o < 5; o++) {
        for (int i = 0; i < 6; i++) {
            row_flat(t, ops[o], sizes[i], sizes[(i + o) % 6]);
            row_flat(t, ops[o], sizes[i], sizes[(i + 3) % 6]);
        }
        row_flat(t, ops[o], 300, 1000);
    }
    for (int i = 0; i < 12; i++) row_colsum(t, sizes[i % 6], sizes[(i + i / 6 * 2 + 1) % 6], i % 2);
    row_colsum(t, 5000, 3, false); /* more rows than 64 parts of 32 */
}

static void add_attention_rows(optest_table *t)
{
    static const uint32_t head_sizes[9] = {4, 16, 20, 32, 48, 64, 80, 96, 128}, times[5] = {1, 3, 31, 33, 127};
    for (uint32_t s = 0; s < 9; s++) row_appended(t, 17 * s, 130 + s, 1 + s % 3, head_sizes[s]);
    row_appended(t, 1300, 1301, 2, 64); /* more keys than a work group takes at a time */
    for (uint32_t s = 0; s < 9; s++)
        for (uint32_t k = 0; k < 5; k++)
            row_attention(t, 1 + (s + k) % 3, times[k], 1 + (s + 2 * k) % 3, head_sizes[s], 0);
    for (uint32_t s = 0; s < 9; s++)
        row_attention(t, 1 + s % 2, times[(s + 2) % 5], 1 + s % 3, head_sizes[s], s % 2 ? 0.1f : 0.4f);
    row_attention(t, 1, 257, 1, 4, 0);
    row_attention(t, 1, 257, 2, 64, 0.2f);
    row_attention(t, 31, 3, 3, 20, 0);
    for (uint32_t s = 0; s < 9; s++) row_cached(t, 1, 1, times[s % 5], 128 + s, 1 + s % 3, head_sizes[s]);
    row_cached(t, 1, 1, 0, 1, 2, 64);
    row_cached(t, 1, 1, 256, 257, 3, 20);
    row_cached(t, 1, 31, 33, 127, 3, 16);
    row_cached(t, 1, 33, 0, 257, 2, 64);
    row_cached(t, 2, 1, 33, 40, 1, 32);
    row_cached(t, 3, 5, 7, 31, 2, 48);
    for (uint32_t i = 0; i < 6; i++)
        row_kv_append(t, i % 2 ? 1 : sizes[i], sizes[(i + 1) % 6], i * 5, sizes[i] + 5 * i + i % 3);
    row_kv_append(t, 7, 96, 0, 7);
}

static void add_loss_rows(optest_table *t)
{
    for (uint32_t i = 0; i < 6; i++) {
        row_loss(t, sizes[i], sizes[(i + 2) % 6], i % 2 ? 65 : 257, i % 2 ? OPTEST_NONE : OPTEST_SOME, i % 3 == 0,
                 i % 4 < 2);
        row_loss(t, sizes[(i + 1) % 6], sizes[i], sizes[(i + 3) % 6], OPTEST_SOME, i % 2, i % 4 == 1);
    }
    row_loss(t, 3, 31, 65, OPTEST_ALL, false, true);
    row_loss(t, 33, 20, 65, OPTEST_ALL, true, false);
    row_loss(t, 5, 96, 50257, OPTEST_SOME, false, true);
    row_loss(t, 1024, 4, 20000, OPTEST_SOME, true, false); /* logits of more than a software driver's tile */
}

static void add_task_rows(optest_table *t)
{
    for (uint32_t i = 0; i < 6; i++) {
        row_gather(t, sizes[i] * 2 + 5, sizes[i], 1 + i % 2, sizes[(i + 2) % 6]);
        row_label_loss(t, sizes[i], i % 2 ? 3 : 257, i % 2, OPTEST_SOME);
        row_label_loss(t, sizes[(i + 3) % 6], sizes[i], i % 2 == 0, i % 3 ? OPTEST_NONE : OPTEST_SOME);
        row_score_loss(t, sizes[i], i % 2 ? OPTEST_NONE : OPTEST_SOME);
    }
    row_gather(t, 4096, 32, 4, 768);
    row_label_loss(t, 33, 2, false, OPTEST_ALL);
    row_label_loss(t, 16, 128, false, OPTEST_SOME);
    row_label_loss(t, 7, 1024, false, OPTEST_SOME);
    row_label_loss(t, 10, 36, false, OPTEST_SOME);
    row_score_loss(t, 33, OPTEST_ALL);
    row_score_loss(t, 3001, OPTEST_SOME);
}

static void add_optimizer_rows(optest_table *t)
{
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t c = sizes[i];
        row_sumsq(t, 1, c, 0, SUMSQ_PARTS);
        row_sumsq(t, sizes[5 - i], c, SUMSQ_PARTS * (i % 3), SUMSQ_PARTS * 3);
        row_adamw(t, 1, c, 0, 0.1f);
        row_adamw(t, 1, c, c, 0.1f);
        row_adamw(t, sizes[(i + 1) % 6], c, (uint64_t)c * sizes[(i + 1) % 6] / 2, 0.5f);
        optest_row *row = row_add(t, OP_CLIP);
        row->call.attr.clip = i % 3 == 0 ? 0.0f : i % 3 == 1 ? 1.0f : 1000.0f;
        row->call.in[0] = v(1, sizes[i] + SUMSQ_PARTS);
        row = row_add(t, OP_CLIP);
        row->call.attr.clip = 2.0f;
        row->call.in[0] = v(1, sizes[i]);
    }
    row_sumsq(t, 700, 1000, 0, SUMSQ_PARTS);
    row_adamw(t, 700, 100, 35001, 0.1f);
}

/* More than OPTEST_SMALL_RANGE bytes in one operand each. Products: each shape with each pair of transposes, half of these adding to y. */
static void add_tiled_rows(optest_table *t)
{
    static const uint32_t shapes[][3] = {{1100, 1001, 7}, {300, 5, 4001}, {5, 300, 4001},
                                         {3, 5, 400001},  {400001, 2, 3}, {2, 400001, 3}};
    t->adding = TILED;
    for (uint32_t i = 0; i < 2; i++) {
        row_embed(t, 1, 7, 96, 50257, 9, 2);
        row_embed_bwd(t, 7, 96, 50257, i);
        row_loss(t, 5, 96, 50257, i ? OPTEST_NONE : OPTEST_SOME, i, i);
        row_sumsq(t, 3, 1000001, SUMSQ_PARTS, 5 * SUMSQ_PARTS);
        row_adamw(t, 3, 1000001, 1500000, 0.1f);
        row_flat(t, OP_GELU, 1100, 1101);
        row_flat(t, OP_GELU_BWD, 1100, 1101);
        row_flat(t, OP_ADD, 1100, 1101);
        row_matmul(t, 1100, 1001, 3, 0, i ? "br" : "s");
        row_matmul(t, 2, 400001, 3, 2, i ? "bpg" : "br");
    }
    for (uint32_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (uint32_t trans = 0; trans < 4; trans++)
            row_matmul(t, shapes[s][0], shapes[s][1], shapes[s][2], trans, (s + trans) % 2 ? "a" : "");
}

/* GPT-2's token table: 147 MiB, more than many devices bind. */
static void add_big_rows(optest_table *t)
{
    t->adding = BIG;
    row_embed(t, 2, 4, 768, 50257, 4, 0);
    row_embed_bwd(t, 8, 768, 50257, false);
    row_loss(t, 8, 768, 50257, OPTEST_NONE, true, false);
}

/* The last row's operands at places that are aligned to 16 bytes, whatever else its number decides: see arrange() in optest.c. */
static void align_last(optest_table *t, bool half)
{
    optest_row *row = row_last(t);
    row->type = half ? DTYPE_F16 : DTYPE_F32;
    row->seed = 6 * row->seed + row->seed % 3;
}

/* The same in fp16; a product's result is that, too, or fp32: see halve(). */
static void align_last_half(optest_table *t, bool half_y)
{
    optest_row *row = row_last(t);
    row->type = DTYPE_F16;
    row->seed = 6 * row->seed + (half_y ? 1 : 2);
}

/* Products of few rows, read in fours: with and without further matrices in the epilogue, and with A normalised. */
static void add_few_rows(optest_table *t, bool half)
{
    static const struct {
        uint32_t m, n, k, trans;
        const char *epilogue;
        bool half_y;
    } products[] = {{2, 124, 36, 0, "bpg", true}, {3, 60, 96, 2, "bd", false}, {1, 132, 64, 0, "bg", true},
                    {4, 64, 128, 2, "a", false},  {2, 256, 64, 0, "nb", true}, {3, 31, 100, 2, "nbg", false}};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        row_matmul(t, products[i].m, products[i].n, products[i].k, products[i].trans, products[i].epilogue);
        if (half)
            align_last_half(t, products[i].half_y);
        else
            align_last(t, false);
    }
}

/* matmul_block.comp's tiles, which usual shapes are too small for: with and without edges, of operands that can be read four elements at a time. */
static void add_block_rows(optest_table *t, bool half, op_variant variant)
{
    static const uint32_t shapes[][3] = {{132, 72, 20}, {128, 256, 36}, {12, 140, 8}};
    static const char *const ends[] = {"", "a", "b", "bpg", "bdr", "s"};
    static const char *const half_ends[] = {"bpg", "bd", "b"};
    for (uint32_t i = 0; i < (half ? 3 : 6); i++) { /* few: each takes a software driver seconds of compilation */
        const uint32_t *s = shapes[i % 3];
        row_matmul(t, s[0], s[1], s[2], i % 4, half ? half_ends[i] : ends[i]);
        if (half)
            align_last_half(t, i == 0);
        else
            align_last(t, false);
        row_last(t)->variant = variant;
    }
}

/* What matrix units take: rows of fp16 that are multiples of eight, at aligned places; the number of them is any. */
static void add_coop_rows(optest_table *t)
{
    static const uint32_t shapes[][3] = {{33, 72, 104}, {136, 200, 40}, {8, 8, 8}, {64, 64, 264}};
    static const char *const ends[] = {"", "a", "b", "bpg", "bdr", "s"};
    for (uint32_t trans = 0; trans < 4; trans++)
        for (uint32_t e = trans % 2; e < 6; e += 2) {
            const uint32_t *s = shapes[(trans + e) % 4];
            row_matmul(t, trans & 1 ? (s[0] + 7) / 8 * 8 : s[0], s[1], s[2], trans, ends[e]);
            optest_row *row = row_last(t);
            row->type = DTYPE_F16;
            row->seed = 6 * row->seed + e % 3 + (e % 2 ? 36 : 0); /* see arrange() in optest.c */
        }
    for (uint32_t e = 0; e < 6; e++) { /* tiles without edges, slices without and with */
        row_matmul(t, 64, 128, e % 2 ? 96 : 40, e % 4, ends[e]);
        align_last(t, true);
    }
    row_matmul(t, 136, 136, 40, 0, "bg"); /* large tiles: one, since a software driver compiles it for half a minute */
    align_last(t, true);
    row_last(t)->variant = VARIANT_COOP_LARGE;
    row_matmul(t, 8, 4136, 24, 2, "a"); /* a vocabulary's edge is a product of its own */
    align_last(t, true);
    row_matmul(t, 4136, 16, 24, 1, "");
    align_last(t, true);
    static const uint32_t sizes_of_heads[] = {16, 32, 64, 128};
    for (uint32_t i = 0; i < 8; i++) { /* forward and gradient of attention */
        size_t before = t->count[t->adding];
        row_attention(t, 1 + i % 2, i % 4 ? 97 : 33 + i, 1 + i / 4, sizes_of_heads[i % 4], i / 4 ? 0.2f : 0);
        for (size_t n = t->count[t->adding]; n > before; n--) {
            t->rows[t->adding][n - 1].type = DTYPE_F16;
            t->rows[t->adding][n - 1].seed = 600 + 6 * (uint32_t)n;
        }
    }
    row_cached(t, 2, 33, 31, 100, 2, 64);
    align_last(t, true);
}

/* Operands in fp16 that lie and are shaped so that they are read in fours. */
static void add_aligned_half_rows(optest_table *t)
{
    static const op_id ops[] = {OP_GELU, OP_GELU_BWD, OP_ADD, OP_DROPOUT};
    const size_t before = t->count[HALVES];
    row_layernorm(t, 24, 128, true);
    row_layernorm(t, 10, 36, false);
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) row_flat(t, ops[o], 5, 96);
    row_colsum(t, 33, 96, false);
    row_label_loss(t, 10, 36, false, OPTEST_SOME);
    row_loss(t, 33, 16, 64, OPTEST_SOME, false, false);
    row_attention(t, 2, 40, 2, 20, 0.2f);
    row_appended(t, 300, 400, 2, 64);
    for (size_t n = before; n < t->count[HALVES]; n++) {
        t->rows[HALVES][n].type = DTYPE_F16;
        t->rows[HALVES][n].seed = 6 * (uint32_t)n + (uint32_t)n % 3;
    }
}

/* Matrix units' small tiles where something else is usual: on Intel's GPUs. */
static void add_small_coop_rows(optest_table *t)
{
    static const char *const ends[] = {"", "a", "bpg", "bdr"};
    for (uint32_t e = 0; e < 4; e++) {
        row_matmul(t, e % 2 ? 72 : 64, 128, e % 2 ? 40 : 48, e, ends[e]);
        align_last(t, true);
        row_last(t)->variant = VARIANT_COOP_SMALL;
    }
}

/* Attention by variants that are not the usual ones of some device, forward and backward. The last two have none backward, or kernels that a
 * driver takes half a minute to compile and that are the usual ones elsewhere. */
static void add_attention_variants(optest_table *t, bool half)
{
    static const op_variant variants[] = {VARIANT_ATTENTION_FEW, VARIANT_ATTENTION_TILE, VARIANT_ATTENTION_BLOCK,
                                          VARIANT_ATTENTION_COOP};
    for (uint32_t i = 0; i < (half ? 4 : 3); i++) { /* matrix units take fp16 */
        const size_t before = t->count[t->adding];
        if (i < 2)
            row_attention(t, 1 + i, 70 + i, 2, i ? 20 : 64, i ? 0 : 0.2f);
        else
            row_cached(t, 2, 33, 31, 100, 2, i == 2 ? 20 : 64);
        for (size_t n = before; n < t->count[t->adding]; n++) {
            optest_row *row = &t->rows[t->adding][n];
            row->type = half ? DTYPE_F16 : DTYPE_F32;
            row->seed = 6 * (uint32_t)n + (uint32_t)n % 3; /* aligned: see arrange() in optest.c */
            row->variant = variants[i];
        }
    }
}

/* A few of the usual rows once more, with fp16 activations. */
static void add_half_rows(optest_table *t)
{
    t->adding = HALVES;
    for (size_t i = 0; i < t->count[USUAL]; i++) {
        const optest_row *from = &t->rows[USUAL][i];
        bool any = false;
        for (int slot = 0; slot < OP_MAX_IN; slot++)
            any |= op_is_act(from->call.op, false, slot) || (slot < OP_MAX_OUT && op_is_act(from->call.op, true, slot));
        bool slow = from->call.op == OP_MATMUL || !optest_some_head(&from->call);
        if (!any || from->call.op == OP_CAST || i % (slow ? 7 : 3) > 0) continue;
        optest_row *row = row_add(t, from->call.op);
        uint32_t seed = row->seed;
        *row = *from;
        row->seed = seed;
        row->type = DTYPE_F16;
    }
    /* What no row so far has: operands that cannot be read in fours, integers beside fp16, keys split among work groups. */
    const size_t before = t->count[HALVES];
    row_layernorm(t, 7, 33, true);
    row_embed_bwd(t, 33, 31, 127, true);
    row_gather(t, 40, 7, 2, 33);
    row_appended(t, 300, 400, 2, 4);
    row_matmul(t, 33, 31, 127, 0, "bd");
    for (size_t n = before; n < t->count[HALVES]; n++) t->rows[HALVES][n].type = DTYPE_F16;
    t->rows[HALVES][t->count[HALVES] - 1].seed *= 2; /* the product's result in fp32: see halve() */
    add_aligned_half_rows(t);
    add_few_rows(t, true);
    add_block_rows(t, true, VARIANT_BLOCK);
    add_coop_rows(t);
    add_block_rows(t, true, VARIANT_BLOCK_SMALL);
    add_small_coop_rows(t);
    row_matmul(t, 64, 72, 16, 0, "b"); /* what no row so far has: a result in fp16, and one in fp32 */
    align_last_half(t, true);
    row_last(t)->variant = VARIANT_BLOCK_SMALL;
    row_matmul(t, 20, 24, 16, 1, "bd");
    align_last_half(t, false);
    row_last(t)->variant = VARIANT_TILE_8;
    add_attention_variants(t, true);
}

/* Whole tiles of matmul_lanes.comp, in pairs, with each epilogue. */
static void add_whole_tiles(optest_table *t)
{
    t->adding = USUAL;
    for (size_t e = 0; e < sizeof epilogues / sizeof epilogues[0]; e++) {
        row_matmul(t, 32, 96, 38, (uint32_t)e % 4, epilogues[e]);
        align_last(t, false);
    }
}

static void add_rows(optest_table *t)
{
    add_embed_rows(t);
    for (int i = 0; i < 6; i++) {
        row_layernorm(t, sizes[i], sizes[i], i % 2);
        row_layernorm(t, sizes[i], sizes[(i + 2) % 6], i % 2 == 0);
        row_layernorm(t, sizes[i], sizes[(i + 5) % 6], i % 2);
    }
    row_layernorm(t, 5, 768, true);
    row_layernorm(t, 24, 128, true); /* rows that fill work groups and fit registers */
    row_layernorm(t, 10, 36, false); /* in fours, not in registers */
    add_matmul_rows(t);
    add_flat_rows(t);
    add_attention_rows(t);
    add_loss_rows(t);
    add_task_rows(t);
    add_optimizer_rows(t);
    add_few_rows(t, false);
    row_colsum(t, 33, 96, true);
    align_last(t, false);
    add_block_rows(t, false, VARIANT_BLOCK);
    add_tiled_rows(t);
    add_big_rows(t);
    add_half_rows(t);
    add_whole_tiles(t); /* and blocks behind all others, whose numbers decide where their operands lie */
    add_block_rows(t, false, VARIANT_BLOCK_SMALL);
    add_attention_variants(t, false);
    optest_add_decoders(t);
    optest_add_attention(t);
    optest_add_weights(t);
}

optest_table *optest_table_make(void)
{
    optest_table *table = calloc(1, sizeof *table);
    if (table) add_rows(table);
    return table;
}

void optest_table_free(optest_table *table)
{
    free(table);
}

const optest_row *optest_rows(const optest_table *table, optest_set set, size_t *count)
{
    *count = table->count[set];
    return table->rows[set];
}

bool optest_some_head(const op_call *call)
{
    if (call->op != OP_ATTENTION && call->op != OP_ATTENTION_BWD) return true;
    uint32_t size = (call->op == OP_ATTENTION ? call->out[0].cols : call->in[1].cols) / call->attr.heads;
    return size == 4 || size == 20 || size == 64;
}
