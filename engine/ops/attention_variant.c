/* The kernel variants of attention's parts: which of them can compute one, which is usual, and how each is dispatched. */
#include "ops/attention.h"

#include <stdio.h>

enum {
    TILE_ROWS = 32,     /* attention_tile.comp: rows of a work group */
    TILE_COLUMNS = 32,  /* attention_tile.comp: columns of the head at a time, */
    TILE_HALVES = 2,    /* and the most times, */
    TILE_QUARTERS = 4,  /* of heads of more than MOST_COLUMNS where there are registers */
    GROUP = 64,         /* attention_tile.comp: invocations of a work group; attention_row.comp: the fewest */
    ROW_QUERIES = 8,    /* attention_row.comp: the most queries of a sequence, a work group or several each */
    ROW_KEYS = 128,     /* attention_row.comp: keys for which a query gets one more work group, */
    ROW_SPLITS = 16,    /* and the most work groups of a query */
    ROW_FLIGHT = 4,     /* attention_row.comp: loads of an invocation in flight; many registers: ATTENTION_ROW_FLIGHT */
    ROW_FEW_FLIGHT = 2, /* attention_row.comp: the same with few registers */
    MOST_COLUMNS = 128, /* attention_few.comp, attention_row.comp: of usual heads */
    BLOCK_HEAD = 64,    /* attention_block.comp: the most columns of a row that an invocation keeps in registers */
    COOP_HEAD = 128,    /* attention_coop.comp: the same, */
    COOP_AHEAD_HEAD = 64 /* and with a block of the gradient in flight */
};

#define WIDTHS(name)                                                                                                   \
    {                                                                                                                  \
        ROW_##name, ROW_##name##_wide, ROW_##name                                                                      \
    }

/* The kernels of a part, as far as its table has the variants. */
static const struct kernels {
    kernel_row coop, lanes4, lanes8, tile;
    kernel_widths few;
} kernels[ATTENTION_KINDS] = {
    [ATTENTION_FORWARD] = {ROW_attention_coop, ROW_attention_lanes4, ROW_attention_lanes8, ROW_attention_tile,
                           WIDTHS(attention_few)},
    [ATTENTION_DQ] = {ROW_attention_coop_dq, ROW_attention_dq_lanes4, ROW_attention_dq_lanes8, ROW_attention_tile_dq,
                      WIDTHS(attention_few_dq)},
    [ATTENTION_DKV] = {.coop = ROW_attention_coop_dkv,
                       .lanes4 = ROW_attention_dkv_lanes4,
                       .lanes8 = ROW_attention_dkv_lanes8},
    [ATTENTION_DK] = {.tile = ROW_attention_tile_dk, .few = WIDTHS(attention_few_dk)},
    [ATTENTION_DV] = {.tile = ROW_attention_tile_dv, .few = WIDTHS(attention_few_dv)},
};

/* The distances between rows and the first columns of heads, or'ed (elements). */
static uint32_t words_of(const struct attention_push *push)
{
    return push->ld_q | push->ld_k | push->ld_v | push->ld_y | push->off_q | push->off_k | push->off_v;
}

/* The kernel, with 128-bit accesses where rows and operands allow them. */
static kernel_row choose(const launch *r, kernel_widths which, const struct attention_push *push)
{
    return width_for(r->caps, which, r->d.args, r->d.arg_count, words_of(push));
}

/* Whether the rows that the part writes are of queries; else they are of keys. */
static bool own_queries(const attention *a)
{
    return a->kind == ATTENTION_FORWARD || a->kind == ATTENTION_DQ;
}

/* Records `groups` work groups of `size` invocations for each sequence and head of own rows. */
static void record_any(launch *r, const attention *a, uint64_t groups, uint32_t size)
{
    const uint32_t heads = a->push.channels / a->push.head;
    record_groups(r, (uint64_t)a->push.sequences * (own_queries(a) ? heads : heads / a->group) * groups, size);
}

/* Rows of a sequence and head that the part writes. */
static uint32_t own_rows(const attention *a)
{
    return own_queries(a) ? a->push.time_q : a->push.time_k;
}

/* Few queries of a forward pass are lanes' or attention_row.comp's. */
static bool has_many(const attention *a)
{
    return a->kind != ATTENTION_FORWARD || a->push.time_q > ROW_QUERIES;
}

/* ---- lanes: software drivers, one invocation for each row ------------------------------------------------------------ */

static kernel_row lanes_kernel(const pm_caps *caps, attention_kind kind)
{
    return software_lanes(caps) == 8 ? kernels[kind].lanes8 : kernels[kind].lanes4;
}

static bool lanes_suit(const pm_caps *caps, attention_kind kind)
{
    return software_lanes(caps) > 0 && gpu_row_good(caps, lanes_kernel(caps, kind));
}

/* Work groups that share a head's columns. */
static uint32_t lanes_parts(const attention *a)
{
    return a->push.head > ATTENTION_LANES_COLUMNS ? 2 : 1;
}

/* Large heads take rounds within rounds: see SERIAL_ROUNDS. Few queries have no other variant. */
static bool lanes_possible(const candidate *c)
{
    const attention *a = c->part;
    const uint64_t lanes = software_lanes(c->launch->caps), eights = (a->push.head / 4 + 7) / 8;
    if (!lanes_suit(c->launch->caps, a->kind)) return false;
    if (lanes_parts(a) == 1 || !has_many(a)) return true;
    return (a->push.time_k + lanes - 1) / lanes * a->group * (1 + 2 * eights) < SERIAL_ROUNDS;
}

static void record_lanes(const candidate *c)
{
    const attention *a = c->part;
    launch *r = c->launch;
    const uint32_t lanes = software_lanes(r->caps);
    launch_spec(r, SPEC_ATTENTION_HEAD, a->push.head); /* a constant, so that the compiler unrolls loops over it */
    r->row = lanes_kernel(r->caps, a->kind);
    record_any(r, a, (uint64_t)(own_rows(a) + lanes - 1) / lanes * lanes_parts(a), lanes);
}

/* ---- coop: matrix units ---------------------------------------------------------------------------------------------- */

/* Shared memory of attention_coop.comp (bytes). */
static uint32_t coop_shared(const pm_caps *caps, const struct attention_push *push)
{
    const uint32_t others = ATTENTION_COOP_OTHERS, rows = ATTENTION_COOP_WARPS * caps->coopmat_m;
    return 2 * others * (2 * push->head + 16) + 2 * rows * (4 * others + 16) + 2 * rows * (2 * others + 16) +
           8 * others;
}

/* fp16 tensors whose heads can be read eight elements at a time. */
static bool coop_possible(const candidate *c)
{
    const attention *a = c->part;
    const pm_caps *caps = c->launch->caps;
    const uint32_t head = a->push.head;
    return has_many(a) && caps->coopmat && !caps->serial && gpu_row_good(caps, kernels[a->kind].coop) &&
           c->launch->types == TYPES_F16 && words_of(&a->push) % 8 == 0 &&
           offsets_of(c->launch->d.args, c->launch->d.arg_count) % 16 == 0 && head % caps->coopmat_n == 0 &&
           head % caps->coopmat_k == 0 && head % 8 == 0 && head <= COOP_HEAD &&
           ATTENTION_COOP_OTHERS % caps->coopmat_n == 0 && ATTENTION_COOP_OTHERS % caps->coopmat_k == 0 &&
           ATTENTION_COOP_WARPS * caps->coopmat_m <= 2 * ATTENTION_COOP_OTHERS &&
           caps->coopmat_subgroup % caps->coopmat_m == 0 && coop_shared(caps, &a->push) <= caps->max_shared_memory &&
           ATTENTION_COOP_WARPS * caps->coopmat_subgroup <= caps->max_workgroup_size;
}

/* A block of the gradient is in flight in registers during the products of the one before, or it is not. */
enum { LEAN, AHEAD };

/* Not on Intel's GPUs, where its rows spill (dg2, bmg: Mesa 25.0.7). With a block of large heads in flight, the gradient spills on AMD's (navi31,
 * phoenix). */
static bool coop_preferred(const candidate *c)
{
    const attention *a = c->part;
    const pm_caps *caps = c->launch->caps;
    const bool fits =
        a->kind == ATTENTION_FORWARD || a->push.head <= COOP_AHEAD_HEAD || caps->vendor_id == VENDOR_NVIDIA;
    return op_matrix_units(caps) && caps->vendor_id != VENDOR_INTEL && (c->size == LEAN || fits);
}

static void record_coop(const candidate *c)
{
    const attention *a = c->part;
    launch *r = c->launch;
    const pm_caps *caps = r->caps;
    const uint32_t own = ATTENTION_COOP_WARPS * caps->coopmat_m;
    launch_spec(r, SPEC_ATTENTION_HEAD, a->push.head);
    launch_spec(r, SPEC_ATTENTION_TM, caps->coopmat_m);
    launch_spec(r, SPEC_ATTENTION_TN, caps->coopmat_n);
    launch_spec(r, SPEC_ATTENTION_TK, caps->coopmat_k);
    launch_spec(r, SPEC_ATTENTION_SUBGROUP, caps->coopmat_subgroup);
    launch_spec(r, SPEC_ATTENTION_AHEAD, c->size == AHEAD);
    r->row = kernels[a->kind].coop;
    record_any(r, a, (own_rows(a) + own - 1) / own, ATTENTION_COOP_WARPS * caps->coopmat_subgroup);
}

/* ---- block: the forward pass on GPUs with many registers ------------------------------------------------------------- */

/* Shared memory of attention_block.comp (bytes). */
static uint32_t block_shared(uint32_t head)
{
    const uint32_t rows = ATTENTION_BLOCK_ROWS, keys = ATTENTION_BLOCK_KEYS;
    return 16 * (head * (rows / 4 + 1) + head * (keys / 4 + 1) + keys * (rows / 4 + 1) + ATTENTION_BLOCK_THREADS);
}

static bool block_possible(const candidate *c)
{
    const attention *a = c->part;
    const pm_caps *caps = c->launch->caps;
    const kernel_widths block = {.plain = ROW_COUNT, .wide = ROW_attention_block, .pairs = ROW_COUNT};
    return has_many(a) && choose(c->launch, block, &a->push) == ROW_attention_block && a->push.head <= BLOCK_HEAD &&
           block_shared(a->push.head) <= caps->max_shared_memory && ATTENTION_BLOCK_THREADS <= caps->max_workgroup_size;
}

static bool block_preferred(const candidate *c)
{
    return many_registers(c->launch->caps);
}

static void record_block(const candidate *c)
{
    const attention *a = c->part;
    launch *r = c->launch;
    r->row = ROW_attention_block;
    launch_spec(r, SPEC_ATTENTION_HEAD, a->push.head);
    record_any(r, a, (a->push.time_q + ATTENTION_BLOCK_ROWS - 1) / ATTENTION_BLOCK_ROWS, ATTENTION_BLOCK_THREADS);
}

/* ---- tile and few: any GPU ------------------------------------------------------------------------------------------- */

static bool tile_possible(const candidate *c)
{
    const attention *a = c->part;
    const kernel_row tile = kernels[a->kind].tile;
    const kernel_widths which = {.plain = ROW_COUNT, .wide = tile, .pairs = ROW_COUNT};
    return has_many(a) && choose(c->launch, which, &a->push) == tile;
}

static bool tile_preferred(const candidate *c)
{
    return !few_registers(c->launch->caps);
}

/* Columns of a head that a work group has, in TILE_COLUMNS. AMD's GPUs spill nothing with four: 156 registers on navi31, 128 on polaris10, and
 * the same occupancy as with two (Mesa 25.0.7). */
static uint32_t tile_halves(const pm_caps *caps, uint32_t head)
{
    if (head <= TILE_COLUMNS) return 1;
    const bool registers = caps->vendor_id == VENDOR_AMD || many_registers(caps);
    return head > MOST_COLUMNS && registers ? TILE_QUARTERS : TILE_HALVES;
}

static void record_tile(const candidate *c)
{
    const attention *a = c->part;
    launch *r = c->launch;
    const uint32_t head = a->push.head, halves = tile_halves(r->caps, head), columns = TILE_COLUMNS * halves;
    const uint64_t tiles = (own_rows(a) + TILE_ROWS - 1) / TILE_ROWS;
    r->row = kernels[a->kind].tile;
    launch_spec(r, SPEC_ATTENTION_HALVES, halves);
    record_any(r, a, tiles * ((head + columns - 1) / columns), GROUP);
}

/* SPEC_ATTENTION_MOST: shared memory for large heads only where they are. */
static uint32_t most_columns(uint32_t head)
{
    return head > MOST_COLUMNS ? OP_MOST_HEAD : MOST_COLUMNS;
}

static bool few_possible(const candidate *c)
{
    return has_many(c->part);
}

static void record_few(const candidate *c)
{
    const attention *a = c->part;
    launch *r = c->launch;
    const uint64_t tiles = (own_rows(a) + ATTENTION_FEW_ROWS - 1) / ATTENTION_FEW_ROWS;
    r->row = choose(r, kernels[a->kind].few, &a->push);
    launch_spec(r, SPEC_ATTENTION_MOST, most_columns(a->push.head));
    record_any(r, a, tiles * ((a->push.head + ATTENTION_FEW_OTHERS - 1) / ATTENTION_FEW_OTHERS), ATTENTION_FEW_OTHERS);
}

/* ---- row: the few queries of decoding -------------------------------------------------------------------------------- */

bool attention_by_row(const pm_caps *caps, uint32_t time)
{
    return time <= ROW_QUERIES && !lanes_suit(caps, ATTENTION_FORWARD);
}

/* Work groups that share the keys which a query sees. */
static uint32_t splits_of(const pm_caps *caps, const op_call *call)
{
    op_view q = call->in[0], cache = call->out[ATTENTION_CACHE], k = view_present(cache) ? cache : call->in[1];
    if (!attention_by_row(caps, call->attr.time)) return 1;
    uint32_t keys = k.rows / (q.rows / call->attr.time), splits;
    if (call->attr.window && call->attr.window < keys) keys = call->attr.window;
    splits = (keys + ROW_KEYS - 1) / ROW_KEYS;
    return splits < ROW_SPLITS ? splits : ROW_SPLITS;
}

uint64_t attention_scratch(const pm_caps *caps, const op_call *call)
{
    const uint32_t splits = splits_of(caps, call), heads = call->attr.heads, head = call->out[0].cols / heads;
    return splits > 1 ? (uint64_t)call->in[0].rows * heads * splits * ATTENTION_PART(head) : 0;
}

static bool row_possible(const candidate *c)
{
    const attention *a = c->part;
    return attention_by_row(c->launch->caps, a->push.time_q);
}

/* The pass that joins the splits. */
static void record_join(const launch *row, const attention *a, uint32_t splits)
{
    const op_call *call = a->call;
    gpu_arg args[] = {arg_of(call->out[ATTENTION_PARTS], GPU_READ), arg_of(call->out[0], GPU_WRITE),
                      arg_of(call->out[1], GPU_WRITE)};
    const kernel_widths join = WIDTHS(attention_join);
    launch r = attention_launch(row->program, row->caps, a);
    r.d.args = args;
    r.d.arg_count = sizeof args / sizeof *args;
    r.d.flops = r.d.bytes = 0;
    r.row = choose(&r, join, &a->push);
    r.types = types_of(call->in[0].type);
    launch_spec(&r, SPEC_ATTENTION_SPLITS, splits);
    record_elements(&r, (uint64_t)call->in[0].rows * a->push.channels / 4, 1);
}

/* One work group for all keys of a query, or several that each take some keys, and a pass that joins them. */
static void record_row(const candidate *c)
{
    const attention *a = c->part;
    launch *r = c->launch;
    const pm_caps *caps = r->caps;
    const op_call *call = a->call;
    const uint32_t splits = splits_of(caps, call), most = most_columns(a->push.head);
    const bool split = splits > 1, append = view_present(call->out[ATTENTION_CACHE]);
    gpu_arg args[ATTENTION_ARGS] = {a->args[0], a->args[1], a->args[2], a->args[3]};
    if (append) args[1].access = args[2].access = GPU_READ_WRITE;
    args[4] = arg_of(split ? (op_view){0} : call->out[0], GPU_WRITE);
    args[5] = arg_of(split ? (op_view){0} : call->out[1], GPU_WRITE);
    args[6] = arg_of(split ? call->out[ATTENTION_PARTS] : (op_view){0}, GPU_WRITE);
    r->d.args = args;
    r->d.arg_count = ATTENTION_ARGS;
    const kernel_widths row = WIDTHS(attention_row);
    uint32_t keys = most > MOST_COLUMNS ? ROW_KEYS : GROUP; /* no fewer than fours of a query */
    while (keys < a->push.time_k && keys < ROW_KEYS && 2 * keys <= caps->max_workgroup_size) keys *= 2;
    r->row = choose(r, row, &a->push);
    launch_spec(r, SPEC_ATTENTION_KEYS, keys);
    launch_spec(r, SPEC_ATTENTION_SPLITS, splits);
    launch_spec(r, SPEC_ATTENTION_APPEND, append);
    launch_spec(r, SPEC_ATTENTION_MOST, most);
    launch_spec(r, SPEC_ATTENTION_FLIGHT,
                many_registers(caps)  ? ATTENTION_ROW_FLIGHT
                : few_registers(caps) ? ROW_FEW_FLIGHT
                                      : ROW_FLIGHT);
    record_any(r, a, (uint64_t)a->push.time_q * splits, keys);
    if (split) record_join(r, a, splits);
}

/* ---- apart ----------------------------------------------------------------------------------------------------------- */

static bool apart_possible(const candidate *c)
{
    (void)c;
    return true;
}

static void record_apart(const candidate *c)
{
    const attention *a = c->part;
    attention_record(c->launch->program, a->call, ATTENTION_DK);
    attention_record(c->launch->program, a->call, ATTENTION_DV);
}

/* ---- the tables ------------------------------------------------------------------------------------------------------ */

#define COOP [VARIANT_ATTENTION_COOP] = {coop_possible, coop_preferred, record_coop, AHEAD}
#define COOP_LEAN [VARIANT_ATTENTION_COOP_LEAN] = {coop_possible, coop_preferred, record_coop, LEAN}
#define LANES [VARIANT_ATTENTION_LANES] = {lanes_possible, NULL, record_lanes, 0}
#define TILE [VARIANT_ATTENTION_TILE] = {tile_possible, tile_preferred, record_tile, 0}
#define FEW [VARIANT_ATTENTION_FEW] = {few_possible, NULL, record_few, 0}
#define BLOCK [VARIANT_ATTENTION_BLOCK] = {block_possible, block_preferred, record_block, 0}
#define ROW [VARIANT_ATTENTION_ROW] = {row_possible, NULL, record_row, 0}
#define APART [VARIANT_ATTENTION_APART] = {apart_possible, NULL, record_apart, 0}

static const struct table {
    const char *name; /* in keys */
    variant_row variants[OP_VARIANTS];
} tables[ATTENTION_KINDS] = {
    [ATTENTION_FORWARD] = {"attention", {COOP, BLOCK, LANES, TILE, FEW, ROW}},
    [ATTENTION_DQ] = {"attention-bwd dq", {COOP, COOP_LEAN, LANES, TILE, FEW}},
    [ATTENTION_DKV] = {"attention-bwd dkv", {COOP, COOP_LEAN, LANES, APART}},
    [ATTENTION_DK] = {"attention-bwd dk", {TILE, FEW}},
    [ATTENTION_DV] = {"attention-bwd dv", {TILE, FEW}},
};

/* "attention f32 B12 H12 T1024 D64"; more keys than queries: "T128x1024"; fewer heads of keys: "H12 K4"; a window: "T1024 W512". */
static void key_of(const attention *a, char key[GPU_CHOICE_KEY])
{
    const struct attention_push *push = &a->push;
    const uint32_t heads = a->call->attr.heads;
    char shared[16] = "", keys[12] = "", window[16] = "";
    if (a->group > 1) snprintf(shared, sizeof shared, " K%u", heads / a->group);
    if (push->time_k != push->time_q) snprintf(keys, sizeof keys, "x%u", push->time_k);
    if (a->windowed) snprintf(window, sizeof window, " W%u", push->window);
    snprintf(key, GPU_CHOICE_KEY, "%s %s%s B%u H%u%s T%u%s%s D%u", tables[a->kind].name,
             dtype_name(a->call->in[0].type), a->cache != a->call->in[0].type ? "*16" : "", push->sequences, heads,
             shared, push->time_q, keys, window, push->head);
}

void attention_record(gpu_program *program, const op_call *call, attention_kind kind)
{
    attention a;
    char key[GPU_CHOICE_KEY];
    attention_init(&a, call, kind);
    launch r = attention_launch(program, gpu_program_caps(program), &a);
    key_of(&a, key);
    variant_record(tables[kind].variants, &r, &a, (op_variant)gpu_chosen(program, key));
}

uint32_t attention_choices(const pm_caps *caps, const op_call *call, op_choice choices[OP_MOST_CHOICES])
{
    static const attention_kind backward[OP_MOST_CHOICES] = {ATTENTION_DQ, ATTENTION_DK, ATTENTION_DV, ATTENTION_DKV};
    const bool forward = call->op == OP_ATTENTION;
    const uint32_t count = forward ? 1 : OP_MOST_CHOICES;
    for (uint32_t i = 0; i < count; i++) {
        attention a;
        attention_init(&a, call, forward ? ATTENTION_FORWARD : backward[i]);
        launch nothing_bound = attention_launch(NULL, caps, &a);
        key_of(&a, choices[i].key);
        variant_ask(tables[a.kind].variants, &nothing_bound, &a, &choices[i]);
        if (a.kind == ATTENTION_DK || a.kind == ATTENTION_DV) {
            choices[i].within = OP_MOST_CHOICES - 1;
            choices[i].by = VARIANT_ATTENTION_APART;
        }
    }
    return count;
}
