#version 450
// Meters of what a device can do at best: engine/bench/peaks.c.
// COPY: y = x, 16 bytes a load and a store; one invocation moves PER of them, local_size_x apart. x, y: P.count 4-vectors, at offset 0 of
//       their buffers, which are aligned.
// else: y[invocation] = sum of CHAINS values, each x_i += a * x_(i+1), P.count times STEPS times, from registers alone. A step's values do
//       not wait for one another, which hides an instruction's latency; each needs its neighbour's last one, so that no compiler takes
//       one chain after the other; and the sum is in the accumulator's place, as in a matrix product. With a near 0 they stay finite.
//       FUSED writes fma(). A software driver has product and sum: llvmpipe makes them of an fma() too, and SwiftShader goes lane by lane.
#define PUSH meter_push
#ifdef COPY
#define BUFFERS(X) X(0, readonly, vec4, x) X(1, writeonly, vec4, y)
#else
#define BUFFERS(X) X(0, writeonly, float, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"

#ifdef COPY
layout(constant_id = 1) const uint PER = 4;

#if PM_BDA
layout(buffer_reference, std430, buffer_reference_align = 16) buffer quads_t { vec4 v[]; };
#define QUAD(name, i) quads_t(p_.name).v[i]
#else
#define QUAD(name, i) name.v[i]
#endif

void main()
{
    uint at = flat_group() * gl_WorkGroupSize.x * PER + gl_LocalInvocationID.x;
    for (uint n = 0; n < PER && at < P.count; n++, at += gl_WorkGroupSize.x) QUAD(y, at) = QUAD(x, at);
}

#else
layout(constant_id = 1) const bool FUSED = true;

#define STEPS METER_STEPS
#define CHAINS METER_CHAINS

void main()
{
    uint at = flat_invocation();
    float x[CHAINS], sum = 0;
    [[unroll]] for (uint i = 0; i < CHAINS; i++) x[i] = float(at + i);
    for (uint n = 0; n < P.count; n++) {
        [[unroll]] for (uint s = 0; s < STEPS; s++) {
            [[unroll]] for (uint i = 0; i < CHAINS; i++) {
                float next = x[(i + 1) % CHAINS];
                x[i] = FUSED ? fma(next, P.a, x[i]) : next * P.a + x[i];
            }
        }
    }
    [[unroll]] for (uint i = 0; i < CHAINS; i++) sum += x[i];
    AT(y, at) = sum;
}
#endif
