#version 450
// Matrix product for a software driver: no barriers, no shared memory. One subgroup of LANES invocations computes ROWS x (VECTORS * LANES)
// elements. A software driver's loads are gathers, lane by lane, so the fewer the better: the lanes of a row of A hold LANES
// consecutive k, loaded once and then broadcast from registers; each B load serves ROWS products.
//   loads for LANES steps of k: ROWS + VECTORS * LANES; products: ROWS * VECTORS * LANES.
// Work group (x, y): columns from x * VECTORS * LANES on, rows from y * ROWS on. Out of range rows and columns repeat the last one.
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "common/matmul.glsl"

#define ROWS MATMUL_LANES_ROWS
#define VECTORS MATMUL_LANES_VECTORS

float a_k[ROWS], acc[ROWS * VECTORS];
uint col[VECTORS];

#define STEP(kk)                                                                                                       \
    {                                                                                                                  \
        float b_n[VECTORS];                                                                                            \
        [[unroll]] for (uint j = 0; j < VECTORS; j++) b_n[j] = AT(b, index_b(k + kk, col[j]));                         \
        [[unroll]] for (uint i = 0; i < ROWS; i++) {                                                                   \
            float x = subgroupBroadcast(a_k[i], kk);                                                                   \
            [[unroll]] for (uint j = 0; j < VECTORS; j++) acc[i * VECTORS + j] += x * b_n[j];                          \
        }                                                                                                              \
    }

void main()
{
    uint lane = gl_LocalInvocationID.x, row0 = gl_WorkGroupID.y * ROWS, col0 = gl_WorkGroupID.x * VECTORS * LANES + lane;
    uint row[ROWS];
    [[unroll]] for (uint i = 0; i < ROWS; i++) row[i] = min(row0 + i, P.m - 1);
    [[unroll]] for (uint j = 0; j < VECTORS; j++) col[j] = min(col0 + j * LANES, P.n - 1);
    [[unroll]] for (uint n = 0; n < ROWS * VECTORS; n++) acc[n] = 0;

    uint k = 0;
    for (; k + LANES <= P.k; k += LANES) {
        [[unroll]] for (uint i = 0; i < ROWS; i++) a_k[i] = AT(a, index_a(row[i], k + lane));
        STEP(0) STEP(1) STEP(2) STEP(3)
#if LANES == 8
        STEP(4) STEP(5) STEP(6) STEP(7)
#endif
    }
    for (; k < P.k; k++) {
        float b_n[VECTORS];
        [[unroll]] for (uint j = 0; j < VECTORS; j++) b_n[j] = AT(b, index_b(k, col[j]));
        [[unroll]] for (uint i = 0; i < ROWS; i++) {
            float x = AT(a, index_a(row[i], k));
            [[unroll]] for (uint j = 0; j < VECTORS; j++) acc[i * VECTORS + j] += x * b_n[j];
        }
    }
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        [[unroll]] for (uint j = 0; j < VECTORS; j++) finish(row0 + i, col0 + j * LANES, acc[i * VECTORS + j]);
    }
}
