#version 450
// Measures the peak rate of matrix units, as meter.comp does for FMAs. result[invocation] = its share of the sums of METER_MATRICES products, each
// TM x TK times TK x TN, accumulated P.count times METER_STEPS times, in registers only.
#define PUSH meter_push
#define BUFFERS(X) X(0, writeonly, float, result)
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "common/kernel.glsl"

layout(constant_id = SPEC_METER_TM) const uint TM = 16;
layout(constant_id = SPEC_METER_TN) const uint TN = 16;
layout(constant_id = SPEC_METER_TK) const uint TK = 16;

void main()
{
    coopmat<float16_t, gl_ScopeSubgroup, TM, TK, gl_MatrixUseA> x[2];
    coopmat<float16_t, gl_ScopeSubgroup, TK, TN, gl_MatrixUseB> y[2];
    coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator> sums[METER_MATRICES];
    [[unroll]] for (uint i = 0; i < 2; i++) {
        x[i] = coopmat<float16_t, gl_ScopeSubgroup, TM, TK, gl_MatrixUseA>(float16_t(P.a * (1 + i)));
        y[i] = coopmat<float16_t, gl_ScopeSubgroup, TK, TN, gl_MatrixUseB>(float16_t(P.a * (3 + i)));
    }
    [[unroll]] for (uint i = 0; i < METER_MATRICES; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator>(float(i));
    for (uint n = 0; n < P.count; n++) [[unroll]]
        for (uint s = 0; s < METER_STEPS; s++) [[unroll]]
            for (uint i = 0; i < METER_MATRICES; i++) sums[i] = coopMatMulAdd(x[(i + s) % 2], y[i / 2 % 2], sums[i]);
    float total = 0;
    [[unroll]] for (uint i = 0; i < METER_MATRICES; i++)
        for (uint e = 0; e < sums[i].length(); e++) total += sums[i][e];
    PUT(result, flat_invocation(), total);
}
