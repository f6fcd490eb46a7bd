/* The operations that can be timed, and their operands. */
#include "bench/cases.h"

#include "push.h"

/* ---- operands -------------------------------------------------------------------------------------------------------- */

/* A new operand; `moves` as in case_operand. */
static op_view use(bench_case *c, uint32_t rows, uint32_t cols, case_values values, uint32_t moves)
{
    case_operand *o = &c->operands[c->operand_count++];
    *o = (case_operand){.rows = rows, .cols = cols, .values = values, .moves = moves};
    return (op_view){.rows = rows, .cols = cols, .data = o};
}

static op_view whole_numbers(bench_case *c, uint32_t rows, case_values values, uint32_t limit)
{
    op_view v = use(c, rows, values == VALUES_LABELS ? 2 : 1, values, 1);
    ((case_operand *)v.data)->limit = limit;
    return v;
}

static op_view scalars(bench_case *c)
{
    return use(c, 1, sizeof(step_scalars) / 4, VALUES_SCALARS, 0);
}

/* Room that the call asks for, if it does, as its output `slot`. Too much of it becomes an operand that is refused as too large. */
static void add_scratch(bench_case *c, const pm_caps *caps, op_call *call, uint32_t slot)
{
    const uint64_t words = op_scratch_words(caps, call);
    const bool large = words > UINT32_MAX;
    if (words > 0)
        call->out[slot] = use(c, large ? UINT32_MAX : 1, large ? UINT32_MAX : (uint32_t)words, VALUES_NONE, 0);
}

static void add_call(bench_case *c, const op_call *call)
{
    c->calls[c->call_count++] = *call;
    c->flops += op_flops(call);
    c->needed_flops = c->flops;
}

/* ---- products -------------------------------------------------------------------------------------------------------- */

static void make_product(bench_case *c, const uint32_t *d, bool trans_a, bool trans_b)
{
    const uint32_t m = d[0], n = d[1], k = d[2];
    op_call call = {.op = OP_MATMUL, .attr = {.trans_a = trans_a, .trans_b = trans_b}};
    call.in[MATMUL_A] = trans_a ? use(c, k, m, VALUES_RANDOM, 1) : use(c, m, k, VALUES_RANDOM, 1);
    call.in[MATMUL_B] = trans_b ? use(c, n, k, VALUES_RANDOM, 1) : use(c, k, n, VALUES_RANDOM, 1);
    call.out[0] = use(c, m, n, VALUES_NONE, 1);
    add_call(c, &call);
}
static void make_matmul(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_product(c, d, false, false);
}
static void make_matmul_dw(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_product(c, d, true, false);
}
static void make_matmul_dx(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_product(c, d, false, true);
}

/* ---- attention ------------------------------------------------------------------------------------------------------- */

/* Sequences, heads, heads of keys and values, positions, head size. */
typedef struct attention_dims {
    uint32_t b, h, k, t, d;
} attention_dims;

static attention_dims plain_heads(const uint32_t *d)
{
    return (attention_dims){d[0], d[1], d[1], d[2], d[3]};
}
static attention_dims shared_heads(const uint32_t *d)
{
    return (attention_dims){d[0], d[1], d[2], d[3], d[4]};
}

static op_attr attention_attr(attention_dims n)
{
    const uint32_t queries = n.h * n.d, keys = n.k * n.d;
    return (op_attr){.heads = n.h, .kv_heads = n.k, .time = n.t, .off_k = queries, .off_v = queries + keys};
}

/* All T x T pairs, as FLOPs of attention are usually given. */
static void count_all_pairs(bench_case *c, attention_dims n, double each)
{
    c->flops = each * n.b * n.h * n.d * (double)n.t * n.t;
}

static op_view shape(uint32_t rows, uint32_t cols)
{
    return (op_view){.rows = rows, .cols = cols};
}

/* An operand of this shape and type, if the call has it. */
static op_view like(bench_case *c, op_view v, case_values values)
{
    if (v.rows == 0) return v;
    op_view made = use(c, v.rows, v.cols, values, 1);
    made.type = ((case_operand *)made.data)->type = v.type;
    return made;
}

/* Keys or values lie in one tensor with what comes before them where both have one shape. */
static op_view like_or_same(bench_case *c, op_view v, op_view before, op_view made)
{
    return v.rows == before.rows && v.cols == before.cols ? made : like(c, v, VALUES_RANDOM);
}

static void attention_like(bench_case *c, const pm_caps *caps, const op_call *from)
{
    op_call call = {.op = OP_ATTENTION, .attr = from->attr};
    call.in[0] = like(c, from->in[0], VALUES_RANDOM);
    call.in[1] = like_or_same(c, from->in[1], from->in[0], call.in[0]);
    call.in[2] = like_or_same(c, from->in[2], from->in[1], call.in[1]);
    call.in[3] = scalars(c);
    call.out[0] = like(c, from->out[0], VALUES_NONE);
    call.out[1] = like(c, from->out[1], VALUES_NONE);
    call.out[ATTENTION_CACHE] = like(c, from->out[ATTENTION_CACHE], VALUES_RANDOM);
    add_scratch(c, caps, &call, ATTENTION_PARTS);
    add_call(c, &call);
}

static void attention_bwd_like(bench_case *c, const pm_caps *caps, const op_call *from)
{
    op_call call = {.op = OP_ATTENTION_BWD, .attr = from->attr};
    for (int i = 0; i < 4; i++) call.in[i] = like(c, from->in[i], i == 2 ? VALUES_POSITIVE : VALUES_RANDOM);
    call.in[4] = scalars(c);
    call.out[0] = like(c, from->out[0], VALUES_NONE);
    add_scratch(c, caps, &call, 1);
    add_call(c, &call);
}

static void make_forward(bench_case *c, const pm_caps *caps, attention_dims n)
{
    const op_view qkv = shape(n.b * n.t, (n.h + 2 * n.k) * n.d), y = shape(n.b * n.t, n.h * n.d);
    const op_call call = {.attr = attention_attr(n), .in = {qkv, qkv, qkv}, .out = {y, shape(n.b * n.t, n.h)}};
    attention_like(c, caps, &call);
    count_all_pairs(c, n, 4);
}

static void make_backward(bench_case *c, const pm_caps *caps, attention_dims n)
{
    const op_view qkv = shape(n.b * n.t, (n.h + 2 * n.k) * n.d), y = shape(n.b * n.t, n.h * n.d);
    const op_call call = {.attr = attention_attr(n), .in = {qkv, y, shape(n.b * n.t, n.h), y}, .out = {qkv}};
    attention_bwd_like(c, caps, &call);
    count_all_pairs(c, n, 10);
}

static void make_attention(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    make_forward(c, caps, plain_heads(d));
}
static void make_attention_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    make_backward(c, caps, plain_heads(d));
}
static void make_attention_gqa(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    make_forward(c, caps, shared_heads(d));
}
static void make_attention_gqa_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    make_backward(c, caps, shared_heads(d));
}

void case_like(bench_case *c, const pm_caps *caps, const op_call *from)
{
    if (from->op == OP_ATTENTION) {
        attention_like(c, caps, from);
    } else if (from->op == OP_ATTENTION_BWD) {
        attention_bwd_like(c, caps, from);
    } else {
        op_call call = {.op = OP_MATMUL, .attr = from->attr};
        call.in[MATMUL_A] = like(c, from->in[MATMUL_A], VALUES_RANDOM);
        call.in[MATMUL_B] = like(c, from->in[MATMUL_B], VALUES_RANDOM);
        call.out[0] = like(c, from->out[0], VALUES_NONE);
        add_call(c, &call);
    }
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

static void make_layernorm(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_LAYERNORM, .attr = {.eps = 1e-5f}};
    call.in[0] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    call.in[1] = use(c, 1, d[1], VALUES_RANDOM, 1);
    call.in[2] = use(c, 1, d[1], VALUES_RANDOM, 1);
    call.out[0] = use(c, d[0], d[1], VALUES_NONE, 1);
    call.out[1] = use(c, d[0], 2, VALUES_NONE, 1);
    add_call(c, &call);
}

/* All of it: the gradients of x, gain and bias. */
static void make_layernorm_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_view dy = use(c, d[0], d[1], VALUES_RANDOM, 1), x = use(c, d[0], d[1], VALUES_RANDOM, 1);
    op_view stats = use(c, d[0], 2, VALUES_POSITIVE, 1), gain = use(c, 1, d[1], VALUES_RANDOM, 1);
    op_call values = {.op = OP_LAYERNORM_BWD, .in = {dy, x, stats, gain}};
    values.out[0] = use(c, d[0], d[1], VALUES_NONE, 1);
    add_call(c, &values);
    op_call parameters = {.op = OP_LAYERNORM_BWD_PARAMS, .in = {dy, x, stats}};
    parameters.out[0] = use(c, 1, d[1], VALUES_NONE, 1);
    parameters.out[1] = use(c, 1, d[1], VALUES_NONE, 1);
    add_scratch(c, caps, &parameters, 2);
    add_call(c, &parameters);
}

static void make_rmsnorm(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_RMSNORM, .attr = {.eps = 1e-6f}};
    call.in[0] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    call.in[1] = use(c, 1, d[1], VALUES_RANDOM, 1);
    call.out[0] = use(c, d[0], d[1], VALUES_NONE, 1);
    call.out[1] = use(c, d[0], 1, VALUES_NONE, 1);
    add_call(c, &call);
}

static void make_rmsnorm_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_view dy = use(c, d[0], d[1], VALUES_RANDOM, 1), x = use(c, d[0], d[1], VALUES_RANDOM, 1);
    op_view stats = use(c, d[0], 1, VALUES_POSITIVE, 1), gain = use(c, 1, d[1], VALUES_RANDOM, 1);
    op_call values = {.op = OP_RMSNORM_BWD, .in = {dy, x, stats, gain}};
    values.out[0] = use(c, d[0], d[1], VALUES_NONE, 1);
    add_call(c, &values);
    op_call parameters = {.op = OP_RMSNORM_BWD_PARAMS, .in = {dy, x, stats}};
    parameters.out[0] = use(c, 1, d[1], VALUES_NONE, 1);
    add_scratch(c, caps, &parameters, RMSNORM_BWD_PARAMS_PARTS);
    add_call(c, &parameters);
}

/* Rows; heads of q, of k and v; their columns. */
static op_attr heads_attr(const uint32_t *d)
{
    return (op_attr){.heads = d[1], .kv_heads = d[2], .head = d[3], .rotary = d[3] / 2 * 2, .time = d[0], .eps = 1e-6f};
}

static op_view use_heads(bench_case *c, const uint32_t *d, case_values values)
{
    return use(c, d[0], (d[1] + 2 * d[2]) * d[3], values, 1);
}

static void make_head_norm(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_HEAD_NORM, .attr = heads_attr(d)};
    call.in[0] = use_heads(c, d, VALUES_RANDOM);
    call.in[1] = use(c, 1, d[3], VALUES_RANDOM, 1);
    call.in[2] = use(c, 1, d[3], VALUES_RANDOM, 1);
    call.out[0] = use_heads(c, d, VALUES_NONE);
    call.out[1] = use(c, d[0], d[1] + d[2], VALUES_NONE, 1);
    add_call(c, &call);
}

static void make_head_norm_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_view dy = use_heads(c, d, VALUES_RANDOM), qkv = use_heads(c, d, VALUES_RANDOM);
    op_view stats = use(c, d[0], d[1] + d[2], VALUES_POSITIVE, 1);
    op_view q_gain = use(c, 1, d[3], VALUES_RANDOM, 1), k_gain = use(c, 1, d[3], VALUES_RANDOM, 1);
    op_call values = {.op = OP_HEAD_NORM_BWD, .attr = heads_attr(d), .in = {dy, qkv, stats, q_gain, k_gain}};
    values.out[0] = use_heads(c, d, VALUES_NONE);
    add_call(c, &values);
    op_call parameters = {.op = OP_HEAD_NORM_BWD_PARAMS, .attr = heads_attr(d), .in = {dy, qkv, stats}};
    parameters.out[0] = use(c, 1, d[3], VALUES_NONE, 1);
    parameters.out[1] = use(c, 1, d[3], VALUES_NONE, 1);
    add_scratch(c, caps, &parameters, HEAD_NORM_BWD_PARAMS_PARTS);
    add_call(c, &parameters);
}

static void make_rope(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_ROPE, .attr = heads_attr(d)};
    call.in[0] = use_heads(c, d, VALUES_RANDOM);
    call.in[1] = use(c, d[0], call.attr.rotary, VALUES_RANDOM, 1);
    call.in[2] = scalars(c);
    call.out[0] = use_heads(c, d, VALUES_NONE);
    add_call(c, &call);
}

static void make_gate(bench_case *c, op_id op, const uint32_t *d, bool backward)
{
    op_call call = {.op = op};
    if (backward) call.in[0] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    call.in[backward] = use(c, d[0], 2 * d[1], VALUES_RANDOM, 1);
    call.out[0] = use(c, d[0], (1u + backward) * d[1], VALUES_NONE, 1);
    add_call(c, &call);
}
static void make_silu_gate(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_gate(c, OP_SILU_GATE, d, false);
}
static void make_silu_gate_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_gate(c, OP_SILU_GATE_BWD, d, true);
}
static void make_gelu_gate(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_gate(c, OP_GELU_GATE, d, false);
}
static void make_gelu_gate_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_gate(c, OP_GELU_GATE_BWD, d, true);
}

static void make_colsum(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_call call = {.op = OP_COLSUM};
    call.in[0] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    call.out[0] = use(c, 1, d[1], VALUES_NONE, 1);
    add_scratch(c, caps, &call, 1);
    add_call(c, &call);
}

/* y = op(x) or op(x, second), all of one shape. */
static void make_flat(bench_case *c, op_id op, const uint32_t *d, bool second)
{
    op_call call = {.op = op};
    call.in[0] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    if (second) call.in[1] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    call.out[0] = use(c, d[0], d[1], VALUES_NONE, 1);
    add_call(c, &call);
}
static void make_gelu(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_flat(c, OP_GELU, d, false);
}
static void make_gelu_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_flat(c, OP_GELU_BWD, d, true);
}
static void make_add(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    make_flat(c, OP_ADD, d, true);
}

static void make_dropout(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_DROPOUT, .attr = {.dropout = 0.1f, .stream = 1}};
    call.in[0] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    call.in[1] = scalars(c);
    call.out[0] = use(c, d[0], d[1], VALUES_NONE, 1);
    add_call(c, &call);
}

/* A softmax by itself occurs nowhere in a GPT here: attention and the loss have it inside. This one writes softmax - [right class]. */
static void make_softmax(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_LABEL_LOSS_BWD, .attr = {.scale = 1}};
    call.in[0] = use(c, d[0], d[1], VALUES_RANDOM, 1);
    call.in[1] = whole_numbers(c, d[0], VALUES_LABELS, d[1]);
    call.in[2] = use(c, 1, 4, VALUES_POSITIVE, 1);
    call.in[3] = scalars(c);
    call.out[0] = use(c, d[0], d[1], VALUES_NONE, 1);
    add_call(c, &call);
}

/* ---- tables and losses ----------------------------------------------------------------------------------------------- */

/* A table's row and a position's are read and a row written for each token; the rest of the tables is not touched. */
static void make_embed(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_EMBED, .attr = {.time = d[0]}};
    call.in[0] = whole_numbers(c, d[0], VALUES_TOKENS, d[1]);
    call.in[1] = use(c, d[1], d[2], VALUES_RANDOM, 0);
    call.in[2] = use(c, d[0], d[2], VALUES_RANDOM, 1);
    call.in[3] = scalars(c);
    call.out[0] = use(c, d[0], d[2], VALUES_NONE, 2);
    add_call(c, &call);
}

/* Both tables' gradients, from zero. */
static void make_embed_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_view dy = use(c, d[0], d[2], VALUES_RANDOM, 1), tokens = whole_numbers(c, d[0], VALUES_TOKENS, d[1]);
    op_call token = {.op = OP_EMBED_BWD_TOKEN, .in = {dy, tokens}};
    token.out[0] = use(c, d[1], d[2], VALUES_NONE, 1);
    add_scratch(c, caps, &token, 1);
    add_call(c, &token);
    op_call position = {.op = OP_EMBED_BWD_POSITION, .attr = {.time = d[0]}, .in = {dy}};
    position.out[0] = use(c, d[0], d[2], VALUES_NONE, 1);
    add_call(c, &position);
}

static void make_lm_loss(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_call call = {.op = OP_LM_LOSS};
    call.in[0] = use(c, d[0], d[2], VALUES_RANDOM, 1);
    call.in[1] = use(c, d[1], d[2], VALUES_TABLE, 1);
    call.in[2] = whole_numbers(c, d[0], VALUES_TOKENS, d[1]);
    call.out[0] = use(c, d[0], 4, VALUES_NONE, 1);
    call.out[1] = use(c, 1, 4, VALUES_NONE, 1);
    add_scratch(c, caps, &call, 2);
    add_call(c, &call);
}

/* The logits that it reads are its own last output from the second run on: other values, the same work. */
static void make_lm_loss_bwd(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_view h = use(c, d[0], d[2], VALUES_RANDOM, 1), table = use(c, d[1], d[2], VALUES_TABLE, 1);
    op_view targets = whole_numbers(c, d[0], VALUES_TOKENS, d[1]), rows = use(c, d[0], 4, VALUES_POSITIVE, 1);
    op_view result = use(c, 1, 4, VALUES_POSITIVE, 1);
    op_call forward = {.op = OP_LM_LOSS, .in = {h, table, targets}, .out = {rows, result}};
    add_scratch(c, caps, &forward, 2);
    op_call call = {
        .op = OP_LM_LOSS_BWD, .attr = {.scale = 1}, .in = {h, table, targets, rows, result, forward.out[2]}};
    call.in[6] = scalars(c);
    call.out[0] = use(c, d[0], d[2], VALUES_NONE, 1);
    call.out[1] = use(c, d[1], d[2], VALUES_NONE, 1);
    add_call(c, &call);
}

/* ---- the optimiser --------------------------------------------------------------------------------------------------- */

static void make_sumsq(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    op_call call = {.op = OP_SUMSQ};
    call.in[0] = use(c, 1, d[0], VALUES_RANDOM, 1);
    call.out[0] = use(c, 1, op_sumsq_parts(caps, d[0]), VALUES_NONE, 1);
    add_call(c, &call);
}

static void make_adamw(bench_case *c, const pm_caps *caps, const uint32_t *d)
{
    (void)caps;
    op_call call = {.op = OP_ADAMW,
                    .attr = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.1f, .decayed = d[0]}};
    call.in[0] = use(c, 1, d[0], VALUES_RANDOM, 1);
    call.in[1] = use(c, 1, 2, VALUES_POSITIVE, 1);
    call.in[2] = scalars(c);
    call.out[0] = use(c, 1, d[0], VALUES_RANDOM, 2);
    call.out[1] = use(c, 1, d[0], VALUES_RANDOM, 2);
    call.out[2] = use(c, 1, d[0], VALUES_POSITIVE, 2);
    add_call(c, &call);
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

/* Numbers of a whole step's shape: layers, heads, channels, positions, sequences, vocabulary. The first of train-step is the usual
 * character model of tiny Shakespeare. */
#define STEP_FORM "LxHxCxTxBxV"

static const case_kind kinds[] = {
    {{"matmul",
      "MxNxK",
      "A(M,K) * B(K,N)",
      {"512x512x512", "1024x1024x1024", "256x3072x768", "256x768x3072", "257x259x131"}},
     3,
     make_matmul},
    {{"matmul-dw", "MxNxK", "transposed A(K,M) * B(K,N): a weight's gradient", {"768x3072x256", "131x259x257"}},
     3,
     make_matmul_dw},
    {{"matmul-dx", "MxNxK", "A(M,K) * transposed B(N,K): an input's gradient", {"256x768x3072", "257x131x259"}},
     3,
     make_matmul_dx},
    {{"attention",
      "BxHxTxD",
      "causal; FLOPs counted as 4 T T D a head, causality leaves half",
      {"1x12x1024x64", "3x5x129x20"}},
     4,
     make_attention},
    {{"attention-bwd", "BxHxTxD", "its gradient; FLOPs counted as 10 T T D a head", {"1x12x1024x64", "3x5x129x20"}},
     4,
     make_attention_bwd},
    {{"attention-gqa",
      "BxHxKxTxD",
      "attention with K heads of keys and values; FLOPs likewise",
      {"1x12x4x1024x64", "3x6x2x129x20"}},
     5,
     make_attention_gqa},
    {{"attention-gqa-bwd", "BxHxKxTxD", "its gradient", {"1x12x4x1024x64", "3x6x2x129x20"}}, 5, make_attention_gqa_bwd},
    {{"layernorm", "NxC", "with gain and bias", {"1024x768", "257x101"}}, 2, make_layernorm},
    {{"layernorm-bwd", "NxC", "gradients of input, gain and bias", {"1024x768", "257x101"}}, 2, make_layernorm_bwd},
    {{"rmsnorm", "NxC", "with gain", {"1024x576", "257x101"}}, 2, make_rmsnorm},
    {{"rmsnorm-bwd", "NxC", "gradients of input and gain", {"1024x576", "257x101"}}, 2, make_rmsnorm_bwd},
    {{"head-norm", "NxHxKxD", "norms of H + K heads, K more are copied", {"1024x16x8x128", "257x3x1x20"}},
     4,
     make_head_norm},
    {{"head-norm-bwd", "NxHxKxD", "gradients of input and gains", {"1024x16x8x128", "257x3x1x20"}},
     4,
     make_head_norm_bwd},
    {{"rope", "NxHxKxD", "rotary positions of H + K heads, K more are copied", {"1024x9x3x64", "257x3x1x20"}},
     4,
     make_rope},
    {{"silu-gate", "NxI", "x(N,2I) = gate | up", {"256x1536", "257x101"}}, 2, make_silu_gate},
    {{"silu-gate-bwd", "NxI", "its gradient", {"256x1536", "257x101"}}, 2, make_silu_gate_bwd},
    {{"gelu-gate", "NxI", "x(N,2I) = gate | up, tanh form", {"256x6912", "257x101"}}, 2, make_gelu_gate},
    {{"gelu-gate-bwd", "NxI", "its gradient", {"256x6912", "257x101"}}, 2, make_gelu_gate_bwd},
    {{"gelu", "NxC", "tanh form", {"256x3072", "257x101"}}, 2, make_gelu},
    {{"gelu-bwd", "NxC", "its gradient", {"256x3072", "257x101"}}, 2, make_gelu_bwd},
    {{"softmax", "NxC", "of rows, less the right class: the gradient of a classifier's loss", {"1024x1024", "257x101"}},
     2,
     make_softmax},
    {{"lm-loss",
      "NxVxC",
      "logits h(N,C) * table(V,C) and softmax cross-entropy, by tiles",
      {"256x50257x768", "129x1031x36"}},
     3,
     make_lm_loss},
    {{"lm-loss-bwd", "NxVxC", "gradients of h and of the table", {"256x50257x768", "129x1031x36"}},
     3,
     make_lm_loss_bwd},
    {{"embed", "NxVxC", "token and position tables read", {"1024x50257x768", "129x1031x36"}}, 3, make_embed},
    {{"embed-bwd", "NxVxC", "both tables' gradients", {"1024x50257x768", "129x1031x36"}}, 3, make_embed_bwd},
    {{"add", "NxC", "a + b", {"1024x768", "257x101"}}, 2, make_add},
    {{"dropout", "NxC", "probability 0.1", {"1024x768", "257x101"}}, 2, make_dropout},
    {{"colsum", "NxC", "sums over rows: a bias's gradient", {"1024x3072", "257x101"}}, 2, make_colsum},
    {{"sumsq", "N", "for the gradient's norm", {"4194304", "1000003"}}, 1, make_sumsq},
    {{"adamw", "N", "weights and both moments in place", {"4194304", "1000003"}}, 1, make_adamw},
    {{"train-step",
      STEP_FORM,
      "a whole step with AdamW (GPT-2 124M: 12x12x768x64x4x50257)",
      {"4x4x128x64x12x65", "3x5x60x33x3x257"}},
     6,
     NULL},
    {{"prefill",
      STEP_FORM,
      "T tokens into the key/value cache, logits of the next; B is 1",
      {"12x12x768x128x1x50257", "3x5x60x33x1x257"}},
     6,
     NULL},
    {{"decode", STEP_FORM, "one token behind T others; B is 1", {"12x12x768x128x1x50257", "3x5x60x33x1x257"}}, 6, NULL},
};

const case_kind *case_kind_at(size_t index)
{
    return index < sizeof kinds / sizeof *kinds ? &kinds[index] : NULL;
}

static bool halve(op_view *v, bool is_act)
{
    if (!v->rows || !is_act) return false;
    v->type = ((case_operand *)v->data)->type = DTYPE_F16;
    return true;
}

bool case_halve(bench_case *c)
{
    bool any = false;
    for (uint32_t k = 0; k < c->call_count; k++) {
        op_call *call = &c->calls[k];
        for (int i = 0; i < OP_MAX_IN; i++) any |= halve(&call->in[i], op_is_act(call->op, false, i));
        for (int i = 0; i < OP_MAX_OUT; i++) {
            bool gradient = call->op == OP_MATMUL && call->attr.trans_a; /* of a weight: fp32 */
            any |= halve(&call->out[i], op_is_act(call->op, true, i) && !gradient);
        }
    }
    return any;
}

uint64_t case_operand_bytes(const case_operand *o)
{
    return 4 * dtype_words(o->type, (uint64_t)o->rows * o->cols);
}
