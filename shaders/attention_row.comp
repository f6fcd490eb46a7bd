#version 450
// Causal attention of few queries over many keys, for decoding; y and lse as in attention_tile.comp. A work group of KEYS invocations has one query
// of one head and every SPLITS-th block of KEYS keys. In each block an invocation computes one score, and then sums four columns of the values;
// invocations with the same columns share the keys. FLIGHT loads are in flight at once. Shared memory: 24 bytes a key, and 640 bytes; 1152 for heads of more than 128 columns.
// SPLITS > 1: a split writes ATTENTION_PART(D) floats to `parts` ([row][head][split]): D sums of exp(score - top) v, top, the sum of exp(score - top).
// JOIN computes y and lse from these, four columns an invocation.
// APPEND: one query a sequence. `q` has rows of q, k and v, and `k` and `v` are the cache: the new k and v are written to it first. Where query heads
// share keys, one of them writes, and each takes the new ones from `q` behind all others. Heads that share keys, and windows: common/seen.glsl.
#define PUSH attention_push
#ifdef JOIN
#define BUFFERS(X) X(0, readonly, float, parts) X(1, writeonly, act, result) X(2, writeonly, float, lse)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readwrite, kv, k) X(2, readwrite, kv, v) X(3, readonly, uint, scalars)           \
    X(4, writeonly, act, result) X(5, writeonly, float, lse) X(6, writeonly, float, parts)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/seen.glsl"

#define D P.head // head size, a multiple of 4 up to 256
layout(constant_id = SPEC_ATTENTION_KEYS) const uint KEYS = 64; // a power of two from 64 on
layout(constant_id = SPEC_ATTENTION_SPLITS) const uint SPLITS = 1;
layout(constant_id = SPEC_ATTENTION_APPEND) const bool APPEND = false;
layout(constant_id = SPEC_ATTENTION_FLIGHT) const uint FLIGHT = 1;
layout(constant_id = SPEC_ATTENTION_MOST) const uint MOST = 128; // no less than D

#ifdef JOIN
void main()
{
    uint columns = P.channels / 4, row = flat_invocation() / columns, column = flat_invocation() % columns;
    if (row >= P.sequences * P.time_q) return;
    uint heads = P.channels / D, h = 4 * column / D, at = (row * heads + h) * SPLITS * ATTENTION_PART(D);
    vec4 ys[SPLITS];
    float tops[SPLITS], sums[SPLITS], top = LOWEST, sum = 0;
    [[unroll]] for (uint s = 0; s < SPLITS; s++, at += ATTENTION_PART(D)) {
        ys[s] = AT4(parts, at + 4 * column % D);
        tops[s] = AT(parts, at + D);
        sums[s] = AT(parts, at + D + 1);
    }
    [[unroll]] for (uint s = 0; s < SPLITS; s++) top = max(top, tops[s]);
    vec4 y = vec4(0);
    [[unroll]] for (uint s = 0; s < SPLITS; s++) {
        float weight = exp(tops[s] - top);
        y += weight * ys[s];
        sum += weight * sums[s];
    }
    PUT4(result, row * P.ld_y + 4 * column, y / sum);
    if (4 * column % D == 0) PUT(lse, row * heads + h, top + log(sum));
}
#else
#include "common/eights.glsl"
#include "common/philox.glsl"

const uint QUERY = MOST / 4 + ATTENTION_ROW_FLIGHT; // at most KEYS
shared vec4 query[QUERY]; // times scale, then zeros
shared float probability[KEYS], partial[KEYS];
shared vec4 values[KEYS];
DEFINE_GROUP_REDUCE(all_sum, float, add_, partial, KEYS)
DEFINE_GROUP_REDUCE(all_max, float, max, partial, KEYS)

void main()
{
    uint me = gl_LocalInvocationID.x, heads = P.channels / D, split = flat_group() % SPLITS, group = flat_group() / SPLITS;
    uint t = group % P.time_q, head_row = group / P.time_q;
    if (head_row >= P.sequences * heads) return;
    uint b = head_row / heads, h = head_row % heads, row = b * P.time_q + t, keys_at = b * P.time_k;
    uint of_keys = h / GROUP, position = SCALAR_U(scalars, pos) + t, visible = min(position + 1, P.time_k), from = first_seen(position);
    uint columns = D / 4, shares = KEYS / columns, column = me % columns, share = me / columns;
    if (me < QUERY) query[me] = me < columns ? P.scale * AT4(q, row * P.ld_q + P.off_q + h * D + 4 * me) : vec4(0);
    uint new_k = row * P.ld_q + P.channels + of_keys * D, new_v = new_k + P.channels / GROUP;
    bool has_new = APPEND && position < P.time_k && (position - from) / KEYS % SPLITS == split;
    if (APPEND && GROUP > 1) visible = min(position, P.time_k);
    if (has_new && me < columns && h % GROUP == 0) {
        uint to = (keys_at + position) * P.ld_k + of_keys * D + 4 * me;
        PUT4(k, to + P.off_k, AT4(q, new_k + 4 * me));
        PUT4(v, to + P.off_v, AT4(q, new_v + 4 * me));
        groupMemoryBarrier();
    }
    barrier();
    if (APPEND) groupMemoryBarrier();

    float top = LOWEST, sum = 0; // sum: of this invocation's keys
    vec4 y = vec4(0);
    for (uint s0 = from + split * KEYS; s0 < visible; s0 += SPLITS * KEYS) {
        uint s = s0 + me, at = (keys_at + min(s, P.time_k - 1)) * P.ld_k + P.off_k + of_keys * D;
        float score = 0;
        for (uint c = 0; c < columns; c += FLIGHT) {
            vec4 x[FLIGHT];
            [[unroll]] for (uint f = 0; f < FLIGHT; f++) x[f] = AT4(k, at + 4 * min(c + f, columns - 1));
            [[unroll]] for (uint f = 0; f < FLIGHT; f++) score += dot(query[c + f], x[f]);
        }
        score = s < visible ? score : LOWEST;
        float before = top;
        top = max(top, all_max(score));
        float shrink = exp(before - top), p = s < visible ? exp(score - top) : 0.0;
        sum = sum * shrink + p;
        if (DROPOUT) p *= dropout_factor(DROPOUT_WORDS(scalars, MASK_ROWS, head_row * P.time_q + t, s / 4, P.stream)[s % 4], P.keep);
        probability[me] = p;
        barrier();
        y *= shrink;
        uint last = share < shares ? min(KEYS, visible - s0) : 0;
        for (uint i = share; i < last; i += FLIGHT * shares) {
            vec4 x[FLIGHT];
            [[unroll]] for (uint f = 0; f < FLIGHT; f++)
                x[f] = AT4(v, (keys_at + s0 + min(i + f * shares, last - 1)) * P.ld_v + P.off_v + of_keys * D + 4 * column);
            [[unroll]] for (uint f = 0; f < FLIGHT; f++)
                if (i + f * shares < last) y += probability[i + f * shares] * x[f];
        }
    }
    if (GROUP > 1 && has_new) {
        float score = all_sum(me < columns ? dot(query[me], AT4(q, new_k + 4 * me)) : 0.0), before = top;
        top = max(top, score);
        float shrink = exp(before - top), p = exp(score - top);
        sum = sum * shrink + (me == 0 ? p : 0.0);
        if (DROPOUT) p *= dropout_factor(DROPOUT_WORDS(scalars, MASK_ROWS, head_row * P.time_q + t, position / 4, P.stream)[position % 4], P.keep);
        y = y * shrink + (share == 0 ? p * AT4(q, new_v + 4 * column) : vec4(0));
    }
    sum = all_sum(sum);
    values[me] = y;
    barrier();
    if (share < 8)
        for (uint i = share + 8; i < shares; i += 8) y += values[i * columns + column];
    values[me] = y; // no other invocation reads these before the barrier
    barrier();
    if (me < columns) {
        for (uint i = 1; i < min(shares, 8); i++) y += values[i * columns + me];
        uint part = ((row * heads + h) * SPLITS + split) * ATTENTION_PART(D);
        if (SPLITS > 1)
            PUT4(parts, part + 4 * me, y);
        else
            PUT4(result, row * P.ld_y + h * D + 4 * me, y / sum);
        if (me == 0 && SPLITS > 1) PUT4(parts, part + D, vec4(top, sum, 0, 0));
        if (me == 0 && SPLITS == 1) PUT(lse, row * heads + h, top + log(sum));
    }
}
#endif
