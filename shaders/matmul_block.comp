#version 450
// Matrix product for GPUs with many registers: 128 invocations compute a tile of 128 x 128, 8 x 16 in registers each, from DEPTH-deep slices of A
// and B in shared memory: 6 loads of four from there serve 128 sums, where matmul_tile.comp's 2 serve 16. Slices are double: the next ones travel
// from memory through registers while these are in use, so that one barrier a slice is enough.
// Shared memory: 16.5 KiB. Rows and columns out of range are zero there. For operands that allow accesses of four.
// Work group (x, y): columns from x * 128 on, rows from y * 128 on.
#extension GL_GOOGLE_include_directive : require
#include "common/matmul.glsl"

const uint TILE = MATMUL_BLOCK_TILE, DEPTH = MATMUL_BLOCK_DEPTH, QUADS = TILE / 4, THREADS = MATMUL_BLOCK_THREADS;
const uint LD = QUADS + 1;                    // a slice's line, in vec4; the odd length spreads lines over banks
const uint EACH = DEPTH * QUADS / THREADS;    // vec4 of a slice that an invocation loads

shared vec4 slices_a[2 * DEPTH * LD], slices_b[2 * DEPTH * LD]; // [which][k][row or column / 4]

// Fours of a slice that this invocation moves. By k: lines in memory are k, columns are `from` on of `count`; else the other way round. What is
// loaded is looked at when it is stored, a slice later: addresses beyond an edge are moved inside, and zeros take their place then.
#define FOURS(by_k, k0, from, count)                                                                                   \
    uint n = e * THREADS + me, fours = by_k ? QUADS : DEPTH / 4;                                                       \
    uint line = (by_k ? k0 : from) + n / fours, lines = by_k ? P.k : count;                                            \
    uint col = (by_k ? from : k0) + 4 * (n % fours), width = by_k ? count : P.k;
#define FETCH(next, name, ld, by_k, k0, from, count)                                                                   \
    [[unroll]] for (uint e = 0; e < EACH; e++) {                                                                       \
        FOURS(by_k, k0, from, count)                                                                                   \
        next[e] = AT4(name, min(line, lines - 1) * ld + min(col, width - 4));                                          \
    }
#define STORE(next, slices, by_k, k0, from, count)                                                                     \
    [[unroll]] for (uint e = 0; e < EACH; e++) {                                                                       \
        FOURS(by_k, k0, from, count)                                                                                   \
        vec4 x = line < lines && col < width ? next[e] : vec4(0);                                                      \
        if (by_k)                                                                                                      \
            slices[(which * DEPTH + n / fours) * LD + n % fours] = x;                                                  \
        else                                                                                                           \
            [[unroll]] for (uint j = 0; j < 4; j++)                                                                    \
                slices[(which * DEPTH + n % fours * 4 + j) * LD + n / fours / 4][n / fours % 4] = x[j];                \
    }

void main()
{
    uint me = gl_LocalInvocationID.x, tx = me % 8, ty = me / 8;
    uint row0 = gl_WorkGroupID.y * TILE, col0 = gl_WorkGroupID.x * TILE;
    vec4 sums[32]; // [half of the rows][row][quarter of the columns]
    [[unroll]] for (uint i = 0; i < 32; i++) sums[i] = vec4(0);

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
        [[unroll]] for (uint k = 0; k < DEPTH; k++) {
            uint at = (which * DEPTH + k) * LD;
            vec4 x0 = slices_a[at + ty], x1 = slices_a[at + 16 + ty];
            [[unroll]] for (uint c = 0; c < 4; c++) {
                vec4 y = slices_b[at + 8 * c + tx];
                [[unroll]] for (uint i = 0; i < 4; i++) {
                    sums[4 * i + c] += x0[i] * y;
                    sums[16 + 4 * i + c] += x1[i] * y;
                }
            }
        }
        which ^= 1;
    }
    bool fours = P.ldc % 4 == 0; // the operands allow them
    [[unroll]] for (uint i = 0; i < 32; i++) {
        uint row = row0 + i / 16 * 64 + 4 * ty + i / 4 % 4, col = col0 + i % 4 * 32 + 4 * tx;
        if (fours && row < P.m && col + 4 <= P.n)
            finish4(row, col, sums[i]);
        else
            [[unroll]] for (uint j = 0; j < 4; j++) finish(row, col + j, sums[i][j]);
    }
}
