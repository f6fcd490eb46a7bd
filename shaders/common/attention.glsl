// The operands of attention_tile.comp and attention_few.comp. Each of the two files is four kernels:
//   (none)  own queries: y(t) = sum_s p m v(s), lse by a running maximum (Milakov and Gimelshein, 2018; Dao et al., 2022)
//   DQ      own queries: dq(t) = sum_s W k(s), W = scale p (dy(t) . v(s) m - delta(t)), delta(t) = dy(t) . y(t), which is stored for DK
//   DK      own keys:    dk(s) = sum_t W q(t), W as above
//   DV      own keys:    dv(s) = sum_t p m dy(t)
// p(t, s) = exp(scale q(t) . k(s) - lse(t)); m: its dropout factor. The gradient's q is one tensor with k and v, and so is its result.
// Shapes as in push.h: rows of ld_ elements, heads at off_; lse, delta: (N, H). Sums over t are also over the query heads that share the keys, one
// after the other. Those heads, and windows: common/seen.glsl.
#ifndef COMMON_ATTENTION_GLSL
#define COMMON_ATTENTION_GLSL

#define PUSH attention_push
#if defined(DQ)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, act, y) X(2, readonly, float, lse) X(3, readonly, act, dy)                   \
    X(4, readonly, uint, scalars) X(5, writeonly, act, result) X(6, writeonly, float, delta)
#elif defined(DK)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, float, lse) X(2, readonly, float, delta) X(3, readonly, act, dy)             \
    X(4, readonly, uint, scalars) X(5, writeonly, act, result)
#elif defined(DV)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, float, lse) X(2, readonly, act, dy) X(3, readonly, uint, scalars)            \
    X(4, writeonly, act, result)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, kv, k) X(2, readonly, kv, v) X(3, readonly, uint, scalars)                 \
    X(4, writeonly, act, result) X(5, writeonly, float, lse)
#endif
#if defined(DK) || defined(DV)
#define OWN_KEYS
#endif

#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/philox.glsl"

#include "seen.glsl"

#define D P.head // head size, a multiple of 4 up to 256

#endif
