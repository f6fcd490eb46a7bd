#version 450
// GELU, tanh form: y = 0.5 x (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3)   (Hendrycks and Gimpel, 2016).
// BACKWARD: dx = dy * (0.5 (1 + tanh u) + 0.5 x (1 - tanh^2 u) u').
// x, y, dy, dx: (rows * cols). One invocation writes PER elements, local_size_x apart, so that neighbours touch neighbours.
#define PUSH rows_push
#ifdef BACKWARD
#define BUFFERS(X) X(0, readonly, float, dy) X(1, readonly, float, x) X(2, writeonly, float, y)
#else
#define BUFFERS(X) X(0, readonly, float, x) X(1, writeonly, float, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/gelu.glsl"

layout(constant_id = 1) const uint PER = 4;

void main()
{
    uint count = P.rows * P.cols;
    uint at = flat_group() * gl_WorkGroupSize.x * PER + gl_LocalInvocationID.x;
    for (uint n = 0; n < PER && at < count; n++, at += gl_WorkGroupSize.x) {
#ifdef BACKWARD
        AT(y, at) = AT(dy, at) * gelu_slope(AT(x, at));
#else
        AT(y, at) = gelu(AT(x, at));
#endif
    }
}
