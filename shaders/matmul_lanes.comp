#version 450
// Matrix product for a software driver: no barriers, no shared memory. One subgroup of LANES invocations computes ROWS x (VECTORS * LANES)
// elements. Such a driver gathers each load lane by lane, so that loads must be few. A lane loads two values of k of each row of A once, and
// broadcasts them from registers. Each load of B brings two values (AT2) and serves ROWS products.
//   loads for 2 LANES steps of k: ROWS + VECTORS * LANES; products: ROWS * VECTORS * 2 LANES.
// Vector v of lane l is column 2 LANES (v / 2) + 2 l + v % 2 of the tile, so that a pair of vectors is contiguous.
// Work group (x, y): rows from x * ROWS on, columns from y * VECTORS * LANES on, so that successive work groups share columns of
// B, which cost more to load than rows of A. Rows and columns out of bounds repeat others within.
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "common/matmul.glsl"

#define ROWS MATMUL_LANES_ROWS
#define VECTORS MATMUL_LANES_VECTORS // even

layout(constant_id = SPEC_LANES_WHOLE) const bool WHOLE = false; // no tile has an edge, and pairs of columns of y begin at even offsets: for PAIRS

vec2 a_k[ROWS]; // this lane's two k of each row
float acc[ROWS * VECTORS];
uint row_at[ROWS], col_at[VECTORS]; // where a row of op(A) and a column of op(B) begin

// The elements at i and j. With PAIRS they are neighbours, and one load brings both.
#ifdef PAIRS
#define BOTH(name, i, j) AT2(name, i)
#else
#define BOTH(name, i, j) vec2(AT(name, i), AT(name, j))
#endif

// Elements (k, k + 1) of each row of the tile.
void load_a(uint k)
{
    if (TRANS_A) {
        uint at = k * P.lda, next = at + P.lda;
        [[unroll]] for (uint i = 0; i < ROWS; i += 2) {
            vec2 even = BOTH(a, at + row_at[i], at + row_at[i + 1]), odd = BOTH(a, next + row_at[i], next + row_at[i + 1]);
            a_k[i] = vec2(even.x, odd.x);
            a_k[i + 1] = vec2(even.y, odd.y);
        }
    } else {
        [[unroll]] for (uint i = 0; i < ROWS; i++) a_k[i] = BOTH(a, row_at[i] + k, row_at[i] + k + 1);
    }
}

// Prefetches the start of B's rows k and k + 1 in the tile. Their distance is B's width, which a processor's prefetcher does not predict.
#ifndef PAIRS // else common/kernel.glsl has it
uint touched = 0;
#endif
void touch_b(uint k)
{
    uint at = min(k, P.k - 2) * P.ldb;
    [[unroll]] for (uint v = 0; v < VECTORS; v += 2) {
        uint col = min((gl_WorkGroupID.y * VECTORS + v) * LANES, P.n - 1);
        touched |= word_b(at + col) | word_b(at + P.ldb + col);
    }
}

#ifdef PAIRS
// Prefetches the tile's part of a matrix that the epilogue reads: LANES / 4 cache lines a row, four rows at a time.
#define TOUCH_TILE(name)                                                                                               \
    [[unroll]] for (uint i_ = 0; i_ < ROWS; i_ += 4) {                                                                 \
        uint row_ = min(gl_WorkGroupID.x * ROWS + i_ + lane / (LANES / 4), P.m - 1);                                   \
        TOUCH(name, row_ * P.ldc + min(gl_WorkGroupID.y * VECTORS * LANES + lane % (LANES / 4) * LINE, P.n - 1))       \
    }
#endif

// Steps k0 + 2 kk and k0 + 2 kk + 1: lane kk has A's values, of each row.
#define STEPS(kk)                                                                                                      \
    {                                                                                                                  \
        vec2 b_k[VECTORS];                                                                                             \
        uint k_at = k0 + 2 * kk;                                                                                       \
        [[unroll]] for (uint v = 0; v < VECTORS; v += 2) {                                                             \
            if (TRANS_B) {                                                                                             \
                b_k[v] = BOTH(b, col_at[v] + k_at, col_at[v] + k_at + 1);                                              \
                b_k[v + 1] = BOTH(b, col_at[v + 1] + k_at, col_at[v + 1] + k_at + 1);                                  \
            } else {                                                                                                   \
                vec2 first = BOTH(b, b_row + col_at[v], b_row + col_at[v + 1]);                                        \
                vec2 second = BOTH(b, b_row + P.ldb + col_at[v], b_row + P.ldb + col_at[v + 1]);                       \
                b_k[v] = vec2(first.x, second.x);                                                                      \
                b_k[v + 1] = vec2(first.y, second.y);                                                                  \
            }                                                                                                          \
        }                                                                                                              \
        b_row += 2 * P.ldb;                                                                                            \
        [[unroll]] for (uint i = 0; i < ROWS; i++) {                                                                   \
            vec2 x = subgroupBroadcast(a_k[i], kk);                                                                    \
            [[unroll]] for (uint v = 0; v < VECTORS; v++) {                                                            \
                acc[i * VECTORS + v] += x.x * b_k[v].x;                                                                \
                acc[i * VECTORS + v] += x.y * b_k[v].y;                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }

void main()
{
    uint lane = gl_LocalInvocationID.x, row0 = gl_WorkGroupID.x * ROWS, col0 = gl_WorkGroupID.y * VECTORS * LANES + 2 * lane;
    // Pairs begin at even offsets. With PAIRS, rows have room for a whole pair at their end.
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        uint row = min(row0 + i, P.m - 1);
#ifdef PAIRS
        if (TRANS_A) row = min(row0 + i / 2 * 2, (P.m - 1) / 2 * 2) + i % 2;
#endif
        row_at[i] = TRANS_A ? row : row * P.lda;
    }
    [[unroll]] for (uint v = 0; v < VECTORS; v++) {
        uint col = min(col0 + v / 2 * 2 * LANES + v % 2, P.n - 1);
#ifdef PAIRS
        if (!TRANS_B) col = min(col0 + v / 2 * 2 * LANES, (P.n - 1) / 2 * 2) + v % 2;
#endif
        col_at[v] = TRANS_B ? col * P.ldb : col;
    }
    [[unroll]] for (uint n = 0; n < ROWS * VECTORS; n++) acc[n] = 0;

#ifdef PAIRS
    if (has(EPILOGUE_RESIDUAL)) TOUCH_TILE(residual)
    if (has(EPILOGUE_GELU_SLOPE)) TOUCH_TILE(gelu_pre)
    if (has(EPILOGUE_ACCUMULATE)) TOUCH_TILE(y)
#endif
    uint k0 = 0, b_row = 0;
    for (; k0 + 2 * LANES <= P.k; k0 += 2 * LANES) {
        if (!TRANS_B) touch_b(k0 + 2 * LANES + 2 * lane);
        load_a(k0 + 2 * lane);
        STEPS(0) STEPS(1) STEPS(2) STEPS(3)
#if LANES == 8
        STEPS(4) STEPS(5) STEPS(6) STEPS(7)
#endif
    }
    for (; k0 < P.k; k0++) {
        float b_n[VECTORS];
        [[unroll]] for (uint v = 0; v < VECTORS; v++) b_n[v] = AT(b, TRANS_B ? col_at[v] + k0 : k0 * P.ldb + col_at[v]);
        [[unroll]] for (uint i = 0; i < ROWS; i++) {
            float x = AT(a, TRANS_A ? k0 * P.lda + row_at[i] : row_at[i] + k0);
            [[unroll]] for (uint v = 0; v < VECTORS; v++) acc[i * VECTORS + v] += x * b_n[v];
        }
    }
    if (P.m == 0) acc[0] += uintBitsToFloat(touched); // never, but the compiler cannot know
#ifdef PAIRS
    if (WHOLE) {
        [[unroll]] for (uint i = 0; i < ROWS; i++) {
            [[unroll]] for (uint v = 0; v < VECTORS; v += 2)
                finish2(row0 + i, col0 + v / 2 * 2 * LANES, vec2(acc[i * VECTORS + v], acc[i * VECTORS + v + 1]));
        }
        return;
    }
#endif
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        [[unroll]] for (uint v = 0; v < VECTORS; v++)
            finish(row0 + i, col0 + v / 2 * 2 * LANES + v % 2, acc[i * VECTORS + v]);
    }
}
