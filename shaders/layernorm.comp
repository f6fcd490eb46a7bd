#version 450
// Normalisation of each row: of layers (Ba, Kiros, Hinton, 2016), or with RMS by the root of the mean square (Zhang, Sennrich, 2019).
//   y = (x - mean) rstd gain + bias, rstd = 1 / sqrt(var + eps), var biased.      RMS: y = x rstd (plus + gain), rstd = 1 / sqrt(mean_C(x^2) + eps)
// x, y, dy, dx, add: (N, C); gain, bias: (C); stats: (N, 2) = mean, rstd, RMS: (N, 1) = rstd.
// BACKWARD, with xhat = (x - mean) rstd and g = dy gain:      RMS: with xhat = x rstd and g = dy (plus + gain)
//   dx = rstd (g - mean_C(g) - xhat mean_C(g xhat)) [+ add]       dx = rstd (g - xhat mean_C(g xhat)) [+ add]
// LANES invocations share a row (common/reduce.glsl). The variance is that of the centred row: a second pass, no cancellation.
#ifdef RMS
#define PUSH rms_push
#define GAIN(c) (P.plus + GET(gain, c))
#else
#define PUSH rows_push
#define GAIN(c) GET(gain, c)
#endif
#ifdef BACKWARD
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, dy) X(1, readonly, act, x) X(2, readonly, float, stats) X(3, readonly, float, gain)        \
    X(4, readonly, act, add) X(5, writeonly, act, dx)
#elif defined(RMS)
#define BUFFERS(X) X(0, readonly, act, x) X(1, readonly, float, gain) X(2, writeonly, act, y) X(3, writeonly, float, stats)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, x) X(1, readonly, float, gain) X(2, readonly, float, bias) X(3, writeonly, act, y)         \
    X(4, writeonly, float, stats)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/row.glsl"

layout(constant_id = SPEC_LAYERNORM_ADD) const bool HAS_ADD = false;

void main()
{
    uint row = row_index();
    if (beyond(row)) return;
    uint base = row * P.cols, runs = runs_of(P.cols);
    float scale = 1.0 / float(P.cols);
#ifdef BACKWARD
#ifdef RMS
    const float mean = 0;
    float rstd = AT(stats, row);
#else
    float mean = AT(stats, 2 * row), rstd = AT(stats, 2 * row + 1);
#endif
#define G(c) (GET(dy, base + c) * GAIN(c))
#define XHAT(c) ((GET(x, base + c) - mean) * rstd)
    VEC sums = VEC(0), dots = VEC(0), kept_g[KEPT_SIZE], kept_xhat[KEPT_SIZE];
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC g = G(run_at(i)), xhat = XHAT(run_at(i));
        sums += g;
        dots += g * xhat;
        if (KEPT > 0) kept_g[i] = g, kept_xhat[i] = xhat;
    }
#ifdef RMS
    const float sum = 0;
#else
    float sum = row_sum(in_sum(sums)) * scale;
#endif
    float dot_ = row_sum(in_sum(dots)) * scale;
    [[unroll]] for (uint i = 0; i < runs; i++) {
        uint c = run_at(i);
        VEC d = rstd * ((KEPT > 0 ? kept_g[i] : G(c)) - sum - (KEPT > 0 ? kept_xhat[i] : XHAT(c)) * dot_);
        if (HAS_ADD) d += GET(add, base + c);
        SET(dx, base + c, d);
    }
#else
#define X(i) (KEPT > 0 ? kept[i] : GET(x, base + run_at(i)))
#ifdef RMS
    VEC squares = VEC(0), kept[KEPT_SIZE];
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC v = GET(x, base + run_at(i));
        squares += v * v;
        if (KEPT > 0) kept[i] = v;
    }
    float rstd = 1.0 / sqrt(row_sum(in_sum(squares)) * scale + P.eps);
    [[unroll]] for (uint i = 0; i < runs; i++) {
        uint c = run_at(i);
        SET(y, base + c, X(i) * rstd * GAIN(c));
    }
    if (lane() == 0) PUT(stats, row, rstd);
#else
    VEC sums = VEC(0), squares = VEC(0), kept[KEPT_SIZE];
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC v = GET(x, base + run_at(i));
        sums += v;
        if (KEPT > 0) kept[i] = v;
    }
    float mean = row_sum(in_sum(sums)) * scale;
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC d = X(i) - mean;
        squares += d * d;
    }
    float rstd = 1.0 / sqrt(row_sum(in_sum(squares)) * scale + P.value);
    [[unroll]] for (uint i = 0; i < runs; i++) {
        uint c = run_at(i);
        SET(y, base + c, (X(i) - mean) * rstd * GAIN(c) + GET(bias, c));
    }
    if (lane() == 0) {
        PUT(stats, 2 * row, mean);
        PUT(stats, 2 * row + 1, rstd);
    }
#endif
#endif
}
