#version 450
// ADD:     y = a + b.                 a, b, y: (rows * cols)
// DROPOUT: y = a * mask / keep.       a, y: (rows, cols); mask of (row, col): common/philox.glsl
// APPEND:  y[pos + row][col] = a[row][channels + col]: keys and values of new positions join the cache.
//          a: (rows, 3 C) = q | k | v; y: (P, 2 C) = k | v; here cols = 2 C and channels = P.parts.
// One invocation a group of 4 consecutive columns (DROPOUT), else PER elements, local_size_x apart.
#define PUSH rows_push
#if defined(ADD)
#define BUFFERS(X) X(0, readonly, float, a) X(1, readonly, float, b) X(2, writeonly, float, y)
#else
#define BUFFERS(X) X(0, readonly, float, a) X(1, readonly, uint, scalars) X(2, writeonly, float, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/philox.glsl"

layout(constant_id = 1) const uint PER = 4;

#ifdef DROPOUT
void main()
{
    uint blocks = (P.cols + 3) / 4, at = flat_invocation();
    uint row = at / blocks, block = at % blocks;
    if (row >= P.rows) return;
    uvec4 bits = DROPOUT_WORDS(scalars, row, block, P.stream);
    for (uint n = 0; n < 4 && 4 * block + n < P.cols; n++) {
        uint i = row * P.cols + 4 * block + n;
        AT(y, i) = AT(a, i) * dropout_factor(bits[n], P.value);
    }
}
#else
void main()
{
    uint count = P.rows * P.cols;
    uint at = flat_group() * gl_WorkGroupSize.x * PER + gl_LocalInvocationID.x;
    for (uint n = 0; n < PER && at < count; n++, at += gl_WorkGroupSize.x) {
#ifdef ADD
        AT(y, at) = AT(a, at) + AT(b, at);
#else
        uint row = at / P.cols, col = at % P.cols;
        AT(y, (SCALAR_U(scalars, SCALAR_POS) + row) * P.cols + col) = AT(a, row * (P.cols + P.parts) + P.parts + col);
#endif
    }
}
#endif
