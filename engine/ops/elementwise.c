/* GELU, its gradient, sums, casts, dropout, and the key/value cache's new rows. */
#include "ops/record.h"

/* The kernels of operations whose operands all have one flat shape. */
static const kernel_widths flat_kernels[OP_COUNT] = {
#define OP(id, function, name, ins, outs, ...)
#define OP_FLAT(id, function, name, ins, outs, ...)                                                                    \
    [OP_##id] = {ROW_##function, ROW_##function##_wide, ROW_##function##_pairs},
#include "ops/ops.def"
};

/* Records one of these in pieces. */
void op_record_flat(gpu_program *program, const op_call *call)
{
    const kernel_widths kernels = flat_kernels[call->op];
    op_view y = call->out[0];
    bool binary = view_present(call->in[1]);
    const uint64_t count = view_count(y);
    for (uint64_t first = 0, n; first < count; first += n) {
        n = flat_piece(gpu_program_caps(program), count - first);
        gpu_arg three[] = {arg_part(call->in[0], first, n, GPU_READ),
                           arg_part(binary ? call->in[1] : y, first, n, binary ? GPU_READ : GPU_WRITE),
                           arg_part(y, first, n, GPU_WRITE)};
        struct rows_push push = {.rows = 1, .cols = (uint32_t)n};
        launch r = LAUNCH(program, kernels.plain, three, push);
        r.types = types_of(y.type);
        if (!binary) r.d.arg_count = 2;
        r.d.flops = op_flops(call) * (double)n / (double)count;
        r.d.bytes = op_bytes(call) * (double)n / (double)count;
        record_flat(&r, kernels, n);
    }
}

void op_record_dropout(gpu_program *program, const op_call *call)
{
    op_view y = call->out[0];
    gpu_arg args[] = {arg_of(call->in[0], GPU_READ), arg_of(call->in[1], GPU_READ), arg_of(y, GPU_WRITE)};
    struct rows_push push = {
        .rows = y.rows, .cols = y.cols, .stream = call->attr.stream, .value = 1.0f - call->attr.dropout};
    launch r = LAUNCH(program, ROW_dropout, args, push);
    r.types = types_of(y.type);
    r.d.flops = 20.0 * (double)view_count(y); /* a quarter of a Philox block each */
    r.d.bytes = 2.0 * (double)dtype_bytes(y.type, view_count(y));
    record_elements(&r, (uint64_t)y.rows * ((y.cols + 3) / 4), 1);
}

void op_record_kv_append(gpu_program *program, const op_call *call)
{
    op_view qkv = call->in[0], cache = call->out[0];
    gpu_arg args[] = {arg_of(qkv, GPU_READ), arg_of(call->in[1], GPU_READ), arg_of(cache, GPU_READ_WRITE)};
    struct append_push push = {.rows = qkv.rows, .from = qkv.cols - cache.cols, .cols = cache.cols};
    launch r = LAUNCH(program, ROW_kv_append, args, push);
    r.types = types_with_cache(qkv.type, cache.type);
    r.d.bytes = (double)(dtype_bytes(qkv.type, 1) + dtype_bytes(cache.type, 1)) * qkv.rows * cache.cols;
    record_elements(&r, (uint64_t)qkv.rows * cache.cols, 1);
}
