/* The kernel variants of a matrix product: which of them can compute it, which is the default, and how each is dispatched. */
#include "ops/product.h"

enum {
    MATVEC_ROWS = OP_NORM_ROWS, /* matvec.comp: the most rows */
    MATVEC_QUADS = 8,           /* matvec.comp: columns of a work group, in fours */
    MATVEC_SLICES = 32,         /* matvec.comp: slices of K, on a GPU */
    MATVEC_FLIGHT = 3,          /* matvec.comp with many registers: loads of four k that a slice has in flight, */
    MATVEC_THREADS = 512,       /* invocations of a work group, */
    MATVEC_LEAST_QUADS = 4,     /* and the fewest columns, in fours, to reach */
    MATVEC_GROUPS = 64,         /* so many work groups */
    COOP_LARGE = 128,           /* matmul_coop.comp: side of the large tiles, */
    COOP_SMALL = 64,            /* and of the small ones */
    COOP_LARGE_SUMS = 128,      /* matmul_coop.comp: the most sums of an invocation, large tiles, */
    COOP_SMALL_SUMS = 64,       /* and small ones */
    COOP_INTEL_SUMS = 32,       /* the same on Intel's GPUs: more sums or deeper slices would spill */
    COOP_INTEL_DEPTH = 16,      /* k of a slice there (dg2, bmg: Mesa 25.0.7) */
    COOP_GROUPS = 128,          /* matmul_coop.comp: large tiles that keep a large GPU busy */
    LARGE_BLOCKS = 64, /* matmul_block.comp: from so many large tiles on, they beat four times as many small ones */
    SMALL_BLOCKS = 32, /* from so many small tiles on, they beat matmul_tile.comp's with twice the invocations */
    FEW_ROWS = 16,     /* rows of matmul_tile.comp's smallest tile */
};

const char *op_variant_name(op_variant variant)
{
    static const char *const names[OP_VARIANTS] = {[VARIANT_USUAL] = "usual",
                                                   [VARIANT_MATVEC] = "matvec",
                                                   [VARIANT_COOP_LARGE] = "coop 128x128",
                                                   [VARIANT_COOP_SMALL] = "coop 64x64",
                                                   [VARIANT_PAIRS] = "pairs",
                                                   [VARIANT_LANES] = "lanes",
                                                   [VARIANT_BLOCK] = "block 128x128",
                                                   [VARIANT_BLOCK_SMALL] = "block 64x64",
                                                   [VARIANT_TILE_16] = "tile 64x64",
                                                   [VARIANT_TILE_8] = "tile 32x64",
                                                   [VARIANT_TILE_4] = "tile 16x64"};
    return variant < OP_VARIANTS ? names[variant] : "unknown";
}

/* The variant of matvec.comp that can read these rows, or KERNEL_COUNT. */
static kernel_id matvec_kernel(const pm_caps *caps, const gpu_dispatch *d, const product *p, bool plain)
{
    const op_attr *attr = &p->call->attr;
    if (p->m > MATVEC_ROWS || attr->trans_a || (!attr->trans_b && p->n % 4 != 0)) return KERNEL_COUNT;
    plain = plain && gpu_kernel_good(caps, KERNEL_matvec_wide_plain);
    kernel_widths which = {KERNEL_COUNT, plain ? KERNEL_matvec_wide_plain : KERNEL_matvec_wide, KERNEL_matvec_pairs};
    if (p->gain.buffer) which = (kernel_widths){KERNEL_matvec_norm, KERNEL_matvec_norm_wide, KERNEL_matvec_norm};
    return width_for(caps, which, d->args, d->arg_count, p->k | p->lda | p->ldb);
}

/* Of matmul_lanes.comp. */
static kernel_id lanes_kernel(const pm_caps *caps, bool pairs)
{
    return pairs ? KERNEL_matmul_pairs8 : software_lanes(caps) == 8 ? KERNEL_matmul_lanes8 : KERNEL_matmul_lanes4;
}

/* Two neighbours are loaded as one: along k, or along the rows or columns that are contiguous. */
static bool in_pairs(const pm_caps *caps, const product *p)
{
    return software_lanes(caps) == 8 && gpu_kernel_good(caps, lanes_kernel(caps, true)) && p->lda % 2 == 0 &&
           p->ldb % 2 == 0 && paired(caps, p->a) && paired(caps, p->b);
}

/* matmul_block.comp's two tiles, by rows and columns. */
typedef struct block_tile {
    uint32_t side;
    kernel_id kernel, plain;
} block_tile;

static block_tile block_of(op_variant variant)
{
    const block_tile large = {MATMUL_BLOCK_TILE, KERNEL_matmul_block, KERNEL_matmul_block_plain};
    const block_tile small = {MATMUL_BLOCK_SMALL_TILE, KERNEL_matmul_block64, KERNEL_matmul_block64_plain};
    return variant == VARIANT_BLOCK ? large : small;
}

static uint64_t tiles_of(const product *p, uint32_t side)
{
    return ((p->m - 1) / side + 1ull) * ((p->n - 1) / side + 1ull);
}

/* The tile's kernel, or KERNEL_COUNT where the operands rule out loads of four. */
static kernel_id block_kernel(const pm_caps *caps, const gpu_dispatch *d, const product *p, block_tile tile, bool plain)
{
    const uint32_t shared = 2 * 2 * MATMUL_BLOCK_DEPTH * (tile.side / 4 + 1) * 16; /* bytes */
    if (caps->serial || caps->max_workgroup_size < MATMUL_BLOCK_THREADS || shared > caps->max_shared_memory)
        return KERNEL_COUNT;
    kernel_widths which = {KERNEL_COUNT, plain && gpu_kernel_good(caps, tile.plain) ? tile.plain : tile.kernel,
                           KERNEL_COUNT};
    return width_for(caps, which, d->args, d->arg_count, product_words(p));
}

/* matmul_coop.comp's tile, side x side, a subgroup's share of it, and k of a slice. */
typedef struct coop_tile {
    uint32_t side, rows, cols, depth;
} coop_tile;

/* A subgroup's share: a quarter of the tile, or less where an invocation has no registers for so many sums. */
static coop_tile coop_of(const pm_caps *caps, op_variant variant)
{
    const bool large = variant == VARIANT_COOP_LARGE, intel = caps->vendor_id == VENDOR_INTEL;
    const uint32_t side = large ? COOP_LARGE : COOP_SMALL;
    const uint32_t most = intel ? COOP_INTEL_SUMS : large ? COOP_LARGE_SUMS : COOP_SMALL_SUMS;
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

static kernel_id coop_kernel(const product *p)
{
    return p->half_y ? KERNEL_matmul_coop : KERNEL_matmul_coop_f32;
}

/* Matrix units need fp16 factors whose rows can be read eight elements at a time. Each invocation loads a part of each slice. */
static bool coop_possible(const pm_caps *caps, const product *p, op_variant variant)
{
    if (!caps->coopmat || !gpu_kernel_good(caps, coop_kernel(p)) || !p->half) return false;
    if (variant == VARIANT_COOP_LARGE && caps->vendor_id == VENDOR_INTEL)
        return false; /* more invocations than loads */
    const coop_tile tile = coop_of(caps, variant);
    const uint32_t group = coop_subgroups(tile) * caps->coopmat_subgroup;
    return tile.rows % caps->coopmat_m == 0 && tile.cols % caps->coopmat_n == 0 && tile.depth % caps->coopmat_k == 0 &&
           group <= tile.side * tile.depth / 8 && (p->lda | p->ldb) % 8 == 0 && (p->a.offset | p->b.offset) % 16 == 0 &&
           coop_shared(caps, p, tile) <= caps->max_shared_memory && group <= caps->max_workgroup_size;
}

bool product_possible(const pm_caps *caps, const gpu_dispatch *d, const product *p, op_variant variant, bool plain)
{
    switch (variant) {
    case VARIANT_MATVEC: return matvec_kernel(caps, d, p, plain) != KERNEL_COUNT;
    case VARIANT_COOP_LARGE:
    case VARIANT_COOP_SMALL: return coop_possible(caps, p, variant);
    case VARIANT_PAIRS: return in_pairs(caps, p);
    case VARIANT_LANES: return software_lanes(caps) > 0 && gpu_kernel_good(caps, lanes_kernel(caps, false));
    case VARIANT_BLOCK:
    case VARIANT_BLOCK_SMALL: return block_kernel(caps, d, p, block_of(variant), plain) != KERNEL_COUNT;
    case VARIANT_TILE_16: return caps->max_workgroup_size >= 256;
    case VARIANT_TILE_8:
    case VARIANT_TILE_4: return true;
    default: return false;
    }
}

/* Without autotuning. */
op_variant product_usual(const pm_caps *caps, const gpu_dispatch *d, const product *p, bool plain)
{
    if (product_possible(caps, d, p, VARIANT_MATVEC, plain)) return VARIANT_MATVEC;
    if (product_possible(caps, d, p, VARIANT_PAIRS, plain)) return VARIANT_PAIRS;
    if (product_possible(caps, d, p, VARIANT_LANES, plain)) return VARIANT_LANES;
    bool units = op_matrix_units(caps);
    if (units && tiles_of(p, COOP_LARGE) >= COOP_GROUPS && coop_possible(caps, p, VARIANT_COOP_LARGE))
        return VARIANT_COOP_LARGE;
    if (units && coop_possible(caps, p, VARIANT_COOP_SMALL)) return VARIANT_COOP_SMALL;
    if (many_registers(caps) && tiles_of(p, MATMUL_BLOCK_TILE) >= LARGE_BLOCKS &&
        product_possible(caps, d, p, VARIANT_BLOCK, plain))
        return VARIANT_BLOCK;
    if (moderate_registers(caps) && p->m > FEW_ROWS && tiles_of(p, MATMUL_BLOCK_SMALL_TILE) >= SMALL_BLOCKS &&
        product_possible(caps, d, p, VARIANT_BLOCK_SMALL, plain))
        return VARIANT_BLOCK_SMALL;
    return p->m <= FEW_ROWS ? VARIANT_TILE_4 : caps->max_workgroup_size >= 256 ? VARIANT_TILE_16 : VARIANT_TILE_8;
}

/* matvec.comp's specialization constants of the same names. */
typedef struct matvec_shape {
    uint32_t slices, quads, flight;
} matvec_shape;

/* A large GPU is limited by latency unless all loads of a small matrix are in flight at once. So work groups get few columns, which makes many
 * of them, and as many slices as still leave each slice MATVEC_FLIGHT loads and each invocation enough registers. */
static matvec_shape matvec_shape_of(const pm_caps *caps, const product *p, bool pairs)
{
    const bool trans_b = p->call->attr.trans_b;
    uint32_t most = caps->max_workgroup_size;
    matvec_shape s = {MATVEC_SLICES, MATVEC_QUADS, 1};
    if (pairs) s.slices = trans_b ? software_lanes(caps) : 1;
    if (!pairs && many_registers(caps)) {
        if (most > MATVEC_THREADS) most = MATVEC_THREADS;
        s.flight = MATVEC_FLIGHT;
        while (s.quads > MATVEC_LEAST_QUADS && p->n < 4 * s.quads * MATVEC_GROUPS) s.quads /= 2;
        while (2 * s.slices * s.quads <= most && p->k > 4 * MATVEC_FLIGHT * s.slices) s.slices *= 2;
    }
    while (s.slices * s.quads > most) s.slices /= 2;
    return s;
}

static void record_matvec(launch *r, const product *p, bool plain)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    r->d.kernel = matvec_kernel(caps, &r->d, p, plain);
    if (p->gain.buffer)
        r->d.arg_count = PRODUCT_NORM_ARGS;
    else if (r->d.kernel == KERNEL_matvec_wide_plain)
        r->d.arg_count = PRODUCT_PLAIN_ARGS;
    const matvec_shape s = matvec_shape_of(caps, p, r->d.kernel == KERNEL_matvec_pairs);
    launch_spec(r, SPEC_MATVEC_ROWS, p->m);
    launch_spec(r, SPEC_MATVEC_SLICES, s.slices);
    launch_spec(r, SPEC_MATVEC_QUADS, s.quads);
    launch_spec(r, SPEC_MATVEC_FLIGHT, s.flight);
    if (p->gain.buffer) launch_spec(r, SPEC_MATVEC_WIDTH, p->k / 4);
    record_groups(r, (p->n - 1) / (4 * s.quads) + 1, s.slices * s.quads);
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

static void record_coop(launch *r, const product *p, coop_tile tile)
{
    const pm_caps *caps = gpu_program_caps(r->program);
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
    r->d.kernel = coop_kernel(p);
    r->format = ALL_FLOAT; /* its kernels are for halves only */
    record_grid(r, (p->n - 1) / tile.side + 1, (p->m - 1) / tile.side + 1,
                coop_subgroups(tile) * caps->coopmat_subgroup);
}

/* Records matmul_lanes.comp, for a software driver. */
static void record_lanes(launch *r, const product *p, bool pairs)
{
    uint32_t lanes = software_lanes(gpu_program_caps(r->program)), cols = MATMUL_LANES_VECTORS * lanes;
    r->d.kernel = lanes_kernel(gpu_program_caps(r->program), pairs);
    const bool whole = pairs && p->m % MATMUL_LANES_ROWS == 0 && p->n % cols == 0 && p->ldc % 2 == 0 &&
                       offsets_of(r->d.args, r->d.arg_count) % 8 == 0;
    launch_spec(r, SPEC_LANES_WHOLE, whole);
    record_grid(r, (p->m - 1) / MATMUL_LANES_ROWS + 1, (p->n - 1) / cols + 1, lanes);
}

static void record_block(launch *r, const product *p, block_tile tile, bool plain)
{
    r->d.kernel = block_kernel(gpu_program_caps(r->program), &r->d, p, tile, plain);
    if (r->d.kernel == tile.plain) r->d.arg_count = PRODUCT_PLAIN_ARGS;
    record_grid(r, (p->n - 1) / tile.side + 1, (p->m - 1) / tile.side + 1, MATMUL_BLOCK_THREADS);
}

static void record_tiles(launch *r, const product *p, uint32_t ty, bool plain)
{
    static const kernel_widths full = {KERNEL_matmul_tile, KERNEL_matmul_tile_wide, KERNEL_matmul_tile};
    static const kernel_widths few = {KERNEL_matmul_tile_plain, KERNEL_matmul_tile_wide_plain,
                                      KERNEL_matmul_tile_plain};
    const pm_caps *caps = gpu_program_caps(r->program);
    plain = plain && gpu_kernel_good(caps, KERNEL_matmul_tile_plain);
    r->d.kernel = width_for(caps, plain ? few : full, r->d.args, r->d.arg_count, product_words(p));
    if (plain) r->d.arg_count = PRODUCT_PLAIN_ARGS;
    launch_spec(r, SPEC_TILE_TX, 16);
    launch_spec(r, SPEC_TILE_TY, ty);
    record_grid(r, (p->n - 1) / 64 + 1, (p->m - 1) / (4 * ty) + 1, 16 * ty);
}

void product_record(launch *r, const product *p, op_variant variant, bool plain)
{
    switch (variant) {
    case VARIANT_MATVEC: record_matvec(r, p, plain); break;
    case VARIANT_COOP_LARGE:
    case VARIANT_COOP_SMALL: record_coop(r, p, coop_of(gpu_program_caps(r->program), variant)); break;
    case VARIANT_PAIRS: record_lanes(r, p, true); break;
    case VARIANT_LANES: record_lanes(r, p, false); break;
    case VARIANT_BLOCK:
    case VARIANT_BLOCK_SMALL: record_block(r, p, block_of(variant), plain); break;
    case VARIANT_TILE_16: record_tiles(r, p, 16, plain); break;
    case VARIANT_TILE_8: record_tiles(r, p, 8, plain); break;
    default: record_tiles(r, p, 4, plain); break;
    }
}

uint32_t product_unit_tile(const pm_caps *caps, const product *p)
{
    const bool taken = op_matrix_units(caps) && p->m > MATVEC_ROWS && coop_possible(caps, p, VARIANT_COOP_LARGE);
    return taken ? COOP_LARGE : 0;
}

bool op_normalises(const pm_caps *caps, const op_call *call)
{
    op_view a = call->in[MATMUL_A];
    const uint32_t shared = 4 * a.rows * a.cols + 20 * caps->max_workgroup_size; /* bytes, at most */
    return !caps->serial && !few_registers(caps) && a.rows <= OP_NORM_ROWS && !call->attr.trans_a && a.cols % 4 == 0 &&
           (call->attr.trans_b || call->out[0].cols % 4 == 0) && shared <= caps->max_shared_memory;
}

static const gpu_dispatch nothing_bound;

op_variant op_product_usual(const pm_caps *caps, const op_call *call)
{
    product p = product_of(call, call->in[MATMUL_A].cols, call->in[MATMUL_B].cols, call->out[0].cols);
    return product_usual(caps, &nothing_bound, &p, true);
}

uint32_t op_product_variants(const pm_caps *caps, const op_call *call)
{
    product p = product_of(call, call->in[MATMUL_A].cols, call->in[MATMUL_B].cols, call->out[0].cols);
    uint32_t variants = 0;
    for (int variant = VARIANT_USUAL + 1; variant < OP_VARIANTS; variant++)
        if (product_possible(caps, &nothing_bound, &p, (op_variant)variant, true)) variants |= 1u << variant;
    return variants;
}
