#version 450
// Token and position tables.
// FORWARD:  y(i, c) = scale table(tokens(i), c) [+ positions(pos + i % T, c)], for tokens within [first, first + count): the rows that are bound.
// CHAIN:    next(i) = the next row after i with the same token, or N; next(N + i) = 1 where an earlier row has that token.
// TOKEN:    for the first row of each token in [first, first + count): dtable(token, c) += sum over its chain of scale dy(., c), in row order.
// POSITION: dtable(t, c) [+]= sum over sequences of dy(b T + t, c); rows from T on are zero.
// tokens: (N); y, dy: (N, C). One invocation an element, except CHAIN: one a row.
#define PUSH embed_push
#if defined(FORWARD)
#ifdef W16
#define TABLE weight
#else
#define TABLE float
#endif
#define BUFFERS_OF(X, type)                                                                                            \
    X(0, readonly, int, tokens) X(1, readonly, type, table) X(2, readonly, float, positions) X(3, readonly, uint, scalars) \
    X(4, writeonly, act, y)
#define BUFFERS(X) BUFFERS_OF(X, TABLE)
#elif defined(CHAIN)
#define BUFFERS(X) X(0, readonly, int, tokens) X(1, writeonly, uint, next)
#elif defined(TOKEN)
#define BUFFERS(X) X(0, readonly, int, tokens) X(1, readonly, uint, next) X(2, readonly, act, dy) X(3, readwrite, float, dtable)
#else
#define BUFFERS(X) X(0, readonly, act, dy) X(1, readwrite, float, dtable)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"

#ifdef FORWARD
layout(constant_id = SPEC_EMBED_POSITIONS) const bool POSITIONS = true;
#else
layout(constant_id = SPEC_ACCUMULATE) const bool ACCUMULATE = false;
#endif

void main()
{
    uint at = flat_invocation();
#if defined(CHAIN)
    uint i = at;
    if (i >= P.rows) return;
    int token = AT(tokens, i);
    uint after = i + 1;
    while (after < P.rows && AT(tokens, after) != token) after++;
    uint before = i;
    while (before > 0 && AT(tokens, before - 1) != token) before--;
    PUT(next, i, after);
    PUT(next, P.rows + i, before > 0 ? 1 : 0);
#elif defined(POSITION)
    uint t = at / P.cols, c = at % P.cols;
    if (t >= P.table_rows) return;
    float sum = ACCUMULATE ? AT(dtable, at) : 0.0;
    if (t < P.time)
        for (uint i = t; i < P.rows; i += P.time) sum += AT(dy, i * P.cols + c);
    PUT(dtable, at, sum);
#else
    uint i = at / P.cols, c = at % P.cols;
    if (i >= P.rows) return;
    uint row = uint(AT(tokens, i)) - P.first; // a token below first wraps to a large number, and is not below count
    if (row >= P.count) return;
#ifdef FORWARD
    float v = P.scale * AT(table, row * P.cols + c);
    if (POSITIONS) v += AT(positions, (SCALAR_U(scalars, pos) + i % P.time) * P.cols + c);
    PUT(y, at, v);
#else
    if (AT(next, P.rows + i) != 0) return;
    float sum = AT(dtable, row * P.cols + c);
    for (uint j = i; j < P.rows; j = AT(next, j)) sum += P.scale * AT(dy, j * P.cols + c);
    PUT(dtable, row * P.cols + c, sum);
#endif
#endif
}
