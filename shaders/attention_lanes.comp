#version 450
// Causal softmax attention, one pass over the keys, no T x T matrix (Milakov and Gimelshein, 2018; Dao et al., 2022):
//   y(t) = sum over s <= pos + t of dropout(softmax_s(scale q(t) . k(s))) v(s),   lse(t) = log sum_s exp(scale q(t) . k(s))
// Heads that share keys, and windows: common/seen.glsl.
// q: rows of ld_q from column off_q on, head by head; k and v likewise, time_k rows a sequence; y: (N, C); lse: (N, H).
// One invocation a query. A work group has consecutive queries of one head of one sequence, and a part of the columns; then heads vary, then sequences.
// Running maximum `top` and sum are rescaled once for each block of keys.
#define PUSH attention_push
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, kv, k) X(2, readonly, kv, v) X(3, readonly, uint, scalars)           \
    X(4, writeonly, act, y) X(5, writeonly, float, lse)
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "common/kernel.glsl"
#include "common/philox.glsl"
#include "common/attention_lanes.glsl"

vec4 q4[D4], y4[PART4];

void main()
{
    uint width = gl_WorkGroupSize.x, blocks = (P.time_q + width - 1) / width;
    uint group = flat_group() / PARTS, first_column = PART_OF(flat_group());
    uint head_row = group / blocks, first = group % blocks * width; // b * H + h; the group's first query
    if (head_row >= P.sequences * (P.channels / D)) return;
    uint heads = P.channels / D, b = head_row / heads, h = head_row % heads;
    uint t = first + gl_LocalInvocationID.x, row = b * P.time_q + min(t, P.time_q - 1);
    uint pos = SCALAR_U(scalars, pos);
    uint visible = min(pos + min(t, P.time_q - 1) + 1, P.time_k);               // keys that this query sees
    uint lower = first_seen(visible - 1);                                       // the first of them
    uint group_visible = min(pos + min(first + width, P.time_q), P.time_k);     // keys that some query of the group sees
    uint off_q = P.off_q + h * D, off_k = P.off_k + h / GROUP * D, off_v = P.off_v + h / GROUP * D;

#define OWN(d) P.scale * AT4(q, row * P.ld_q + off_q + 4 * d)
    if (PARTS == 1) FOR_D4(d) q4[d] = OWN(d);
    FOR_PART4(d) y4[d] = vec4(0);
    float top = LOWEST, sum = 0;

    for (uint s0 = first_of_tile(pos + first); s0 < group_visible; s0 += BLOCK) {
        uint key = b * P.time_k + min(s0 + gl_LocalInvocationID.x, P.time_k - 1);
        float s[BLOCK];
#define ZERO(kk) s[kk] = 0;
        EACH(ZERO)
#define SCORE(kk) s[kk] += dot(q4[d], OF_ROW(kk));
#define SCORE_OWN(kk) s[kk] += dot(own, OF_ROW(kk));
        FOR_OWN(d, READ_BLOCK(k, key, P.ld_k, off_k, d) EACH(SCORE),
                vec4 own = OWN(d); READ_BLOCK(k, key, P.ld_k, off_k, d) EACH(SCORE_OWN))
        float before = top;
#define TOP(kk)                                                                                                        \
    s[kk] = s0 + kk < visible && s0 + kk >= lower ? s[kk] : LOWEST;                                                                        \
    top = max(top, s[kk]);
        EACH(TOP)
        float shrink = exp(before - top);
        sum *= shrink;
#define PROBABILITY(kk)                                                                                                \
    s[kk] = exp(s[kk] - top);                                                                                          \
    sum += s[kk];
        EACH(PROBABILITY)
        if (DROPOUT) {
            float factor[BLOCK];
            DROPOUT_BLOCK(factor, head_row * P.time_q + t, s0)
#define DROP(kk) s[kk] *= factor[kk];
            EACH(DROP)
        }
        FOR_PART4(d) {
            READ_BLOCK(v, key, P.ld_v, off_v, COLUMN(d))
            vec4 sum4 = y4[d] * shrink;
#define VALUE(kk) sum4 += s[kk] * OF_ROW(kk);
            EACH(VALUE)
            y4[d] = sum4;
        }
    }
    if (t >= P.time_q) return;
    float scale = 1.0 / sum;
    FOR_PART4(d)
    {
        vec4 v4 = y4[d] * scale;
        if (HAS_COLUMN(d)) [[unroll]]
            for (uint i = 0; i < 4; i++) PUT(y, row * P.ld_y + h * D + 4 * COLUMN(d) + i, v4[i]);
    }
    if (first_column == 0) PUT(lse, row * heads + h, top + log(sum));
}
