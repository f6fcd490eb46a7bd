/* The rows of ops.def as a table, and what a row cannot say in words: checks, scratch and FLOPs of single operations. */
#include "ops/record.h"
#include "ops/scratch.h"

/* ---- checks beyond shapes -------------------------------------------------------------------------------------------- */

static const char *check_time(const op_call *c)
{
    return c->attr.time == 0 || c->out[EMBED_Y].rows % c->attr.time ? "the rows are not sequences of `time` tokens"
                                                                    : NULL;
}

static const char *check_positions(const op_call *c)
{
    if (c->attr.time == 0 || c->in[EMBED_BWD_POSITION_DY].rows % c->attr.time)
        return "the rows are not sequences of `time` tokens";
    return c->out[EMBED_BWD_POSITION_DPOSITIONS].rows >= c->attr.time ? NULL : "the position table is too short";
}

/* Whether the epilogue has another matrix than y. */
static bool has_matrix(const op_call *c)
{
    return view_present(c->in[MATMUL_RESIDUAL]) || view_present(c->in[MATMUL_GELU_PRE]) ||
           view_present(c->out[MATMUL_PRE]);
}

static const char *check_matmul(const op_call *c)
{
    const op_view a = c->in[MATMUL_A], y = c->out[MATMUL_Y];
    if (c->in[MATMUL_B].type != a.type && c->attr.trans_a) return "A is transposed beside weights of 16 bits";
    if (a.type != y.type && has_matrix(c)) return "y is fp32 and the epilogue's matrices fp16";
    if (c->attr.dropout > 0 && !view_present(c->in[MATMUL_SCALARS])) return "dropout needs the scalars";
    if (!view_present(c->in[MATMUL_GAIN])) return view_present(c->in[MATMUL_SHIFT]) ? "shift needs gain" : NULL;
    if (y.rows > OP_NORM_ROWS || c->attr.trans_a || a.cols % 4 || (!c->attr.trans_b && y.cols % 4))
        return "a product of this shape does not normalise A";
    return has_matrix(c) || c->attr.dropout > 0 ? "a product that normalises A takes no other matrix" : NULL;
}

static const char *check_cast(const op_call *c)
{
    return c->out[CAST_Y].type == DTYPE_F16 ? NULL : "a cast is to fp16";
}

/* Whether a row of q | k | v gives the cache's row of k | v. */
static bool appends(op_view qkv, op_view cache, const op_attr *a)
{
    const uint64_t heads = a->heads ? a->heads : 1, kv_heads = a->kv_heads ? a->kv_heads : heads;
    return heads % kv_heads == 0 && cache.cols % 2 == 0 &&
           2 * kv_heads * qkv.cols == (heads + 2 * kv_heads) * cache.cols;
}

static const char *check_kv_append(const op_call *c)
{
    return appends(c->in[KV_APPEND_QKV], c->out[KV_APPEND_CACHE], &c->attr)
               ? NULL
               : "qkv and the cache are not (N,(H+2K)D) and (P,2KD)";
}

static const char *check_heads(const op_attr *a, uint32_t channels)
{
    if (a->heads == 0 || channels % a->heads || channels / a->heads % 4 || channels / a->heads > OP_MOST_HEAD)
        return "the head size is not a multiple of 4 up to 256";
    if (a->head && a->head != channels / a->heads) return "y is not (N,H D)";
    return a->heads % op_kv_heads(a) ? "the heads of q do not divide among those of k and v" : NULL;
}

static const char *check_attention(const op_call *c)
{
    const op_attr *a = &c->attr;
    const bool backward = c->op == OP_ATTENTION_BWD;
    const op_view q = c->in[0], y = backward ? c->in[ATTENTION_BWD_Y] : c->out[ATTENTION_Y];
    op_view k = backward ? q : c->in[ATTENTION_K], v = backward ? q : c->in[ATTENTION_V];
    const char *wrong = check_heads(a, y.cols);
    if (wrong) return wrong;
    const uint32_t kv_channels = y.cols / op_query_heads(a);
    if (!backward && view_present(c->out[ATTENTION_CACHE])) {
        k = v = c->out[ATTENTION_CACHE];
        if (q.rows != 1 || k.cols != 2 * kv_channels || q.cols != y.cols + k.cols)
            return "what goes to the cache is not qkv(1,(H+2K)D)";
    }
    if (!view_present(k) || !view_present(v)) return "keys or values are missing";
    if (k.type != v.type) return "keys and values differ in type";
    if (a->time == 0 || q.rows % a->time) return "the rows are not sequences of `time` queries";
    if (k.rows != v.rows || k.rows % (q.rows / a->time)) return "keys and values do not divide among the sequences";
    if (a->off_q + y.cols > q.cols || a->off_k + kv_channels > k.cols || a->off_v + kv_channels > v.cols)
        return "a head lies outside its row";
    return NULL;
}

static const char *check_rope(const op_call *c)
{
    const op_attr *a = &c->attr;
    if (a->head % 2 || a->rotary % 2 || a->rotary > a->head)
        return "a head's columns, or those that are turned, are no pairs";
    return a->time == 0 || c->in[ROPE_QKV].rows % a->time ? "the rows are not sequences of `time` tokens" : NULL;
}

static const char *check_labels(const op_call *c)
{
    return view_count(c->in[0]) % c->in[1].rows ? "the logits do not divide among the examples" : NULL;
}

/* ---- scratch --------------------------------------------------------------------------------------------------------- */

static uint64_t scratch_chain(const pm_caps *caps, const op_call *c)
{
    (void)caps;
    return 2ull * c->in[0].rows;
}
static uint64_t scratch_sums(const pm_caps *caps, const op_call *c)
{
    (void)caps;
    return (uint64_t)colsum_parts(c->in[0].rows) * c->in[0].cols;
}
static uint64_t scratch_norm_sums(const pm_caps *caps, const op_call *c)
{
    return 2 * scratch_sums(caps, c);
}
/* The parts, and behind them their sums, of all heads of q and of k. */
static uint64_t scratch_head_sums(const pm_caps *caps, const op_call *c)
{
    (void)caps;
    return (colsum_parts(c->in[0].rows) + 1ull) * (c->attr.heads + c->attr.kv_heads) * c->attr.head;
}
static uint64_t scratch_attention(const pm_caps *caps, const op_call *c)
{
    return attention_scratch(caps, c);
}
static uint64_t scratch_delta(const pm_caps *caps, const op_call *c)
{
    (void)caps;
    return (uint64_t)c->in[0].rows * c->attr.heads;
}
static uint64_t scratch_logits(const pm_caps *caps, const op_call *c)
{
    const op_view h = c->in[LM_LOSS_H];
    const uint64_t logits = op_lm_scratch(caps, h.rows, h.cols, c->in[LM_LOSS_TABLE].rows);
    return dtype_words(h.type, logits);
}

/* ---- FLOPs ----------------------------------------------------------------------------------------------------------- */

static double flops_matmul(const op_call *c)
{
    const op_view a = c->in[MATMUL_A], y = c->out[MATMUL_Y];
    return 2.0 * y.rows * y.cols * (c->attr.trans_a ? a.rows : a.cols);
}

/* For the pairs of query and key that causality and the window allow: two products forward, five backward. */
static double flops_attention(const op_call *c)
{
    const bool backward = c->op == OP_ATTENTION_BWD;
    const double t = c->attr.time, w = c->attr.window && c->attr.window < c->attr.time ? c->attr.window : t;
    const double pairs = 0.5 * w * (w + 1) + (t - w) * w;
    const uint32_t channels = (backward ? c->in[ATTENTION_BWD_Y] : c->out[ATTENTION_Y]).cols;
    return (backward ? 10.0 : 4.0) * channels * (c->in[0].rows / c->attr.time) * pairs;
}

static double flops_lm_loss(const op_call *c)
{
    return (c->op == OP_LM_LOSS ? 2.0 : 4.0) * (double)view_count(c->in[LM_LOSS_H]) * c->in[LM_LOSS_TABLE].rows;
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

#define SLOT(slot, name_, type_, shape_, flags_)                                                                       \
    [slot] = {.name = (name_),                                                                                         \
              .shape = (shape_),                                                                                       \
              .missing = name_ " is missing",                                                                          \
              .wrong = name_ " is not (" shape_ ")",                                                                   \
              .type = SLOT_##type_,                                                                                    \
              .flags = (flags_)},
#define OP(id, function, name_, ins, outs, ...)                                                                        \
    [OP_##id] = {.name = (name_), .in = {ins}, .out = {outs}, .record = op_record_##function, __VA_ARGS__},
#define OP_FLAT(id, function, name_, ins, outs, ...)                                                                   \
    [OP_##id] = {.name = (name_), .in = {ins}, .out = {outs}, .record = op_record_flat, __VA_ARGS__},

const op_info op_table[OP_COUNT] = {
#include "ops/ops.def"
};
