#version 450
// Matrix product for any GPU: a work group of TX x TY invocations computes a tile of 4 TY rows by 4 TX columns, 4 x 4 in registers each
// (named vectors, because small GPUs put arrays into memory), from slices of A and B, DEPTH deep, in shared memory.
// WIDE: for operands that allow accesses of four; an invocation loads one four of A and 16 / TY of B for each slice.
// Shared memory: DEPTH * (4 TX + 4 TY) floats; rows and columns out of bounds are zero there.
// Work group (x, y): columns from x * 4 TX on, rows from y * 4 TY on.
#extension GL_GOOGLE_include_directive : require
#include "common/matmul.glsl"
#include "common/fours.glsl"

layout(constant_id = SPEC_TILE_TX) const uint TX = 16;
layout(constant_id = SPEC_TILE_TY) const uint TY = 16;
const uint DEPTH = 16, THREADS = TX * TY;

shared vec4 slice_a[DEPTH * TY]; // [k][row / 4]
shared vec4 slice_b[DEPTH * TX]; // [k][col / 4]

#ifdef WIDE
#define LOAD(slice, name, ld, by_k, k0, from, count, side)                                                             \
    [[unroll]] for (uint e = 0; e < FOURS_EACH(side); e++) {                                                           \
        FOUR_AT(e, by_k, k0, from, count, side)                                                                        \
        vec4 x = within ? AT4(name, line * ld + col) : vec4(0);                                                        \
        PUT_FOUR(slice, 0, side, by_k, x)                                                                              \
    }
#else
// Neighbouring invocations load neighbouring words: along k or along the rows, whichever is contiguous.
#define LOAD(slice, name, ld, by_k, k0, from, count, side)                                                             \
    for (uint i = me; i < DEPTH * side * 4; i += THREADS) {                                                            \
        uint k = by_k ? i / (4 * side) : i % DEPTH, r = by_k ? i % (4 * side) : i / DEPTH;                             \
        bool within = from + r < count && k0 + k < P.k;                                                                \
        slice[k * side + r / 4][r % 4] = within ? AT(name, by_k ? (k0 + k) * ld + from + r : (from + r) * ld + k0 + k) : 0.0; \
    }
#endif

void main()
{
    uint me = gl_LocalInvocationID.x, tx = me % TX, ty = me / TX;
    uint row0 = gl_WorkGroupID.y * 4 * TY, col0 = gl_WorkGroupID.x * 4 * TX;
    vec4 r0 = vec4(0), r1 = vec4(0), r2 = vec4(0), r3 = vec4(0);

    for (uint k0 = 0; k0 < P.k; k0 += DEPTH) {
        LOAD(slice_a, a, P.lda, TRANS_A, k0, row0, P.m, TY)
        LOAD(slice_b, b, P.ldb, !TRANS_B, k0, col0, P.n, TX)
        barrier();
        for (uint k = 0; k < DEPTH; k++) {
            vec4 x = slice_a[k * TY + ty], y = slice_b[k * TX + tx];
            r0 += x.x * y;
            r1 += x.y * y;
            r2 += x.z * y;
            r3 += x.w * y;
        }
        barrier();
    }
    uint row = row0 + 4 * ty, col = col0 + 4 * tx;
    bool wide = P.ldc % 4 == 0; // where operands allow it
    // Not unrolled: dropout for one row at a time takes fewer registers.
    [[dont_unroll]] for (uint i = 0; i < 4; i++)
        finish_four(row + i, col, i == 0 ? r0 : i == 1 ? r1 : i == 2 ? r2 : r3, wide);
}
