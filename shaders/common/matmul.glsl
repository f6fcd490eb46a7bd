// Shared by the matmul kernels: operands, flags, addresses of op(A) and op(B), and the epilogue.
//   y (M,N) = epilogue(op(A) (M,K) * op(B) (K,N))
// Stored: A is (M,K) or, with TRANS_A, (K,M); B is (K,N) or, with TRANS_B, (N,K); lda, ldb, ldc elements between rows.
// PLAIN: an epilogue without another matrix: bias, GELU, accumulation. NORM: plain, and A's rows are normalised first (matvec.comp), by RMS with RMS.
#define PUSH matmul_push
#define FEW_OPERANDS(X, type) X(0, readonly, act, a) X(1, readonly, weight, b) X(2, readwrite, type, y) X(3, readonly, float, bias)
#if defined(RMS)
#define OPERANDS(X, type) FEW_OPERANDS(X, type) X(4, readonly, float, gain)
#elif defined(NORM)
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

layout(constant_id = SPEC_MATMUL_TRANS_A) const bool TRANS_A = false;
layout(constant_id = SPEC_MATMUL_TRANS_B) const bool TRANS_B = false;
layout(constant_id = SPEC_MATMUL_EPILOGUE) const uint EPILOGUE = 0; // bits of EPILOGUE_ in push.h

bool has(uint bit) { return (EPILOGUE & bit) != 0; }
uint index_a(uint m, uint k) { return TRANS_A ? k * P.lda + m : m * P.lda + k; }
uint index_b(uint k, uint n) { return TRANS_B ? n * P.ldb + k : k * P.ldb + n; }

// One by one: vectors' own functions take more registers.
#define DEFINE_EACH(f)                                                                                                 \
    vec2 f##_each(vec2 v) { return vec2(f(v.x), f(v.y)); }                                                             \
    vec4 f##_each(vec4 v) { return vec4(f(v.x), f(v.y), f(v.z), f(v.w)); }
DEFINE_EACH(gelu)
DEFINE_EACH(gelu_slope)

// The epilogue of a row's columns from `col` on. v, a T, has their sums; AT_T and PUT_T access a T.
#ifdef PLAIN
#define STORE_PRE(PUT_T)
#define WITH_MATRICES(AT_T, SLOPE, factors)
#else
#define STORE_PRE(PUT_T)                                                                                               \
    if (has(EPILOGUE_PRE)) PUT_T(pre, at, v);
#define WITH_MATRICES(AT_T, SLOPE, factors)                                                                            \
    if (has(EPILOGUE_DROPOUT)) v *= factors;                                                                           \
    if (has(EPILOGUE_RESIDUAL)) v += AT_T(residual, at);                                                               \
    if (has(EPILOGUE_GELU_SLOPE)) v *= SLOPE(AT_T(gelu_pre, at));
#endif
#define EPILOGUE_OF(AT_T, PUT_T, GELU, SLOPE, factors)                                                                 \
    if (has(EPILOGUE_BIAS)) v += AT_T(bias, col);                                                                      \
    STORE_PRE(PUT_T)                                                                                                   \
    if (has(EPILOGUE_GELU)) v = GELU(v);                                                                               \
    WITH_MATRICES(AT_T, SLOPE, factors)                                                                                \
    if (has(EPILOGUE_ACCUMULATE)) v += AT_T(y, at);                                                                    \
    PUT_T(y, at, v);
// The dropout factor of a column, and of four from a multiple of four on, which share one draw.
#ifdef PLAIN
#define DROPOUT_FACTOR 1
#define DROPOUT_FACTORS vec4(1)
#else
#define RANDOM_WORDS DROPOUT_WORDS(scalars, P.m, row, col / 4, P.stream)
#define DROPOUT_FACTOR (has(EPILOGUE_DROPOUT) ? dropout_factor(RANDOM_WORDS[col % 4], P.keep) : 1)
#define DROPOUT_FACTORS (has(EPILOGUE_DROPOUT) ? dropout_factors(RANDOM_WORDS, P.keep) : vec4(1))
#endif

void finish_one(uint row, uint col, float v, float factor)
{
    uint at = row * P.ldc + col;
    if (row < P.m && col < P.n) {
        EPILOGUE_OF(AT, PUT, gelu, gelu_slope, factor)
    }
}
void finish(uint row, uint col, float v) { finish_one(row, col, v, DROPOUT_FACTOR); }

// Two and four columns, all within y. The first is a multiple of two or four.
#ifdef PAIRS
vec2 factors_of_two(vec4 m, uint col) { return col % 4 == 0 ? m.xy : m.zw; }
void finish2(uint row, uint col, vec2 v)
{
    uint at = row * P.ldc + col;
    EPILOGUE_OF(AT2, PUT2, gelu_each, gelu_slope_each, factors_of_two(DROPOUT_FACTORS, col))
}
#endif
#ifdef WIDE
void finish_wide(uint row, uint col, vec4 v, vec4 factors)
{
    uint at = row * P.ldc + col;
    EPILOGUE_OF(AT4, PUT4, gelu_each, gelu_slope_each, factors)
}
void finish4(uint row, uint col, vec4 v) { finish_wide(row, col, v, DROPOUT_FACTORS); }
#endif

// Four columns from a multiple of four on; some may be out of bounds. `wide`: the operands allow accesses of four.
void finish_four(uint row, uint col, vec4 v, bool wide)
{
    vec4 factors = DROPOUT_FACTORS;
#ifdef WIDE
    if (wide && row < P.m && col + 4 <= P.n) {
        finish_wide(row, col, v, factors);
        return;
    }
#endif
    [[unroll]] for (uint j = 0; j < 4; j++) finish_one(row, col + j, v[j], factors[j]);
}
