#version 450
// Sums over the rows of a matrix, in two passes and a fixed order. One invocation a column and part.
// PLAIN:  part(j, c) = sum over this part's rows of x(row, c).                         x: (N, C); part: (parts, C)
// NORM:   part(j, c) = sum dy * (x - mean) * rstd, part(j, C + c) = sum dy.            part: (parts, 2 C): gain's and bias's gradient
// FINISH: y(c) = [y(c) +] sum over j of part(j, from + c); P.rows = row length of part, P.stream = from.
#define PUSH rows_push
#if defined(NORM)
#define BUFFERS(X) X(0, readonly, float, dy) X(1, readonly, float, x) X(2, readonly, float, stats) X(3, writeonly, float, part)
#elif defined(PLAIN)
#define BUFFERS(X) X(0, readonly, float, x) X(1, writeonly, float, part)
#else
#define BUFFERS(X) X(0, readonly, float, part) X(1, , float, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"

layout(constant_id = 1) const bool ACCUMULATE = false;

void main()
{
    uint at = flat_invocation(), c = at % P.cols, j = at / P.cols;
#if defined(NORM) || defined(PLAIN)
    if (j >= P.parts) return;
    uint per = (P.rows + P.parts - 1) / P.parts, first = j * per, last = min(first + per, P.rows);
    float sum = 0, sum_dy = 0;
    for (uint row = first; row < last; row++) {
#ifdef NORM
        float d = AT(dy, row * P.cols + c);
        sum_dy += d;
        sum += d * (AT(x, row * P.cols + c) - AT(stats, 2 * row)) * AT(stats, 2 * row + 1);
#else
        sum += AT(x, row * P.cols + c);
#endif
    }
#ifdef NORM
    AT(part, 2 * j * P.cols + c) = sum;
    AT(part, (2 * j + 1) * P.cols + c) = sum_dy;
#else
    AT(part, j * P.cols + c) = sum;
#endif
#else
    if (j > 0) return;
    float sum = ACCUMULATE ? AT(y, c) : 0.0;
    for (uint k = 0; k < P.parts; k++) sum += AT(part, k * P.rows + P.stream + c);
    AT(y, c) = sum;
#endif
}
