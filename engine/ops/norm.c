/* Layer normalisation, and sums over the rows of a matrix (its parameters' gradients, a bias's gradient). */
#include "ops/record.h"
#include "ops/scratch.h"

void op_record_layernorm(gpu_program *program, const op_call *call)
{
    op_view x = call->in[0];
    gpu_arg args[] = {arg_of(x, GPU_READ), arg_of(call->in[1], GPU_READ), arg_of(call->in[2], GPU_READ),
                      arg_of(call->out[0], GPU_WRITE), arg_of(call->out[1], GPU_WRITE)};
    struct rows_push push = {.rows = x.rows, .cols = x.cols, .value = call->attr.eps};
    launch r = LAUNCH(program, KERNEL_layernorm, args, push);
    r.format = x.half ? ACT_HALF : ALL_FLOAT;
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
    launch r = LAUNCH(program, KERNEL_layernorm_bwd, args, push);
    r.format = dy.half ? ACT_HALF : ALL_FLOAT;
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
    launch r = LAUNCH(program, KERNEL_colsum_finish, args, push);
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
    launch r = LAUNCH(program, norm ? KERNEL_colsum_norm : KERNEL_colsum, args, push);
    r.format = x.half ? ACT_HALF : ALL_FLOAT;
    if (!norm) r.d.arg_count = 2;
    r.d.flops = (norm ? 5.0 : 1.0) * (double)view_count(x);
    r.d.bytes = (norm ? 2.0 : 1.0) * element_bytes(x.half) * (double)view_count(x);
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
