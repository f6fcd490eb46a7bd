#version 450
// Causal attention and its gradient on matrix units (KHR cooperative matrix), with the formulas of attention_tile.comp. Factors are fp16, so that
// probabilities and their gradients are rounded to fp16 before products; sums are fp32. A work group has WARPS subgroups with TM own rows of
// one head each. All subgroups loop over the other rows, OTHERS at a time:
//   S = own_one other_one^T, and with a gradient U = own_two other_two^T   (TM x OTHERS a subgroup: to shared memory, since the layout of a matrix is unknown)
//   W = weights of S and U                                                 (an invocation has a part of one row: to shared memory, in fp16)
//   sum += W other                                                         (TM x D, in registers)
//   (none)  own queries: one = q, k, two = v; y += P v
//   DQ      own queries: one = q, k, two = dy, v; dq += dS k; delta is stored for DKV
//   DKV     own keys:    one = k, q, two = v, dy; dk += dS^T q, dv += P^T dy
// Heads that share keys, whose query heads DKV takes one after the other, and windows: common/seen.glsl.
// D is a multiple of TN, TK and 8. Rows and operands must allow accesses of eight. Shared memory: 128 D + 1024 bytes, and 224 bytes for each own
// row; with a gradient 128 D + 1280 bytes, and 448 for each own row.
#define PUSH attention_push
#if defined(DQ)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, act, y) X(2, readonly, float, lse) X(3, readonly, act, dy)                   \
    X(4, readonly, uint, scalars) X(5, writeonly, act, result) X(6, writeonly, float, delta)
#elif defined(DKV)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, float, lse) X(2, readonly, float, delta) X(3, readonly, act, dy)             \
    X(4, readonly, uint, scalars) X(5, writeonly, act, result)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, act, k) X(2, readonly, act, v) X(3, readonly, uint, scalars)                 \
    X(4, writeonly, act, result) X(5, writeonly, float, lse)
#endif
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "common/kernel.glsl"
#include "common/philox.glsl"
#include "common/chunks.glsl"
#include "common/seen.glsl"

layout(constant_id = SPEC_ATTENTION_HEAD) const uint D = 64; // head size
layout(constant_id = SPEC_ATTENTION_TM) const uint TM = 16; // a matrix of A is TM x TK, of B TK x TN
layout(constant_id = SPEC_ATTENTION_TN) const uint TN = 16;
layout(constant_id = SPEC_ATTENTION_TK) const uint TK = 16;
layout(constant_id = SPEC_ATTENTION_SUBGROUP) const uint SUBGROUP = 32; // a multiple of TM
layout(constant_id = SPEC_ATTENTION_AHEAD) const bool AHEAD = true; // a block is in flight, in registers, during the products of the one before

const uint WARPS = ATTENTION_COOP_WARPS, OTHERS = ATTENTION_COOP_OTHERS, OWN = TM * WARPS, THREADS = SUBGROUP * WARPS;
const uint LANES = SUBGROUP / TM;             // invocations that share a row
const uint CHUNKS = D / 8, LD = CHUNKS + 1;   // a row in shared memory, in uvec4
const uint LD_S = OTHERS / 4 + 1;             // of S and U, in vec4
const uint LD_W = OTHERS / 4 + 2;             // of W, in f16vec4: a multiple of 16 bytes
const uint QUADS = OTHERS / 4;
const uint EACH = (OTHERS * CHUNKS + THREADS - 1) / THREADS; // chunks of a block of other rows that an invocation loads

#define MATRIX(type, rows, cols, use) coopmat<type, gl_ScopeSubgroup, rows, cols, gl_MatrixUse##use>
#define SUMS MATRIX(float, TM, TN, Accumulator)

shared uvec4 stage[2 * OTHERS * LD]; // a block of other_one, then of other_two; own rows at first
shared vec4 scores[WARPS * TM * LD_S];
shared f16vec4 weights[WARPS * TM * LD_W];
#if defined(DQ) || defined(DKV)
#define GRADIENT
shared vec4 scores_two[WARPS * TM * LD_S];
#endif
#ifdef DQ
shared float lse_of[WARPS * TM], delta_of[WARPS * TM]; // of own rows, for which no registers are left without AHEAD
#endif
#ifdef DKV
shared f16vec4 weights_two[WARPS * TM * LD_W];
shared float other_lse[OTHERS], other_delta[OTHERS];
#endif

EIGHTS(0, q)
#if defined(GRADIENT)
EIGHTS(3, dy)
#else
EIGHTS(1, k)
EIGHTS(2, v)
#endif

#if defined(GRADIENT) // one tensor has all three
#define K q
#define V q
#else
#define K k
#define V v
#endif

uint me, b, h, first, T, own_at, other_at, other_last;

// Chunk n of rows from `row` on of a tensor, rows beyond the last repeated.
#define CHUNK(name, n, at, row, last, ld, off) EIGHT(name, (at + min(row + (n) / CHUNKS, last)) * ld + off + 8 * ((n) % CHUNKS))

// Loads this subgroup's own rows as matrices, through `stage`.
#define OWN_ROWS(matrices, name, ld, off)                                                                              \
    barrier();                                                                                                         \
    for (uint n_ = me; n_ < OWN * CHUNKS; n_ += THREADS)                                                               \
        stage[n_ / CHUNKS * LD + n_ % CHUNKS] = CHUNK(name, n_, own_at, first, T - 1, ld, off);                        \
    barrier();                                                                                                         \
    [[unroll]] for (uint k_ = 0; k_ < D / TK; k_++)                                                                    \
        coopMatLoad(matrices[k_], stage, gl_SubgroupID * TM * LD + k_ * TK / 8, LD, gl_CooperativeMatrixLayoutRowMajor);

// to = own times other rows' transpose, for this subgroup.
#define SCORES(to, own, block)                                                                                         \
    [[unroll]] for (uint n_ = 0; n_ < OTHERS; n_ += TN) {                                                              \
        SUMS s_ = SUMS(0.0);                                                                                           \
        [[unroll]] for (uint k_ = 0; k_ < D / TK; k_++) {                                                              \
            MATRIX(float16_t, TK, TN, B) x_;                                                                           \
            coopMatLoad(x_, stage, (block * OTHERS + n_) * LD + k_ * TK / 8, LD, gl_CooperativeMatrixLayoutColumnMajor); \
            s_ = coopMatMulAdd(own[k_], x_, s_);                                                                       \
        }                                                                                                              \
        coopMatStore(s_, to, gl_SubgroupID * TM * LD_S + n_ / 4, LD_S, gl_CooperativeMatrixLayoutRowMajor);            \
    }

// sums += w times other rows.
#define ADD(sums, w, block)                                                                                            \
    [[unroll]] for (uint k_ = 0; k_ < OTHERS; k_ += TK) {                                                              \
        MATRIX(float16_t, TM, TK, A) w_;                                                                               \
        coopMatLoad(w_, w, gl_SubgroupID * TM * LD_W + k_ / 4, LD_W, gl_CooperativeMatrixLayoutRowMajor);              \
        [[unroll]] for (uint n_ = 0; n_ < D / TN; n_++) {                                                              \
            MATRIX(float16_t, TK, TN, B) x_;                                                                           \
            coopMatLoad(x_, stage, (block * OTHERS + k_) * LD + n_ * TN / 8, LD, gl_CooperativeMatrixLayoutRowMajor);  \
            sums[n_] = coopMatMulAdd(w_, x_, sums[n_]);                                                                \
        }                                                                                                              \
    }

// Orders writes to shared memory before reads by other invocations of the subgroup.
void settle()
{
    subgroupMemoryBarrierShared();
    subgroupBarrier();
}

// Over the invocations that share a row, in a fixed order.
float over_row(float x, bool largest)
{
    [[unroll]] for (uint o = 1; o < LANES; o *= 2) {
        float other = subgroupShuffleXor(x, o);
        x = largest ? max(x, other) : x + other;
    }
    return x;
}

// The dropout factors of a query and four keys.
vec4 factors(uint head_row, uint query, uint key)
{
    return dropout_factors(DROPOUT_WORDS(scalars, MASK_ROWS, head_row * P.time_q + query, key / 4, P.stream), P.keep);
}

void main()
{
#ifdef DKV
    T = P.time_k;
#define HEADS heads / GROUP // whose own rows there are
#else
    T = P.time_q;
#define HEADS heads
#endif
    uint heads = P.channels / D, blocks = (T + OWN - 1) / OWN, group = flat_group(), head_row = group / blocks, own_heads = HEADS;
    if (head_row >= P.sequences * own_heads) return;
    me = gl_LocalInvocationID.x, b = head_row / own_heads;
#ifdef DKV
    uint of_keys = head_row % own_heads;
    h = of_keys * GROUP; // the first of the query heads that share the keys
#else
    h = head_row % heads;
    uint of_keys = h / GROUP;
#endif
    uint off_q = P.off_q + h * D, off_k = P.off_k + of_keys * D, off_v = P.off_v + of_keys * D, off_y = h * D;
    own_at = b * T;
#ifdef DKV // long ones first
    first = group % blocks * OWN;
    other_at = b * P.time_q, other_last = P.time_q - 1;
    uint from = first / OTHERS * OTHERS, to = end_seen(first + OWN - 1, P.time_q);
#else
    first = (blocks - 1 - group % blocks) * OWN;
    other_at = b * P.time_k, other_last = P.time_k - 1;
#if defined(DQ)
    uint pos = 0;
#else
    uint pos = SCALAR_U(scalars, pos);
#endif
    uint from = first_of_tile(pos + first), to = min(pos + min(first + OWN, T), P.time_k);
#endif

    // The row of this invocation, and what it knows of it.
    uint lane = gl_SubgroupInvocationID % LANES, own_row = gl_SubgroupInvocationID / LANES, in_group = gl_SubgroupID * TM + own_row;
    uint row = first + in_group, at_row = own_at + min(row, T - 1);

    MATRIX(float16_t, TM, TK, A) own_one[D / TK];
    SUMS sums[D / TN];
    [[unroll]] for (uint n = 0; n < D / TN; n++) sums[n] = SUMS(0.0);
#if defined(DKV)
    MATRIX(float16_t, TM, TK, A) own_two[D / TK];
    SUMS sums_two[D / TN];
    [[unroll]] for (uint n = 0; n < D / TN; n++) sums_two[n] = SUMS(0.0);
    OWN_ROWS(own_one, K, P.ld_k, off_k)
    OWN_ROWS(own_two, V, P.ld_v, off_v)
#elif defined(DQ)
    float own_lse = AT(lse, at_row * heads + h), own_delta = 0; // before the matrices, which leave no registers for its loads
    for (uint c = 4 * lane; c < D; c += 4 * LANES)
        own_delta += dot(AT4(dy, at_row * P.ld_y + off_y + c), AT4(y, at_row * P.ld_y + off_y + c));
    own_delta = over_row(own_delta, false);
    if (!AHEAD && lane == 0) lse_of[in_group] = own_lse, delta_of[in_group] = own_delta;
#define OWN_(name) (AHEAD ? own_##name : name##_of[in_group])
    MATRIX(float16_t, TM, TK, A) own_two[D / TK];
    OWN_ROWS(own_one, q, P.ld_q, off_q)
    OWN_ROWS(own_two, dy, P.ld_y, off_y)
#else
    OWN_ROWS(own_one, q, P.ld_q, off_q)
    float top = LOWEST, total = 0; // total: of this invocation's keys
#endif

// Chunk e of this invocation, of the block of other rows from s0 on.
#if defined(DKV)
#define ONE(e, s0) CHUNK(q, (e) * THREADS + me, other_at, s0, other_last, P.ld_q, off_q)
#define TWO(e, s0) CHUNK(dy, (e) * THREADS + me, other_at, s0, other_last, P.ld_y, off_y)
#else
#define ONE(e, s0) CHUNK(K, (e) * THREADS + me, other_at, s0, other_last, P.ld_k, off_k)
#define TWO(e, s0) CHUNK(V, (e) * THREADS + me, other_at, s0, other_last, P.ld_v, off_v)
#endif
#define FETCH(s0) [[unroll]] for (uint e = 0; e < EACH; e++) next_one[e] = ONE(e, s0), next_two[e] = TWO(e, s0);
    uvec4 next_one[EACH], next_two[EACH];
    if (AHEAD) FETCH(from)
    for (uint s0 = from; s0 < to; s0 += OTHERS) {
        barrier();
        [[unroll]] for (uint e = 0; e < EACH; e++) {
            uint n = e * THREADS + me;
            if (n < OTHERS * CHUNKS) {
                stage[n / CHUNKS * LD + n % CHUNKS] = AHEAD ? next_one[e] : ONE(e, s0);
                stage[(OTHERS + n / CHUNKS) * LD + n % CHUNKS] = AHEAD ? next_two[e] : TWO(e, s0);
            }
        }
#if defined(DKV)
        for (uint n = me; n < OTHERS; n += THREADS) {
            uint at = (other_at + min(s0 + n, other_last)) * heads + h;
            other_lse[n] = AT(lse, at), other_delta[n] = AT(delta, at);
        }
#endif
        barrier();
        uint after = s0 + OTHERS; // where the next block begins
#if defined(DKV)
        uint mask_row = b * heads + h, next_head = h + 1;
        if (GROUP > 1 && after >= to && next_head < (of_keys + 1) * GROUP) { // the next head that shares the keys, from its start
            h = next_head, off_q += D, off_y += D;
            after = from;
        }
#else
        uint mask_row = head_row;
#endif
        if (AHEAD) FETCH(after)
        SCORES(scores, own_one, 0)
#if defined(GRADIENT)
        SCORES(scores_two, own_two, 1)
#endif
        settle();
        uint at_s = in_group * LD_S, at_w = in_group * LD_W;
#if defined(GRADIENT)
        for (uint n = lane; n < QUADS; n += LANES) {
            vec4 s = scores[at_s + n], u = scores_two[at_s + n];
            uvec4 other = s0 + 4 * n + uvec4(0, 1, 2, 3);
#if defined(DKV)
            vec4 lse4 = vec4(other_lse[4 * n], other_lse[4 * n + 1], other_lse[4 * n + 2], other_lse[4 * n + 3]);
            vec4 delta4 = vec4(other_delta[4 * n], other_delta[4 * n + 1], other_delta[4 * n + 2], other_delta[4 * n + 3]);
            bvec4 seen = bvec4(uvec4(greaterThanEqual(other, uvec4(row))) & uvec4(lessThanEqual(other, uvec4(other_last))));
            if (WINDOWED) seen = bvec4(uvec4(seen) & uvec4(lessThan(other, uvec4(row + P.window))));
#else
            vec4 lse4 = vec4(OWN_(lse)), delta4 = vec4(OWN_(delta));
            bvec4 seen = bvec4(uvec4(lessThanEqual(other, uvec4(row))) & uvec4(lessThanEqual(other, uvec4(other_last))));
            if (WINDOWED) seen = bvec4(uvec4(seen) & uvec4(greaterThanEqual(other, uvec4(first_seen(row)))));
#endif
            vec4 p = mix(vec4(0), exp(min(P.scale * s - lse4, 80)), seen), m = vec4(1);
            if (DROPOUT) {
#if defined(DKV)
                [[unroll]] for (uint i = 0; i < 4; i++) m[i] = factors(mask_row, other[i], row)[row % 4];
#else
                m = factors(mask_row, row, other.x);
#endif
            }
            weights[at_w + n] = f16vec4(P.scale * p * (u * m - delta4));
#if defined(DKV)
            weights_two[at_w + n] = f16vec4(p * m);
#endif
        }
        settle();
#if defined(DKV)
        ADD(sums, weights, 0)
        ADD(sums_two, weights_two, 1)
        if (GROUP > 1 && h == next_head) s0 = from - OTHERS;
#else
        ADD(sums, weights, 0)
#endif
#else
        float tile_top = LOWEST;
        for (uint n = lane; n < QUADS; n += LANES) {
            uvec4 key = s0 + 4 * n + uvec4(0, 1, 2, 3);
            bvec4 seen = bvec4(uvec4(lessThanEqual(key, uvec4(pos + row))) & uvec4(lessThanEqual(key, uvec4(other_last))));
            if (WINDOWED) seen = bvec4(uvec4(seen) & uvec4(greaterThanEqual(key, uvec4(first_seen(pos + row)))));
            vec4 s = mix(vec4(LOWEST), P.scale * scores[at_s + n], seen);
            scores[at_s + n] = s;
            tile_top = max(tile_top, max(max(s.x, s.y), max(s.z, s.w)));
        }
        float before = top;
        top = max(top, over_row(tile_top, true));
        float shrink = exp(before - top);
        total *= shrink;
        for (uint n = lane; n < QUADS; n += LANES) {
            vec4 p = exp(scores[at_s + n] - top);
            total += (p.x + p.y) + (p.z + p.w);
            if (DROPOUT) p *= factors(mask_row, row, s0 + 4 * n);
            weights[at_w + n] = f16vec4(p);
        }
        // A row's factor for all of its columns: a matrix with equal columns.
        settle();
        if (lane == 0) scores[gl_SubgroupID * TM * LD_S + own_row / 4][own_row % 4] = shrink;
        settle();
        SUMS factor;
        coopMatLoad(factor, scores, gl_SubgroupID * TM * LD_S, 0, gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint n = 0; n < D / TN; n++) sums[n] *= factor;
        ADD(sums, weights, 1)
#endif
    }

    if (!AHEAD) at_row = own_at + row; // where row < T; a sum takes no register through the loop
    // To memory through `scores`, OTHERS columns at a time.
#define WRITE(sums, ld, off, factor)                                                                                   \
    [[unroll]] for (uint c = 0; c < D; c += OTHERS) {                                                                  \
        settle();                                                                                                      \
        [[unroll]] for (uint n = 0; n < OTHERS && c + n < D; n += TN)                                                  \
            coopMatStore(sums[(c + n) / TN], scores, gl_SubgroupID * TM * LD_S + n / 4, LD_S, gl_CooperativeMatrixLayoutRowMajor); \
        settle();                                                                                                      \
        if (row < T)                                                                                                   \
            for (uint n = lane; n < QUADS && c + 4 * n < D; n += LANES)                                                \
                PUT4(result, at_row * ld + off + c + 4 * n, factor * scores[in_group * LD_S + n]);                     \
    }
#if defined(DKV)
    WRITE(sums, P.ld_q, off_k, 1.0)
    WRITE(sums_two, P.ld_q, off_v, 1.0)
#elif defined(DQ)
    WRITE(sums, P.ld_q, off_q, 1.0)
    if (lane == 0 && row < T) PUT(delta, at_row * heads + h, OWN_(delta));
#else
    total = over_row(total, false);
    WRITE(sums, P.ld_y, off_y, 1 / total)
    if (lane == 0 && row < T) PUT(lse, at_row * heads + h, top + log(total));
#endif
}
