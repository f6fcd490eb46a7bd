/* Gradient norm, clipping, AdamW: passes over flat arenas, in pieces that each operand may span. */
#include "ops/record.h"

uint32_t op_sumsq_parts(const pm_caps *caps, uint64_t elements)
{
    uint64_t most = max_operand(caps);
    return SUMSQ_PARTS * (uint32_t)((elements + most - 1) / most);
}

void op_record_sumsq(gpu_program *program, const op_call *call)
{
    const pm_caps *caps = gpu_program_caps(program);
    uint64_t count = view_count(call->in[0]), most = max_operand(caps);
    uint32_t at = call->attr.part;
    for (uint64_t first = 0; first < count; first += most, at += SUMSQ_PARTS) {
        uint64_t n = count - first < most ? count - first : most;
        uint64_t share = n / SUMSQ_PARTS / 4 * 4; /* of a part, a multiple of four; the kernel handles the rest */
        gpu_arg args[] = {arg_part(call->in[0], first, n, GPU_READ), arg_of(call->out[0], GPU_WRITE)};
        struct reduce_push push = {.count = (uint32_t)n, .parts = SUMSQ_PARTS, .at = at};
        launch r = LAUNCH(program, ROW_sumsq, args, push);
        r.d.flops = 2.0 * (double)n;
        r.d.bytes = 4.0 * (double)n;
        record_rows(&r, KERNEL_WIDTHS(sumsq), SUMSQ_PARTS, share < 4096 ? (uint32_t)share : 4096, false);
    }
}

void op_record_clip(gpu_program *program, const op_call *call)
{
    gpu_arg args[] = {arg_of(call->in[0], GPU_READ), arg_of(call->in[1], GPU_READ), arg_of(call->out[0], GPU_WRITE)};
    struct reduce_push push = {.count = (uint32_t)view_count(call->in[0]), .clip = call->attr.clip};
    launch r = LAUNCH(program, ROW_clip, args, push);
    launch_spec(&r, SPEC_REDUCE_LANES, 1);
    r.d.flops = (double)view_count(call->in[0]);
    r.d.bytes = 4.0 * (double)view_count(call->in[0]);
    record_groups(&r, 1, 1);
}

void op_record_adamw(gpu_program *program, const op_call *call)
{
    const uint64_t count = view_count(call->out[0]);
    for (uint64_t first = 0, n; first < count; first += n) {
        n = flat_piece(gpu_program_caps(program), count - first);
        uint64_t decayed = call->attr.decayed > first ? call->attr.decayed - first : 0;
        gpu_arg args[] = {arg_part(call->in[0], first, n, GPU_READ),
                          arg_of(call->in[1], GPU_READ),
                          arg_of(call->in[2], GPU_READ),
                          arg_part(call->out[0], first, n, GPU_READ_WRITE),
                          arg_part(call->out[1], first, n, GPU_READ_WRITE),
                          arg_part(call->out[2], first, n, GPU_READ_WRITE)};
        struct adamw_push push = {.count = (uint32_t)n,
                                  .decayed = (uint32_t)(decayed < n ? decayed : n),
                                  .beta1 = call->attr.beta1,
                                  .beta2 = call->attr.beta2,
                                  .eps = call->attr.eps,
                                  .weight_decay = call->attr.weight_decay};
        launch r = LAUNCH(program, ROW_adamw, args, push);
        r.d.flops = 16.0 * (double)n;
        r.d.bytes = 28.0 * (double)n;
        record_flat(&r, KERNEL_WIDTHS(adamw), n);
    }
}
