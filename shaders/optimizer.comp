#version 450
// SUMSQ: part(at + j) = sum of squares, of PARTS parts. On a GPU part j has every PARTS-th run of N LANES elements from run j on, so that
//        invocations read neighbouring memory. On software drivers it is one contiguous piece. The last elements, fewer than N, are in part 0.
// CLIP:  norm = unscale sqrt(sum of parts), factor = unscale min(1, clip / (norm + 1e-6)), or unscale where clip is 0. The factor is 0 where
//        the norm is not finite. One invocation.
// ADAMW: Loshchilov and Hutter, 2019, in PyTorch's order: g = grad * factor; p -= lr wd p for the first `decayed` elements;
//        m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g; p -= lr (m beta1_fix) / (sqrt(v beta2_fix) + eps). Factor 0: nothing changes.
#if defined(ADAMW)
#define PUSH adamw_push
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, float, grads) X(1, readonly, float, norm) X(2, readonly, uint, scalars) X(3, readwrite, float, weights)      \
    X(4, readwrite, float, m) X(5, readwrite, float, v)
#elif defined(CLIP)
#define PUSH reduce_push
#define BUFFERS(X) X(0, readonly, float, part) X(1, readonly, uint, scalars) X(2, writeonly, float, norm)
#else
#define PUSH reduce_push
#define BUFFERS(X) X(0, readonly, float, x) X(1, writeonly, float, part)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#if defined(ADAMW)
#include "common/flat.glsl"
#else
#include "common/reduce.glsl"
#include "common/vector.glsl"
#endif

#if defined(ADAMW)
// One element or four: T float or vec4, GET and SET to match.
#define UPDATE(T, at, GET, SET)                                                                                        \
    {                                                                                                                  \
        T g = GET(grads, at) * factor, w = GET(weights, at), m1 = GET(m, at), v1 = GET(v, at);                         \
        w -= lr * P.weight_decay * w * DECAYED_##T(at);                                                                \
        m1 = P.beta1 * m1 + (1.0 - P.beta1) * g;                                                                       \
        v1 = P.beta2 * v1 + (1.0 - P.beta2) * g * g;                                                                   \
        SET(weights, at, w - lr * (m1 * fix1) / (sqrt(v1 * fix2) + P.eps));                                            \
        SET(m, at, m1);                                                                                                \
        SET(v, at, v1);                                                                                                \
    }
#define DECAYED_float(at) float(at < P.decayed)
#define DECAYED_vec4(at) vec4(lessThan(uvec4(at, at + 1, at + 2, at + 3), uvec4(P.decayed)))
#define SET4(at) UPDATE(vec4, at, AT4, PUT4)
#define SET1(at) UPDATE(float, at, AT, PUT)
#define TOUCHES(at) TOUCH(grads, at) TOUCH(weights, at) TOUCH(m, at) TOUCH(v, at)
#endif

void main()
{
#if defined(ADAMW)
    float lr = SCALAR_F(scalars, lr), factor = AT(norm, 1);
    if (factor == 0.0) return;
    float fix1 = SCALAR_F(scalars, beta1_fix), fix2 = SCALAR_F(scalars, beta2_fix);
    FLAT(P.count, SET4, SET1, TOUCHES, weights)
#elif defined(CLIP)
    float sum = 0;
    for (uint i = 0; i < P.count; i += 64) {
        float block = 0;
        for (uint j = i; j < min(i + 64, P.count); j++) block += AT(part, j);
        sum += block;
    }
    float unscale = SCALAR_F(scalars, unscale), norm_ = sqrt(sum) * unscale;
    bool finite = (floatBitsToUint(norm_) & 0x7f800000u) != 0x7f800000u; // a driver may compile isnan() to false
    PUT(norm, 0, norm_);
    PUT(norm, 1, !finite ? 0.0 : unscale * (P.clip > 0.0 ? min(1.0, P.clip / (norm_ + 1e-6)) : 1.0));
#else
    uint j = row_index();
    if (j >= P.parts) return;
    VEC sums = VEC(0);
    uint whole = P.count - P.count % N;
#ifdef PAIRS
    const uint FLIGHT = 16; // runs in flight together
    uint stride = N * LANES, share = ((whole + stride - 1) / stride + P.parts - 1) / P.parts * stride;
    uint from = min(j * share, whole), end = min(from + share, whole);
#else
    const uint FLIGHT = 4;
    uint stride = N * LANES * P.parts, from = N * LANES * j, end = whole;
#endif
    uint i = from + N * lane();
    while (i < end) {
        VEC block = VEC(0);
        for (uint n = 0; n < 64 && i < end; n += FLIGHT) {
            uint of_all = i - N * lane(); // where these invocations' run begins
            if (of_all + (FLIGHT - 1) * stride + N * LANES <= end) {
                VEC v[FLIGHT];
                [[unroll]] for (uint e = 0; e < FLIGHT; e += 4) TOUCH(x, of_all + (e + lane() * 4 / LANES) * stride + lane() % (LANES / 4) * LINE)
                [[unroll]] for (uint e = 0; e < FLIGHT; e++) v[e] = GET(x, i + e * stride);
                [[unroll]] for (uint e = 0; e < FLIGHT; e++) block += v[e] * v[e];
                i += FLIGHT * stride;
            } else {
                for (uint e = 0; e < FLIGHT && i < end; e++, i += stride) block += GET(x, i) * GET(x, i);
            }
        }
        sums += block;
    }
    float sum = in_sum(sums);
    if (j == 0 && lane() == 0)
        for (uint i = whole; i < P.count; i++) sum += AT(x, i) * AT(x, i);
    sum = row_sum(sum);
    if (lane() == 0) PUT(part, P.at + j, sum);
    KEEP(part)
#endif
}
