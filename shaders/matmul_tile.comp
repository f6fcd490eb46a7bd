#version 450
// Matrix product for any GPU: a work group of TX x TY invocations computes a tile of 4 TY rows by 4 TX columns, 4 x 4 in registers each
// (named vectors: arrays would land in memory on small GPUs), from DEPTH-deep slices of A and B in shared memory.
// Shared memory: DEPTH * (4 TX + 4 TY) floats; rows and columns out of range are zero there.
// Work group (x, y): columns from x * 4 TX on, rows from y * 4 TY on.
#extension GL_GOOGLE_include_directive : require
#include "common/matmul.glsl"

layout(constant_id = 4) const uint TX = 16;
layout(constant_id = 5) const uint TY = 16;
const uint DEPTH = 16;

shared vec4 slice_a[DEPTH * TY]; // [k][row / 4]
shared vec4 slice_b[DEPTH * TX]; // [k][col / 4]

float load_a(uint m, uint k) { return m < P.m && k < P.k ? AT(a, index_a(m, k)) : 0.0; }
float load_b(uint k, uint n) { return n < P.n && k < P.k ? AT(b, index_b(k, n)) : 0.0; }

void main()
{
    uint me = gl_LocalInvocationID.x, tx = me % TX, ty = me / TX, threads = TX * TY;
    uint row0 = gl_WorkGroupID.y * 4 * TY, col0 = gl_WorkGroupID.x * 4 * TX;
    vec4 r0 = vec4(0), r1 = vec4(0), r2 = vec4(0), r3 = vec4(0);

    for (uint k0 = 0; k0 < P.k; k0 += DEPTH) {
        // Neighbouring invocations load neighbouring words: along k or along the rows, whichever is contiguous.
        for (uint i = me; i < DEPTH * TY * 4; i += threads) {
            uint k = TRANS_A ? i / (4 * TY) : i % DEPTH, m = TRANS_A ? i % (4 * TY) : i / DEPTH;
            slice_a[k * TY + m / 4][m % 4] = load_a(row0 + m, k0 + k);
        }
        for (uint i = me; i < DEPTH * TX * 4; i += threads) {
            uint k = TRANS_B ? i % DEPTH : i / (4 * TX), n = TRANS_B ? i / DEPTH : i % (4 * TX);
            slice_b[k * TX + n / 4][n % 4] = load_b(k0 + k, col0 + n);
        }
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
    // Rolled: one row's dropout at a time takes fewer registers.
    [[dont_unroll]] for (uint i = 0; i < 4; i++)
        finish_four(row + i, col, i == 0 ? r0 : i == 1 ? r1 : i == 2 ? r2 : r3, false);
}
