/* Causal attention: kernels, group and tile sizes. */
#include "ops/record.h"

#include <math.h>

/* Largest head size that is unrolled for a software driver without lanes: compilation takes minutes beyond. */
enum { UNROLLED_ON_CPU = 8 };

/* The variants of a kernel: see shaders/common/attention.glsl. */
typedef struct kernels {
    kernel_id rolled, unrolled, lanes4, lanes8;
} kernels;

/* Record one attention kernel: one invocation for each of `rows` positions a sequence and head. */
static void record_heads(gpu_program *program, kernels which, recording *r, const struct attention_push *push,
                         bool dropout)
{
    const pm_caps *caps = gpu_program_caps(program);
    uint32_t lanes = software_lanes(caps);
    uint32_t heads = push->channels / r->spec[1], width = 64 < caps->max_workgroup_size ? 64 : caps->max_workgroup_size;
    if (push->time_q <= 32) width = 32;
    if (lanes) width = lanes;
    bool unrolled = caps->type != PM_DEVICE_CPU || r->spec[1] <= UNROLLED_ON_CPU;
    r->d.kernel = lanes == 8 ? which.lanes8 : lanes ? which.lanes4 : unrolled ? which.unrolled : which.rolled;
    r->spec[2] = dropout;
    /* Two tiles of rows: at most half of a small device's 16 KiB. */
    r->spec[3] = r->spec[1] <= 32 ? 32 : r->spec[1] <= 64 ? 16 : 8;
    r->d.spec_count = 4;
    uint32_t blocks = (push->time_q + width - 1) / width;
    record_groups(r, (uint64_t)push->sequences * heads * blocks, width);
}

static struct attention_push push_of(const op_call *call, op_view q, op_view k, op_view v, op_view y)
{
    const op_attr *a = &call->attr;
    uint32_t sequences = q.rows / a->time;
    return (struct attention_push){.sequences = sequences,
                                   .time_q = a->time,
                                   .time_k = k.rows / sequences,
                                   .ld_q = q.cols,
                                   .ld_k = k.cols,
                                   .ld_v = v.cols,
                                   .ld_y = y.cols,
                                   .off_q = a->off_q,
                                   .off_k = a->off_k,
                                   .off_v = a->off_v,
                                   .channels = y.cols,
                                   .scale = 1.0f / sqrtf((float)y.cols / (float)a->heads),
                                   .keep = 1.0f - a->dropout,
                                   .stream = a->stream};
}

static void record_forward(gpu_program *program, const op_call *call)
{
    op_view q = call->in[0], k = call->in[1], v = call->in[2], y = call->out[0];
    gpu_arg args[] = {arg_of(q, GPU_READ),           arg_of(k, GPU_READ),  arg_of(v, GPU_READ),
                      arg_of(call->in[3], GPU_READ), arg_of(y, GPU_WRITE), arg_of(call->out[1], GPU_WRITE)};
    struct attention_push push = push_of(call, q, k, v, y);
    recording r = RECORDING(program, KERNEL_attention, args, push);
    r.spec[1] = y.cols / call->attr.heads;
    r.d.flops = op_flops(call);
    r.d.bytes = op_bytes(call);
    record_heads(
        program,
        (kernels){KERNEL_attention, KERNEL_attention_unrolled, KERNEL_attention_lanes4, KERNEL_attention_lanes8}, &r,
        &push, call->attr.dropout > 0);
}

static void record_backward(gpu_program *program, const op_call *call)
{
    op_view qkv = call->in[0], y = call->in[1], lse = call->in[2], dy = call->in[3], scalars = call->in[4];
    op_view dqkv = call->out[0], delta = call->out[1];
    struct attention_push push = push_of(call, qkv, qkv, qkv, y);

    gpu_arg args_q[] = {arg_of(qkv, GPU_READ),   arg_of(y, GPU_READ),       arg_of(lse, GPU_READ),
                        arg_of(dy, GPU_READ),    arg_of(scalars, GPU_READ), arg_of(dqkv, GPU_WRITE),
                        arg_of(delta, GPU_WRITE)};
    recording q = RECORDING(program, KERNEL_attention_dq, args_q, push);
    q.spec[1] = y.cols / call->attr.heads;
    q.d.flops = 0.4 * op_flops(call);
    q.d.bytes = 0.5 * op_bytes(call);
    record_heads(program,
                 (kernels){KERNEL_attention_dq, KERNEL_attention_dq_unrolled, KERNEL_attention_dq_lanes4,
                           KERNEL_attention_dq_lanes8},
                 &q, &push, call->attr.dropout > 0);

    gpu_arg args_kv[] = {arg_of(qkv, GPU_READ), arg_of(lse, GPU_READ),     arg_of(delta, GPU_READ),
                         arg_of(dy, GPU_READ),  arg_of(scalars, GPU_READ), arg_of(dqkv, GPU_READ_WRITE)};
    recording kv = RECORDING(program, KERNEL_attention_dkv, args_kv, push);
    kv.spec[1] = q.spec[1];
    kv.d.flops = 0.6 * op_flops(call);
    kv.d.bytes = 0.5 * op_bytes(call);
    record_heads(program,
                 (kernels){KERNEL_attention_dkv, KERNEL_attention_dkv_unrolled, KERNEL_attention_dkv_lanes4,
                           KERNEL_attention_dkv_lanes8},
                 &kv, &push, call->attr.dropout > 0);
}

void op_record_attention(gpu_program *program, const op_call *call)
{
    if (call->op == OP_ATTENTION)
        record_forward(program, call);
    else
        record_backward(program, call);
}
