/* Rotary positions. */
#include "ops/record.h"

/* Records rope.comp over some rows. On a software driver whole work groups come first. */
static void record_turns(gpu_program *program, const op_call *call, uint32_t first_row, uint32_t rows)
{
    const pm_caps *caps = gpu_program_caps(program);
    const op_attr *attr = &call->attr;
    const kernel_widths widths = KERNEL_WIDTHS(rope);
    gpu_arg args[] = {arg_rows(call->in[ROPE_QKV], first_row, rows, GPU_READ), arg_of(call->in[ROPE_TABLE], GPU_READ),
                      arg_of(call->in[ROPE_SCALARS], GPU_READ),
                      arg_rows(call->out[ROPE_Y], first_row, rows, GPU_WRITE)};
    const kernel_row kernel = width_for(caps, widths, args, 4, attr->rotary / 2 | attr->head / 2);
    const uint32_t heads = attr->heads + 2 * attr->kv_heads, each = kernel == widths.plain ? 1 : 4;
    const uint64_t all =
        (uint64_t)rows * heads * (attr->head / 2) / each; /* an invocation's pairs count as four elements */
    for (uint64_t first = 0, n; first < all; first += n) {
        n = flat_piece(caps, 4 * (all - first)) / 4;
        struct rope_push push = {.count = (uint32_t)n,
                                 .first = (uint32_t)first,
                                 .row = first_row,
                                 .time = attr->time,
                                 .sign = attr->inverse ? -1.0f : 1.0f};
        launch r = LAUNCH(program, kernel, args, push);
        const double share = (double)n * each / ((double)view_count(call->in[ROPE_QKV]) / 2);
        r.types = types_of(call->in[ROPE_QKV].type);
        r.d.flops = share * op_flops(call);
        r.d.bytes = share * op_bytes(call);
        launch_spec(&r, SPEC_ROPE_HEAD, attr->head);
        launch_spec(&r, SPEC_ROPE_COLUMNS, attr->rotary);
        launch_spec(&r, SPEC_ROPE_HEADS, heads);
        launch_spec(&r, SPEC_ROPE_TURNED, attr->heads + attr->kv_heads);
        record_flat(&r, (kernel_widths){kernel, kernel, kernel}, 4 * n);
    }
}

void op_record_rope(gpu_program *program, const op_call *call)
{
    const op_view qkv = call->in[ROPE_QKV];
    for (uint32_t first = 0, n; first < qkv.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), qkv.cols, qkv.rows - first);
        record_turns(program, call, first, n);
    }
}
