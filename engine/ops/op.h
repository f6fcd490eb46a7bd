/* The operations of a GPT, described once: what they compute, on which operands, with which attributes.
 *
 * A call names an operation, its attributes and its operands. op_record() puts it into a program for the GPU; ref_run()
 * (engine/ref) computes the same thing on the CPU, in double. Every tensor is a matrix of rows x cols, row-major, dense: floats, or int32
 * for tokens and targets. Activations, their gradients and a product's weights may be fp16 in memory: all of a call's, or none. Everything
 * else is fp32: arithmetic, parameters' gradients, statistics, losses, and scratch except for LM_LOSS's logits.
 *
 * Letters: B sequences, T positions a sequence, N = B*T rows, C channels, H heads, D = C/H head size, V vocabulary, P position table rows.
 */
#ifndef OPS_OP_H
#define OPS_OP_H

#include "gpu/gpu.h"

/* The operations. Inputs in [brackets] may be absent. "acc": with attr.accumulate the operation adds to the output instead of
 * overwriting it. `scalars` is one struct step_scalars (shaders/push.h). Scratch, if an operation has it, is the first output behind the
 * caller's own: see op_scratch_words().
 *
 * EMBED:
 *   y(N,C) = token_table[token] + position_table[pos + i % T]. in: tokens(N,1) token_table(V,C)
 *   position_table(P,C) scalars; out: y; attr: time
 * EMBED_BWD_TOKEN:
 *   in: dy(N,C) tokens(N,1); out: d token_table(V,C), acc; scratch: rows of one token, chained
 * EMBED_BWD_POSITION:
 *   in: dy(N,C); out: d position_table(P,C), acc; attr: time
 * LAYERNORM:
 *   y = (x - mean) * rstd * gain + bias, rstd = 1/sqrt(var + eps), var biased. in: x(N,C) gain(1,C) bias(1,C);
 *   out: y(N,C) stats(N,2) = mean, rstd; attr: eps
 * LAYERNORM_BWD:
 *   in: dy(N,C) x(N,C) stats(N,2) gain(1,C) [add(N,C)]; out: dx(N,C) = gradient + add
 * LAYERNORM_BWD_PARAMS:
 *   in: dy(N,C) x(N,C) stats(N,2); out: dgain(1,C), acc; dbias(1,C), acc; scratch
 * MATMUL:
 *   y(M,N) = epilogue(op(A)(M,K) * op(B)(K,N)); op transposes by attr.trans_a, trans_b. The epilogue, each stage
 *   optional: + bias(1,N); store pre; gelu; dropout (attr.dropout, stream); + residual(M,N); or, backward, *
 *   gelu'(gelu_pre). in: A B [bias] [residual] [gelu_pre] [scalars, for dropout] [gain(1,K) shift(1,K)]; out: y, acc (added
 *   after the epilogue); [pre(M,N)] attr: trans_a trans_b gelu dropout stream eps. With gain and shift, A is replaced by LAYERNORM(A): then
 *   A has up to OP_NORM_ROWS rows and is not transposed, K is a multiple of 4, and N too unless B is transposed, and the epilogue has no other
 *   matrix. With A and B in fp16, y is fp16, or fp32 where the epilogue has no other matrix.
 * COLSUM:
 *   in: x(N,C); out: y(1,C) = sum over rows, acc; scratch
 * GELU:
 *   y = 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
 * GELU_BWD:
 *   in: dy x; out: dx
 * ADD:
 *   in: a b; out: a + b
 * CAST:
 *   y = x as halves. in: x, fp32; out: y, halves
 * DROPOUT:
 *   y = x * mask / keep; its own backward. in: x scalars; out: y; attr: dropout stream
 * ATTENTION:
 *   Causal: y = dropout(softmax(q k^T * scale)) v, for query t of a sequence over keys 0 … pos + t. No T x T
 *   matrix is stored. in: q k v scalars; out: y(N,C) lse(N,H) = log of the sum of exp of the scaled scores; scratch; [cache(P,2C)
 *   in place: then q is qkv(1,3C), k and v are absent, KV_APPEND comes first, and the cache's are taken].
 *   attr: heads time (queries a sequence) off_q off_k off_v (the column where head 0 starts) dropout stream. Row
 *   lengths are the operands' cols; keys a sequence = k.rows / B. Training passes one qkv(N,3C) three times.
 *   Dropout of probability (b, h, t, s): mask row (b*H + h)*T + t, column s.
 * ATTENTION_BWD:
 *   in: qkv(N,3C) y(N,C) lse(N,H) dy(N,C) scalars; out: dqkv(N,3C); scratch; attr as above, pos = 0
 * KV_APPEND:
 *   Rows of k and v at pos, pos+1, …. in: qkv(N,3C) scalars; out: cache(P,2C) in place: k | v
 * GATHER:
 *   y(R,C) = sum over j < group of x[index[r * group + j]]; an index < 0 adds nothing. in: x(N,C)
 *   index(R*group,1); out: y; attr: group
 * GATHER_BWD:
 *   dx = add, or 0, plus dy[r] in row index[r * group + j]. No two indices are equal unless negative. in: dy(R,C)
 *   index [add(N,C)]; out: dx(N,C); attr: group
 * LM_LOSS:
 *   Softmax cross-entropy of logits h * table^T, in tiles of the vocabulary; targets < 0 are ignored. A target has its
 *   weight, or 1. in: h(N,C) table(V,C) targets(N,1) [weights(N,1)]; out: rows(N,4) = lse, target logit, running max,
 *   running sum; result(1,4) = sum of weighted losses / sum of weights, sum of weighted losses, sum of weights, 0; logits scratch
 * LM_LOSS_BWD:
 *   Gradient of scale * grad_scale * result[0]. in: h table targets rows result logits(scratch of LM_LOSS, overwritten)
 *   scalars [weights]; out: dh(N,C); dtable(V,C), acc; attr: scale
 * LABEL_LOSS:
 *   Softmax cross-entropy of R examples, each with K logits: mean over those with a label. in: logits(R*K words in any shape)
 *   labels(R,2) = the right class (< 0: ignored), how many of the K classes there are; out: result(1,4) = mean loss, sum of
 *   losses, examples counted, how many have their largest logit at the right class
 * LABEL_LOSS_BWD:
 *   Gradient of scale * grad_scale * mean loss. in: logits labels result scalars; out: dlogits, of the logits' shape; attr: scale
 * SCORE_LOSS:
 *   Squared error, weighted mean. in: y(R,1) scores(R,2) = the right value, its weight (0: ignored); out: result(1,4) =
 *   sum of weighted errors / sum of weights, sum of weighted errors, sum of weights, 0
 * SCORE_LOSS_BWD:
 *   Gradient of scale * grad_scale * result[0]. in: y scores result scalars; out: dy(R,1); attr: scale
 * SUMSQ:
 *   in: grads(any); out: partial sums of squares, op_sumsq_parts() of them, from index attr.part on
 * CLIP:
 *   in: partial sums(1,n) scalars; out: norm(1,2) = global norm, the factor min(1, clip / (norm + 1e-6)), each times unscale; the
 *   factor is 0 where the norm is no finite number; attr: clip
 * ADAMW:
 *   Loshchilov and Hutter's AdamW as PyTorch orders it: p -= lr wd p; m, v; p -= lr m^ / (sqrt(v^) + eps). in:
 *   grad norm(1,2) scalars; out: param m v, all in place; attr: beta1 beta2 eps weight_decay decayed (the first
 *   so many elements). A factor of 0 changes nothing: the step is skipped
 */
#define OP_LIST(X)                                                                                                     \
    X(EMBED, "embed")                                                                                                  \
    X(EMBED_BWD_TOKEN, "embed-bwd-token")                                                                              \
    X(EMBED_BWD_POSITION, "embed-bwd-position")                                                                        \
    X(LAYERNORM, "layernorm")                                                                                          \
    X(LAYERNORM_BWD, "layernorm-bwd")                                                                                  \
    X(LAYERNORM_BWD_PARAMS, "layernorm-bwd-params")                                                                    \
    X(MATMUL, "matmul")                                                                                                \
    X(COLSUM, "colsum")                                                                                                \
    X(GELU, "gelu")                                                                                                    \
    X(GELU_BWD, "gelu-bwd")                                                                                            \
    X(ADD, "add")                                                                                                      \
    X(CAST, "cast")                                                                                                    \
    X(DROPOUT, "dropout")                                                                                              \
    X(ATTENTION, "attention")                                                                                          \
    X(ATTENTION_BWD, "attention-bwd")                                                                                  \
    X(KV_APPEND, "kv-append")                                                                                          \
    X(GATHER, "gather")                                                                                                \
    X(GATHER_BWD, "gather-bwd")                                                                                        \
    X(LM_LOSS, "lm-loss")                                                                                              \
    X(LM_LOSS_BWD, "lm-loss-bwd")                                                                                      \
    X(LABEL_LOSS, "label-loss")                                                                                        \
    X(LABEL_LOSS_BWD, "label-loss-bwd")                                                                                \
    X(SCORE_LOSS, "score-loss")                                                                                        \
    X(SCORE_LOSS_BWD, "score-loss-bwd")                                                                                \
    X(SUMSQ, "sumsq")                                                                                                  \
    X(CLIP, "clip")                                                                                                    \
    X(ADAMW, "adamw")

typedef enum op_id {
#define OP_ENUM(id, name) OP_##id,
    OP_LIST(OP_ENUM)
#undef OP_ENUM
        OP_COUNT
} op_id;

enum { OP_MAX_IN = 8, OP_MAX_OUT = 4, SUMSQ_PARTS = 256 };

typedef struct op_attr {
    uint32_t time, heads, group;
    uint32_t off_q, off_k, off_v;
    bool trans_a, trans_b, gelu, accumulate;
    float dropout; /* probability of dropping; 0: none */
    uint32_t stream;
    float scale; /* a loss's weight in the gradient */
    float eps, clip, beta1, beta2, weight_decay;
    uint64_t decayed;
    uint32_t part;
} op_attr;

/* One operand. The GPU uses span, the CPU twin data (double for floats, int32_t for tokens and targets, step_scalars for scalars). */
typedef struct op_view {
    uint32_t rows, cols;
    bool half; /* fp16 in memory */
    gpu_span span;
    void *data;
} op_view;

typedef struct op_call {
    op_id op;
    op_attr attr;
    op_view in[OP_MAX_IN], out[OP_MAX_OUT]; /* absent: rows == 0 */
} op_call;

/* Names of operand slots, where order is easy to forget. */
enum { LM_WEIGHTS = 3, LM_BWD_WEIGHTS = 7 };
enum { MATMUL_A, MATMUL_B, MATMUL_BIAS, MATMUL_RESIDUAL, MATMUL_GELU_PRE, MATMUL_SCALARS, MATMUL_GAIN, MATMUL_SHIFT };
enum { ATTENTION_PARTS = 2, ATTENTION_CACHE };

const char *op_name(op_id op);

/* Whether the operand in this slot, of in or of out, is an activation: one that may be halves. MATMUL's y may differ from the others. */
bool op_is_act(op_id op, bool out, int slot);

/* Whether the inputs' and attributes' shapes agree; NULL, or what is wrong. */
const char *op_check(const op_call *call);

/* Record the call. Failures stick in the program. */
void op_record(gpu_program *program, const op_call *call);

/* The most terms in one running sum of a product. In fp32 a sum loses a decimal digit for each hundredfold of its terms. A longer sum, as in
 * a weight gradient over very many tokens, is computed in pieces; not where y is fp16, which would lose more by adding pieces. */
enum { OP_LONGEST_SUM = 16384 };

/* The kernel variants of a product. Each suits some devices and shapes. Autotuning may have chosen one (gpu_chosen() of the product's key).
 * Without such a choice, or where the operands rule it out, a function of capabilities and shape chooses. */
typedef enum op_variant {
    VARIANT_USUAL,      /* the one that the function chooses */
    VARIANT_MATVEC,     /* up to four rows */
    VARIANT_COOP_LARGE, /* matrix units, tiles of 128 x 128 and 64 x 64 */
    VARIANT_COOP_SMALL,
    VARIANT_PAIRS, /* software drivers, two elements a load */
    VARIANT_LANES,
    VARIANT_BLOCK, /* shared memory, loads of four: tiles of 128 x 128, 8 x 16 an invocation; _SMALL: 64 x 64, 4 x 8 */
    VARIANT_BLOCK_SMALL,
    VARIANT_TILE_16, /* shared memory: tiles of 64 x 64, 32 x 64, 16 x 64, 4 x 4 an invocation */
    VARIANT_TILE_8,
    VARIANT_TILE_4,
    OP_VARIANTS
} op_variant;
const char *op_variant_name(op_variant variant);
/* The variants that can compute a plain product on aligned operands: a bit each. */
uint32_t op_product_variants(const pm_caps *caps, const op_call *call);
/* The variant that it uses without autotuning. */
op_variant op_product_usual(const pm_caps *caps, const op_call *call);
void op_product_key(bool half, bool half_y, bool trans_a, bool trans_b, uint32_t m, uint32_t n, uint32_t k,
                    char key[GPU_CHOICE_KEY]);

/* Words of scratch that the call needs on this device, as its first output without a shape; 0: none. Depends on shapes and attributes only. */
uint64_t op_scratch_words(const pm_caps *caps, const op_call *call);

/* Floating-point operations, and bytes that must move if each operand is touched once. */
double op_flops(const op_call *call);
double op_bytes(const op_call *call);

/* Partial sums that SUMSQ writes for so many elements: SUMSQ_PARTS for each piece that one operand may span. */
uint32_t op_sumsq_parts(const pm_caps *caps, uint64_t elements);

/* Whether a product applies the LayerNorm of its input itself: on a GPU, for up to OP_NORM_ROWS rows whose K values fit shared memory. */
enum { OP_NORM_ROWS = 4 };
bool op_normalises(const pm_caps *caps, const op_call *call);
/* Whether attention also does KV_APPEND: on a GPU, for one query of one sequence. */
bool op_appends(const pm_caps *caps, uint32_t queries);

/* Whether fp16 products and attention use matrix units without autotuning. */
bool op_matrix_units(const pm_caps *caps);

/* Vocabulary entries in one tile of LM_LOSS for rows x channels hidden values. */
uint32_t op_lm_tile(const pm_caps *caps, uint32_t rows, uint32_t channels, uint32_t vocab);
/* Words of its logits. */
uint64_t op_lm_scratch(const pm_caps *caps, uint32_t rows, uint32_t channels, uint32_t vocab);

#endif
