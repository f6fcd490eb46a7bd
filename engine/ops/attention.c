/* Causal attention: the parts of a call, and their operands. */
#include "ops/attention.h"

#include <math.h>

static struct attention_push push_of(const op_call *call, op_view q, op_view k, op_view v, op_view y)
{
    const op_attr *a = &call->attr;
    uint32_t sequences = q.rows / a->time;
    const float scale = a->scale != 0 ? a->scale : 1.0f / sqrtf((float)y.cols / (float)a->heads);
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
                                   .head = y.cols / a->heads,
                                   .scale = scale,
                                   .keep = 1.0f - a->dropout,
                                   .stream = a->stream,
                                   .window = a->window};
}

static void add(attention *a, op_view v, gpu_access access)
{
    a->args[a->arg_count++] = arg_of(v, access);
}

static void init_forward(attention *a)
{
    const op_call *call = a->call;
    op_view q = call->in[0], k = call->in[1], v = call->in[2], y = call->out[0], cache = call->out[ATTENTION_CACHE];
    if (view_present(cache)) k = v = cache;
    a->push = push_of(call, q, k, v, y);
    a->cache = k.type;
    add(a, q, GPU_READ);
    add(a, k, GPU_READ);
    add(a, v, GPU_READ);
    add(a, call->in[3], GPU_READ);
    add(a, y, GPU_WRITE);
    add(a, call->out[1], GPU_WRITE);
}

/* dq comes first and writes all of delta, which dk reads. */
static void init_backward(attention *a)
{
    const op_call *call = a->call;
    op_view qkv = call->in[0], y = call->in[1], delta = call->out[1];
    const bool queries = a->kind == ATTENTION_DQ;
    a->push = push_of(call, qkv, qkv, qkv, y);
    a->cache = qkv.type;
    add(a, qkv, GPU_READ);
    if (queries) add(a, y, GPU_READ);
    add(a, call->in[2], GPU_READ); /* lse */
    if (!queries && a->kind != ATTENTION_DV) add(a, delta, GPU_READ);
    add(a, call->in[3], GPU_READ); /* dy */
    add(a, call->in[4], GPU_READ); /* scalars */
    add(a, call->out[0], queries ? GPU_WRITE : GPU_READ_WRITE);
    if (queries) add(a, delta, GPU_WRITE);
}

void attention_init(attention *a, const op_call *call, attention_kind kind)
{
    *a = (attention){.call = call, .kind = kind, .group = op_query_heads(&call->attr)};
    if (kind == ATTENTION_FORWARD)
        init_forward(a);
    else
        init_backward(a);
    a->windowed = a->push.window > 0 && a->push.window < a->push.time_k;
}

/* The parts' shares of an operation's FLOPs. The gradient's are five products of T x T x D: S = q k^T, U = dy v^T, dq, dk and dv. S and U are computed
 * twice, so that half of each counts for dq and half for dk and dv: 1 + 1 of 5, and 2 + 1. Kernels of dk and of dv alone compute three products,
 * S, U and dk, and two, S and dv: they divide the 3 of 5 as 3 to 2. */
static const double shares[ATTENTION_KINDS] = {[ATTENTION_FORWARD] = 1,
                                               [ATTENTION_DQ] = 2 / 5.0,
                                               [ATTENTION_DKV] = 3 / 5.0,
                                               [ATTENTION_DK] = 9 / 25.0,
                                               [ATTENTION_DV] = 6 / 25.0};

/* Bytes that must move: not those of keys and values that no query's window reaches. */
static double bytes_of(const attention *a)
{
    const op_call *call = a->call;
    const uint64_t seen = (uint64_t)a->push.window + a->push.time_q - 1;
    if (!a->windowed || a->kind != ATTENTION_FORWARD || seen >= a->push.time_k) return op_bytes(call);
    const uint32_t columns = call->out[ATTENTION_CACHE].cols + call->in[ATTENTION_K].cols + call->in[ATTENTION_V].cols;
    const double unseen = (double)a->push.sequences * (double)(a->push.time_k - seen) * columns;
    return op_bytes(call) - (double)dtype_bytes(a->cache, 1) * unseen;
}

launch attention_launch(gpu_program *program, const pm_caps *caps, const attention *a)
{
    const op_call *call = a->call;
    launch r = {.program = program,
                .caps = caps,
                .types = types_with_cache(call->in[0].type, a->cache),
                .d = {.args = a->args,
                      .arg_count = a->arg_count,
                      .push = &a->push,
                      .push_size = sizeof a->push,
                      .flops = shares[a->kind] * op_flops(call),
                      .bytes = shares[a->kind] * bytes_of(a)}};
    launch_spec(&r, SPEC_ATTENTION_DROPOUT, call->attr.dropout > 0);
    launch_spec(&r, SPEC_ATTENTION_GROUP, a->group);
    launch_spec(&r, SPEC_ATTENTION_WINDOWED, a->windowed);
    return r;
}

void op_record_attention(gpu_program *program, const op_call *call)
{
    op_view cache = call->out[ATTENTION_CACHE];
    if (view_present(cache) && !attention_by_row(gpu_program_caps(program), call->attr.time)) {
        const op_call append = {
            .op = OP_KV_APPEND, .attr = call->attr, .in = {call->in[0], call->in[3]}, .out = {cache}};
        op_record_kv_append(program, &append);
    }
    attention_record(program, call, ATTENTION_FORWARD);
}

void op_record_attention_bwd(gpu_program *program, const op_call *call)
{
    attention_record(program, call, ATTENTION_DQ);
    attention_record(program, call, ATTENTION_DKV);
}

bool op_appends(const pm_caps *caps, uint32_t queries)
{
    return !caps->serial && queries == 1;
}
