/* Operations for fine-tuning: gathering hidden values at chosen positions, and the losses of labels and scores. */
#include "ops/record.h"

void op_record_gather(gpu_program *program, const op_call *call)
{
    op_view x = call->in[0], y = call->out[0];
    gpu_arg args[] = {arg_of(x, GPU_READ), arg_of(call->in[1], GPU_READ), arg_of(y, GPU_WRITE)};
    struct task_push push = {.rows = y.rows, .cols = y.cols, .group = call->attr.group};
    launch r = LAUNCH(program, ROW_gather, args, push);
    r.types = types_of(x.type);
    r.d.flops = call->attr.group * (double)view_count(y);
    r.d.bytes = 4.0 * (call->attr.group + 1) * (double)view_count(y);
    record_elements(&r, view_count(y), 1);
}

void op_record_gather_bwd(gpu_program *program, const op_call *call)
{
    op_view dy = call->in[0], add = call->in[2], dx = call->out[0];
    if (view_present(add))
        gpu_record_copy(program, span_of(dx), span_of(add));
    else
        gpu_record_fill(program, span_of(dx), 0);
    gpu_arg args[] = {arg_of(dy, GPU_READ), arg_of(call->in[1], GPU_READ), arg_of(dx, GPU_READ_WRITE)};
    struct task_push push = {.rows = dy.rows, .cols = dy.cols, .group = call->attr.group};
    launch r = LAUNCH(program, ROW_scatter, args, push);
    r.types = types_of(dx.type);
    r.d.flops = call->attr.group * (double)view_count(dy);
    r.d.bytes = 8.0 * call->attr.group * (double)view_count(dy);
    record_elements(&r, call->attr.group * view_count(dy), 1);
}

static void record_loss(gpu_program *program, const op_call *call, bool labels)
{
    op_view x = call->in[0], right = call->in[1];
    gpu_arg args[] = {arg_of(x, GPU_READ), arg_of(right, GPU_READ), arg_of(call->out[0], GPU_WRITE)};
    struct task_push push = {.rows = right.rows, .cols = (uint32_t)(view_count(x) / right.rows)};
    launch r = LAUNCH(program, labels ? ROW_label_loss : ROW_score_loss, args, push);
    r.types = types_of(x.type);
    uint32_t lanes = row_lanes(gpu_program_caps(program), right.rows);
    launch_spec(&r, SPEC_REDUCE_LANES, lanes);
    r.d.flops = 6.0 * (double)view_count(x);
    r.d.bytes = 12.0 * (double)view_count(x);
    record_groups(&r, 1, lanes);
}

static void record_gradient(gpu_program *program, const op_call *call, bool labels)
{
    op_view x = call->in[0], right = call->in[1];
    gpu_arg args[] = {arg_of(x, GPU_READ), arg_of(right, GPU_READ), arg_of(call->in[2], GPU_READ),
                      arg_of(call->in[3], GPU_READ), arg_of(call->out[0], GPU_WRITE)};
    struct task_push push = {
        .rows = right.rows, .cols = (uint32_t)(view_count(x) / right.rows), .scale = call->attr.scale};
    launch r = LAUNCH(program, ROW_score_loss_bwd, args, push);
    r.types = types_of(x.type);
    r.d.flops = 10.0 * (double)view_count(x);
    r.d.bytes = 16.0 * (double)view_count(x);
    if (labels) {
        record_rows(&r, KERNEL_WIDTHS(label_loss_bwd), right.rows, push.cols, true);
    } else {
        launch_spec(&r, SPEC_REDUCE_LANES, 1);
        record_elements(&r, right.rows, 1);
    }
}

void op_record_label_loss(gpu_program *program, const op_call *call)
{
    record_loss(program, call, true);
}

void op_record_score_loss(gpu_program *program, const op_call *call)
{
    record_loss(program, call, false);
}

void op_record_label_loss_bwd(gpu_program *program, const op_call *call)
{
    record_gradient(program, call, true);
}

void op_record_score_loss_bwd(gpu_program *program, const op_call *call)
{
    record_gradient(program, call, false);
}
