/* What every operation has: a name, a check of its shapes, a recorder, a cost. */
#include "ops/record.h"
#include "ops/scratch.h"

const char *op_name(op_id op)
{
    static const char *const names[OP_COUNT] = {
#define OP_NAME(id, name) name,
        OP_LIST(OP_NAME)
#undef OP_NAME
    };
    return op < OP_COUNT ? names[op] : "unknown";
}

bool op_is_act(op_id op, bool out, int slot)
{
    static const struct {
        uint8_t in, out; /* bit by slot */
    } acts[OP_COUNT] = {
        [OP_EMBED] = {0, 1},
        [OP_EMBED_BWD_TOKEN] = {1, 0},
        [OP_EMBED_BWD_POSITION] = {1, 0},
        [OP_LAYERNORM] = {1, 1},
        [OP_LAYERNORM_BWD] = {1 | 2 | 16, 1},
        [OP_LAYERNORM_BWD_PARAMS] = {1 | 2, 0},
        [OP_MATMUL] = {1 << MATMUL_A | 1 << MATMUL_B | 1 << MATMUL_RESIDUAL | 1 << MATMUL_GELU_PRE, 1 | 2},
        [OP_COLSUM] = {1, 0},
        [OP_GELU] = {1, 1},
        [OP_GELU_BWD] = {1 | 2, 1},
        [OP_ADD] = {1 | 2, 1},
        [OP_CAST] = {0, 1},
        [OP_DROPOUT] = {1, 1},
        [OP_ATTENTION] = {1 | 2 | 4, 1 | 1 << ATTENTION_CACHE},
        [OP_ATTENTION_BWD] = {1 | 2 | 8, 1},
        [OP_KV_APPEND] = {1, 1},
        [OP_GATHER] = {1, 1},
        [OP_GATHER_BWD] = {1 | 4, 1},
        [OP_LM_LOSS] = {1 | 2, 0},
        [OP_LM_LOSS_BWD] = {1 | 2, 1},
        [OP_LABEL_LOSS] = {1, 0},
        [OP_LABEL_LOSS_BWD] = {1, 1},
        [OP_SCORE_LOSS] = {1, 0},
        [OP_SCORE_LOSS_BWD] = {1, 1},
    };
    return ((out ? acts[op].out : acts[op].in) >> slot & 1) != 0;
}

/* The operation's name in a profile, which tells gradients of weights, products that sum over rows, from other products. The shape is
 * M x N x K of a product, and rows and columns of the first operand of any other operation. */
static void label(gpu_program *program, const op_call *call)
{
    bool product = call->op == OP_MATMUL;
    op_view a = call->in[0], y = call->out[0];
    const uint32_t of_product[3] = {y.rows, y.cols, call->attr.trans_a ? a.rows : a.cols};
    const uint32_t of_other[3] = {a.rows, a.cols, 0};
    gpu_program_op(program, product && call->attr.trans_a ? "matmul-dw" : op_name(call->op),
                   product ? of_product : of_other);
}

void op_record(gpu_program *program, const op_call *call)
{
    label(program, call);
    switch (call->op) {
    case OP_MATMUL: op_record_matmul(program, call); break;
    case OP_ATTENTION:
    case OP_ATTENTION_BWD: op_record_attention(program, call); break;
    case OP_LAYERNORM:
    case OP_LAYERNORM_BWD:
    case OP_LAYERNORM_BWD_PARAMS:
    case OP_COLSUM: op_record_norm(program, call); break;
    case OP_GELU:
    case OP_GELU_BWD:
    case OP_ADD:
    case OP_CAST:
    case OP_DROPOUT:
    case OP_KV_APPEND: op_record_elementwise(program, call); break;
    case OP_EMBED:
    case OP_EMBED_BWD_TOKEN:
    case OP_EMBED_BWD_POSITION: op_record_embed(program, call); break;
    case OP_LM_LOSS:
    case OP_LM_LOSS_BWD: op_record_loss(program, call); break;
    case OP_GATHER:
    case OP_GATHER_BWD:
    case OP_LABEL_LOSS:
    case OP_LABEL_LOSS_BWD:
    case OP_SCORE_LOSS:
    case OP_SCORE_LOSS_BWD: op_record_task(program, call); break;
    case OP_SUMSQ:
    case OP_CLIP:
    case OP_ADAMW: op_record_optimizer(program, call); break;
    case OP_COUNT: break;
    }
}

uint64_t op_scratch_words(const pm_caps *caps, const op_call *call)
{
    op_view a = call->in[0];
    switch (call->op) {
    case OP_EMBED_BWD_TOKEN: return 2ull * a.rows;
    case OP_LAYERNORM_BWD_PARAMS: return 2ull * colsum_parts(a.rows) * a.cols;
    case OP_COLSUM: return (uint64_t)colsum_parts(a.rows) * a.cols;
    case OP_ATTENTION: return attention_scratch(caps, call);
    case OP_ATTENTION_BWD: return (uint64_t)a.rows * call->attr.heads;
    case OP_LM_LOSS: {
        uint64_t logits = op_lm_scratch(caps, a.rows, a.cols, call->in[1].rows);
        return a.half ? (logits + 1) / 2 : logits;
    }
    default: return 0;
    }
}

static bool same(op_view a, op_view b)
{
    return a.rows == b.rows && a.cols == b.cols;
}
static bool shaped(op_view v, uint64_t rows, uint64_t cols)
{
    return v.rows == rows && v.cols == cols;
}
static bool absent_or(op_view v, uint64_t rows, uint64_t cols)
{
    return !view_present(v) || shaped(v, rows, cols);
}
static bool is_scalars(op_view v)
{
    return view_count(v) * 4 >= sizeof(struct step_scalars);
}

/* Either all activations are fp16 or none is. Other operands never are. */
static const char *check_halves(const op_call *c)
{
    int halves = 0, floats = 0;
    for (int k = 0; k < OP_MAX_IN + OP_MAX_OUT; k++) {
        bool out = k >= OP_MAX_IN;
        int slot = out ? k - OP_MAX_IN : k;
        op_view v = out ? c->out[slot] : c->in[slot];
        if (!view_present(v) || (c->op == OP_MATMUL && out && slot == 0)) continue;
        if (!op_is_act(c->op, out, slot)) {
            if (v.half) return "an operand is fp16 that must be fp32";
        } else {
            *(v.half ? &halves : &floats) += 1;
        }
    }
    if (halves && floats) return "some activations are fp16 and some fp32";
    if (c->op == OP_CAST && !halves) return "a cast is to fp16";
    if (c->op != OP_MATMUL || c->out[0].half == (halves > 0)) return NULL;
    bool more = view_present(c->in[MATMUL_RESIDUAL]) || view_present(c->in[MATMUL_GELU_PRE]) || view_present(c->out[1]);
    return c->out[0].half ? "y is fp16 and the factors fp32"
           : more         ? "y is fp32 and the epilogue's matrices fp16"
                          : NULL;
}

static const char *check_matmul(const op_call *c)
{
    op_view a = c->in[MATMUL_A], b = c->in[MATMUL_B], y = c->out[0];
    uint32_t m = c->attr.trans_a ? a.cols : a.rows, k = c->attr.trans_a ? a.rows : a.cols;
    uint32_t kb = c->attr.trans_b ? b.cols : b.rows, n = c->attr.trans_b ? b.rows : b.cols;
    if (k != kb) return "the inner dimensions of A and B differ";
    if (!shaped(y, m, n)) return "y is not (M,N)";
    if (!absent_or(c->in[MATMUL_BIAS], 1, n)) return "the bias is not (1,N)";
    if (!absent_or(c->in[MATMUL_RESIDUAL], m, n)) return "the residual is not (M,N)";
    if (!absent_or(c->in[MATMUL_GELU_PRE], m, n)) return "gelu_pre is not (M,N)";
    if (!absent_or(c->out[1], m, n)) return "pre is not (M,N)";
    if (c->attr.dropout > 0 && !is_scalars(c->in[MATMUL_SCALARS])) return "dropout needs the scalars";
    if (!view_present(c->in[MATMUL_GAIN])) return NULL;
    if (!shaped(c->in[MATMUL_GAIN], 1, k) || !shaped(c->in[MATMUL_SHIFT], 1, k)) return "gain or shift is not (1,K)";
    if (m > OP_NORM_ROWS || c->attr.trans_a || k % 4 || (!c->attr.trans_b && n % 4))
        return "a product of this shape does not normalise A";
    bool more = view_present(c->in[MATMUL_RESIDUAL]) || view_present(c->in[MATMUL_GELU_PRE]) || view_present(c->out[1]);
    return more || c->attr.dropout > 0 ? "a product that normalises A takes no other matrix" : NULL;
}

static const char *check_attention(const op_call *c)
{
    const op_attr *a = &c->attr;
    bool backward = c->op == OP_ATTENTION_BWD;
    op_view q = c->in[0], k = c->in[backward ? 0 : 1], v = c->in[backward ? 0 : 2], y = backward ? c->in[1] : c->out[0];
    if (!backward && view_present(c->out[ATTENTION_CACHE])) {
        if (q.rows != 1 || q.cols != 3 * y.cols) return "what goes to the cache is not qkv(1,3C)";
        k = v = c->out[ATTENTION_CACHE];
    }
    if (a->heads == 0 || y.cols % a->heads || y.cols / a->heads % 4 || y.cols / a->heads > 128)
        return "the head size is not a multiple of 4 up to 128";
    if (a->time == 0 || q.rows % a->time || y.rows != q.rows) return "the rows are not sequences of `time` queries";
    if (k.rows != v.rows || k.rows % (q.rows / a->time)) return "keys and values do not divide among the sequences";
    if (a->off_q + y.cols > q.cols || a->off_k + y.cols > k.cols || a->off_v + y.cols > v.cols)
        return "a head lies outside its row";
    if (!shaped(backward ? c->in[2] : c->out[1], q.rows, a->heads)) return "lse is not (N,H)";
    if (!is_scalars(c->in[backward ? 4 : 3])) return "the scalars are missing";
    if (backward && (!same(c->in[3], y) || !same(c->out[0], q))) return "a gradient has another shape than its value";
    return NULL;
}

static const char *check_norm(const op_call *c)
{
    op_view x = c->in[0];
    switch (c->op) {
    case OP_LAYERNORM:
        if (!shaped(c->in[1], 1, x.cols) || !shaped(c->in[2], 1, x.cols)) return "gain or bias is not (1,C)";
        return same(c->out[0], x) && shaped(c->out[1], x.rows, 2) ? NULL : "y is not (N,C) or stats not (N,2)";
    case OP_LAYERNORM_BWD:
        if (!same(c->in[1], x) || !shaped(c->in[2], x.rows, 2) || !shaped(c->in[3], 1, x.cols))
            return "x, stats or gain has another shape";
        return absent_or(c->in[4], x.rows, x.cols) && same(c->out[0], x) ? NULL : "add or dx is not (N,C)";
    case OP_LAYERNORM_BWD_PARAMS:
        if (!same(c->in[1], x) || !shaped(c->in[2], x.rows, 2)) return "x or stats has another shape";
        return shaped(c->out[0], 1, x.cols) && shaped(c->out[1], 1, x.cols) ? NULL : "dgain or dbias is not (1,C)";
    default: return shaped(c->out[0], 1, x.cols) ? NULL : "y is not (1,C)";
    }
}

static const char *check_embed(const op_call *c)
{
    op_view y = c->op == OP_EMBED ? c->out[0] : c->in[0];
    op_view table = c->op == OP_EMBED ? c->in[1] : c->out[0];
    if (table.cols != y.cols) return "the table has another number of channels";
    if (c->op != OP_EMBED_BWD_TOKEN && (c->attr.time == 0 || y.rows % c->attr.time))
        return "the rows are not sequences of `time` tokens";
    if (c->op == OP_EMBED_BWD_POSITION) return table.rows >= c->attr.time ? NULL : "the position table is too short";
    if (!shaped(c->in[c->op == OP_EMBED ? 0 : 1], y.rows, 1)) return "tokens are not (N,1)";
    if (c->op == OP_EMBED && (c->in[2].cols != y.cols || !is_scalars(c->in[3])))
        return "position table or scalars do not fit";
    return NULL;
}

static const char *check_loss(const op_call *c)
{
    op_view h = c->in[0], table = c->in[1];
    bool backward = c->op == OP_LM_LOSS_BWD;
    if (table.cols != h.cols) return "the table has another number of channels";
    if (!shaped(c->in[2], h.rows, 1)) return "targets are not (N,1)";
    if (!shaped(backward ? c->in[3] : c->out[0], h.rows, 4) || !shaped(backward ? c->in[4] : c->out[1], 1, 4))
        return "rows are not (N,4) or the result not (1,4)";
    if (!absent_or(c->in[backward ? LM_BWD_WEIGHTS : LM_WEIGHTS], h.rows, 1)) return "weights are not (N,1)";
    if (backward && (!same(c->out[0], h) || !same(c->out[1], table) || !is_scalars(c->in[6])))
        return "dh, dtable or scalars do not fit";
    return NULL;
}

static const char *check_gather(const op_call *c)
{
    bool backward = c->op == OP_GATHER_BWD;
    op_view many = backward ? c->out[0] : c->in[0], few = backward ? c->in[0] : c->out[0];
    if (many.cols != few.cols) return "x and y differ in channels";
    if (c->attr.group == 0 || !shaped(c->in[1], (uint64_t)few.rows * c->attr.group, 1))
        return "the index is not (R*group,1)";
    return backward && !absent_or(c->in[2], many.rows, many.cols) ? "add is not (N,C)" : NULL;
}

static const char *check_task_loss(const op_call *c)
{
    bool backward = c->op == OP_LABEL_LOSS_BWD || c->op == OP_SCORE_LOSS_BWD;
    bool labels = c->op == OP_LABEL_LOSS || c->op == OP_LABEL_LOSS_BWD;
    op_view x = c->in[0], right = c->in[1];
    if (right.cols != 2 || right.rows == 0) return "labels or scores are not (R,2)";
    if (labels ? view_count(x) % right.rows != 0 : view_count(x) != right.rows)
        return "the values do not divide among the examples";
    if (!shaped(backward ? c->in[2] : c->out[0], 1, 4)) return "the result is not (1,4)";
    return backward && (!same(c->out[0], x) || !is_scalars(c->in[3])) ? "the gradient or the scalars do not fit" : NULL;
}

const char *op_check(const op_call *c)
{
    op_view x = c->in[0], y = c->out[0];
    if (!view_present(x) || !view_present(y) || x.cols == 0 || y.cols == 0) return "an operand is missing";
    const char *wrong = check_halves(c);
    if (wrong) return wrong;
    switch (c->op) {
    case OP_MATMUL: return check_matmul(c);
    case OP_ATTENTION:
    case OP_ATTENTION_BWD: return check_attention(c);
    case OP_LAYERNORM:
    case OP_LAYERNORM_BWD:
    case OP_LAYERNORM_BWD_PARAMS:
    case OP_COLSUM: return check_norm(c);
    case OP_EMBED:
    case OP_EMBED_BWD_TOKEN:
    case OP_EMBED_BWD_POSITION: return check_embed(c);
    case OP_LM_LOSS:
    case OP_LM_LOSS_BWD: return check_loss(c);
    case OP_GATHER:
    case OP_GATHER_BWD: return check_gather(c);
    case OP_LABEL_LOSS:
    case OP_LABEL_LOSS_BWD:
    case OP_SCORE_LOSS:
    case OP_SCORE_LOSS_BWD: return check_task_loss(c);
    case OP_CAST:
    case OP_GELU: return same(x, y) ? NULL : "x and y differ in shape";
    case OP_DROPOUT:
        return same(x, y) && is_scalars(c->in[1]) ? NULL : "x and y differ in shape, or the scalars are missing";
    case OP_GELU_BWD:
    case OP_ADD: return same(x, y) && same(x, c->in[1]) ? NULL : "operands differ in shape";
    case OP_KV_APPEND:
        return 2 * x.cols == 3 * y.cols && is_scalars(c->in[1]) ? NULL
                                                                : "the cache is not (P,2C), or the scalars are missing";
    case OP_SUMSQ: return NULL;
    case OP_CLIP: return is_scalars(c->in[1]) ? NULL : "the scalars are missing";
    case OP_ADAMW:
        return same(x, y) && same(x, c->out[1]) && same(x, c->out[2]) ? NULL
                                                                      : "gradient, moments and weights differ in shape";
    case OP_COUNT: break;
    }
    return "no such operation";
}

/* The pairs of query and key that causality allows, in one head and sequence. */
static double causal_pairs(const op_call *c)
{
    double t = c->attr.time;
    return 0.5 * t * (t + 1);
}

double op_flops(const op_call *c)
{
    op_view x = c->in[0], y = c->out[0];
    double n = (double)view_count(x);
    switch (c->op) {
    case OP_MATMUL: return 2.0 * y.rows * y.cols * (c->attr.trans_a ? x.rows : x.cols);
    case OP_ATTENTION: return 4.0 * y.cols * (x.rows / c->attr.time) * causal_pairs(c);
    case OP_ATTENTION_BWD: return 10.0 * c->in[1].cols * (x.rows / c->attr.time) * causal_pairs(c);
    case OP_LM_LOSS: return 2.0 * n * c->in[1].rows;
    case OP_LM_LOSS_BWD: return 4.0 * n * c->in[1].rows;
    case OP_LAYERNORM: return 8 * n;
    case OP_LAYERNORM_BWD: return 12 * n;
    case OP_GELU:
    case OP_GELU_BWD: return 20 * n;
    case OP_ADAMW: return 16 * n;
    default: return 2 * n;
    }
}

double op_bytes(const op_call *c)
{
    double bytes = 0;
    for (int i = 0; i < OP_MAX_IN; i++) bytes += element_bytes(c->in[i].half) * (double)view_count(c->in[i]);
    for (int i = 0; i < OP_MAX_OUT; i++) bytes += element_bytes(c->out[i].half) * (double)view_count(c->out[i]);
    return bytes;
}
