#version 450
// GATHER:  y(r, c) = sum over j < group of x(index(r group + j), c); an index below 0 adds nothing.
// SCATTER: x(index(i), c) += y(i / group, c), in place. No two indices are equal unless negative, so that no two invocations write one element.
// x: (N, C); index: (R * group); y: (R, C). One invocation an element: of y, or, with SCATTER, of the R * group rows named.
#define PUSH task_push
#ifdef SCATTER
#define BUFFERS(X) X(0, readonly, act, y) X(1, readonly, int, index) X(2, readwrite, act, x)
#else
#define BUFFERS(X) X(0, readonly, act, x) X(1, readonly, int, index) X(2, writeonly, act, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"

void main()
{
    uint at = flat_invocation(), row = at / P.cols, c = at % P.cols;
#ifdef SCATTER
    if (row >= P.rows * P.group) return;
    int to = AT(index, row);
    if (to >= 0) PUT(x, uint(to) * P.cols + c, AT(x, uint(to) * P.cols + c) + AT(y, row / P.group * P.cols + c));
#else
    if (row >= P.rows) return;
    float sum = 0;
    for (uint j = 0; j < P.group; j++) {
        int from = AT(index, row * P.group + j);
        if (from >= 0) sum += AT(x, uint(from) * P.cols + c);
    }
    PUT(y, at, sum);
#endif
}
