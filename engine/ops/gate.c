/* Gated activations, by rows of gate | up. */
#include "ops/record.h"

/* Records gate.comp over some rows of y. On a software driver whole work groups come first. */
static void record_some(gpu_program *program, const op_call *call, bool silu, bool backward, uint32_t first_row,
                        uint32_t rows)
{
    const pm_caps *caps = gpu_program_caps(program);
    const kernel_widths widths = backward ? KERNEL_WIDTHS(gate_bwd) : KERNEL_WIDTHS(gate);
    const op_view x = call->in[backward], y = call->out[0];
    const uint32_t inner = x.cols / 2;
    gpu_arg args[] = {arg_rows(call->in[0], first_row, rows, GPU_READ),
                      arg_rows(backward ? x : y, first_row, rows, backward ? GPU_READ : GPU_WRITE),
                      arg_rows(y, first_row, rows, GPU_WRITE)};
    const kernel_row kernel = width_for(caps, widths, args, backward ? 3 : 2, inner);
    const uint64_t all = (uint64_t)rows * inner;
    for (uint64_t first = 0, n; first < all; first += n) {
        n = flat_piece(caps, all - first);
        struct gate_push push = {.count = (uint32_t)n, .first = (uint32_t)first};
        launch r = LAUNCH(program, kernel, args, push);
        const double share = (double)n / ((double)x.rows * inner);
        if (!backward) r.d.arg_count = 2;
        r.types = types_of(x.type);
        r.d.flops = share * op_flops(call);
        r.d.bytes = share * op_bytes(call);
        launch_spec(&r, SPEC_GATE_INNER, inner);
        launch_spec(&r, SPEC_GATE_SILU, silu);
        record_flat(&r, (kernel_widths){kernel, kernel, kernel}, n);
    }
}

static void record_gate(gpu_program *program, const op_call *call, bool silu, bool backward)
{
    const op_view x = call->in[backward];
    for (uint32_t first = 0, n; first < x.rows; first += n) {
        n = rows_piece(gpu_program_caps(program), x.cols, x.rows - first);
        record_some(program, call, silu, backward, first, n);
    }
}

void op_record_silu_gate(gpu_program *program, const op_call *call)
{
    record_gate(program, call, true, false);
}

void op_record_silu_gate_bwd(gpu_program *program, const op_call *call)
{
    record_gate(program, call, true, true);
}

void op_record_gelu_gate(gpu_program *program, const op_call *call)
{
    record_gate(program, call, false, false);
}

void op_record_gelu_gate_bwd(gpu_program *program, const op_call *call)
{
    record_gate(program, call, false, true);
}
