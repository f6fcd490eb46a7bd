#version 450
// Rotary positions (Su et al., 2021), in halves: of each head of q and of k, columns (i, i + R/2) of the first R are turned by the row's angles.
//   y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin; the other columns, and v, are copied.
// qkv, y: (N, HEADS D); table: (P, R) = cos (R/2) | sin (R/2) of each position; the position of row i is pos + i % T.
// Every head is made of D/2 pairs: R/2 that are turned, or in v would be, and (D - R)/2 of the rest. One invocation N neighbouring pairs, as
// common/flat.glsl says: its four elements are these pairs. R/2 and D/2 are multiples of N.
#define PUSH rope_push
#define BUFFERS(X) X(0, readonly, act, qkv) X(1, readonly, float, table) X(2, readonly, uint, scalars) X(3, writeonly, act, y)
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/vector.glsl"

#include "common/flat.glsl"

layout(constant_id = SPEC_ROPE_HEAD) const uint D = 2;
layout(constant_id = SPEC_ROPE_COLUMNS) const uint R = 2;
layout(constant_id = SPEC_ROPE_HEADS) const uint HEADS = 1;  // of q, k and v
layout(constant_id = SPEC_ROPE_TURNED) const uint TURNED = 1; // of q and k

uint pos;

// Where the pairs' first and second elements begin.
uvec2 places(uint pairs)
{
    uint i = N * (pairs % (D / 2 / N)), first = pairs / (D / 2 / N) * D + i;
    return i < R / 2 ? uvec2(first, first + R / 2) : uvec2(first + R / 2, first + D / 2);
}

void turn(uint pairs)
{
    uint i = N * (pairs % (D / 2 / N)), head = pairs / (D / 2 / N);
    bool turned = i < R / 2 && head % HEADS < TURNED;
    uint position = pos + (P.row + head / HEADS) % P.time, at = position * R + (turned ? i : 0);
    uvec2 place = places(pairs);
    VEC c = GET(table, at), s = GET(table, at + R / 2) * P.sign, x1 = GET(qkv, place.x), x2 = GET(qkv, place.y);
    SET(y, place.x, turned ? x1 * c - x2 * s : x1);
    SET(y, place.y, turned ? x2 * c + x1 * s : x2);
}

#define SET4(at) turn(P.first + (at) / 4);
#define SET1(at)
#define TOUCHES(at) TOUCH(qkv, places(P.first + (at) / 4).x) TOUCH(qkv, places(P.first + (at) / 4).y)

void main()
{
    pos = SCALAR_U(scalars, pos);
    FLAT(4 * P.count, SET4, SET1, TOUCHES, y)
}
