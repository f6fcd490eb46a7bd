#version 450
// SUMSQ: part(at + j) = sum of squares of every PARTS-th run of LANES elements of x from run j on; PARTS parts in all.
// CLIP:  norm = sqrt(sum of parts), factor = min(1, clip / (norm + 1e-6)) (1 where clip is 0). One invocation.
// ADAMW: Loshchilov and Hutter, 2019, in PyTorch's order: g = grad * factor; p -= lr wd p for the first `decayed` elements;
//        m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g; p -= lr (m beta1_fix) / (sqrt(v beta2_fix) + eps).
#if defined(ADAMW)
#define PUSH adamw_push
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, float, grads) X(1, readonly, float, norm) X(2, readonly, uint, scalars) X(3, , float, weights)      \
    X(4, , float, m) X(5, , float, v)
#elif defined(CLIP)
#define PUSH reduce_push
#define BUFFERS(X) X(0, readonly, float, part) X(1, writeonly, float, norm)
#else
#define PUSH reduce_push
#define BUFFERS(X) X(0, readonly, float, x) X(1, writeonly, float, part)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#if defined(ADAMW)
layout(constant_id = 1) const uint PER = 4;
#else
#include "common/reduce.glsl"
#endif

void main()
{
#if defined(ADAMW)
    float lr = SCALAR_F(scalars, SCALAR_LR), factor = AT(norm, 1);
    float fix1 = SCALAR_F(scalars, SCALAR_BETA1_FIX), fix2 = SCALAR_F(scalars, SCALAR_BETA2_FIX);
    uint at = flat_group() * gl_WorkGroupSize.x * PER + gl_LocalInvocationID.x;
    for (uint n = 0; n < PER && at < P.count; n++, at += gl_WorkGroupSize.x) {
        float g = AT(grads, at) * factor, w = AT(weights, at);
        if (at < P.decayed) w -= lr * P.weight_decay * w;
        float m1 = P.beta1 * AT(m, at) + (1.0 - P.beta1) * g;
        float v1 = P.beta2 * AT(v, at) + (1.0 - P.beta2) * g * g;
        AT(weights, at) = w - lr * (m1 * fix1) / (sqrt(v1 * fix2) + P.eps);
        AT(m, at) = m1;
        AT(v, at) = v1;
    }
#elif defined(CLIP)
    float sum = 0;
    for (uint i = 0; i < P.count; i += 64) {
        float block = 0;
        for (uint j = i; j < min(i + 64, P.count); j++) block += AT(part, j);
        sum += block;
    }
    float norm_ = sqrt(sum);
    AT(norm, 0) = norm_;
    AT(norm, 1) = P.clip > 0.0 ? min(1.0, P.clip / (norm_ + 1e-6)) : 1.0;
#else
    uint j = row_index();
    if (j >= P.parts) return;
    float sum = 0;
    uint stride = P.parts * LANES;
    for (uint i = j * LANES + lane(); i < P.count;) {
        float block = 0;
        for (uint n = 0; n < 64 && i < P.count; n++, i += stride) block += AT(x, i) * AT(x, i);
        sum += block;
    }
    sum = row_sum(sum);
    if (lane() == 0) AT(part, P.at + j) = sum;
#endif
}
