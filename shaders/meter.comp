#version 450
// Measures a device's peak rates: engine/bench/peaks.c.
// COPY: y = x, 16 bytes a load and a store; one invocation moves PER of them, local_size_x apart. x, y: P.count 4-vectors, at offset 0 of
//       their buffers, which are aligned.
// else: result[invocation] = the sum of 12 chains x_i += a * x_j, P.count times METER_STEPS steps, in registers only. The values of a step are
//       almost independent, which hides an instruction's latency. Each reads the previous value of another chain, so that no compiler can run
//       the chains one after another. The sum is the accumulator, as in a matrix product. With a near 0 all values stay finite.
//       SPLIT uses a product and a sum instead of fma(), for software drivers: llvmpipe expands fma() so, and SwiftShader calls it for each lane.
//       The steps are written out for compilers that do not unroll.
#define PUSH meter_push
#ifdef COPY
#define BUFFERS(X) X(0, readonly, vec4, x) X(1, writeonly, vec4, y)
#else
#define BUFFERS(X) X(0, writeonly, float, result)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"

#ifdef COPY
layout(constant_id = SPEC_METER_PER) const uint PER = 4;

#if PM_BDA
layout(buffer_reference, std430, buffer_reference_align = 16) buffer quads_t { vec4 v[]; };
#define QUAD(name, i) quads_t(operand_##name).v[i]
#else
#define QUAD(name, i) name.v[i]
#endif

void main()
{
    uint at = flat_group() * gl_WorkGroupSize.x * PER + gl_LocalInvocationID.x;
    for (uint n = 0; n < PER && at < P.count; n++, at += gl_WorkGroupSize.x) QUAD(y, at) = QUAD(x, at);
}

#else
#ifdef SPLIT
#define FMA(sum, x) sum += x * P.a;
#else
#define FMA(sum, x) sum = fma(x, vec4(P.a), sum);
#endif
#define STEP FMA(x, y) FMA(y, z) FMA(z, x.yzwx)
#define FOUR_STEPS STEP STEP STEP STEP

void main()
{
    uint at = flat_invocation();
    vec4 x = float(at) + vec4(0, 1, 2, 3), y = x + 4, z = x + 8;
    for (uint n = 0; n < P.count; n++) { FOUR_STEPS FOUR_STEPS FOUR_STEPS FOUR_STEPS }
    PUT(result, at, dot(x + y + z, vec4(1)));
}
#endif
