/* The kernel variants of a matrix product: which of them can compute it, which is the default, and how each is dispatched. */
#include "ops/product.h"

#include <stdio.h>

enum {
    MATVEC_ROWS = OP_NORM_ROWS, /* matvec.comp: the most rows */
    MATVEC_QUADS = 8,           /* matvec.comp: columns of a work group, in fours */
    MATVEC_SLICES = 32,         /* matvec.comp: slices of K, on a GPU */
    MATVEC_FLIGHT = 3,          /* matvec.comp with many registers: loads of four k that a slice has in flight, */
    MATVEC_THREADS = 512,       /* invocations of a work group, */
    MATVEC_LEAST_QUADS = 4,     /* and the fewest columns, in fours, to reach */
    MATVEC_GROUPS = 64,         /* so many work groups */
    MATVEC_EACH = 4,            /* matvec.comp on a software driver: quads of an invocation, which share A, */
    MATVEC_SUBGROUPS = 4,       /* and subgroups of a work group with TRANS_B */
    COOP_LARGE = 128,           /* matmul_coop.comp: side of the large tiles, */
    COOP_SMALL = 64,            /* and of the small ones */
    COOP_LARGE_SUMS = 128,      /* matmul_coop.comp: the most sums of an invocation, large tiles, */
    COOP_SMALL_SUMS = 64,       /* and small ones */
    COOP_INTEL_SUMS = 32,       /* the same on Intel's GPUs: more sums or deeper slices would spill */
    COOP_CPU_SUMS = 32,         /* and of a software driver, which compiles each matrix for a second: large tiles, */
    COOP_CPU_SMALL_SUMS = 16,   /* and small ones */
    COOP_INTEL_DEPTH = 16,      /* k of a slice there (dg2, bmg: Mesa 25.0.7) */
    COOP_GROUPS = 128,          /* matmul_coop.comp: large tiles that keep a large GPU busy */
    LARGE_BLOCKS = 64, /* matmul_block.comp: from so many large tiles on, they beat four times as many small ones */
    SMALL_BLOCKS = 32, /* from so many small tiles on, they beat matmul_tile.comp's with twice the invocations */
    FEW_ROWS = 16,     /* rows of matmul_tile.comp's smallest tile */
};

/* The variant of matvec.comp that can read these rows, or ROW_COUNT. */
static kernel_row matvec_kernel(const launch *r, const product *p)
{
    const pm_caps *caps = r->caps;
    const op_attr *attr = &p->call->attr;
    if (p->m > MATVEC_ROWS || attr->trans_a || (!attr->trans_b && p->n % 4 != 0)) return ROW_COUNT;
    const bool plain = p->plain && gpu_row_good(caps, ROW_matvec_wide_plain);
    kernel_widths which = {ROW_COUNT, plain ? ROW_matvec_wide_plain : ROW_matvec_wide, ROW_matvec_pairs};
    if (p->gain.buffer) which = (kernel_widths){ROW_matvec_norm, ROW_matvec_norm_wide, ROW_matvec_norm};
    if (p->gain.buffer && !p->shift.buffer)
        which = (kernel_widths){ROW_matvec_rms, ROW_matvec_rms_wide, ROW_matvec_rms};
    return width_for(caps, which, r->d.args, r->d.arg_count, p->k | p->lda | p->ldb);
}

/* Of matmul_lanes.comp. */
static kernel_row lanes_kernel(const pm_caps *caps, bool pairs)
{
    return pairs ? ROW_matmul_pairs8 : software_lanes(caps) == 8 ? ROW_matmul_lanes8 : ROW_matmul_lanes4;
}

/* Two neighbours are loaded as one: along k, or along the rows or columns that are contiguous. */
static bool in_pairs(const pm_caps *caps, const product *p)
{
    return software_lanes(caps) == 8 && software_pairs(caps) && gpu_row_good(caps, lanes_kernel(caps, true)) &&
           p->lda % 2 == 0 && p->ldb % 2 == 0 && (p->a.offset | p->b.offset) % 8 == 0;
}

/* matmul_block.comp's two tiles, by rows and columns. */
typedef struct block_tile {
    uint32_t side;
    kernel_row kernel, plain;
} block_tile;

static block_tile block_of(uint32_t side)
{
    const block_tile large = {MATMUL_BLOCK_TILE, ROW_matmul_block, ROW_matmul_block_plain};
    const block_tile small = {MATMUL_BLOCK_SMALL_TILE, ROW_matmul_block64, ROW_matmul_block64_plain};
    return side == MATMUL_BLOCK_TILE ? large : small;
}

static uint64_t tiles_of(const product *p, uint32_t side)
{
    return ((p->m - 1) / side + 1ull) * ((p->n - 1) / side + 1ull);
}

/* The tile's kernel, or ROW_COUNT where the operands rule out loads of four. */
static kernel_row block_kernel(const launch *r, const product *p, block_tile tile)
{
    const pm_caps *caps = r->caps;
    const uint32_t shared = 2 * 2 * MATMUL_BLOCK_DEPTH * (tile.side / 4 + 1) * 16; /* bytes */
    if (caps->serial || caps->max_workgroup_size < MATMUL_BLOCK_THREADS || shared > caps->max_shared_memory)
        return ROW_COUNT;
    kernel_widths which = {ROW_COUNT, p->plain && gpu_row_good(caps, tile.plain) ? tile.plain : tile.kernel, ROW_COUNT};
    return width_for(caps, which, r->d.args, r->d.arg_count, product_words(p));
}

/* matmul_coop.comp's tile, side x side, a subgroup's share of it, and k of a slice. */
typedef struct coop_tile {
    uint32_t side, rows, cols, depth;
} coop_tile;

/* A subgroup's share: a quarter of the tile, or less where an invocation has no registers for so many sums. */
static coop_tile coop_of(const pm_caps *caps, uint32_t side)
{
    const bool large = side == COOP_LARGE, intel = caps->vendor_id == VENDOR_INTEL;
    uint32_t most = large ? COOP_LARGE_SUMS : COOP_SMALL_SUMS;
    if (intel) most = COOP_INTEL_SUMS;
    if (caps->type == PM_DEVICE_CPU) most = large ? COOP_CPU_SUMS : COOP_CPU_SMALL_SUMS;
    coop_tile tile = {side, side / 2, side / 2, intel ? COOP_INTEL_DEPTH : MATMUL_COOP_DEPTH};
    while (tile.rows * tile.cols > most * caps->coopmat_subgroup) {
        if (tile.rows < tile.cols)
            tile.cols /= 2;
        else
            tile.rows /= 2;
    }
    return tile;
}

static uint32_t coop_subgroups(coop_tile tile)
{
    return tile.side / tile.rows * (tile.side / tile.cols);
}

/* Shared memory of a slice (bytes): by lines of k, or across them. */
static uint32_t coop_slice(coop_tile tile, bool by_k)
{
    return by_k ? 2 * tile.depth * (tile.side + 8) : 2 * tile.side * (tile.depth + 8);
}

/* Shared memory of matmul_coop.comp (bytes). */
static uint32_t coop_shared(const pm_caps *caps, const product *p, coop_tile tile)
{
    return coop_slice(tile, p->call->attr.trans_a) + coop_slice(tile, !p->call->attr.trans_b) +
           4 * coop_subgroups(tile) * caps->coopmat_m * caps->coopmat_n;
}

/* Matrix units need fp16 factors whose rows can be read eight elements at a time. Each invocation loads a part of each slice. */
static bool coop_suits(const pm_caps *caps, const product *p, uint32_t side)
{
    if (!caps->coopmat || !gpu_row_good(caps, ROW_matmul_coop) || p->type != DTYPE_F16) return false;
    if (side == COOP_LARGE && caps->vendor_id == VENDOR_INTEL) return false; /* more invocations than loads */
    const coop_tile tile = coop_of(caps, side);
    const uint32_t group = coop_subgroups(tile) * caps->coopmat_subgroup;
    return tile.rows % caps->coopmat_m == 0 && tile.cols % caps->coopmat_n == 0 && tile.depth % caps->coopmat_k == 0 &&
           group <= tile.side * tile.depth / 8 && (p->lda | p->ldb) % 8 == 0 && (p->a.offset | p->b.offset) % 16 == 0 &&
           coop_shared(caps, p, tile) <= caps->max_shared_memory && group <= caps->max_workgroup_size;
}

/* matvec.comp's specialization constants of the same names. */
typedef struct matvec_shape {
    uint32_t slices, quads, flight, each;
} matvec_shape;

/* A large GPU is limited by latency unless all loads of a small matrix are in flight at once. So work groups get few columns, which makes many
 * of them, and as many slices as still leave each slice MATVEC_FLIGHT loads and each invocation enough registers. */
static matvec_shape matvec_shape_of(const pm_caps *caps, const product *p, bool pairs)
{
    const bool trans_b = p->call->attr.trans_b;
    uint32_t most = caps->max_workgroup_size;
    matvec_shape s = {MATVEC_SLICES, MATVEC_QUADS, 1, 1};
    if (pairs) {
        if (trans_b) s.quads = MATVEC_SUBGROUPS;
        s.slices = trans_b ? software_lanes(caps) : 1;
        s.each = MATVEC_EACH;
    }
    if (!pairs && many_registers(caps)) {
        if (most > MATVEC_THREADS) most = MATVEC_THREADS;
        s.flight = MATVEC_FLIGHT;
        while (s.quads > MATVEC_LEAST_QUADS && p->n < 4 * s.quads * MATVEC_GROUPS) s.quads /= 2;
        while (2 * s.slices * s.quads <= most && p->k > 4 * MATVEC_FLIGHT * s.slices) s.slices *= 2;
    }
    while (s.slices * s.quads > most) s.slices /= 2;
    return s;
}

static bool matvec_possible(const candidate *c)
{
    return matvec_kernel(c->launch, c->part) != ROW_COUNT;
}

static void record_matvec(const candidate *c)
{
    const product *p = c->part;
    launch *r = c->launch;
    r->row = matvec_kernel(r, p);
    if (p->gain.buffer)
        r->d.arg_count = p->shift.buffer ? PRODUCT_NORM_ARGS : PRODUCT_RMS_ARGS;
    else if (r->row == ROW_matvec_wide_plain)
        r->d.arg_count = PRODUCT_PLAIN_ARGS;
    const matvec_shape s = matvec_shape_of(r->caps, p, r->row == ROW_matvec_pairs);
    launch_spec(r, SPEC_MATVEC_ROWS, p->m);
    launch_spec(r, SPEC_MATVEC_SLICES, s.slices);
    launch_spec(r, SPEC_MATVEC_QUADS, s.quads);
    launch_spec(r, SPEC_MATVEC_FLIGHT, s.flight);
    launch_spec(r, SPEC_MATVEC_EACH, s.each);
    if (p->gain.buffer) launch_spec(r, SPEC_MATVEC_WIDTH, p->k / 4);
    record_groups(r, (p->n - 1) / (4 * s.each * s.quads) + 1, s.slices * s.quads);
}

/* Records x by y work groups of `size` invocations, one for each tile. */
static void record_grid(launch *r, uint32_t x, uint32_t y, uint32_t size)
{
    launch_spec(r, SPEC_GROUP_SIZE, size);
    r->d.groups[0] = x;
    r->d.groups[1] = y;
    r->d.groups[2] = 1;
    record_dispatch(r);
}

/* Whether matmul_coop.comp's tiles have no edges, rows of y begin at multiples of 16 bytes as matrix stores need, and its operands can be
 * accessed four elements at a time. */
static bool coop_whole(const gpu_dispatch *d, const product *p, uint32_t side)
{
    return p->m % side == 0 && p->n % side == 0 && p->ldc % 8 == 0 && offsets_of(d->args, d->arg_count) % 16 == 0;
}

static bool coop_possible(const candidate *c)
{
    return coop_suits(c->launch->caps, c->part, c->size);
}

static bool coop_preferred(const candidate *c)
{
    return op_matrix_units(c->launch->caps) && (c->size != COOP_LARGE || tiles_of(c->part, COOP_LARGE) >= COOP_GROUPS);
}

static void record_coop(const candidate *c)
{
    const product *p = c->part;
    launch *r = c->launch;
    const pm_caps *caps = r->caps;
    const coop_tile tile = coop_of(caps, c->size);
    launch_spec(r, SPEC_COOP_TM, caps->coopmat_m);
    launch_spec(r, SPEC_COOP_TN, caps->coopmat_n);
    launch_spec(r, SPEC_COOP_TK, caps->coopmat_k);
    launch_spec(r, SPEC_COOP_ROWS, tile.rows / caps->coopmat_m);
    launch_spec(r, SPEC_COOP_COLS, tile.cols / caps->coopmat_n);
    launch_spec(r, SPEC_COOP_DOWN, tile.side / tile.rows);
    launch_spec(r, SPEC_COOP_ACROSS, tile.side / tile.cols);
    launch_spec(r, SPEC_COOP_WHOLE, coop_whole(&r->d, p, tile.side));
    launch_spec(r, SPEC_COOP_WHOLE_K, p->k % tile.depth == 0);
    launch_spec(r, SPEC_COOP_DEPTH, tile.depth);
    r->row = ROW_matmul_coop;
    record_grid(r, (p->n - 1) / tile.side + 1, (p->m - 1) / tile.side + 1,
                coop_subgroups(tile) * caps->coopmat_subgroup);
}

/* Elements of a load of matmul_lanes.comp. */
enum { ONE = 1, PAIR = 2 };

static bool lanes_possible(const candidate *c)
{
    const pm_caps *caps = c->launch->caps;
    if (c->size == PAIR) return in_pairs(caps, c->part);
    return software_lanes(caps) > 0 && gpu_row_good(caps, lanes_kernel(caps, false));
}

/* Records matmul_lanes.comp, for a software driver. */
static void record_lanes(const candidate *c)
{
    const product *p = c->part;
    launch *r = c->launch;
    const bool pairs = c->size == PAIR;
    uint32_t lanes = software_lanes(r->caps), cols = MATMUL_LANES_VECTORS * lanes;
    r->row = lanes_kernel(r->caps, pairs);
    const bool whole = pairs && p->m % MATMUL_LANES_ROWS == 0 && p->n % cols == 0 && p->ldc % 2 == 0 &&
                       offsets_of(r->d.args, r->d.arg_count) % 8 == 0;
    launch_spec(r, SPEC_LANES_WHOLE, whole);
    record_grid(r, (p->m - 1) / MATMUL_LANES_ROWS + 1, (p->n - 1) / cols + 1, lanes);
}

static bool block_possible(const candidate *c)
{
    return block_kernel(c->launch, c->part, block_of(c->size)) != ROW_COUNT;
}

static bool block_preferred(const candidate *c)
{
    const product *p = c->part;
    const pm_caps *caps = c->launch->caps;
    const uint64_t tiles = tiles_of(p, c->size);
    if (c->size == MATMUL_BLOCK_TILE) return many_registers(caps) && tiles >= LARGE_BLOCKS;
    return moderate_registers(caps) && p->m > FEW_ROWS && tiles >= SMALL_BLOCKS;
}

static void record_block(const candidate *c)
{
    const product *p = c->part;
    launch *r = c->launch;
    const block_tile tile = block_of(c->size);
    r->row = block_kernel(r, p, tile);
    if (r->row == tile.plain) r->d.arg_count = PRODUCT_PLAIN_ARGS;
    record_grid(r, (p->n - 1) / tile.side + 1, (p->m - 1) / tile.side + 1, MATMUL_BLOCK_THREADS);
}

static bool tiles_possible(const candidate *c)
{
    return 16 * c->size <= c->launch->caps->max_workgroup_size;
}

static bool tiles_preferred(const candidate *c)
{
    const product *p = c->part;
    return p->m > FEW_ROWS || c->size == FEW_ROWS / 4;
}

static void record_tiles(const candidate *c)
{
    static const kernel_widths full = {ROW_matmul_tile, ROW_matmul_tile_wide, ROW_matmul_tile};
    static const kernel_widths few = {ROW_matmul_tile_plain, ROW_matmul_tile_wide_plain, ROW_matmul_tile_plain};
    const product *p = c->part;
    launch *r = c->launch;
    const uint32_t ty = c->size; /* a tile has 4 ty rows */
    const pm_caps *caps = r->caps;
    const bool plain = p->plain && gpu_row_good(caps, ROW_matmul_tile_plain);
    r->row = width_for(caps, plain ? few : full, r->d.args, r->d.arg_count, product_words(p));
    if (plain) r->d.arg_count = PRODUCT_PLAIN_ARGS;
    launch_spec(r, SPEC_TILE_TX, 16);
    launch_spec(r, SPEC_TILE_TY, ty);
    record_grid(r, (p->n - 1) / 64 + 1, (p->m - 1) / (4 * ty) + 1, 16 * ty);
}

const variant_row product_variants[OP_VARIANTS] = {
    [VARIANT_MATVEC] = {matvec_possible, NULL, record_matvec, 0},
    [VARIANT_COOP_LARGE] = {coop_possible, coop_preferred, record_coop, COOP_LARGE},
    [VARIANT_COOP_SMALL] = {coop_possible, coop_preferred, record_coop, COOP_SMALL},
    [VARIANT_PAIRS] = {lanes_possible, NULL, record_lanes, PAIR},
    [VARIANT_LANES] = {lanes_possible, NULL, record_lanes, ONE},
    [VARIANT_BLOCK] = {block_possible, block_preferred, record_block, MATMUL_BLOCK_TILE},
    [VARIANT_BLOCK_SMALL] = {block_possible, block_preferred, record_block, MATMUL_BLOCK_SMALL_TILE},
    [VARIANT_TILE_16] = {tiles_possible, tiles_preferred, record_tiles, 16},
    [VARIANT_TILE_8] = {tiles_possible, tiles_preferred, record_tiles, 8},
    [VARIANT_TILE_4] = {tiles_possible, tiles_preferred, record_tiles, 4},
};

uint32_t product_unit_tile(const pm_caps *caps, const product *p)
{
    const bool taken = op_matrix_units(caps) && p->m > MATVEC_ROWS && coop_suits(caps, p, COOP_LARGE);
    return taken ? COOP_LARGE : 0;
}

bool op_normalises(const pm_caps *caps, const op_call *call)
{
    op_view a = call->in[MATMUL_A];
    const uint32_t shared = 4 * a.rows * a.cols + 20 * caps->max_workgroup_size; /* bytes, at most */
    return !caps->serial && !few_registers(caps) && a.rows <= OP_NORM_ROWS && !call->attr.trans_a && a.cols % 4 == 0 &&
           (call->attr.trans_b || call->out[0].cols % 4 == 0) && shared <= caps->max_shared_memory;
}

void product_key(const product *p, char key[GPU_CHOICE_KEY])
{
    const op_attr *attr = &p->call->attr;
    snprintf(key, GPU_CHOICE_KEY, "matmul %s%s%s %c%c %ux%ux%u", dtype_name(p->type), p->type_b != p->type ? "*16" : "",
             p->type_y != p->type ? ">f32" : "", attr->trans_a ? 't' : 'n', attr->trans_b ? 't' : 'n', p->m, p->n,
             p->k);
}

uint32_t product_choices(const pm_caps *caps, const op_call *call, op_choice choices[OP_MOST_CHOICES])
{
    launch nothing_bound = {.caps = caps};
    product p = product_of(call, call->in[MATMUL_A].cols, call->in[MATMUL_B].cols, call->out[0].cols);
    if (p.k > OP_LONGEST_SUM && p.type_y == DTYPE_F32) return 0; /* such a sum is cut */
    p.plain = true;
    product_key(&p, choices[0].key);
    variant_ask(product_variants, &nothing_bound, &p, &choices[0]);
    return 1;
}
