/* Matrix products: their operands and epilogue, and the split of one that is too large for an operand. */
#include "ops/product.h"

/* Where rows of 16-bit numbers are padded, with what a kernel may read there, to eight. */
static uint32_t padded(dtype_id type, uint32_t width, uint32_t ld)
{
    uint32_t whole = (width + 7) / 8 * 8;
    return type != DTYPE_F32 && whole <= ld ? whole : width;
}

/* The span from an operand's first element to its last. */
static uint64_t count_a(const product *p)
{
    return (uint64_t)((p->call->attr.trans_a ? p->k : p->m) - 1) * p->lda + padded(p->type, product_width_a(p), p->lda);
}
static uint64_t count_b(const product *p)
{
    return (uint64_t)((p->call->attr.trans_b ? p->n : p->k) - 1) * p->ldb +
           padded(p->type_b, product_width_b(p), p->ldb);
}
static uint64_t count_y(const product *p)
{
    return (uint64_t)(p->m - 1) * p->ldc + p->n;
}

static uint32_t epilogue(const product *p)
{
    const op_call *c = p->call;
    uint32_t flags = 0;
    if (view_present(c->in[MATMUL_BIAS])) flags |= EPILOGUE_BIAS;
    if (view_present(c->out[1])) flags |= EPILOGUE_PRE;
    if (c->attr.gelu) flags |= EPILOGUE_GELU;
    if (c->attr.dropout > 0) flags |= EPILOGUE_DROPOUT;
    if (view_present(c->in[MATMUL_RESIDUAL])) flags |= EPILOGUE_RESIDUAL;
    if (view_present(c->in[MATMUL_GELU_PRE])) flags |= EPILOGUE_GELU_SLOPE;
    if (p->accumulate) flags |= EPILOGUE_ACCUMULATE;
    return flags;
}

static gpu_arg part(gpu_span span, dtype_id type, uint64_t count, bool used, gpu_access access)
{
    if (!used) return (gpu_arg){{NULL, 0, 0}, access};
    return (gpu_arg){span_part(span, type, 0, count), access};
}

/* The variant that autotuning chose for it, if any. */
static op_variant chosen_variant(const gpu_program *program, const product *p)
{
    char key[GPU_CHOICE_KEY];
    product_key(p, key);
    return (op_variant)gpu_chosen(program, key);
}

static void record_product(gpu_program *program, const product *p)
{
    const op_attr *attr = &p->call->attr;
    uint32_t flags = epilogue(p);
    uint64_t ny = count_y(p);
    gpu_arg args[PRODUCT_ARGS] = {
        part(p->a, p->type, count_a(p), true, GPU_READ),
        part(p->b, p->type_b, count_b(p), true, GPU_READ),
        part(p->y, p->type_y, ny, true, flags & EPILOGUE_ACCUMULATE ? GPU_READ_WRITE : GPU_WRITE),
        part(p->bias, DTYPE_F32, p->n, flags & EPILOGUE_BIAS, GPU_READ),
        part(p->residual, p->type_y, ny, flags & EPILOGUE_RESIDUAL, GPU_READ),
        part(p->gelu_pre, p->type_y, ny, flags & EPILOGUE_GELU_SLOPE, GPU_READ),
        part(p->pre, p->type_y, ny, flags & EPILOGUE_PRE, GPU_WRITE),
        part(p->call->in[MATMUL_SCALARS].span, DTYPE_F32, sizeof(struct step_scalars) / 4, flags & EPILOGUE_DROPOUT,
             GPU_READ),
    };
    if (p->gain.buffer) { /* such a product has no other matrix in its epilogue */
        args[PRODUCT_PLAIN_ARGS] = part(p->gain, DTYPE_F32, p->k, true, GPU_READ);
        args[PRODUCT_PLAIN_ARGS + 1] = part(p->shift, DTYPE_F32, p->k, p->shift.buffer, GPU_READ);
    }
    struct matmul_push push = {p->m,         p->n,      p->k,      p->lda, p->ldb, p->ldc, 1.0f - attr->dropout,
                               attr->stream, attr->eps, attr->plus};
    launch r = LAUNCH(program, ROW_matmul_tile, args, push);
    launch_types(&r, p->type, p->type_b);
    if (p->type_y != p->type) r.types = TYPES_F16_F32;
    launch_spec(&r, SPEC_MATMUL_TRANS_A, attr->trans_a);
    launch_spec(&r, SPEC_MATMUL_TRANS_B, attr->trans_b);
    launch_spec(&r, SPEC_MATMUL_EPILOGUE, flags);
    r.d.flops = 2.0 * p->m * p->n * p->k;
    r.d.bytes = (double)(dtype_bytes(p->type, (uint64_t)p->m * p->k) + dtype_bytes(p->type_b, (uint64_t)p->k * p->n) +
                         dtype_bytes(p->type_y, (uint64_t)p->m * p->n));
    variant_record(product_variants, &r, p, p->gain.buffer ? VARIANT_USUAL : chosen_variant(program, p));
}

/* Parts of a product, by rows or columns of y or by terms of its sums; `first` is even. */
static product rows_of(product p, uint32_t first, uint32_t count)
{
    uint64_t y = dtype_bytes(p.type_y, (uint64_t)first * p.ldc);
    p.a.offset += dtype_bytes(p.type, p.call->attr.trans_a ? (uint64_t)first : (uint64_t)first * p.lda);
    p.y.offset += y, p.residual.offset += y, p.gelu_pre.offset += y, p.pre.offset += y;
    p.m = count;
    return p;
}

static product cols_of(product p, uint32_t first, uint32_t count)
{
    uint64_t y = dtype_bytes(p.type_y, first);
    p.b.offset += dtype_bytes(p.type_b, p.call->attr.trans_b ? (uint64_t)first * p.ldb : (uint64_t)first);
    p.y.offset += y, p.residual.offset += y, p.gelu_pre.offset += y, p.pre.offset += y;
    p.bias.offset += 4 * (uint64_t)first;
    p.n = count;
    return p;
}

static product depth_of(product p, uint32_t first, uint32_t count)
{
    p.a.offset += dtype_bytes(p.type, p.call->attr.trans_a ? (uint64_t)first * p.lda : (uint64_t)first);
    p.b.offset += dtype_bytes(p.type_b, p.call->attr.trans_b ? (uint64_t)first : (uint64_t)first * p.ldb);
    p.k = count;
    p.accumulate |= first > 0;
    return p;
}

/* About half of n; parts begin at whole words. */
static uint32_t half_of(const product *p, uint32_t n)
{
    return p->type != DTYPE_F32 || p->type_b != DTYPE_F32 ? (n + 1) / 4 * 2 : n / 2;
}

/* The rest of a side of y, such as the vocabulary, behind the last full large tile of matrix units. Tiles with an edge write element by
 * element, so that the rest is computed as a product of its own, if there are many full tiles. A variant from autotuning was measured for the
 * whole product, and applies to it. */
static uint32_t edge_of(const gpu_program *program, const product *p, uint32_t side)
{
    enum { FILLED = 32 };
    const uint32_t tile = product_unit_tile(gpu_program_caps(program), p);
    return tile && side >= FILLED * tile && chosen_variant(program, p) == VARIANT_USUAL ? side % tile : 0;
}

/* Cuts a product until each operand fits, sums are short enough, and edges are apart. Dropout masks count rows and columns of the whole, and an
 * epilogue needs whole sums. Products with either are not cut: they fail with a line that names the operand. */
static void record_split(gpu_program *program, const product *p)
{
    uint64_t most = max_operand(gpu_program_caps(program));
    const op_attr *attr = &p->call->attr;
    bool a = count_a(p) > most, b = count_b(p) > most, y = count_y(p) > most;
    bool whole = attr->dropout > 0, sums_only = (epilogue(p) & ~EPILOGUE_ACCUMULATE) == 0;
    uint32_t edge_m = edge_of(program, p, p->m), edge_n = edge_of(program, p, p->n);
    uint32_t half_m = half_of(p, p->m), half_n = half_of(p, p->n), half_k = half_of(p, p->k);
    if ((y || (a && !attr->trans_a)) && half_m && !whole) {
        product one = rows_of(*p, 0, half_m), two = rows_of(*p, half_m, p->m - half_m);
        record_split(program, &one);
        record_split(program, &two);
    } else if (b && attr->trans_b && half_n && !whole) {
        product one = cols_of(*p, 0, half_n), two = cols_of(*p, half_n, p->n - half_n);
        record_split(program, &one);
        record_split(program, &two);
    } else if ((a || b || (p->k > OP_LONGEST_SUM && p->type_y == DTYPE_F32)) && half_k && sums_only) {
        product one = depth_of(*p, 0, half_k), two = depth_of(*p, half_k, p->k - half_k);
        record_split(program, &one);
        record_split(program, &two);
    } else if (!whole && edge_n) {
        product one = cols_of(*p, 0, p->n - edge_n), two = cols_of(*p, one.n, edge_n);
        record_split(program, &one);
        record_split(program, &two);
    } else if (!whole && edge_m) {
        product one = rows_of(*p, 0, p->m - edge_m), two = rows_of(*p, one.m, edge_m);
        record_split(program, &one);
        record_split(program, &two);
    } else {
        record_product(program, p);
    }
}

product product_of(const op_call *call, uint32_t lda, uint32_t ldb, uint32_t ldc)
{
    op_view a = call->in[MATMUL_A], b = call->in[MATMUL_B], y = call->out[0];
    product p = {.call = call,
                 .m = y.rows,
                 .n = y.cols,
                 .k = call->attr.trans_a ? a.rows : a.cols,
                 .lda = lda,
                 .ldb = ldb,
                 .ldc = ldc,
                 .a = a.span,
                 .b = b.span,
                 .bias = call->in[MATMUL_BIAS].span,
                 .gain = call->in[MATMUL_GAIN].span,
                 .shift = call->in[MATMUL_SHIFT].span,
                 .y = y.span,
                 .residual = call->in[MATMUL_RESIDUAL].span,
                 .gelu_pre = call->in[MATMUL_GELU_PRE].span,
                 .pre = call->out[1].span,
                 .type = a.type,
                 .type_b = b.type,
                 .type_y = y.type,
                 .accumulate = call->attr.accumulate};
    p.plain = (epilogue(&p) & ~(EPILOGUE_BIAS | EPILOGUE_GELU | EPILOGUE_ACCUMULATE)) == 0;
    return p;
}

void record_matmul(gpu_program *program, const op_call *call, uint32_t lda, uint32_t ldb, uint32_t ldc)
{
    product p = product_of(call, lda, ldb, ldc);
    record_split(program, &p);
}

void op_record_matmul(gpu_program *program, const op_call *call)
{
    record_matmul(program, call, call->in[MATMUL_A].cols, call->in[MATMUL_B].cols, call->out[0].cols);
}
