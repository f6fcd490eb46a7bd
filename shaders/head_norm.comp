#version 450
// RMS norm of each head of q and of k, as in Qwen 3 and Gemma 3: y = x rstd (plus + gain), rstd = 1 / sqrt(mean_D(x^2) + eps). v is copied.
// qkv, y, dy, dqkv: (N, (H + 2 K) D); q_gain, k_gain: (D); stats: (N, H + K) = rstd.
// BACKWARD, with xhat = x rstd and g = dy (plus + gain): dx = rstd (g - xhat mean_D(g xhat)); of v, dx = dy.
// LANES invocations share a head of D = P.cols columns, a multiple of N LANES; a work group has TOGETHER heads. Sums have a fixed order. PAIRS, for
// software drivers: LANES is 1 or the subgroup's size, and registers are broadcast.
#define PUSH rms_push
#ifdef BACKWARD
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, dy) X(1, readonly, act, qkv) X(2, readonly, float, stats) X(3, readonly, float, q_gain)    \
    X(4, readonly, float, k_gain) X(5, writeonly, act, dqkv)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, qkv) X(1, readonly, float, q_gain) X(2, readonly, float, k_gain) X(3, writeonly, act, y)   \
    X(4, writeonly, float, stats)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/vector.glsl"

layout(constant_id = SPEC_HEADS_LANES) const uint LANES = 1;    // a power of two
layout(constant_id = SPEC_HEADS_TOGETHER) const uint TOGETHER = 1; // work groups have LANES TOGETHER invocations
layout(constant_id = SPEC_HEADS_KEPT) const uint KEPT = 0;     // runs of N columns of an invocation, to keep in registers; 0: they are read twice
layout(constant_id = SPEC_HEADS_WHOLE) const bool WHOLE = false; // no work group is partial
const uint KEPT_SIZE = KEPT > 0 ? KEPT : 1;

#ifdef PAIRS
#include "common/broadcast.glsl"
float add_(float a, float b) { return a + b; }
float head_sum(float v) { return COMBINE_LANES(add_, v, LANES); }
#else
#include "common/eights.glsl"
shared float sums[LANES * TOGETHER];
float head_sum(float v)
{
    if (LANES == 1) return v;
    uint me = gl_LocalInvocationID.x % LANES, first = gl_LocalInvocationID.x - me, left = LANES;
    sums[first + me] = v;
    barrier();
    COMBINE_EIGHTS(sums, first, 1, me, left, add_)
    v = sums[first];
    for (uint n = 1; n < left; n++) v += sums[first + n];
    return v;
}
#endif

void main()
{
    uint invocation = flat_invocation(), lane = invocation % LANES, at = invocation / LANES, heads = P.heads + 2 * P.kv_heads;
    bool mine = WHOLE || at < P.rows * heads; // others take part in the barriers
    if (!WHOLE) at = min(at, P.rows * heads - 1);
    uint row = at / heads, head = at % heads, base = at * P.cols, runs = KEPT > 0 ? KEPT : P.cols / (N * LANES);
    bool in_q = head < P.heads, in_v = head >= P.heads + P.kv_heads;
    uint stat = row * (P.heads + P.kv_heads) + (in_v ? 0 : head);
#define RUN_AT(i) (N * ((i) * LANES + lane))
#define GAIN(c) (in_v ? VEC(1) : P.plus + (in_q ? GET(q_gain, c) : GET(k_gain, c)))
#ifdef BACKWARD
    float rstd = AT(stats, stat);
#define G(c) (GET(dy, base + c) * GAIN(c))
#define XHAT(c) (GET(qkv, base + c) * rstd)
    VEC dots = VEC(0), kept_g[KEPT_SIZE], kept_xhat[KEPT_SIZE];
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC g = G(RUN_AT(i)), xhat = XHAT(RUN_AT(i));
        dots += g * xhat;
        if (KEPT > 0) kept_g[i] = g, kept_xhat[i] = xhat;
    }
    float dot_ = head_sum(in_sum(dots)) / float(P.cols);
    [[unroll]] for (uint i = 0; i < runs; i++) {
        uint c = RUN_AT(i);
        VEC g = KEPT > 0 ? kept_g[i] : G(c);
        VEC d = rstd * (g - (KEPT > 0 ? kept_xhat[i] : XHAT(c)) * dot_);
        if (mine) SET(dqkv, base + c, in_v ? g : d);
    }
#else
    VEC squares = VEC(0), kept[KEPT_SIZE];
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC x = GET(qkv, base + RUN_AT(i));
        squares += x * x;
        if (KEPT > 0) kept[i] = x;
    }
    float rstd = 1.0 / sqrt(head_sum(in_sum(squares)) / float(P.cols) + P.eps);
    [[unroll]] for (uint i = 0; i < runs; i++) {
        uint c = RUN_AT(i);
        VEC x = KEPT > 0 ? kept[i] : GET(qkv, base + c);
        if (mine) SET(y, base + c, x * (in_v ? 1.0 : rstd) * GAIN(c));
    }
    if (mine && lane == 0 && !in_v) PUT(stats, stat, rstd);
#endif
}
