#version 450
// Product of a few rows with a matrix, as decoding has it: y (ROWS,N) = epilogue(A (ROWS,K) op(B) (K,N)). Memory is all that counts: each element
// of B is read once, and serves ROWS products. K and all distances between rows are multiples of 4, and N too without TRANS_B.
// A quad is four columns of y. SLICES invocations share one: slice s takes the runs of four k that begin at 4 (s + i SLICES).
//   TRANS_B: slices are neighbours, for so is what they read; else quads are.
// The slices' sums are added eight at a time, in a fixed order; PAIRS (a software driver): SLICES is 1, or with TRANS_B the subgroup's size, no barrier.
#extension GL_GOOGLE_include_directive : require
#include "common/matmul.glsl"

layout(constant_id = 4) const uint ROWS = 1;
layout(constant_id = 5) const uint SLICES = 1; // a power of two

vec4 acc[ROWS];

vec4 add_(vec4 a, vec4 b) { return a + b; }
#ifdef PAIRS
#include "common/broadcast.glsl"
#else
#include "common/eights.glsl"
shared vec4 parts[SLICES * MATVEC_QUADS]; // [slice][quad]
#endif

void main()
{
    const uint quads = MATVEC_QUADS;
    uint id = gl_LocalInvocationID.x;
    uint slice = TRANS_B ? id % SLICES : id / quads, quad = TRANS_B ? id / SLICES : id % quads;
    uint col = 4 * (flat_group() * quads + quad);
    [[unroll]] for (uint i = 0; i < ROWS; i++) acc[i] = vec4(0);
    uint at[4]; // where in B the quad begins: of its four columns, or of four k
    [[unroll]] for (uint j = 0; j < 4; j++) at[j] = TRANS_B ? min(col + j, P.n - 1) * P.ldb : min(col, P.n - 4) + j * P.ldb;

    for (uint k = 4 * slice; k < P.k; k += 4 * SLICES) {
        vec4 b4[4];
        [[unroll]] for (uint j = 0; j < 4; j++) b4[j] = AT4(b, at[j] + (TRANS_B ? k : k * P.ldb));
        [[unroll]] for (uint i = 0; i < ROWS; i++) {
            vec4 x = AT4(a, i * P.lda + k);
            if (TRANS_B)
                acc[i] += vec4(dot(x, b4[0]), dot(x, b4[1]), dot(x, b4[2]), dot(x, b4[3]));
            else
                acc[i] += x.x * b4[0] + x.y * b4[1] + x.z * b4[2] + x.w * b4[3];
        }
    }
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
#ifdef PAIRS
        vec4 sum = COMBINE_LANES(add_, acc[i], SLICES);
        if (SLICES == 1) {
            [[unroll]] for (uint j = 0; j < 4; j++) finish(i, col + j, sum[j]);
        } else if (slice < 4) {
            finish(i, col + slice, slice < 2 ? (slice == 0 ? sum.x : sum.y) : (slice == 2 ? sum.z : sum.w));
        }
#else
        parts[slice * quads + quad] = acc[i];
        barrier();
        uint left = SLICES;
        COMBINE_EIGHTS(parts, quad, quads, slice, left, add_)
        if (slice == 0) {
            vec4 sum = parts[quad];
            for (uint s = 1; s < left; s++) sum += parts[s * quads + quad];
            [[unroll]] for (uint j = 0; j < 4; j++) finish(i, col + j, sum[j]);
        }
        barrier();
#endif
    }
}
