/* Causal attention: kernels, group and tile sizes. */
#include "ops/record.h"

#include <math.h>

/* A kernel's variants: common/attention_lanes.glsl for software drivers; for the others attention_tile.comp, attention_few.comp. */
typedef struct kernels {
    kernel_id lanes4, lanes8, tile;
    kernel_widths few;
} kernels;
#define WIDTHS(name)                                                                                                   \
    {                                                                                                                  \
        KERNEL_##name, KERNEL_##name##_wide, KERNEL_##name                                                             \
    }
#define KERNELS(lanes, tile, few)                                                                                      \
    {                                                                                                                  \
        KERNEL_##lanes##_lanes4, KERNEL_##lanes##_lanes8, KERNEL_##tile, WIDTHS(few)                                   \
    }

enum {
    TILE_ROWS = 32,     /* attention_tile.comp: rows of a work group */
    TILE_COLUMNS = 32,  /* attention_tile.comp: columns of the head at a time, */
    TILE_HALVES = 2,    /* and the most times */
    GROUP = 64,         /* attention_tile.comp: invocations of a work group; attention_row.comp: the fewest */
    ROW_QUERIES = 8,    /* attention_row.comp: the most queries of a sequence, a work group or several each */
    ROW_KEYS = 128,     /* attention_row.comp: keys for which a query gets one more work group, */
    ROW_SPLITS = 16,    /* and the most work groups of a query */
    ROW_FLIGHT = 4,     /* attention_row.comp: loads of an invocation in flight; many registers: ATTENTION_ROW_FLIGHT */
    ROW_FEW_FLIGHT = 2, /* attention_row.comp: the same with few registers */
    BLOCK_HEAD = 64,    /* attention_block.comp: the most columns of a row that an invocation keeps in registers */
    COOP_HEAD = 128     /* attention_coop.comp: the same */
};

/* The kernel for software drivers. */
static kernel_id lanes_kernel(const pm_caps *caps, const kernels *which)
{
    return software_lanes(caps) == 8 ? which->lanes8 : which->lanes4;
}

static bool lanes_suit(const pm_caps *caps, const kernels *which)
{
    return software_lanes(caps) > 0 && gpu_kernel_good(caps, lanes_kernel(caps, which));
}

/* Records for a software driver: one invocation for each of `rows` rows of a sequence and head. */
static void record_lanes(launch *r, const kernels *which, const struct attention_push *push, uint32_t rows)
{
    uint32_t lanes = software_lanes(gpu_program_caps(r->program)), heads = push->channels / push->head;
    launch_spec(r, SPEC_ATTENTION_HEAD, push->head); /* a constant, so that the compiler unrolls loops over it */
    r->d.kernel = lanes_kernel(gpu_program_caps(r->program), which);
    record_groups(r, (uint64_t)push->sequences * heads * ((rows + lanes - 1) / lanes), lanes);
}

/* The distances between rows and the first columns of heads, or'ed (elements). */
static uint32_t words_of(const struct attention_push *push)
{
    return push->ld_q | push->ld_k | push->ld_v | push->ld_y | push->off_q | push->off_k | push->off_v;
}

/* On other devices: the kernel, with 128-bit accesses where rows and operands allow them. */
static kernel_id choose(const launch *r, kernel_widths which, const struct attention_push *push)
{
    return width_for(gpu_program_caps(r->program), which, r->d.args, r->d.arg_count, words_of(push));
}

/* Shared memory of attention_block.comp (bytes). */
static uint32_t block_shared(uint32_t head)
{
    const uint32_t rows = ATTENTION_BLOCK_ROWS, keys = ATTENTION_BLOCK_KEYS;
    return 16 * (head * (rows / 4 + 1) + head * (keys / 4 + 1) + keys * (rows / 4 + 1) + ATTENTION_BLOCK_THREADS);
}

static bool block_suits(const launch *r, const struct attention_push *push)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    const kernel_widths block = {.plain = KERNEL_COUNT, .wide = KERNEL_attention_block, .pairs = KERNEL_COUNT};
    return many_registers(caps) && choose(r, block, push) == KERNEL_attention_block && push->head <= BLOCK_HEAD &&
           block_shared(push->head) <= caps->max_shared_memory && ATTENTION_BLOCK_THREADS <= caps->max_workgroup_size;
}

/* Shared memory of attention_coop.comp (bytes). */
static uint32_t coop_shared(const pm_caps *caps, const struct attention_push *push)
{
    const uint32_t others = ATTENTION_COOP_OTHERS, rows = ATTENTION_COOP_WARPS * caps->coopmat_m;
    return 2 * others * (2 * push->head + 16) + 2 * rows * (4 * others + 16) + 2 * rows * (2 * others + 16) +
           8 * others;
}

/* Whether matrix units can compute it: fp16 tensors whose heads can be read eight elements at a time. Not on Intel's GPUs, where its rows
 * would spill (dg2, bmg: Mesa 25.0.7). */
static bool coop_suits(const launch *r, kernel_id kernel, const struct attention_push *push)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    return op_matrix_units(caps) && caps->vendor_id != VENDOR_INTEL && gpu_kernel_good(caps, kernel) &&
           r->format == ACT_HALF && words_of(push) % 8 == 0 && offsets_of(r->d.args, r->d.arg_count) % 16 == 0 &&
           push->head % caps->coopmat_n == 0 && push->head % caps->coopmat_k == 0 && push->head % 8 == 0 &&
           push->head <= COOP_HEAD && ATTENTION_COOP_OTHERS % caps->coopmat_n == 0 &&
           ATTENTION_COOP_OTHERS % caps->coopmat_k == 0 &&
           ATTENTION_COOP_WARPS * caps->coopmat_m <= 2 * ATTENTION_COOP_OTHERS &&
           caps->coopmat_subgroup % caps->coopmat_m == 0 && coop_shared(caps, push) <= caps->max_shared_memory &&
           ATTENTION_COOP_WARPS * caps->coopmat_subgroup <= caps->max_workgroup_size;
}

/* Records attention_coop.comp for `rows` rows of a sequence and head. */
static void record_coop(launch *r, kernel_id kernel, const struct attention_push *push, uint32_t rows)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    const uint32_t own = ATTENTION_COOP_WARPS * caps->coopmat_m;
    launch_spec(r, SPEC_ATTENTION_HEAD, push->head);
    launch_spec(r, SPEC_ATTENTION_TM, caps->coopmat_m);
    launch_spec(r, SPEC_ATTENTION_TN, caps->coopmat_n);
    launch_spec(r, SPEC_ATTENTION_TK, caps->coopmat_k);
    launch_spec(r, SPEC_ATTENTION_SUBGROUP, caps->coopmat_subgroup);
    r->d.kernel = kernel;
    r->format = ALL_FLOAT; /* its kernels are for halves only */
    record_groups(r, (uint64_t)push->sequences * (push->channels / push->head) * ((rows + own - 1) / own),
                  ATTENTION_COOP_WARPS * caps->coopmat_subgroup);
}

/* Records `groups` work groups of `size` invocations for each sequence and head. */
static void record_any(launch *r, const struct attention_push *push, uint64_t groups, uint32_t size)
{
    record_groups(r, (uint64_t)push->sequences * (push->channels / push->head) * groups, size);
}

/* Records tiles of `rows` rows, or one invocation a row. */
static void record_rows_of(launch *r, kernels which, const struct attention_push *push, uint32_t rows)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    if (lanes_suit(caps, &which)) {
        record_lanes(r, &which, push, rows);
        return;
    }
    const kernel_widths tile = {.plain = which.few.plain, .wide = which.tile, .pairs = which.few.plain};
    r->d.kernel = choose(r, few_registers(caps) ? which.few : tile, push);
    const bool few = r->d.kernel != which.tile;
    const uint32_t own = few ? ATTENTION_FEW_ROWS : TILE_ROWS, halves = push->head > TILE_COLUMNS ? TILE_HALVES : 1;
    const uint32_t columns = few ? ATTENTION_FEW_OTHERS : TILE_COLUMNS * halves;
    const uint64_t tiles = (rows + own - 1) / own, parts = (push->head + columns - 1) / columns;
    if (!few) launch_spec(r, SPEC_ATTENTION_HALVES, halves);
    record_any(r, push, tiles * parts, few ? ATTENTION_FEW_OTHERS : GROUP);
}

static struct attention_push push_of(const op_call *call, op_view q, op_view k, op_view v, op_view y)
{
    const op_attr *a = &call->attr;
    uint32_t sequences = q.rows / a->time;
    return (struct attention_push){.sequences = sequences,
                                   .time_q = a->time,
                                   .time_k = k.rows / sequences,
                                   .ld_q = q.cols,
                                   .ld_k = k.cols,
                                   .ld_v = v.cols,
                                   .ld_y = y.cols,
                                   .off_q = a->off_q,
                                   .off_k = a->off_k,
                                   .off_v = a->off_v,
                                   .channels = y.cols,
                                   .head = y.cols / a->heads,
                                   .scale = 1.0f / sqrtf((float)y.cols / (float)a->heads),
                                   .keep = 1.0f - a->dropout,
                                   .stream = a->stream};
}

/* A launch of one of the kernels, which takes `share` of the operation's work. */
static launch begin(gpu_program *program, const op_call *call, const gpu_arg *args, uint32_t arg_count,
                    const struct attention_push *push, double share)
{
    launch r = {.program = program,
                .format = call->in[0].half ? ACT_HALF : ALL_FLOAT,
                .d = {.args = args,
                      .arg_count = arg_count,
                      .push = push,
                      .push_size = sizeof *push,
                      .flops = share * op_flops(call),
                      .bytes = share * op_bytes(call)}};
    launch_spec(&r, SPEC_ATTENTION_DROPOUT, call->attr.dropout > 0);
    return r;
}
#define BEGIN(program, call, args, push, share)                                                                        \
    begin(program, call, args, sizeof(args) / sizeof(args)[0], &(push), share)

static const kernels forward = KERNELS(attention, attention_tile, attention_few);

/* Work groups that share a query's keys, in attention_row.comp. */
static uint32_t splits_of(const pm_caps *caps, const op_call *call)
{
    op_view q = call->in[0], cache = call->out[ATTENTION_CACHE], k = view_present(cache) ? cache : call->in[1];
    if (call->attr.time > ROW_QUERIES || lanes_suit(caps, &forward)) return 1;
    uint32_t keys = k.rows / (q.rows / call->attr.time), splits = (keys + ROW_KEYS - 1) / ROW_KEYS;
    return splits < ROW_SPLITS ? splits : ROW_SPLITS;
}

uint64_t attention_scratch(const pm_caps *caps, const op_call *call)
{
    const uint32_t splits = splits_of(caps, call), heads = call->attr.heads, head = call->out[0].cols / heads;
    return splits > 1 ? (uint64_t)call->in[0].rows * heads * splits * ATTENTION_PART(head) : 0;
}

/* Records few queries: one work group for all keys of a query, or several that each take some keys, and a pass that joins them. */
static void record_row(gpu_program *program, const op_call *call, const struct attention_push *push, bool append)
{
    const pm_caps *caps = gpu_program_caps(program);
    op_view q = call->in[0], cache = call->out[ATTENTION_CACHE], y = call->out[0], lse = call->out[1];
    op_view k = append ? cache : call->in[1], v = append ? cache : call->in[2], parts = call->out[ATTENTION_PARTS];
    const gpu_access access = append ? GPU_READ_WRITE : GPU_READ;
    const uint32_t splits = splits_of(caps, call);
    const bool split = splits > 1;
    gpu_arg args[] = {arg_of(q, GPU_READ),
                      arg_of(k, access),
                      arg_of(v, access),
                      arg_of(call->in[3], GPU_READ),
                      arg_of(split ? (op_view){0} : y, GPU_WRITE),
                      arg_of(split ? (op_view){0} : lse, GPU_WRITE),
                      arg_of(split ? parts : (op_view){0}, GPU_WRITE)};
    launch r = BEGIN(program, call, args, *push, 1);
    const kernel_widths row = WIDTHS(attention_row), join = WIDTHS(attention_join);
    uint32_t keys = GROUP;
    while (keys < push->time_k && keys < ROW_KEYS && 2 * keys <= caps->max_workgroup_size) keys *= 2;
    r.d.kernel = choose(&r, row, push);
    launch_spec(&r, SPEC_ATTENTION_KEYS, keys);
    launch_spec(&r, SPEC_ATTENTION_SPLITS, splits);
    launch_spec(&r, SPEC_ATTENTION_APPEND, append);
    launch_spec(&r, SPEC_ATTENTION_FLIGHT,
                many_registers(caps)  ? ATTENTION_ROW_FLIGHT
                : few_registers(caps) ? ROW_FEW_FLIGHT
                                      : ROW_FLIGHT);
    record_any(&r, push, (uint64_t)push->time_q * splits, keys);
    if (!split) return;
    gpu_arg parts_args[] = {arg_of(parts, GPU_READ), arg_of(y, GPU_WRITE), arg_of(lse, GPU_WRITE)};
    launch j = BEGIN(program, call, parts_args, *push, 0);
    j.d.kernel = choose(&j, join, push);
    launch_spec(&j, SPEC_ATTENTION_SPLITS, splits);
    record_elements(&j, (uint64_t)q.rows * push->channels / 4, 1);
}

void op_record_attention(gpu_program *program, const op_call *call)
{
    op_view q = call->in[0], k = call->in[1], v = call->in[2], y = call->out[0], cache = call->out[ATTENTION_CACHE];
    const bool append = view_present(cache);
    if (append) k = v = cache;
    const bool lanes = lanes_suit(gpu_program_caps(program), &forward);
    if (append && lanes)
        op_record_kv_append(program, &(op_call){.op = OP_KV_APPEND, .in = {q, call->in[3]}, .out = {cache}});
    gpu_arg args[] = {arg_of(q, GPU_READ),           arg_of(k, GPU_READ),  arg_of(v, GPU_READ),
                      arg_of(call->in[3], GPU_READ), arg_of(y, GPU_WRITE), arg_of(call->out[1], GPU_WRITE)};
    struct attention_push push = push_of(call, q, k, v, y);
    launch r = BEGIN(program, call, args, push, 1);
    if (push.time_q > ROW_QUERIES && coop_suits(&r, KERNEL_attention_coop, &push)) {
        record_coop(&r, KERNEL_attention_coop, &push, push.time_q);
    } else if (push.time_q > ROW_QUERIES && block_suits(&r, &push)) {
        r.d.kernel = KERNEL_attention_block;
        launch_spec(&r, SPEC_ATTENTION_HEAD, push.head);
        record_any(&r, &push, (push.time_q + ATTENTION_BLOCK_ROWS - 1) / ATTENTION_BLOCK_ROWS, ATTENTION_BLOCK_THREADS);
    } else if (push.time_q > ROW_QUERIES || lanes) {
        record_rows_of(&r, forward, &push, push.time_q);
    } else {
        record_row(program, call, &push, append);
    }
}

void op_record_attention_bwd(gpu_program *program, const op_call *call)
{
    op_view qkv = call->in[0], y = call->in[1], lse = call->in[2], dy = call->in[3], scalars = call->in[4];
    op_view dqkv = call->out[0], delta = call->out[1];
    struct attention_push push = push_of(call, qkv, qkv, qkv, y);

    gpu_arg args_q[] = {arg_of(qkv, GPU_READ),   arg_of(y, GPU_READ),       arg_of(lse, GPU_READ),
                        arg_of(dy, GPU_READ),    arg_of(scalars, GPU_READ), arg_of(dqkv, GPU_WRITE),
                        arg_of(delta, GPU_WRITE)};
    launch q = BEGIN(program, call, args_q, push, 0.4);
    if (coop_suits(&q, KERNEL_attention_coop_dq, &push))
        record_coop(&q, KERNEL_attention_coop_dq, &push, push.time_q);
    else
        record_rows_of(&q, (kernels)KERNELS(attention_dq, attention_tile_dq, attention_few_dq), &push, push.time_q);

    gpu_arg args_k[] = {arg_of(qkv, GPU_READ), arg_of(lse, GPU_READ),     arg_of(delta, GPU_READ),
                        arg_of(dy, GPU_READ),  arg_of(scalars, GPU_READ), arg_of(dqkv, GPU_READ_WRITE)};
    const kernels dkv = KERNELS(attention_dkv, attention_tile_dk, attention_few_dk);
    launch kv = BEGIN(program, call, args_k, push, 0.6);
    if (coop_suits(&kv, KERNEL_attention_coop_dkv, &push)) {
        record_coop(&kv, KERNEL_attention_coop_dkv, &push, push.time_k);
        return;
    }
    if (lanes_suit(gpu_program_caps(program), &dkv)) {
        record_lanes(&kv, &dkv, &push, push.time_k);
        return;
    }
    launch k = BEGIN(program, call, args_k, push, 0.36);
    record_rows_of(&k, dkv, &push, push.time_k);

    gpu_arg args_v[] = {arg_of(qkv, GPU_READ), arg_of(lse, GPU_READ), arg_of(dy, GPU_READ), arg_of(scalars, GPU_READ),
                        arg_of(dqkv, GPU_READ_WRITE)};
    launch v = BEGIN(program, call, args_v, push, 0.24);
    record_rows_of(&v, (kernels)KERNELS(attention_dkv, attention_tile_dv, attention_few_dv), &push, push.time_k);
}

bool op_appends(const pm_caps *caps, uint32_t queries)
{
    return !caps->serial && queries == 1;
}
