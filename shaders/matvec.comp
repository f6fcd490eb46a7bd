#version 450
// Product of a few rows with a matrix, for decoding: y (ROWS,N) = epilogue(A (ROWS,K) op(B) (K,N)). It is bound by memory: each element of B
// is read once, and serves ROWS products. K and all distances between rows are multiples of 4, and N too without TRANS_B.
// A quad is four columns of y; a work group has EACH QUADS quads, with SLICES invocations for EACH of them. Slice s takes the runs of four k that begin at
// 4 (s + i SLICES), and has FLIGHT of them in flight at once.
//   Neighbouring invocations are slices with TRANS_B, and quads without, so that they read neighbouring memory.
// The slices' sums are added eight at a time, in a fixed order. PAIRS, for a software driver: SLICES is 1, or with TRANS_B the subgroup's size; an
// invocation has EACH quads, whose runs of B follow each other in memory with TRANS_B; B is prefetched; and there is no barrier.
// NORM: A is replaced by LayerNorm(A) = (A - mean) rstd gain + shift (layernorm.comp). Each work group computes it in shared memory while its
// first runs of B are in flight. With RMS it is A rstd (plus + gain).
#extension GL_GOOGLE_include_directive : require
#include "common/matmul.glsl"

layout(constant_id = SPEC_MATVEC_ROWS) const uint ROWS = 1;
layout(constant_id = SPEC_MATVEC_SLICES) const uint SLICES = 1; // a power of two
layout(constant_id = SPEC_MATVEC_QUADS) const uint QUADS = 8;  // a power of two
layout(constant_id = SPEC_MATVEC_FLIGHT) const uint FLIGHT = 1;
#ifdef PAIRS
layout(constant_id = SPEC_MATVEC_EACH) const uint EACH = 1;
#else
const uint EACH = 1;
#endif

vec4 acc[EACH * ROWS];

vec4 add4_(vec4 a, vec4 b) { return a + b; }
#ifdef PAIRS
#include "common/broadcast.glsl"
#else
#include "common/eights.glsl"
shared vec4 parts[SLICES * QUADS]; // [slice][quad]
#endif

#ifdef NORM
layout(constant_id = SPEC_MATVEC_WIDTH) const uint WIDTH = 1; // K / 4
shared vec4 normal[ROWS * WIDTH];
shared float sums[SLICES * QUADS];
DEFINE_GROUP_REDUCE(group_sum, float, add_, sums, SLICES * QUADS)

#ifdef RMS
void normalise(uint row)
{
    const uint size = SLICES * QUADS;
    uint me = gl_LocalInvocationID.x;
    vec4 squares = vec4(0);
    for (uint c = me; c < WIDTH; c += size) {
        vec4 x = AT4(a, row * P.lda + 4 * c);
        squares += x * x;
    }
    float rstd = 1.0 / sqrt(group_sum(dot(squares, vec4(1))) / float(P.k) + P.eps);
    for (uint c = me; c < WIDTH; c += size)
        normal[row * WIDTH + c] = AT4(a, row * P.lda + 4 * c) * rstd * (P.plus + AT4(gain, 4 * c));
}
#else
// The variance is that of the centred row: a second pass, no cancellation.
void normalise(uint row)
{
    const uint size = SLICES * QUADS;
    uint me = gl_LocalInvocationID.x;
    vec4 sum = vec4(0), squares = vec4(0);
    for (uint c = me; c < WIDTH; c += size) sum += AT4(a, row * P.lda + 4 * c);
    float mean = group_sum(dot(sum, vec4(1))) / float(P.k);
    for (uint c = me; c < WIDTH; c += size) {
        vec4 d = AT4(a, row * P.lda + 4 * c) - mean;
        squares += d * d;
    }
    float rstd = 1.0 / sqrt(group_sum(dot(squares, vec4(1))) / float(P.k) + P.eps);
    for (uint c = me; c < WIDTH; c += size)
        normal[row * WIDTH + c] = (AT4(a, row * P.lda + 4 * c) - mean) * rstd * AT4(gain, 4 * c) + AT4(shift, 4 * c);
}
#endif
#define FACTOR(i, k) normal[(i) * WIDTH + (k) / 4]
#else
#define FACTOR(i, k) AT4(a, (i) * P.lda + (k))
#endif

// What four k of A and of a quad, in B's order, add to its sums.
vec4 product(vec4 x, vec4 b0, vec4 b1, vec4 b2, vec4 b3)
{
    return TRANS_B ? vec4(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)) : x.x * b0 + x.y * b1 + x.z * b2 + x.w * b3;
}
void add_run(uint k, vec4 b0, vec4 b1, vec4 b2, vec4 b3)
{
    [[unroll]] for (uint i = 0; i < ROWS; i++) acc[i] += product(FACTOR(i, k), b0, b1, b2, b3);
}

void main()
{
    uint id = gl_LocalInvocationID.x;
    uint slice = TRANS_B ? id % SLICES : id / QUADS, quad = TRANS_B ? id / SLICES : id % QUADS;
    // The first quad's column. An invocation's other quads follow, or without TRANS_B those of other invocations lie between.
    const uint apart = TRANS_B ? 4 : 4 * QUADS;
    uint col = flat_group() * 4 * EACH * QUADS + quad * (TRANS_B ? 4 * EACH : 4);
    [[unroll]] for (uint i = 0; i < EACH * ROWS; i++) acc[i] = vec4(0);
    PLACE_T at[4 * EACH]; // places in B where a quad begins: of its four columns, or of four k
    [[unroll]] for (uint j = 0; j < 4 * EACH; j++) {
        uint first = col + j / 4 * apart;
        at[j] = PLACE(b, TRANS_B ? min(first + j % 4, P.n - 1) * P.ldb : min(first, P.n - 4) + j % 4 * P.ldb);
    }

#define RUN(to, n, e, k) [[unroll]] for (uint j = 0; j < 4; j++) to[(n) + j] = FROM4(b, at[4 * (e) + j] + BYTES(b, TRANS_B ? (k) : (k) * P.ldb));
// Run f from a k on. Behind the last run, the last is read again and not used.
#define K_OF(from, f) ((from) + 4 * SLICES * (f))
#define FETCH(from) [[unroll]] for (uint f = 0; f < FLIGHT; f++) { RUN(runs, 4 * f, 0, min(K_OF(from, f), P.k - 4)) }
    vec4 runs[4 * FLIGHT]; // [run][column, or k, of the quad]
    const uint first = 4 * slice;
#ifdef NORM
    if (FLIGHT > 1 && first < P.k) FETCH(first)
    for (uint i = 0; i < ROWS; i++) normalise(i);
    barrier();
    const bool there = true;
#else
    const bool there = false;
#endif
#ifdef PAIRS
    // Prefetches BLOCK k of the subgroup's columns, at most 32 KiB, before it reads them.
    const uint BLOCK = TRANS_B ? 32 * LINE_OF(b) : 64;
    [[dont_unroll]] for (uint from = 0; from < P.k; from += BLOCK) {
        const uint end = min(from + BLOCK, P.k);
        if (TRANS_B) {
            [[dont_unroll]] for (uint k = from; k < end; k += LINE_OF(b))
                [[unroll]] for (uint j = 0; j < 4 * EACH; j += SLICES) { TOUCH(b, min(col + j + slice, P.n - 1) * P.ldb + k) }
        } else {
            [[dont_unroll]] for (uint k = from; k < end; k++) { TOUCH(b, k * P.ldb + min(col + quad * 4 * (EACH - 1), P.n - 1)) }
        }
        [[dont_unroll]] for (uint k = from + first; k < end; k = K_OF(k, 1)) {
            vec4 x[ROWS];
            [[unroll]] for (uint i = 0; i < ROWS; i++) x[i] = FACTOR(i, k);
            [[unroll]] for (uint e = 0; e < EACH; e++) {
                vec4 run[4];
                RUN(run, 0, e, k)
                [[unroll]] for (uint i = 0; i < ROWS; i++) acc[e * ROWS + i] += product(x[i], run[0], run[1], run[2], run[3]);
            }
        }
    }
#else
    for (uint k = first; k < P.k; k = K_OF(k, FLIGHT)) {
        if (FLIGHT == 1) { // an array for one run: VideoCore's compiler puts a larger one into memory
            vec4 run[4];
            RUN(run, 0, 0, k)
            add_run(k, run[0], run[1], run[2], run[3]);
            continue;
        }
        if (!there || k != first) FETCH(k)
        [[unroll]] for (uint f = 0; f < FLIGHT; f++)
            if (K_OF(k, f) < P.k) add_run(K_OF(k, f), runs[4 * f], runs[4 * f + 1], runs[4 * f + 2], runs[4 * f + 3]);
    }
#endif
#ifdef PAIRS
    [[unroll]] for (uint n = 0; n < EACH * ROWS; n++) {
        uint i = n % ROWS, c = col + n / ROWS * apart;
        vec4 sum = COMBINE_LANES(add4_, acc[n], SLICES);
        if (SLICES == 1) {
            [[unroll]] for (uint j = 0; j < 4; j++) finish(i, c + j, sum[j]);
        } else if (slice < 4) {
            finish(i, c + slice, slice < 2 ? (slice == 0 ? sum.x : sum.y) : (slice == 2 ? sum.z : sum.w));
        }
    }
    KEEP(y)
#else
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        parts[slice * QUADS + quad] = acc[i];
        barrier();
        uint left = SLICES;
        COMBINE_EIGHTS(parts, quad, QUADS, slice, left, add4_)
        if (slice == 0) {
            vec4 sum = parts[quad];
            for (uint s = 1; s < left; s++) sum += parts[s * QUADS + quad];
            [[unroll]] for (uint j = 0; j < 4; j++) finish(i, col + j, sum[j]);
        }
        barrier();
    }
#endif
}
