#version 450
// Matrix product in blocks of TILE x TILE. 128 invocations, 8 across and 16 down, have 4 ROW_FOURS x 4 COL_FOURS sums in registers each. They
// read slices of A and B, DEPTH deep, from shared memory. Slices are double-buffered: while one is in use, the next is prefetched into
// registers, so that one barrier a slice is enough. In matmul_tile.comp 2 loads of four from shared memory serve 16 sums; here
//   TILE  sums     loads  shared memory
//   128   8 x 16     6     16.5 KiB       for GPUs with many registers
//    64   4 x 8      3      8.5 KiB       rolled: 60 to 84 registers on AMD, none spilled on Intel
// Rows and columns out of bounds are zero in shared memory. Operands must allow accesses of four.
// Work group (x, y): columns from x * TILE on, rows from y * TILE on.
#extension GL_GOOGLE_include_directive : require
#include "common/matmul.glsl"
#include "common/fours.glsl"

const uint DEPTH = MATMUL_BLOCK_DEPTH, THREADS = MATMUL_BLOCK_THREADS, TX = 8, TY = 16;
const uint ROW_FOURS = TILE / TY / 4, COL_FOURS = TILE / TX / 4;
const uint SIDE = TILE / 4, EACH = FOURS_EACH(SIDE);
const uint LD = SIDE + 1; // a slice's line, in vec4; the odd length spreads lines over banks
#if TILE != MATMUL_BLOCK_TILE && TILE != MATMUL_BLOCK_SMALL_TILE
#error a tile that engine/ops/product_variant.c does not know
#elif TILE == MATMUL_BLOCK_SMALL_TILE
#define ROLLED
#define FOR_EACH_K [[dont_unroll]] for (uint k = 0; k < DEPTH; k++)
#else
#define FOR_EACH_K [[unroll]] for (uint k = 0; k < DEPTH; k++)
#endif

shared vec4 slices_a[2 * DEPTH * LD], slices_b[2 * DEPTH * LD]; // [which][k][row or column / 4]

// Loaded values are used a slice later, when they are stored. Addresses out of bounds are clamped at the load; the store writes zeros for them.
#define FETCH(next, name, ld, by_k, k0, from, count)                                                                   \
    [[unroll]] for (uint e = 0; e < EACH; e++) {                                                                       \
        FOUR_AT(e, by_k, k0, from, count, SIDE)                                                                        \
        next[e] = AT4(name, min(line, lines - 1) * ld + min(col, width - 4));                                          \
    }
#define STORE(next, slices, by_k, k0, from, count)                                                                     \
    [[unroll]] for (uint e = 0; e < EACH; e++) {                                                                       \
        FOUR_AT(e, by_k, k0, from, count, SIDE)                                                                        \
        vec4 x = within ? next[e] : vec4(0);                                                                           \
        PUT_FOUR(slices, which * DEPTH, LD, by_k, x)                                                                   \
    }

void main()
{
    uint me = gl_LocalInvocationID.x, tx = me % TX, ty = me / TX;
    uint row0 = gl_WorkGroupID.y * TILE, col0 = gl_WorkGroupID.x * TILE;
    const uint SUMS = 4 * ROW_FOURS * COL_FOURS;
    vec4 sums[SUMS];
#define SUM(row, c) sums[(row) * COL_FOURS + (c)]
    [[unroll]] for (uint i = 0; i < SUMS; i++) sums[i] = vec4(0);

    uint which = 0;
    vec4 next_a[EACH], next_b[EACH];
#define FETCH_BOTH(k0)                                                                                                 \
    FETCH(next_a, a, P.lda, TRANS_A, k0, row0, P.m)                                                                    \
    FETCH(next_b, b, P.ldb, !TRANS_B, k0, col0, P.n)
    FETCH_BOTH(0)
    for (uint k0 = 0; k0 < P.k; k0 += DEPTH) {
        STORE(next_a, slices_a, TRANS_A, k0, row0, P.m)
        STORE(next_b, slices_b, !TRANS_B, k0, col0, P.n)
        barrier();
        uint after = k0 + DEPTH;
        FETCH_BOTH(after)
        FOR_EACH_K {
            vec4 x[ROW_FOURS];
            [[unroll]] for (uint r = 0; r < ROW_FOURS; r++) x[r] = slices_a[(which * DEPTH + k) * LD + TY * r + ty];
            [[unroll]] for (uint c = 0; c < COL_FOURS; c++) {
                vec4 y = slices_b[(which * DEPTH + k) * LD + TX * c + tx];
                [[unroll]] for (uint i = 0; i < 4; i++)
                    [[unroll]] for (uint r = 0; r < ROW_FOURS; r++) SUM(4 * r + i, c) += x[r][i] * y;
            }
        }
        which ^= 1;
    }
    bool wide = P.ldc % 4 == 0; // the operands allow it
#ifdef ROLLED
    // Not unrolled: dropout for one row at a time takes fewer registers.
    [[dont_unroll]] for (uint i = 0; i < 4; i++)
        [[unroll]] for (uint c = 0; c < COL_FOURS; c++) {
            vec4 v = i == 0 ? SUM(0, c) : i == 1 ? SUM(1, c) : i == 2 ? SUM(2, c) : SUM(3, c);
            finish_four(row0 + 4 * ty + i, col0 + 4 * (TX * c + tx), v, wide);
        }
#else
    [[unroll]] for (uint i = 0; i < 4 * ROW_FOURS; i++)
        [[unroll]] for (uint c = 0; c < COL_FOURS; c++)
            finish_four(row0 + 4 * (i / 4 * TY + ty) + i % 4, col0 + 4 * (TX * c + tx), SUM(i, c), wide);
#endif
}
