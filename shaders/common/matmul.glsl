// What the matmul kernels share: operands, flags, the addresses of op(A) and op(B), and the epilogue of one element.
//   y (M,N) = epilogue(op(A) (M,K) * op(B) (K,N))
// Stored: A is (M,K) or, with TRANS_A, (K,M); B is (K,N) or, with TRANS_B, (N,K); lda, ldb, ldc elements between rows.
// PLAIN: an epilogue that needs no further matrix: bias, GELU, accumulation. NORM, plain too: A's rows are normalised first (matvec.comp).
#define PUSH matmul_push
#define FEW_OPERANDS(X, type) X(0, readonly, act, a) X(1, readonly, act, b) X(2, readwrite, type, y) X(3, readonly, float, bias)
#if defined(NORM)
#define OPERANDS(X, type) FEW_OPERANDS(X, type) X(4, readonly, float, gain) X(5, readonly, float, shift)
#elif defined(PLAIN)
#define OPERANDS FEW_OPERANDS
#else
#define OPERANDS(X, type)                                                                                              \
    FEW_OPERANDS(X, type)                                                                                              \
    X(4, readonly, act, residual) X(5, readonly, act, gelu_pre) X(6, writeonly, act, pre) X(7, readonly, uint, scalars)
#endif
#ifdef Y_FLOAT // y is fp32 where a and b are not: a weight's gradient
#define BUFFERS(X) OPERANDS(X, float)
#else
#define BUFFERS(X) OPERANDS(X, act)
#endif
#include "common/kernel.glsl"
#include "common/gelu.glsl"
#include "common/philox.glsl"

layout(constant_id = 1) const bool TRANS_A = false;
layout(constant_id = 2) const bool TRANS_B = false;
layout(constant_id = 3) const uint EPILOGUE = 0; // bits of EPILOGUE_ in push.h

bool has(uint bit) { return (EPILOGUE & bit) != 0; }
uint index_a(uint m, uint k) { return TRANS_A ? k * P.lda + m : m * P.lda + k; }
uint index_b(uint k, uint n) { return TRANS_B ? n * P.ldb + k : k * P.ldb + n; }

void finish(uint row, uint col, float v)
{
    uint at = row * P.ldc + col;
    if (row >= P.m || col >= P.n) return;
    if (has(EPILOGUE_BIAS)) v += AT(bias, col);
#ifndef PLAIN
    if (has(EPILOGUE_PRE)) PUT(pre, at, v);
#endif
    if (has(EPILOGUE_GELU)) v = gelu(v);
#ifndef PLAIN
    if (has(EPILOGUE_DROPOUT)) v *= dropout_factor(DROPOUT_WORDS(scalars, row, col / 4, P.stream)[col % 4], P.keep);
    if (has(EPILOGUE_RESIDUAL)) v += AT(residual, at);
    if (has(EPILOGUE_GELU_SLOPE)) v *= gelu_slope(AT(gelu_pre, at));
#endif
    if (has(EPILOGUE_ACCUMULATE)) v += AT(y, at);
    PUT(y, at, v);
}

#ifdef PAIRS
// Two columns of a row at once, all within y, from an even one on.
void finish2(uint row, uint col, vec2 v)
{
    uint at = row * P.ldc + col;
    if (has(EPILOGUE_BIAS)) v += AT2(bias, col);
#ifndef PLAIN
    if (has(EPILOGUE_PRE)) PUT2(pre, at, v);
#endif
    if (has(EPILOGUE_GELU)) v = vec2(gelu(v.x), gelu(v.y));
#ifndef PLAIN
    if (has(EPILOGUE_DROPOUT)) {
        vec4 m = dropout_factors(DROPOUT_WORDS(scalars, row, col / 4, P.stream), P.keep);
        v *= col % 4 == 0 ? m.xy : m.zw;
    }
    if (has(EPILOGUE_RESIDUAL)) v += AT2(residual, at);
    if (has(EPILOGUE_GELU_SLOPE)) {
        vec2 x = AT2(gelu_pre, at);
        v *= vec2(gelu_slope(x.x), gelu_slope(x.y));
    }
#endif
    if (has(EPILOGUE_ACCUMULATE)) v += AT2(y, at);
    PUT2(y, at, v);
}
#endif

#ifdef WIDE
// Four columns of a row at once, all within y, at a multiple of 4.
void finish4(uint row, uint col, vec4 v)
{
    uint at = row * P.ldc + col;
    if (has(EPILOGUE_BIAS)) v += AT4(bias, col);
#ifndef PLAIN
    if (has(EPILOGUE_PRE)) PUT4(pre, at, v);
#endif
    if (has(EPILOGUE_GELU)) v = vec4(gelu(v.x), gelu(v.y), gelu(v.z), gelu(v.w));
#ifndef PLAIN
    if (has(EPILOGUE_DROPOUT)) v *= dropout_factors(DROPOUT_WORDS(scalars, row, col / 4, P.stream), P.keep);
    if (has(EPILOGUE_RESIDUAL)) v += AT4(residual, at);
    if (has(EPILOGUE_GELU_SLOPE)) {
        vec4 x = AT4(gelu_pre, at);
        v *= vec4(gelu_slope(x.x), gelu_slope(x.y), gelu_slope(x.z), gelu_slope(x.w));
    }
#endif
    if (has(EPILOGUE_ACCUMULATE)) v += AT4(y, at);
    PUT4(y, at, v);
}
#endif
