#version 450
// Gradient of causal attention, in two kernels. Both recompute each probability from lse; pos = 0. With
//   p(t, s) = exp(scale q(t) . k(s) - lse(t)), m = its dropout factor, dp = dy(t) . v(s) m, delta(t) = dy(t) . y(t):
//   dq(t) = scale sum_s p (dp - delta) k(s)     dk(s) = scale sum_t p (dp - delta) q(t)     dv(s) = sum_t p m dy(t)
// QUERIES: one invocation a query. It reads keys and values, and writes dq, and delta (N, H) for the other kernel.
// Else:    one invocation a key. It reads queries and dy, of each query head that shares the keys, and writes dk and dv.
// Heads that share keys, and windows: common/seen.glsl.
// qkv, dqkv: (N, ld_q), heads at off_q, off_k, off_v; y, dy: (N, C); lse: (N, H). Groups as in attention_lanes.comp.
#define PUSH attention_push
#ifdef QUERIES
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, qkv) X(1, readonly, act, y) X(2, readonly, float, lse) X(3, readonly, act, dy)           \
    X(4, readonly, uint, scalars) X(5, writeonly, act, dqkv) X(6, writeonly, float, delta)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, qkv) X(1, readonly, float, lse) X(2, readonly, float, delta) X(3, readonly, act, dy)       \
    X(4, readonly, uint, scalars) X(5, writeonly, act, dqkv)
#endif
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "common/kernel.glsl"
#include "common/philox.glsl"
#include "common/attention_lanes.glsl"

// Own row: ONE is q (QUERIES) or k, TWO is dy or v. The rows read in blocks: ONE is k or q, TWO is v or dy.
vec4 one[D4], two[D4], d_one[PART4], d_two[PART4];
#ifdef QUERIES
#define HEADS heads // whose own rows there are
#define BLOCK_ONE(row, d) READ_BLOCK(qkv, row, P.ld_q, off_k, d)
#define BLOCK_TWO(row, d) READ_BLOCK(qkv, row, P.ld_q, off_v, d)
#define OWN_ONE(d) AT4(qkv, row * P.ld_q + off_q + 4 * d)
#define OWN_TWO(d) AT4(dy, row * P.ld_y + off_y + 4 * d)
#else
#define HEADS heads / GROUP
#define BLOCK_ONE(row, d) READ_BLOCK(qkv, row, P.ld_q, off_q, d)
#define BLOCK_TWO(row, d) READ_BLOCK(dy, row, P.ld_y, off_y, d)
#define OWN_ONE(d) AT4(qkv, row * P.ld_q + off_k + 4 * d)
#define OWN_TWO(d) AT4(qkv, row * P.ld_q + off_v + 4 * d)
#endif

void main()
{
    uint T = P.time_q, width = gl_WorkGroupSize.x, blocks = (T + width - 1) / width;
    uint group = flat_group() / PARTS, first_column = PART_OF(flat_group());
    uint head_row = group / blocks, first = group % blocks * width;
    uint heads = P.channels / D, own_heads = HEADS, b = head_row / own_heads;
    if (head_row >= P.sequences * own_heads) return;
    uint own = first + gl_LocalInvocationID.x, own_in = min(own, T - 1), row = b * T + own_in;
#ifdef QUERIES
    uint h = head_row % heads, of_keys = h / GROUP;
#else
    uint of_keys = head_row % own_heads, h = of_keys * GROUP; // the first of the query heads that share the keys
#endif
    uint off_q = P.off_q + h * D, off_k = P.off_k + of_keys * D, off_v = P.off_v + of_keys * D, off_y = h * D;

#ifdef QUERIES
    uint from = first_of_tile(first), to = min(first + width, T);
    float own_delta = 0, own_lse = AT(lse, row * heads + h);
#else
    uint from = first, to = end_seen(first + width - 1, T);
#endif
#ifdef QUERIES
#define ADD_DELTA(d, dy4) own_delta += dot(dy4, AT4(y, row * P.ld_y + off_y + 4 * d));
#else
#define ADD_DELTA(d, dy4)
#endif
    FOR_OWN(d, one[d] = OWN_ONE(d); two[d] = OWN_TWO(d); ADD_DELTA(d, two[d]), ADD_DELTA(d, OWN_TWO(d)))
    FOR_PART4(d) {
        d_one[d] = vec4(0);
#ifndef QUERIES
        d_two[d] = vec4(0);
#endif
    }

    for (uint s0 = from; s0 < to; s0 += BLOCK) {
        uint other = b * T + min(s0 + gl_LocalInvocationID.x, T - 1);
        float s[BLOCK], dp[BLOCK], factor[BLOCK];
#define ZERO(kk) s[kk] = dp[kk] = 0; factor[kk] = 1;
        EACH(ZERO)
#define SCORE(kk) s[kk] += dot(one[d], OF_ROW(kk));
#define SLOPE(kk) dp[kk] += dot(two[d], OF_ROW(kk));
#define SCORE_OWN(kk) s[kk] += dot(own, OF_ROW(kk));
#define SLOPE_OWN(kk) dp[kk] += dot(own, OF_ROW(kk));
        FOR_OWN(d, BLOCK_ONE(other, d) EACH(SCORE), vec4 own = OWN_ONE(d); BLOCK_ONE(other, d) EACH(SCORE_OWN))
        FOR_OWN(d, BLOCK_TWO(other, d) EACH(SLOPE), vec4 own = OWN_TWO(d); BLOCK_TWO(other, d) EACH(SLOPE_OWN))
#ifdef QUERIES
        if (DROPOUT) DROPOUT_BLOCK(factor, head_row * T + own, s0)
        // ds = scale p (dp m - delta)
#define WEIGHT(kk)                                                                                                     \
    {                                                                                                                  \
        float p = s0 + kk <= own_in && within(own_in, s0 + kk) ? exp(P.scale * s[kk] - own_lse) : 0.0;                                            \
        s[kk] = P.scale * p * (dp[kk] * factor[kk] - own_delta);                                                       \
    }
#else
        // p m, and ds
#define WEIGHT(kk)                                                                                                     \
    {                                                                                                                  \
        uint t = min(s0 + kk, T - 1), at = (b * T + t) * heads + h;                                                    \
        float p = s0 + kk >= own && s0 + kk < T && within(s0 + kk, own) ? exp(P.scale * s[kk] - AT(lse, at)) : 0.0;                            \
        if (DROPOUT)                                                                                                   \
            factor[kk] = dropout_factor(DROPOUT_WORDS(scalars, MASK_ROWS, (b * heads + h) * T + t, own / 4, P.stream)[own % 4], P.keep); \
        s[kk] = P.scale * p * (dp[kk] * factor[kk] - AT(delta, at));                                                   \
        factor[kk] *= p;                                                                                               \
    }
#endif
        EACH(WEIGHT)
        FOR_PART4(d) {
            BLOCK_ONE(other, COLUMN(d))
            vec4 sum4 = d_one[d];
#define SUM_ONE(kk) sum4 += s[kk] * OF_ROW(kk);
            EACH(SUM_ONE)
            d_one[d] = sum4;
        }
#ifndef QUERIES
        FOR_PART4(d) {
            BLOCK_TWO(other, COLUMN(d))
            vec4 sum4 = d_two[d];
#define SUM_TWO(kk) sum4 += factor[kk] * OF_ROW(kk);
            EACH(SUM_TWO)
            d_two[d] = sum4;
        }
        if (GROUP > 1 && s0 + BLOCK >= to && h + 1 < (of_keys + 1) * GROUP) { // the next head that shares the keys, from its start
            h++, off_q += D, off_y += D;
            s0 = from - BLOCK;
        }
#endif
    }
    if (own >= T) return;
#ifdef QUERIES
    FOR_PART4(d)
    {
        vec4 v4 = d_one[d];
        if (HAS_COLUMN(d)) [[unroll]]
            for (uint i = 0; i < 4; i++) PUT(dqkv, row * P.ld_q + off_q + 4 * COLUMN(d) + i, v4[i]);
    }
    if (first_column == 0) PUT(delta, row * heads + h, own_delta);
#else
    FOR_PART4(d)
    {
        vec4 k4 = d_one[d], v4 = d_two[d];
        if (HAS_COLUMN(d)) [[unroll]]
            for (uint i = 0; i < 4; i++) {
                PUT(dqkv, row * P.ld_q + off_k + 4 * COLUMN(d) + i, k4[i]);
                PUT(dqkv, row * P.ld_q + off_v + 4 * COLUMN(d) + i, v4[i]);
            }
    }
#endif
}
