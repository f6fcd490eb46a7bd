#version 450
// Sums over the rows of a matrix, in two passes and a fixed order. One invocation N columns (common/vector.glsl) and a part.
// PLAIN:  part(j, c) = sum over this part's rows of x(row, c).                         x: (N, C); part: (parts, C)
// NORM:   part(j, c) = sum dy * (x - mean) * rstd, part(j, C + c) = sum dy.            part: (parts, 2 C): gain's and bias's gradient
//   with RMS: part(j, c) = sum dy * x * rstd, over the first C of a row's P.ld columns, where P.heads norms lie side by side. part: (parts, C)
// FINISH: y(c) = [y(c) +] sum over j of part(j, from + c).                             part: (parts, ld)
#if defined(RMS)
#define PUSH rms_push
#elif defined(NORM) || defined(PLAIN)
#define PUSH rows_push
#else
#define PUSH finish_push
#endif
#if defined(NORM)
#define BUFFERS(X) X(0, readonly, act, dy) X(1, readonly, act, x) X(2, readonly, float, stats) X(3, writeonly, float, part)
#elif defined(PLAIN)
#define BUFFERS(X) X(0, readonly, act, x) X(1, writeonly, float, part)
#else
#define BUFFERS(X) X(0, readonly, float, part) X(1, readwrite, float, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/vector.glsl"

layout(constant_id = SPEC_ACCUMULATE) const bool ACCUMULATE = false;

#ifdef RMS
#define FIRST(row) GET(dy, (row) * P.ld + c)
#define NORMAL(row) (GET(x, (row) * P.ld + c) * AT(stats, (row) * P.heads + c / (P.cols / P.heads)))
#elif defined(NORM)
#define FIRST(row) GET(dy, (row) * P.cols + c)
#define NORMAL(row) ((GET(x, (row) * P.cols + c) - AT(stats, 2 * (row))) * AT(stats, 2 * (row) + 1))
#elif defined(PLAIN)
#define FIRST(row) GET(x, (row) * P.cols + c)
#endif

void main()
{
    uint columns = P.cols / N, at = flat_invocation(), c = N * (at % columns), j = at / columns;
#if defined(NORM) || defined(PLAIN)
    if (j >= P.parts) return;
    uint per = (P.rows + P.parts - 1) / P.parts, first = j * per, last = min(first + per, P.rows);
    VEC sum = VEC(0);
#ifdef NORM
    VEC sum_dy = VEC(0);
#endif
    // The loads of several rows are in flight at a time.
    const uint ROWS = 4;
    uint row = first;
    for (; row + ROWS <= last; row += ROWS) {
        VEC a[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; r++) a[r] = FIRST(row + r);
#ifdef NORM
        VEC b[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; r++) b[r] = NORMAL(row + r);
        [[unroll]] for (uint r = 0; r < ROWS; r++) sum_dy += a[r], sum += a[r] * b[r];
#else
        [[unroll]] for (uint r = 0; r < ROWS; r++) sum += a[r];
#endif
    }
    for (; row < last; row++) {
#ifdef NORM
        VEC d = FIRST(row);
        sum_dy += d, sum += d * NORMAL(row);
#else
        sum += FIRST(row);
#endif
    }
#if defined(NORM) && !defined(RMS)
    SET(part, 2 * j * P.cols + c, sum);
    SET(part, (2 * j + 1) * P.cols + c, sum_dy);
#else
    SET(part, j * P.cols + c, sum);
#endif
#else
    if (j > 0) return;
    float sum = ACCUMULATE ? AT(y, c) : 0.0;
    for (uint k = 0; k < P.parts; k++) sum += AT(part, k * P.ld + P.from + c);
    PUT(y, c, sum);
#endif
}
