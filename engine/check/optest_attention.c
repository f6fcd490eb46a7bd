/* The op harness: attention where query heads share keys and values, with windows, large heads, and a scale of its own. */
#include "check/optest_build.h"

typedef struct shape {
    uint32_t sequences, time, heads, kv_heads, size, window;
    float dropout, scale;
} shape;

static op_attr attr_of(const shape *s)
{
    const uint32_t queries = s->heads * s->size;
    return (op_attr){.heads = s->heads,
                     .kv_heads = s->kv_heads,
                     .head = s->size,
                     .time = s->time,
                     .window = s->window,
                     .scale = s->scale,
                     .dropout = s->dropout,
                     .off_k = queries,
                     .off_v = queries + s->kv_heads * s->size,
                     .stream = s->time + s->size};
}

static uint32_t columns_of(const shape *s)
{
    return (s->heads + 2 * s->kv_heads) * s->size;
}

/* Forward and gradient. */
static void add_pair(optest_table *t, const shape *s)
{
    const op_view qkv = v(s->sequences * s->time, columns_of(s)), y = v(qkv.rows, s->heads * s->size);
    optest_row *row = row_add(t, OP_ATTENTION);
    row->call.attr = attr_of(s);
    row->call.in[0] = qkv;
    row->call.out[0] = y;
    row = row_add(t, OP_ATTENTION_BWD);
    row->call.attr = attr_of(s);
    row->call.in[0] = row->call.out[0] = qkv;
    row->call.in[1] = row->call.in[3] = y;
}

/* Queries at pos, pos + 1, … of a cache of k | v with room for `room` positions a sequence. */
static void add_cached(optest_table *t, const shape *s, uint32_t pos, uint32_t room)
{
    optest_row *row = row_add(t, OP_ATTENTION);
    row->call.attr = attr_of(s);
    row->call.attr.off_k = 0;
    row->call.attr.off_v = s->kv_heads * s->size;
    row->pos = pos;
    row->call.in[0] = v(s->sequences * s->time, columns_of(s));
    row->call.in[1] = v(s->sequences * room, 2 * s->kv_heads * s->size);
    row->call.out[0] = v(s->sequences * s->time, s->heads * s->size);
}

/* The same for one query, whose key and value are written to their place first. */
static void add_appended(optest_table *t, const shape *s, uint32_t pos, uint32_t room)
{
    add_cached(t, s, pos, room);
    op_call *call = &row_last(t)->call;
    call->out[ATTENTION_CACHE] = call->in[1];
    call->in[1] = (op_view){0};
}

static void add_kv_append(optest_table *t, uint32_t rows, uint32_t heads, uint32_t kv_heads, uint32_t size)
{
    optest_row *row = row_add(t, OP_KV_APPEND);
    row->call.attr = (op_attr){.heads = heads, .kv_heads = kv_heads};
    row->pos = 5;
    row->call.in[0] = v(rows, (heads + 2 * kv_heads) * size);
    row->call.out[0] = v(rows + 6, 2 * kv_heads * size);
}

/* The rows from number `first` on: by this variant, of operands that can be read in fours: see arrange() in optest.c. */
static void by_variant(optest_table *t, size_t first, op_variant variant, bool half)
{
    for (size_t n = first; n < t->count[t->adding]; n++) {
        optest_row *row = &t->rows[t->adding][n];
        row->type = half ? DTYPE_F16 : DTYPE_F32;
        row->seed = 6 * (uint32_t)n + (uint32_t)n % 3;
        row->variant = variant;
    }
}

/* Few shapes, and mostly groups of three: a software driver compiles each head size with each group, with and without windows and dropout for
 * seconds. */
static void add_usual(optest_table *t)
{
    static const shape pairs[] = {
        {2, 33, 6, 2, 20, 0, 0, 0},    {1, 70, 6, 2, 64, 33, 0.2f, 0}, {1, 31, 3, 1, 4, 5, 0, 0.3f},
        {3, 40, 6, 2, 20, 1, 0, 0},    {1, 127, 2, 2, 20, 100, 0, 0},  {1, 33, 3, 1, 12, 200, 0, 0},
        {1, 67, 3, 1, 256, 40, 0, 0},  {2, 40, 3, 1, 160, 0, 0, 0},    {1, 33, 3, 1, 80, 0, 0, 0.2f},
        {1, 129, 6, 2, 128, 31, 0, 0}, {1, 5, 3, 1, 8, 3, 0, 0},       {1, 31, 8, 1, 4, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) add_pair(t, &pairs[i]);
    static const struct {
        shape s;
        uint32_t pos, room;
    } cached[] = {
        {{1, 1, 6, 2, 64, 0, 0, 0}, 200, 300},    {{1, 1, 6, 2, 64, 150, 0, 0}, 290, 300},
        {{2, 3, 3, 1, 20, 7, 0.2f, 0}, 100, 140}, {{1, 5, 2, 2, 20, 1, 0, 0}, 3, 30},
        {{1, 33, 6, 2, 64, 0, 0, 0}, 31, 100},    {{2, 37, 6, 2, 20, 21, 0, 0}, 55, 95},
        {{1, 1, 3, 1, 256, 130, 0, 0}, 270, 300}, {{1, 2, 3, 1, 160, 0, 0, 0}, 130, 140},
        {{1, 1, 3, 1, 4, 64, 0, 0.4f}, 63, 64},
    };
    for (size_t i = 0; i < sizeof cached / sizeof *cached; i++)
        add_cached(t, &cached[i].s, cached[i].pos, cached[i].room);
    for (uint32_t i = 0; i < 4; i++) { /* with and without several work groups a query */
        const shape s = {1, 1, 6, i % 2 ? 2 : 6, i < 2 ? 64 : 20, i == 0 ? 0 : 140, 0, 0};
        add_appended(t, &s, i == 3 ? 0 : 270 + i, 300);
    }
    add_appended(t, &(shape){1, 1, 3, 1, 256, 0, 0, 0.1f}, 299, 300);
    add_kv_append(t, 3, 6, 2, 4);
    add_kv_append(t, 1, 4, 1, 3);
}

/* Each variant of GPUs, forward and backward. */
static void add_variants(optest_table *t, bool half)
{
    static const op_variant variants[] = {VARIANT_ATTENTION_FEW, VARIANT_ATTENTION_TILE, VARIANT_ATTENTION_BLOCK};
    static const shape shapes[] = {{1, 70, 6, 2, 64, 33, 0.2f, 0}, {2, 71, 3, 1, 20, 0, 0, 0.3f}};
    for (int i = 0; i < 3; i++) {
        const size_t first = t->count[t->adding];
        if (variants[i] != VARIANT_ATTENTION_BLOCK) add_pair(t, &shapes[0]);
        add_cached(t, &(shape){2, 33, 6, 2, i == 1 ? 64 : 20, 40, 0, 0}, 31, 100);
        if (!half) add_pair(t, &shapes[1]);
        if (!half && variants[i] != VARIANT_ATTENTION_BLOCK) add_pair(t, &(shape){1, 37, 3, 1, 256, 20, 0, 0});
        by_variant(t, first, variants[i], half);
    }
}

/* Matrix units: rows of fp16 at aligned places. A driver compiles larger heads for half a minute each. */
static void add_coop(optest_table *t)
{
    const size_t first = t->count[t->adding];
    add_pair(t, &(shape){1, 97, 6, 2, 16, 40, 0.2f, 0});
    add_pair(t, &(shape){2, 70, 3, 1, 16, 0, 0, 0.3f});
    add_cached(t, &(shape){2, 33, 6, 2, 16, 29, 0, 0}, 31, 100);
    by_variant(t, first, VARIANT_ATTENTION_COOP, true);
    const size_t lean = t->count[t->adding];
    add_pair(t, &(shape){1, 97, 6, 2, 16, 40, 0.2f, 0});
    by_variant(t, lean, VARIANT_ATTENTION_COOP_LEAN, true);
}

void optest_add_attention(optest_table *t)
{
    t->adding = USUAL;
    add_usual(t);
    add_variants(t, false);
    t->adding = HALVES;
    const size_t first = t->count[HALVES];
    add_pair(t, &(shape){1, 70, 6, 2, 20, 33, 0.2f, 0});
    add_pair(t, &(shape){1, 33, 3, 1, 16, 0, 0, 0});
    add_cached(t, &(shape){1, 33, 6, 2, 16, 20, 0, 0}, 31, 100);
    add_appended(t, &(shape){1, 1, 6, 2, 64, 140, 0, 0}, 280, 300);
    add_appended(t, &(shape){1, 1, 6, 2, 20, 0, 0, 0}, 10, 30);
    by_variant(t, first, VARIANT_USUAL, true);
    add_variants(t, true);
    add_coop(t);
    add_kv_append(t, 3, 6, 2, 4);
    row_last(t)->type = DTYPE_F16;
}
