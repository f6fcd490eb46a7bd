#version 450
// ADD:     y = a + b.                 a, b, y: (rows * cols)
// CAST:    y = a, a fp32 and y, with F16, fp16.   a, y: (rows * cols)
// DROPOUT: y = a * mask / keep.       a, y: (rows, cols); mask of (row, col): common/philox.glsl
// APPEND:  y[pos + row][col] = a[row][from + col]: writes keys and values of new positions to the cache.
//          a: (rows, from + cols) = q | k | v; y: (P, cols) = k | v; col < cols.
// One invocation a group of 4 consecutive columns (DROPOUT), an element (APPEND), or as common/flat.glsl says (ADD, CAST).
#if defined(ADD) || defined(CAST) || defined(DROPOUT)
#define PUSH rows_push
#else
#define PUSH append_push
#endif
#if defined(ADD)
#define BUFFERS(X) X(0, readonly, act, a) X(1, readonly, act, b) X(2, writeonly, act, y)
#elif defined(CAST)
#define BUFFERS(X) X(0, readonly, float, a) X(1, writeonly, act, y)
#elif defined(DROPOUT)
#define BUFFERS(X) X(0, readonly, act, a) X(1, readonly, uint, scalars) X(2, writeonly, act, y)
#else
#define BUFFERS(X) X(0, readonly, act, a) X(1, readonly, uint, scalars) X(2, writeonly, kv, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/philox.glsl"

#if defined(ADD) || defined(CAST)
#include "common/flat.glsl"

#ifdef ADD
#define SET4(at) PUT4(y, at, AT4(a, at) + AT4(b, at));
#define SET1(at) PUT(y, at, AT(a, at) + AT(b, at));
#define TOUCHES(at) TOUCH(a, at) TOUCH(b, at)
#else
#define SET4(at) PUT4(y, at, AT4(a, at));
#define SET1(at) PUT(y, at, AT(a, at));
#define TOUCHES(at) TOUCH(a, at)
#endif

void main() { FLAT(P.cols, SET4, SET1, TOUCHES, y) }
#elif defined(DROPOUT)
void main()
{
    uint blocks = (P.cols + 3) / 4, at = flat_invocation();
    uint row = at / blocks, block = at % blocks;
    if (row >= P.rows) return;
    uvec4 bits = DROPOUT_WORDS(scalars, P.rows, row, block, P.stream);
    for (uint n = 0; n < 4 && 4 * block + n < P.cols; n++) {
        uint i = row * P.cols + 4 * block + n;
        PUT(y, i, AT(a, i) * dropout_factor(bits[n], P.value));
    }
}
#else
void main()
{
    uint at = flat_invocation(), row = at / P.cols, col = at % P.cols;
    if (row >= P.rows) return;
    PUT(y, (SCALAR_U(scalars, pos) + row) * P.cols + col, AT(a, row * (P.from + P.cols) + P.from + col));
}
#endif
