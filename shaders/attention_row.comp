#version 450
// Causal attention of few queries over many keys, as decoding has: y and lse as in attention_tile.comp. A work group of KEYS invocations has one query
// of one head. It goes over the keys KEYS at a time: one score an invocation, then the values' columns, four an invocation, the keys shared out
// among those that have the same columns. Shared memory: 24 bytes a key and 0.5 KiB.
#define PUSH attention_push
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, act, k) X(2, readonly, act, v) X(3, readonly, uint, scalars)           \
    X(4, writeonly, act, result) X(5, writeonly, float, lse)
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/eights.glsl"
#include "common/philox.glsl"

#define D P.head // head size, a multiple of 4
layout(constant_id = 1) const bool DROPOUT = false;

layout(constant_id = 2) const uint KEYS = 64; // a power of two from 64 on

const float LOWEST = -3.4e38;

shared vec4 query[32]; // times scale
shared float probability[KEYS], partial[KEYS];
shared vec4 values[KEYS];

#define REDUCE(name, combine)                                                                                          \
    float name(float x)                                                                                                \
    {                                                                                                                  \
        uint me = gl_LocalInvocationID.x;                                                                              \
        barrier();                                                                                                     \
        partial[me] = x;                                                                                               \
        barrier();                                                                                                     \
        uint left = KEYS;                                                                                              \
        COMBINE_EIGHTS(partial, 0, 1, me, left, combine)                                                               \
        x = partial[0];                                                                                                \
        for (uint n = 1; n < left; n++) x = combine(x, partial[n]);                                                    \
        return x;                                                                                                      \
    }
float add_(float x, float y) { return x + y; }
REDUCE(all_sum, add_)
REDUCE(all_max, max)

void main()
{
    uint me = gl_LocalInvocationID.x, heads = P.channels / D, group = flat_group();
    uint t = group % P.time_q, head_row = group / P.time_q;
    if (head_row >= P.sequences * heads) return;
    uint b = head_row / heads, h = head_row % heads, row = b * P.time_q + t, keys_at = b * P.time_k;
    uint visible = min(SCALAR_U(scalars, SCALAR_POS) + t + 1, P.time_k);
    uint columns = D / 4, shares = KEYS / columns, column = me % columns, share = me / columns;
    if (me < columns) query[me] = P.scale * AT4(q, row * P.ld_q + P.off_q + h * D + 4 * me);
    barrier();

    float top = LOWEST, sum = 0; // sum: of this invocation's keys
    vec4 y = vec4(0);
    for (uint s0 = 0; s0 < visible; s0 += KEYS) {
        uint s = s0 + me, at = (keys_at + min(s, P.time_k - 1)) * P.ld_k + P.off_k + h * D;
        float score = 0;
        for (uint c = 0; c < columns; c++) score += dot(query[c], AT4(k, at + 4 * c));
        score = s < visible ? score : LOWEST;
        float before = top;
        top = max(top, all_max(score));
        float shrink = exp(before - top), p = s < visible ? exp(score - top) : 0.0;
        sum = sum * shrink + p;
        if (DROPOUT) p *= dropout_factor(DROPOUT_WORDS(scalars, head_row * P.time_q + t, s / 4, P.stream)[s % 4], P.keep);
        probability[me] = p;
        barrier();
        y *= shrink;
        uint last = share < shares ? min(KEYS, visible - s0) : 0;
        for (uint i = share; i < last; i += shares)
            y += probability[i] * AT4(v, (keys_at + s0 + i) * P.ld_v + P.off_v + h * D + 4 * column);
    }
    sum = all_sum(sum);
    values[me] = y;
    barrier();
    if (me < columns) {
        y = vec4(0);
        for (uint i = 0; i < shares; i++) y += values[i * columns + me];
        PUT4(result, row * P.ld_y + h * D + 4 * me, y / sum);
    }
    if (me == 0) PUT(lse, row * heads + h, top + log(sum));
}
