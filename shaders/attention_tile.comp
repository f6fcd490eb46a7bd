#version 450
// Causal attention and its gradient for any GPU, as in FlashAttention: no T x T matrix is stored, and the gradient recomputes probabilities. A work
// group of 8 x 8 invocations has 32 own rows of one head and 32 HALVES of its columns. It loops over the other rows, 32 at a time:
//   S = own_one other_one^T, for some also U = own_two other_two^T     (32 x 32: 4 x 4 an invocation, in registers)
//   W = weights of S and U                                             (32 x 32: to shared memory)
//   sum += W other, 32 columns after 32                                (32 x 32 HALVES: 4 x 4 HALVES an invocation, in registers)
// U, times the dropout factors, is kept in W's place while S is computed, which saves the registers of a matrix. Loops take two steps at a time, to
// prefetch the second one's loads from shared memory. With two halves, S and U are computed once for a head of 64; larger heads take several work
// groups, or four halves. Own rows that are queries have one = q, two = dy; own rows that are keys have one = k, two = v. common/attention.glsl lists
// the kernels. attention_few.comp is for GPUs with 32 or 64 registers an invocation. Operands must allow accesses of four. Shared memory: 8 KiB.
#extension GL_GOOGLE_include_directive : require
#include "common/attention.glsl"

layout(constant_id = SPEC_ATTENTION_HALVES) const uint HALVES = 1; // 32 columns each, one after the other

const uint ROWS = 32, OTHERS = 32, COLUMNS = 32 * HALVES, DEPTH = 16, THREADS = 64;

// OWN_SLICE, OTHER_SLICE: [d][row / 4]; VALUES: [other row][column / 4]; weights: [other row][own row / 4], before that the dropout factors and U.
// Arrays that are used at different times share memory, for occupancy.
shared vec4 weights[OTHERS * 8];
shared vec4 stage[OTHERS * 8];
#define OWN_SLICE(i) stage[i]
#define OTHER_SLICE(i) stage[DEPTH * 8 + (i)]
#define PARTIAL(i) stage[i]
#define VALUES(i) stage[i]
#ifdef DQ
shared vec4 lse_rows[ROWS / 4], delta_rows[ROWS / 4]; // of own rows; in shared memory to save registers
#endif

uint me, tx, ty, T, b, h, first, own_at; // own_at: the row of tokens where this sequence's own rows begin
uint off_q, off_k, off_v, off_y;

#if defined(DQ) || defined(OWN_KEYS) // one tensor has all three
#define K q
#define V q
#else
#define K k
#define V v
#endif

#define AT4_OF(name, i) AT4(name, i) // expands a name that is a macro
#if defined(DQ)
#define OTHER K
#define OTHER_LD P.ld_k
#define OTHER_OFF off_k
#elif defined(DK)
#define OTHER q
#define OTHER_LD P.ld_q
#define OTHER_OFF off_q
#elif defined(DV)
#define OTHER dy
#define OTHER_LD P.ld_y
#define OTHER_OFF off_y
#else
#define OTHER V
#define OTHER_LD P.ld_v
#define OTHER_OFF off_v
#endif

// 32 rows of a head from first_ on, columns [d0, d0 + DEPTH), to a slice. Rows beyond the last repeat it, columns beyond D are 0.
#define LOAD(slice_, name, at_, first_, last_, ld_, off_, d0)                                                          \
    [[unroll]] for (uint i_ = 0; i_ < 32 * DEPTH / 4; i_ += THREADS) {                                                 \
        uint r_ = (i_ + me) % 32, d_ = 4 * ((i_ + me) / 32);                                                           \
        vec4 x_ = d0 + d_ < D ? AT4(name, (at_ + min(first_ + r_, last_)) * ld_ + off_ + d0 + d_) : vec4(0);           \
        [[unroll]] for (uint c_ = 0; c_ < 4; c_++) slice_((d_ + c_) * 8 + r_ / 4)[r_ % 4] = x_[c_];                    \
    }

// s[i][n] += own row i times other row n.
#define SCORES(s, own_name, own_ld, own_off, other_name, other_ld, other_off)                                          \
    for (uint d0 = 0; d0 < D; d0 += DEPTH) {                                                                           \
        barrier();                                                                                                     \
        LOAD(OWN_SLICE, own_name, own_at, first, T - 1, own_ld, own_off, d0)                                           \
        LOAD(OTHER_SLICE, other_name, other_at, s0, other_last, other_ld, other_off, d0)                               \
        barrier();                                                                                                     \
        [[dont_unroll]] for (uint d_ = 0; d_ < DEPTH; d_ += 2) {                                                       \
            s += outerProduct(OTHER_SLICE(d_ * 8 + tx), OWN_SLICE(d_ * 8 + ty));                                       \
            s += outerProduct(OTHER_SLICE((d_ + 1) * 8 + tx), OWN_SLICE((d_ + 1) * 8 + ty));                           \
        }                                                                                                              \
    }

#define ROW_REDUCE(name, combine)                                                                                      \
    vec4 name(vec4 x)                                                                                                  \
    {                                                                                                                  \
        barrier();                                                                                                     \
        PARTIAL(me) = x;                                                                                               \
        barrier();                                                                                                     \
        vec4 r = PARTIAL(8 * ty);                                                                                      \
        for (uint n = 1; n < 8; n++) r = combine(r, PARTIAL(8 * ty + n));                                              \
        return r;                                                                                                      \
    }
vec4 add_(vec4 x, vec4 y) { return x + y; }
ROW_REDUCE(row_sum, add_)
ROW_REDUCE(row_max, max)

// Writes the tile's dropout factors to `weights`. Four neighbouring keys of a mask row share one block of random words.
void draw_factors(uint head_row, uint s0)
{
    barrier();
    for (uint i = me; i < OTHERS * 8; i += THREADS) {
#ifdef OWN_KEYS
        uint query = s0 + i / 8, key = first + 4 * (i % 8);
#else
        uint query = first + i % ROWS, key = s0 + 4 * (i / ROWS);
#endif
        vec4 m = dropout_factors(DROPOUT_WORDS(scalars, MASK_ROWS, head_row * P.time_q + query, key / 4, P.stream), P.keep);
#ifdef OWN_KEYS
        weights[i] = m;
#else
        [[unroll]] for (uint n = 0; n < 4; n++) weights[(key - s0 + n) * 8 + i % ROWS / 4][i % 4] = m[n];
#endif
    }
}

void main()
{
#ifdef OWN_KEYS
    T = P.time_k;
#define HEADS heads / GROUP // whose own rows there are
#else
    T = P.time_q;
#define HEADS heads
#endif
    uint heads = P.channels / D, blocks = (T + ROWS - 1) / ROWS, parts = (D + COLUMNS - 1) / COLUMNS, group = flat_group();
    uint head_row = group / parts / blocks, own_heads = HEADS;
    if (head_row >= P.sequences * own_heads) return;
    me = gl_LocalInvocationID.x, tx = me % 8, ty = me / 8;
    first = group / parts % blocks * ROWS;
    uint col = group % parts * COLUMNS + 4 * tx; // the first of this invocation's columns
    b = head_row / own_heads;
#ifdef OWN_KEYS
    uint of_keys = head_row % own_heads;
    h = of_keys * GROUP; // the first of the query heads that share the keys
#else
    h = head_row % heads;
    uint of_keys = h / GROUP;
#endif
    off_q = P.off_q + h * D, off_k = P.off_k + of_keys * D, off_v = P.off_v + of_keys * D, off_y = h * D;
    own_at = b * T;
    uint own0 = first + 4 * ty;
    mat4 sum[HALVES];
    [[unroll]] for (uint c = 0; c < HALVES; c++) sum[c] = mat4(0);

#if defined(OWN_KEYS)
    uint other_at = b * P.time_q, other_last = P.time_q - 1, from = first, to = end_seen(first + ROWS - 1, P.time_q);
#else
    uint other_at = b * P.time_k, other_last = P.time_k - 1;
#if defined(DQ)
    uint pos = 0;
#else
    uint pos = SCALAR_U(scalars, pos);
#endif
    uint from = first_of_tile(pos + first), to = min(pos + min(first + ROWS, T), P.time_k);
#define SEES(i, key) ((key) <= pos + own0 + (i) && (key) <= other_last && within(pos + own0 + (i), key))
#endif
#if defined(DQ)
    vec4 own_lse, own_delta = vec4(0);
    [[unroll]] for (uint i = 0; i < 4; i++) {
        uint t = min(own0 + i, T - 1);
        own_lse[i] = AT(lse, (own_at + t) * heads + h);
        for (uint c = 4 * tx; c < D; c += 32) {
            uint at = (own_at + t) * P.ld_y + off_y + c;
            own_delta[i] += dot(AT4(dy, at), AT4(y, at));
        }
    }
    own_delta = row_sum(own_delta);
    if (tx == 0) lse_rows[ty] = own_lse, delta_rows[ty] = own_delta; // for other invocations, after the barriers of SCORES
#elif !defined(OWN_KEYS)
    vec4 top = vec4(LOWEST), total = vec4(0); // total: of this invocation's keys
#endif

    for (uint s0 = from; s0 < to; s0 += OTHERS) {
        if (DROPOUT) draw_factors(b * heads + h, s0);
        uvec4 other = s0 + 4 * tx + uvec4(0, 1, 2, 3);
        mat4 s = mat4(0);
#if defined(DQ) || defined(DK)
#ifdef DK
        SCORES(s, V, P.ld_q, off_v, dy, P.ld_y, off_y)
#else
        SCORES(s, dy, P.ld_y, off_y, V, P.ld_v, off_v)
#endif
        [[unroll]] for (uint n = 0; n < 4; n++) { // U m, where W will be
            vec4 u = vec4(s[0][n], s[1][n], s[2][n], s[3][n]);
            weights[(4 * tx + n) * 8 + ty] = DROPOUT ? u * weights[(4 * tx + n) * 8 + ty] : u;
        }
        s = mat4(0);
#endif
#if defined(OWN_KEYS)
        SCORES(s, K, P.ld_q, off_k, q, P.ld_q, off_q)
        [[unroll]] for (uint n = 0; n < 4; n++) {
            uint t = min(other[n], other_last), at = (other_at + t) * heads + h;
            float other_lse = AT(lse, at);
#if defined(DK)
            vec4 u = weights[(4 * tx + n) * 8 + ty];
            float other_delta = AT(delta, at);
#else
            vec4 m = DROPOUT ? weights[(4 * tx + n) * 8 + ty] : vec4(1);
#endif
            [[unroll]] for (uint i = 0; i < 4; i++) {
                float p = other[n] >= own0 + i && other[n] == t && within(t, own0 + i) ? exp(min(P.scale * s[i][n] - other_lse, 80)) : 0.0;
#if defined(DK)
                s[i][n] = P.scale * p * (u[i] - other_delta);
#else
                s[i][n] = p * m[i];
#endif
            }
        }
#else
        SCORES(s, q, P.ld_q, off_q, K, P.ld_k, off_k)
#if defined(DQ)
        [[unroll]] for (uint n = 0; n < 4; n++) {
            vec4 u = weights[(4 * tx + n) * 8 + ty];
            [[unroll]] for (uint i = 0; i < 4; i++) {
                float p = SEES(i, other[n]) ? exp(min(P.scale * s[i][n] - lse_rows[ty][i], 80)) : 0.0;
                s[i][n] = P.scale * p * (u[i] - delta_rows[ty][i]);
            }
        }
#else
        vec4 tile_top;
        [[unroll]] for (uint i = 0; i < 4; i++) {
            tile_top[i] = LOWEST;
            [[unroll]] for (uint n = 0; n < 4; n++) {
                s[i][n] = SEES(i, other[n]) ? P.scale * s[i][n] : LOWEST;
                tile_top[i] = max(tile_top[i], s[i][n]);
            }
        }
        vec4 before = top;
        top = max(top, row_max(tile_top));
        vec4 shrink = exp(before - top);
        total *= shrink;
        [[unroll]] for (uint i = 0; i < 4; i++) {
            s[i] = exp(s[i] - top[i]);
            [[unroll]] for (uint c = 0; c < HALVES; c++) sum[c][i] *= shrink[i];
            total[i] += dot(s[i], vec4(1));
        }
        if (DROPOUT) [[unroll]]
            for (uint n = 0; n < 4; n++) {
                vec4 m = weights[(4 * tx + n) * 8 + ty];
                [[unroll]] for (uint i = 0; i < 4; i++) s[i][n] *= m[i];
            }
#endif
#endif
        [[unroll]] for (uint c = 0; c < HALVES; c++) {
            barrier();
            [[unroll]] for (uint i_ = 0; i_ < OTHERS * 8; i_ += THREADS) {
                uint r = (i_ + me) / 8, d = col + 32 * c;
                VALUES(i_ + me) = d < D ? AT4_OF(OTHER, (other_at + min(s0 + r, other_last)) * OTHER_LD + OTHER_OFF + d) : vec4(0);
            }
            if (c == 0) [[unroll]]
                for (uint n = 0; n < 4; n++) weights[(4 * tx + n) * 8 + ty] = vec4(s[0][n], s[1][n], s[2][n], s[3][n]);
            barrier();
            [[dont_unroll]] for (uint r = 0; r < OTHERS; r += 2) {
                sum[c] += outerProduct(VALUES(r * 8 + tx), weights[r * 8 + ty]);
                sum[c] += outerProduct(VALUES((r + 1) * 8 + tx), weights[(r + 1) * 8 + ty]);
            }
        }
#ifdef OWN_KEYS
        if (GROUP > 1 && s0 + OTHERS >= to && h + 1 < (of_keys + 1) * GROUP) { // the next head that shares the keys, from its start
            h++, off_q += D, off_y += D;
            s0 = from - OTHERS;
        }
#endif
    }

    bool first_part = group % parts == 0 && tx == 0; // among work groups and invocations with the same rows
#if defined(DQ)
#define RESULT_LD P.ld_q
#define RESULT_OFF off_q
    if (first_part) [[unroll]]
        for (uint i = 0; i < 4; i++)
            if (own0 + i < T) PUT(delta, (own_at + own0 + i) * heads + h, delta_rows[ty][i]);
#elif defined(DK)
#define RESULT_LD P.ld_q
#define RESULT_OFF off_k
#elif defined(DV)
#define RESULT_LD P.ld_q
#define RESULT_OFF off_v
#else
#define RESULT_LD P.ld_y
#define RESULT_OFF off_y
    total = row_sum(total);
    [[unroll]] for (uint i = 0; i < 4; i++) {
        [[unroll]] for (uint c = 0; c < HALVES; c++) sum[c][i] /= total[i];
        if (first_part && own0 + i < T) PUT(lse, (own_at + own0 + i) * heads + h, top[i] + log(total[i]));
    }
#endif
    [[unroll]] for (uint c = 0; c < HALVES; c++)
        if (col + 32 * c < D) [[unroll]]
            for (uint i = 0; i < 4; i++)
                if (own0 + i < T) PUT4(result, (own_at + own0 + i) * RESULT_LD + RESULT_OFF + col + 32 * c, sum[c][i]);
}
