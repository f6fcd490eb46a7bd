/* Layer normalisation, RMS norms of rows and of heads, and sums over the rows of a matrix (their parameters' gradients, a bias's gradient). */
#include "ops/record.h"
#include "ops/scratch.h"

void op_record_layernorm(gpu_program *program, const op_call *call)
{
    op_view x = call->in[0];
    gpu_arg args[] = {arg_of(x, GPU_READ), arg_of(call->in[1], GPU_READ), arg_of(call->in[2], GPU_READ),
                      arg_of(call->out[0], GPU_WRITE), arg_of(call->out[1], GPU_WRITE)};
    struct rows_push push = {.rows = x.rows, .cols = x.cols, .value = call->attr.eps};
    launch r = LAUNCH(program, ROW_layernorm, args, push);
    r.types = types_of(x.type);
    r.d.flops = op_flops(call);
    r.d.bytes = op_bytes(call);
    record_rows(&r, KERNEL_WIDTHS(layernorm), x.rows, x.cols, true);
}

void op_record_layernorm_bwd(gpu_program *program, const op_call *call)
{
    op_view dy = call->in[0], add = call->in[4];
    gpu_arg args[] = {arg_of(dy, GPU_READ),          arg_of(call->in[1], GPU_READ), arg_of(call->in[2], GPU_READ),
                      arg_of(call->in[3], GPU_READ), arg_of(add, GPU_READ),         arg_of(call->out[0], GPU_WRITE)};
    struct rows_push push = {.rows = dy.rows, .cols = dy.cols};
    launch r = LAUNCH(program, ROW_layernorm_bwd, args, push);
    r.types = types_of(dy.type);
    launch_spec(&r, SPEC_LAYERNORM_ADD, view_present(add));
    r.d.flops = op_flops(call);
    r.d.bytes = op_bytes(call);
    record_rows(&r, KERNEL_WIDTHS(layernorm_bwd), dy.rows, dy.cols, true);
}

/* y(1,cols) = sum of a column range of part(parts, part_cols). */
static void record_finish(gpu_program *program, op_view part, uint32_t parts, uint32_t part_cols, uint32_t from,
                          op_view y, bool accumulate)
{
    gpu_arg args[] = {arg_of(part, GPU_READ), arg_of(y, accumulate ? GPU_READ_WRITE : GPU_WRITE)};
    struct finish_push push = {.cols = y.cols, .parts = parts, .ld = part_cols, .from = from};
    launch r = LAUNCH(program, ROW_colsum_finish, args, push);
    launch_spec(&r, SPEC_ACCUMULATE, accumulate);
    r.d.flops = (double)parts * y.cols;
    r.d.bytes = 4.0 * (double)(parts + 1) * y.cols;
    record_elements(&r, y.cols, 1);
}

/* Sums of x over rows, or with `norm` the gradients of gain and bias. */
static void record_sums(gpu_program *program, const op_call *call, bool norm)
{
    op_view x = call->in[0], part = call->out[norm ? 2 : 1];
    uint32_t parts = colsum_parts(x.rows), width = norm ? 2 * x.cols : x.cols;
    gpu_arg args[] = {arg_of(x, GPU_READ), arg_of(norm ? call->in[1] : part, norm ? GPU_READ : GPU_WRITE),
                      arg_of(call->in[2], GPU_READ), arg_of(part, GPU_WRITE)};
    struct rows_push push = {.rows = x.rows, .cols = x.cols, .parts = parts};
    launch r = LAUNCH(program, norm ? ROW_colsum_norm : ROW_colsum, args, push);
    r.types = types_of(x.type);
    if (!norm) r.d.arg_count = 2;
    r.d.flops = (norm ? 5.0 : 1.0) * (double)view_count(x);
    r.d.bytes = (norm ? 2.0 : 1.0) * (double)dtype_bytes(x.type, view_count(x));
    uint32_t n = record_width(&r, norm ? KERNEL_WIDTHS(colsum_norm) : KERNEL_WIDTHS(colsum), x.cols);
    record_elements(&r, (uint64_t)parts * x.cols / n, 1);
    record_finish(program, part, parts, width, 0, call->out[0], call->attr.accumulate);
    if (norm) record_finish(program, part, parts, width, x.cols, call->out[1], call->attr.accumulate);
}

void op_record_layernorm_bwd_params(gpu_program *program, const op_call *call)
{
    record_sums(program, call, true);
}

void op_record_colsum(gpu_program *program, const op_call *call)
{
    record_sums(program, call, false);
}

/* ---- RMS norms: in pieces of rows that an operand can span ---------------------------------------------------------- */

static struct rms_push rms_push_of(const op_call *call, uint32_t rows, uint32_t cols)
{
    return (struct rms_push){.rows = rows, .cols = cols, .eps = call->attr.eps, .plus = call->attr.plus};
}

/* The types, and the share of the call's costs that `rows` of all have. */
static void set_share(launch *r, const op_call *call, uint32_t rows)
{
    const double share = (double)rows / call->in[0].rows;
    r->types = types_of(call->in[0].type);
    r->d.flops = share * op_flops(call);
    r->d.bytes = share * op_bytes(call);
}

void op_record_rmsnorm(gpu_program *program, const op_call *call)
{
    const op_view x = call->in[RMSNORM_X];
    for (uint32_t first = 0, n; first < x.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), x.cols, x.rows - first);
        gpu_arg args[] = {arg_rows(x, first, n, GPU_READ), arg_of(call->in[RMSNORM_GAIN], GPU_READ),
                          arg_rows(call->out[RMSNORM_Y], first, n, GPU_WRITE),
                          arg_rows(call->out[RMSNORM_STATS], first, n, GPU_WRITE)};
        struct rms_push push = rms_push_of(call, n, x.cols);
        launch r = LAUNCH(program, ROW_rmsnorm, args, push);
        set_share(&r, call, n);
        record_rows(&r, KERNEL_WIDTHS(rmsnorm), n, x.cols, true);
    }
}

void op_record_rmsnorm_bwd(gpu_program *program, const op_call *call)
{
    const op_view dy = call->in[RMSNORM_BWD_DY], add = call->in[RMSNORM_BWD_ADD];
    for (uint32_t first = 0, n; first < dy.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), dy.cols, dy.rows - first);
        gpu_arg args[] = {arg_rows(dy, first, n, GPU_READ),
                          arg_rows(call->in[RMSNORM_BWD_X], first, n, GPU_READ),
                          arg_rows(call->in[RMSNORM_BWD_STATS], first, n, GPU_READ),
                          arg_of(call->in[RMSNORM_BWD_GAIN], GPU_READ),
                          arg_rows(add, first, n, GPU_READ),
                          arg_rows(call->out[RMSNORM_BWD_DX], first, n, GPU_WRITE)};
        struct rms_push push = rms_push_of(call, n, dy.cols);
        launch r = LAUNCH(program, ROW_rmsnorm_bwd, args, push);
        launch_spec(&r, SPEC_LAYERNORM_ADD, view_present(add));
        set_share(&r, call, n);
        record_rows(&r, KERNEL_WIDTHS(rmsnorm_bwd), n, dy.cols, true);
    }
}

/* part(parts,cols) = partial sums over some rows of dy * x * rstd, of their first `cols` columns, which `heads` norms share. */
static void record_gain_parts(gpu_program *program, const op_call *call, uint32_t first, uint32_t rows, uint32_t cols,
                              uint32_t heads, op_view part)
{
    const op_view dy = call->in[0];
    gpu_arg args[] = {arg_rows(dy, first, rows, GPU_READ), arg_rows(call->in[1], first, rows, GPU_READ),
                      arg_rows(call->in[2], first, rows, GPU_READ), arg_of(part, GPU_WRITE)};
    struct rms_push push = {.rows = rows, .cols = cols, .parts = part.rows, .ld = dy.cols, .heads = heads};
    launch r = LAUNCH(program, ROW_colsum_rms, args, push);
    set_share(&r, call, rows);
    const uint32_t n = record_width(&r, KERNEL_WIDTHS(colsum_rms), cols / heads | dy.cols);
    record_elements(&r, (uint64_t)part.rows * cols / n, 1);
}

void op_record_rmsnorm_bwd_params(gpu_program *program, const op_call *call)
{
    const op_view dy = call->in[RMSNORM_BWD_PARAMS_DY], parts = call->out[RMSNORM_BWD_PARAMS_PARTS];
    for (uint32_t first = 0, n; first < dy.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), dy.cols, dy.rows - first);
        const op_view part = {.rows = colsum_parts(n), .cols = dy.cols, .span = parts.span};
        record_gain_parts(program, call, first, n, dy.cols, 1, part);
        record_finish(program, part, part.rows, dy.cols, 0, call->out[RMSNORM_BWD_PARAMS_DGAIN],
                      call->attr.accumulate || first > 0);
    }
}

/* ---- RMS norms of heads --------------------------------------------------------------------------------------------- */

static uint32_t heads_of_row(const op_attr *attr)
{
    return attr->heads + 2 * attr->kv_heads;
}

/* The most runs of a head that an invocation keeps in registers. */
static uint32_t most_kept(const pm_caps *caps)
{
    return caps->serial ? 32 : few_registers(caps) ? 1 : 4;
}

/* The invocations that share a head of so many runs of columns: a power of two that divides them. */
static uint32_t head_lanes(const pm_caps *caps, bool pairs, uint32_t runs)
{
    enum { MOST = 32 };
    uint32_t lanes = 1;
    if (pairs) return runs % software_lanes(caps) ? 1 : software_lanes(caps);
    while (!caps->serial && lanes < MOST && runs % (2 * lanes) == 0) lanes *= 2;
    return lanes;
}

/* Records head_norm.comp over the heads of `rows` rows. */
static void record_heads(launch *r, kernel_widths kernels, const op_attr *attr, uint32_t rows)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    const uint32_t runs = attr->head / record_width(r, kernels, attr->head);
    const bool pairs = r->row == kernels.pairs;
    const uint32_t lanes = head_lanes(caps, pairs, runs), heads = rows * heads_of_row(attr);
    uint32_t together = group_size(caps) / lanes;
    while (pairs && lanes > 1 && together > 1 && heads % together) together /= 2; /* so that no work group is partial */
    launch_spec(r, SPEC_HEADS_LANES, lanes);
    launch_spec(r, SPEC_HEADS_TOGETHER, together);
    launch_spec(r, SPEC_HEADS_KEPT, runs / lanes <= most_kept(caps) ? runs / lanes : 0);
    launch_spec(r, SPEC_HEADS_WHOLE, heads % together == 0 && heads / together <= caps->max_group_count[0]);
    record_groups(r, (heads - 1) / together + 1, lanes * together);
}

static struct rms_push heads_push_of(const op_call *call, uint32_t rows)
{
    struct rms_push push = rms_push_of(call, rows, call->attr.head);
    push.heads = call->attr.heads;
    push.kv_heads = call->attr.kv_heads;
    return push;
}

void op_record_head_norm(gpu_program *program, const op_call *call)
{
    const op_view qkv = call->in[HEAD_NORM_QKV];
    for (uint32_t first = 0, n; first < qkv.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), qkv.cols, qkv.rows - first);
        gpu_arg args[] = {arg_rows(qkv, first, n, GPU_READ), arg_of(call->in[HEAD_NORM_Q_GAIN], GPU_READ),
                          arg_of(call->in[HEAD_NORM_K_GAIN], GPU_READ),
                          arg_rows(call->out[HEAD_NORM_Y], first, n, GPU_WRITE),
                          arg_rows(call->out[HEAD_NORM_STATS], first, n, GPU_WRITE)};
        struct rms_push push = heads_push_of(call, n);
        launch r = LAUNCH(program, ROW_head_norm, args, push);
        set_share(&r, call, n);
        record_heads(&r, KERNEL_WIDTHS(head_norm), &call->attr, n);
    }
}

void op_record_head_norm_bwd(gpu_program *program, const op_call *call)
{
    const op_view dy = call->in[HEAD_NORM_BWD_DY];
    for (uint32_t first = 0, n; first < dy.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), dy.cols, dy.rows - first);
        gpu_arg args[] = {arg_rows(dy, first, n, GPU_READ),
                          arg_rows(call->in[HEAD_NORM_BWD_QKV], first, n, GPU_READ),
                          arg_rows(call->in[HEAD_NORM_BWD_STATS], first, n, GPU_READ),
                          arg_of(call->in[HEAD_NORM_BWD_Q_GAIN], GPU_READ),
                          arg_of(call->in[HEAD_NORM_BWD_K_GAIN], GPU_READ),
                          arg_rows(call->out[HEAD_NORM_BWD_DQKV], first, n, GPU_WRITE)};
        struct rms_push push = heads_push_of(call, n);
        launch r = LAUNCH(program, ROW_head_norm_bwd, args, push);
        set_share(&r, call, n);
        record_heads(&r, KERNEL_WIDTHS(head_norm_bwd), &call->attr, n);
    }
}

/* `count` heads of a row of sums as a matrix. */
static op_view heads_at(op_view sums, uint32_t first, uint32_t count, uint32_t size)
{
    return (op_view){.rows = count,
                     .cols = size,
                     .span = span_part(sums.span, false, (uint64_t)first * size, (uint64_t)count * size)};
}

/* Sums over the rows for each head apart, as for RMSNORM, then over the heads. */
void op_record_head_norm_bwd_params(gpu_program *program, const op_call *call)
{
    const op_attr *attr = &call->attr;
    const op_view dy = call->in[HEAD_NORM_BWD_PARAMS_DY], parts = call->out[HEAD_NORM_BWD_PARAMS_PARTS];
    const uint32_t heads = attr->heads + attr->kv_heads, cols = heads * attr->head;
    const op_view sums = {
        .rows = 1, .cols = cols, .span = span_part(parts.span, false, (uint64_t)colsum_parts(dy.rows) * cols, cols)};
    for (uint32_t first = 0, n; first < dy.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), dy.cols, dy.rows - first);
        const op_view part = {.rows = colsum_parts(n), .cols = cols, .span = parts.span};
        record_gain_parts(program, call, first, n, cols, heads, part);
        record_finish(program, part, part.rows, cols, 0, sums, first > 0);
    }
    record_finish(program, heads_at(sums, 0, attr->heads, attr->head), attr->heads, attr->head, 0,
                  call->out[HEAD_NORM_BWD_PARAMS_DQ_GAIN], attr->accumulate);
    record_finish(program, heads_at(sums, attr->heads, attr->kv_heads, attr->head), attr->kv_heads, attr->head, 0,
                  call->out[HEAD_NORM_BWD_PARAMS_DK_GAIN], attr->accumulate);
}
