#version 450
// Matrix product on matrix units (KHR cooperative matrix): fp16 factors, fp32 sums. A subgroup holds ROWS x COLS matrices of TM x TN sums; a work
// group has DOWN x ACROSS subgroups. Slices of A and B, DEPTH of k, go through shared memory: the next ones are prefetched while the matrix units
// use the present ones. A slice keeps the order of memory, in chunks of eight halves, and matrices are loaded from it by rows or by columns.
// Shared memory: DEPTH * (rows + columns of the tile) halves, 16 bytes a line, and TM * TN floats a subgroup.
// Distances between rows are multiples of 8, and operands are aligned to 16 bytes. Rows are padded where their length is no multiple of 8.
// Loaded values are used a slice later, when they are stored to shared memory; an earlier use would wait for memory. So addresses out of bounds
// are clamped at the load, and the store writes zeros for them.
// Work group (x, y): columns from x * TILE_N on, rows from y * TILE_M on. All subgroups are full.
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "common/matmul.glsl"
#include "common/chunks.glsl"

layout(constant_id = SPEC_COOP_TM) const uint TM = 16; // a matrix of A is TM x TK, of B TK x TN
layout(constant_id = SPEC_COOP_TN) const uint TN = 16;
layout(constant_id = SPEC_COOP_TK) const uint TK = 16;
layout(constant_id = SPEC_COOP_ROWS) const uint ROWS = 2;
layout(constant_id = SPEC_COOP_COLS) const uint COLS = 2;
layout(constant_id = SPEC_COOP_DOWN) const uint DOWN = 2;
layout(constant_id = SPEC_COOP_ACROSS) const uint ACROSS = 2;
layout(constant_id = SPEC_COOP_WHOLE) const bool WHOLE = false;   // no tile has an edge; y's rows begin at multiples of 16 bytes; operands allow accesses of four
layout(constant_id = SPEC_COOP_WHOLE_K) const bool WHOLE_K = false; // K is a multiple of DEPTH
layout(constant_id = SPEC_COOP_DEPTH) const uint DEPTH = MATMUL_COOP_DEPTH; // a multiple of TK
const uint TILE_M = TM * ROWS * DOWN, TILE_N = TN * COLS * ACROSS;

// Lines of a slice, in chunks. A line has one chunk of padding, so that neighbouring lines use different banks.
const uint LINES_A = TRANS_A ? DEPTH : TILE_M, CHUNKS_A = (TRANS_A ? TILE_M : DEPTH) / 8;
const uint LINES_B = TRANS_B ? TILE_N : DEPTH, CHUNKS_B = (TRANS_B ? DEPTH : TILE_N) / 8;
const uint LD_A = CHUNKS_A + 1, LD_B = CHUNKS_B + 1;
// The numbers of chunks that an invocation loads.
const uint EACH_A = (LINES_A * CHUNKS_A + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
const uint EACH_B = (LINES_B * CHUNKS_B + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;

const uint SUBGROUP = gl_WorkGroupSize.x / (DOWN * ACROSS);
const uint EACH_SUMS = (TM * TN / 4 + SUBGROUP - 1) / SUBGROUP; // fours of a matrix of sums

shared uvec4 slice_a[LINES_A * LD_A], slice_b[LINES_B * LD_B];
shared vec4 sums[DOWN * ACROSS * TM * TN / 4];

EIGHTS(0, a)
EIGHTS(1, b)

#ifdef Y_FLOAT
#define STORED_Y float
#else
#define STORED_Y float16_t
#endif
#if PM_BDA
#define Y_FROM(i) operand_y.v, i
#else
#define Y_FROM(i) y.v, base_y + (i)
#endif

// The first n of eight halves, zeros for the rest.
uvec4 first_halves(uvec4 w, uint n)
{
    [[unroll]] for (uint j = 0; j < 4; j++) w[j] = n >= 2 * j + 2 ? w[j] : n == 2 * j + 1 ? w[j] & 0xffffu : 0;
    return w;
}

// The chunks of a slice that this invocation moves. By k: lines of the slice are k, and columns start at `from` of `count`; else the two are
// exchanged. A line of four chunks has 80 bytes with its padding. Then eight neighbours store to two lines that are four apart: these begin 64
// bytes apart modulo 128, the width of all banks, so that no bank is used twice.
uint line_of(uint n, uint chunks)
{
    uint line = n / chunks;
    return chunks == 4 ? line / 8 * 8 + line % 2 * 4 + line / 2 % 4 : line;
}
#define CHUNK(chunks, by_k, k0, from, count)                                                                           \
    uint n = i * gl_WorkGroupSize.x + gl_LocalInvocationID.x, at = line_of(n, chunks);                                 \
    uint line = (by_k ? k0 : from) + at, lines = by_k ? P.k : count;                                                   \
    uint col = (by_k ? from : k0) + 8 * (n % chunks), width = by_k ? count : P.k;
#define FETCH(next, each, chunks, name, ld, by_k, k0, from, count)                                                     \
    [[unroll]] for (uint i = 0; i < each; i++) {                                                                       \
        CHUNK(chunks, by_k, k0, from, count)                                                                           \
        if (!(by_k ? WHOLE_K : WHOLE)) line = min(line, lines - 1);                                                    \
        if (!(by_k ? WHOLE : WHOLE_K)) col = min(col, (width - 1) / 8 * 8);                                            \
        next[i] = EIGHT(name, line * ld + col);                                                                        \
    }
#define STORE(next, each, chunks, slice, ld, lines_, by_k, k0, from, count)                                            \
    [[unroll]] for (uint i = 0; i < each; i++) {                                                                       \
        CHUNK(chunks, by_k, k0, from, count)                                                                           \
        if (!WHOLE || !WHOLE_K) next[i] = line < lines && col < width ? first_halves(next[i], width - col) : uvec4(0);             \
        if (n < lines_ * chunks) slice[at * ld + n % chunks] = next[i];                                                 \
    }

void main()
{
    uint row0 = gl_WorkGroupID.y * TILE_M, col0 = gl_WorkGroupID.x * TILE_N;
    uint own_m = gl_SubgroupID / ACROSS * ROWS * TM, own_n = gl_SubgroupID % ACROSS * COLS * TN; // in the tile

    coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator> acc[ROWS * COLS];
    [[unroll]] for (uint i = 0; i < ROWS * COLS; i++)
        acc[i] = coopmat<float, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator>(0.0);

    uvec4 next_a[EACH_A], next_b[EACH_B];
#define FETCH_BOTH(k0)                                                                                                 \
    FETCH(next_a, EACH_A, CHUNKS_A, a, P.lda, TRANS_A, k0, row0, P.m)                                                  \
    FETCH(next_b, EACH_B, CHUNKS_B, b, P.ldb, !TRANS_B, k0, col0, P.n)
    FETCH_BOTH(0)
    for (uint k0 = 0; k0 < P.k; k0 += DEPTH) {
        barrier();
        STORE(next_a, EACH_A, CHUNKS_A, slice_a, LD_A, LINES_A, TRANS_A, k0, row0, P.m)
        STORE(next_b, EACH_B, CHUNKS_B, slice_b, LD_B, LINES_B, !TRANS_B, k0, col0, P.n)
        barrier();
        uint after = k0 + DEPTH < P.k ? k0 + DEPTH : k0; // behind the last slice, the last one again: it is not used
        FETCH_BOTH(after)
        [[unroll]] for (uint k = 0; k < DEPTH; k += TK) {
            coopmat<float16_t, gl_ScopeSubgroup, TM, TK, gl_MatrixUseA> x[ROWS];
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                uint m = own_m + r * TM;
                if (TRANS_A)
                    coopMatLoad(x[r], slice_a, k * LD_A + m / 8, LD_A, gl_CooperativeMatrixLayoutColumnMajor);
                else
                    coopMatLoad(x[r], slice_a, m * LD_A + k / 8, LD_A, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (uint c = 0; c < COLS; c++) {
                uint n = own_n + c * TN;
                coopmat<float16_t, gl_ScopeSubgroup, TK, TN, gl_MatrixUseB> y;
                if (TRANS_B)
                    coopMatLoad(y, slice_b, n * LD_B + k / 8, LD_B, gl_CooperativeMatrixLayoutColumnMajor);
                else
                    coopMatLoad(y, slice_b, k * LD_B + n / 8, LD_B, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint r = 0; r < ROWS; r++)
                    acc[r * COLS + c] = coopMatMulAdd(x[r], y, acc[r * COLS + c]);
            }
        }
    }

    // The epilogue, a matrix at a time, through shared memory, because the layout of a matrix is unknown. Both loops are unrolled: matrices that a
    // variable selects would be in scratch memory. Mesa's compilers unroll no loop that contains another loop or `continue`.
    uint mine = gl_SubgroupID * TM * TN / 4;
    [[unroll]] for (uint at = 0; at < ROWS * COLS; at++) {
        uint row = row0 + own_m + at / COLS * TM, col = col0 + own_n + at % COLS * TN;
        if (WHOLE && EPILOGUE == 0) {
            coopMatStore(coopmat<STORED_Y, gl_ScopeSubgroup, TM, TN, gl_MatrixUseAccumulator>(acc[at]), Y_FROM(row * P.ldc + col), P.ldc,
                         gl_CooperativeMatrixLayoutRowMajor);
        } else {
            subgroupBarrier();
            coopMatStore(acc[at], sums, mine, TN / 4, gl_CooperativeMatrixLayoutRowMajor);
            subgroupMemoryBarrierShared();
            subgroupBarrier();
            [[unroll]] for (uint e = 0; e < EACH_SUMS; e++) {
                uint i = e * SUBGROUP + gl_SubgroupInvocationID, m = row + i / (TN / 4), n = col + i % (TN / 4) * 4;
                if (i < TM * TN / 4) {
                    if (WHOLE)
                        finish4(m, n, sums[mine + i]);
                    else
                        finish_four(m, n, sums[mine + i], false);
                }
            }
        }
    }
}
