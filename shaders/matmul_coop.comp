#version 450
// Matrix product on matrix units (KHR cooperative matrix): fp16 factors, fp32 sums. A subgroup holds ROWS x COLS matrices of TM x TN sums; a work
// group is DOWN x ACROSS subgroups. Slices of A and B, DEPTH of k, go through shared memory: the next ones are loaded while the matrix units work
// on these. A slice keeps the direction that is contiguous in memory, in chunks of eight halves, and matrices are loaded from it by rows or by
// columns. Shared memory: DEPTH * (rows + columns of the tile) halves and 16 bytes a line, and TM * TN floats a subgroup.
// Distances between rows are multiples of 8 and operands aligned to 16 bytes; where the contiguous dimension is no multiple of 8, rows are padded.
// Work group (x, y): columns from x * TILE_N on, rows from y * TILE_M on. All subgroups are full.
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "common/matmul.glsl"

layout(constant_id = 4) const uint TM = 16; // a matrix of A is TM x TK, of B TK x TN
layout(constant_id = 5) const uint TN = 16;
layout(constant_id = 6) const uint TK = 16;
layout(constant_id = 7) const uint ROWS = 2;
layout(constant_id = 8) const uint COLS = 2;
layout(constant_id = 9) const uint DOWN = 2;
layout(constant_id = 10) const uint ACROSS = 2;

const uint DEPTH = MATMUL_COOP_DEPTH; // a multiple of TK
const uint TILE_M = TM * ROWS * DOWN, TILE_N = TN * COLS * ACROSS;

// Lines of a slice, in chunks; a line is one chunk longer than it must be, so that neighbours do not meet in the same banks.
const uint LINES_A = TRANS_A ? DEPTH : TILE_M, CHUNKS_A = (TRANS_A ? TILE_M : DEPTH) / 8;
const uint LINES_B = TRANS_B ? TILE_N : DEPTH, CHUNKS_B = (TRANS_B ? DEPTH : TILE_N) / 8;
const uint LD_A = 2 * (CHUNKS_A + 1), LD_B = 2 * (CHUNKS_B + 1); // in f16vec4
// What an invocation loads.
const uint EACH_A = (LINES_A * CHUNKS_A + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
const uint EACH_B = (LINES_B * CHUNKS_B + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;

shared f16vec4 slice_a[LINES_A * LD_A], slice_b[LINES_B * LD_B];
shared float sums[DOWN * ACROSS * TM * TN];

#if PM_BDA
layout(buffer_reference, std430, buffer_reference_align = 16) buffer eights_t { uvec4 v[]; };
#define EIGHT(name, i) eights_t(operand_##name).v[(i) / 8]
#else
layout(std430, set = 0, binding = 0) readonly buffer a_eights_t { uvec4 v[]; } a_eights;
layout(std430, set = 0, binding = 1) readonly buffer b_eights_t { uvec4 v[]; } b_eights;
#define EIGHT(name, i) name##_eights.v[(base_##name + (i)) / 8]
#endif

// The first n of eight halves, zeros for the rest.
uvec4 first_halves(uvec4 w, uint n)
{
    [[unroll]] for (uint j = 0; j < 4; j++) w[j] = n >= 2 * j + 2 ? w[j] : n == 2 * j + 1 ? w[j] & 0xffffu : 0;
    return w;
}

uvec4 next_a[EACH_A], next_b[EACH_B];

// The chunks of a slice that this invocation loads: lines from `line0` on of `lines` in all, `width` elements wide, columns from col0 on.
#define FETCH(next, each, name, lines_, chunks, ld, line0, lines, col0, width)                                         \
    [[unroll]] for (uint i = 0; i < each; i++) {                                                                       \
        uint n = i * gl_WorkGroupSize.x + gl_LocalInvocationID.x, line = line0 + n / chunks, col = col0 + 8 * (n % chunks); \
        next[i] = uvec4(0);                                                                                            \
        if (n < lines_ * chunks && line < lines && col < width)                                                        \
            next[i] = first_halves(EIGHT(name, line * ld + col), width - col);                                         \
    }

#define STORE(next, each, slice, lines_, chunks, ld)                                                                   \
    [[unroll]] for (uint i = 0; i < each; i++) {                                                                       \
        uint n = i * gl_WorkGroupSize.x + gl_LocalInvocationID.x, at = n / chunks * ld + 2 * (n % chunks);             \
        if (n < lines_ * chunks) {                                                                                     \
            slice[at] = f16vec4(unpackFloat2x16(next[i].x), unpackFloat2x16(next[i].y));                               \
            slice[at + 1] = f16vec4(unpackFloat2x16(next[i].z), unpackFloat2x16(next[i].w));                           \
        }                                                                                                              \
    }

void fetch(uint row0, uint col0, uint k0)
{
    FETCH(next_a, EACH_A, a, LINES_A, CHUNKS_A, P.lda, (TRANS_A ? k0 : row0), (TRANS_A ? P.k : P.m), (TRANS_A ? row0 : k0),
          (TRANS_A ? P.m : P.k))
    FETCH(next_b, EACH_B, b, LINES_B, CHUNKS_B, P.ldb, (TRANS_B ? col0 : k0), (TRANS_B ? P.n : P.k), (TRANS_B ? k0 : col0),
          (TRANS_B ? P.k : P.n))
}

void main()
{
    uint row0 = gl_WorkGroupID.y * TILE_M, col0 = gl_WorkGroupID.x * TILE_N;
    uint own_m = gl_SubgroupID / ACROSS * ROWS * TM, own_n = gl_SubgroupID % ACROSS * COLS * TN; // in the tile

    coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator> acc[ROWS * COLS];
    [[unroll]] for (uint i = 0; i < ROWS * COLS; i++)
        acc[i] = coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator>(0.0);

    fetch(row0, col0, 0);
    for (uint k0 = 0; k0 < P.k; k0 += DEPTH) {
        barrier();
        STORE(next_a, EACH_A, slice_a, LINES_A, CHUNKS_A, LD_A)
        STORE(next_b, EACH_B, slice_b, LINES_B, CHUNKS_B, LD_B)
        barrier();
        fetch(row0, col0, k0 + DEPTH); // beyond the end: zeros
        [[unroll]] for (uint k = 0; k < DEPTH; k += TK) {
            coopmat<float16_t, gl_ScopeSubgroup, TM, TK, gl_MatrixUseA> x[ROWS];
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                uint m = own_m + r * TM;
                if (TRANS_A)
                    coopMatLoad(x[r], slice_a, k * LD_A + m / 4, LD_A, gl_CooperativeMatrixLayoutColumnMajor);
                else
                    coopMatLoad(x[r], slice_a, m * LD_A + k / 4, LD_A, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (uint c = 0; c < COLS; c++) {
                uint n = own_n + c * TN;
                coopmat<float16_t, gl_ScopeSubgroup, TK, TN, gl_MatrixUseB> y;
                if (TRANS_B)
                    coopMatLoad(y, slice_b, n * LD_B + k / 4, LD_B, gl_CooperativeMatrixLayoutColumnMajor);
                else
                    coopMatLoad(y, slice_b, k * LD_B + n / 4, LD_B, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint r = 0; r < ROWS; r++)
                    acc[r * COLS + c] = coopMatMulAdd(x[r], y, acc[r * COLS + c]);
            }
        }
    }

    // The epilogue, a matrix at a time: how its elements lie among the invocations is the driver's business.
    uint mine = gl_SubgroupID * TM * TN;
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        [[unroll]] for (uint c = 0; c < COLS; c++) {
            subgroupBarrier();
            coopMatStore(acc[r * COLS + c], sums, mine, TN, gl_CooperativeMatrixLayoutRowMajor);
            subgroupMemoryBarrierShared();
            subgroupBarrier();
            for (uint i = gl_SubgroupInvocationID; i < TM * TN; i += gl_SubgroupSize)
                finish(row0 + own_m + r * TM + i / TN, col0 + own_n + c * TN + i % TN, sums[mine + i]);
        }
    }
}
