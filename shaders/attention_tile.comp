#version 450
// Causal attention and its gradient for any GPU, in the flash manner: no T x T matrix, each probability made again where it is needed. A work group of
// 8 x 8 invocations has a tile of 32 own rows of one head; it goes over the other rows 32 at a time:
//   S = own_one other_one^T, for some also U = own_two other_two^T     (32 x 32: 4 x 4 an invocation, in registers)
//   W = weights of S and U                                             (32 x 32: to shared memory)
//   sum += W other                                                     (32 x 64 columns of the head: 4 x 8 an invocation)
// Heads of more than 64 columns take two such groups, so that no GPU runs out of registers. With queries' rows one = q, two = dy, with keys'
// one = k, two = v; p(t, s) = exp(scale q(t) . k(s) - lse(t)); m: its dropout factor:
//   (none)  own queries: y(t) = sum_s p m v(s), lse by a running maximum (Milakov and Gimelshein, 2018; Dao et al., 2022)
//   DQ      own queries: dq(t) = sum_s W k(s), W = scale p (dy(t) . v(s) m - delta(t)), delta(t) = dy(t) . y(t), which is stored for DK
//   DK      own keys:    dk(s) = sum_t W q(t), W as above
//   DV      own keys:    dv(s) = sum_t p m dy(t)
// Shared memory: 9 KiB. Shapes as in push.h: rows of ld_ elements, heads at off_; lse, delta: (N, H).
#define PUSH attention_push
#if defined(DQ)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, float, q) X(1, readonly, float, y) X(2, readonly, float, lse) X(3, readonly, float, dy)             \
    X(4, readonly, uint, scalars) X(5, writeonly, float, result) X(6, writeonly, float, delta)
#elif defined(DK)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, float, q) X(1, readonly, float, lse) X(2, readonly, float, delta) X(3, readonly, float, dy)         \
    X(4, readonly, uint, scalars) X(5, writeonly, float, result)
#elif defined(DV)
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, float, q) X(1, readonly, float, lse) X(2, readonly, float, dy) X(3, readonly, uint, scalars)        \
    X(4, writeonly, float, result)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, float, q) X(1, readonly, float, k) X(2, readonly, float, v) X(3, readonly, uint, scalars)           \
    X(4, writeonly, float, result) X(5, writeonly, float, lse)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/philox.glsl"

#define D P.head // head size, a multiple of 4
layout(constant_id = 1) const bool DROPOUT = false;

const uint ROWS = 32, THREADS = 64, DEPTH = 16, COLUMNS = 64;
const float LOWEST = -3.4e38;

shared vec4 slices[2 * DEPTH * 8]; // [d][row / 4] of own and of other rows; or [row][column / 4] of other rows
shared vec4 weights[ROWS * 8];     // [other row][own row / 4]
shared vec4 partial[THREADS];

uint me, tx, ty, T, b, h, first, own_at; // own_at: the row of tokens where this sequence's own rows begin
uint off_q, off_k, off_v, off_y;

#if defined(DK) || defined(DV)
#define OWN_KEYS
#endif
#if defined(DQ) || defined(OWN_KEYS) // one tensor has all three
#define K q
#define V q
#else
#define K k
#define V v
#endif

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

// Rows [first_, first_ + 32) of a head, columns [d0, d0 + 16), into a slice; rows beyond the last repeat it, columns beyond D are 0.
#define LOAD(slice_, name, at_, first_, last_, ld_, off_, d0)                                                          \
    [[unroll]] for (uint i_ = 0; i_ < ROWS * DEPTH / 4; i_ += THREADS) {                                               \
        uint r_ = (i_ + me) % ROWS, d_ = 4 * ((i_ + me) / ROWS);                                                       \
        vec4 x_ = d0 + d_ < D ? AT4(name, (at_ + min(first_ + r_, last_)) * ld_ + off_ + d0 + d_) : vec4(0);           \
        [[unroll]] for (uint n_ = 0; n_ < 4; n_++) slices[slice_ * DEPTH * 8 + (d_ + n_) * 8 + r_ / 4][r_ % 4] = x_[n_]; \
    }

// s[i][n] += own row i times other row n, both from slices.
#define PRODUCT(s)                                                                                                     \
    for (uint d_ = 0; d_ < DEPTH; d_++)                                                                                \
        s += outerProduct(slices[(DEPTH + d_) * 8 + tx], slices[d_ * 8 + ty]);

#define SCORES(s, own_name, own_ld, own_off, other_name, other_ld, other_off)                                          \
    for (uint d0 = 0; d0 < D; d0 += DEPTH) {                                                                           \
        barrier();                                                                                                     \
        LOAD(0, own_name, own_at, first, own_last, own_ld, own_off, d0)                                                \
        LOAD(1, other_name, other_at, s0, other_last, other_ld, other_off, d0)                                         \
        barrier();                                                                                                     \
        PRODUCT(s)                                                                                                     \
    }

// sum[i] += weights of own row i times 32 columns of the other rows.
#define ACCUMULATE(sum, name, ld_, off_, col_)                                                                         \
    if (col_ < D) {                                                                                                    \
        barrier();                                                                                                     \
        [[unroll]] for (uint i_ = 0; i_ < ROWS * 8; i_ += THREADS) {                                                   \
            uint r_ = (i_ + me) / 8, c_ = col_ + 4 * ((i_ + me) % 8);                                                  \
            slices[i_ + me] = c_ < D ? AT4(name, (other_at + min(s0 + r_, other_last)) * ld_ + off_ + c_) : vec4(0);   \
        }                                                                                                              \
        barrier();                                                                                                     \
        for (uint r_ = 0; r_ < ROWS; r_++) sum += outerProduct(slices[r_ * 8 + tx], weights[r_ * 8 + ty]);             \
    }

#define ROW_REDUCE(name, combine)                                                                                      \
    vec4 name(vec4 x)                                                                                                  \
    {                                                                                                                  \
        barrier();                                                                                                     \
        partial[me] = x;                                                                                               \
        barrier();                                                                                                     \
        vec4 r = partial[8 * ty];                                                                                      \
        for (uint n = 1; n < 8; n++) r = combine(r, partial[8 * ty + n]);                                              \
        return r;                                                                                                      \
    }
vec4 add_(vec4 x, vec4 y) { return x + y; }
ROW_REDUCE(row_sum, add_)
ROW_REDUCE(row_max, max)

vec4 in_rows(mat4 m) { return vec4(1) * m; } // the sum of each m[i]

// Dropout factors of mask row `row`, columns col to col + 3 (col a multiple of 4).
vec4 factors(uint row, uint col)
{
    uvec4 bits = DROPOUT_WORDS(scalars, row, col / 4, P.stream);
    return vec4(dropout_factor(bits.x, P.keep), dropout_factor(bits.y, P.keep), dropout_factor(bits.z, P.keep),
                dropout_factor(bits.w, P.keep));
}

void store(mat4 sum, uint ld, uint off, uint col)
{
    if (col + 4 * tx >= D) return;
    [[unroll]] for (uint i = 0; i < 4; i++)
        if (first + 4 * ty + i < T) PUT4(result, (own_at + first + 4 * ty + i) * ld + off + col + 4 * tx, sum[i]);
}

void main()
{
#ifdef OWN_KEYS
    T = P.time_k;
#else
    T = P.time_q;
#endif
    uint heads = P.channels / D, blocks = (T + ROWS - 1) / ROWS, parts = (D + COLUMNS - 1) / COLUMNS, group = flat_group();
    uint col = group % parts * COLUMNS, head_row = group / parts / blocks;
    if (head_row >= P.sequences * heads) return;
    first = group / parts % blocks * ROWS;
    me = gl_LocalInvocationID.x, tx = me % 8, ty = me / 8;
    b = head_row / heads, h = head_row % heads;
    off_q = P.off_q + h * D, off_k = P.off_k + h * D, off_v = P.off_v + h * D, off_y = h * D;
    own_at = b * T;
    uint own_last = T - 1, own0 = first + 4 * ty;
    uvec4 own = min(uvec4(own0, own0 + 1, own0 + 2, own0 + 3), uvec4(T - 1));
    mat4 low = mat4(0), high = mat4(0); // 32 columns each

#if defined(OWN_KEYS)
    uint other_at = b * P.time_q, other_last = P.time_q - 1, from = first, to = P.time_q;
#else
    uint other_at = b * P.time_k, other_last = P.time_k - 1, from = 0;
#if defined(DQ)
    uint pos = 0;
#else
    uint pos = SCALAR_U(scalars, SCALAR_POS);
#endif
    uint to = min(pos + min(first + ROWS, T), P.time_k);
    uvec4 limit = pos + own; // the last key that each own query sees
#endif
#if defined(DQ)
    vec4 own_lse, own_delta = vec4(0);
    [[unroll]] for (uint i = 0; i < 4; i++) {
        own_lse[i] = AT(lse, (own_at + own[i]) * heads + h);
        for (uint c = 4 * tx; c < D; c += 32) {
            uint at = (own_at + own[i]) * P.ld_y + off_y + c;
            own_delta[i] += dot(AT4(dy, at), AT4(y, at));
        }
    }
    own_delta = row_sum(own_delta);
#elif !defined(OWN_KEYS)
    vec4 top = vec4(LOWEST), sum = vec4(0); // sum: of this invocation's columns
#endif

    for (uint s0 = from; s0 < to; s0 += ROWS) {
        mat4 s = mat4(0), u = mat4(0), factor = mat4(vec4(1), vec4(1), vec4(1), vec4(1));
        uint s1 = s0 + 4 * tx;
        uvec4 other = uvec4(s1, s1 + 1, s1 + 2, s1 + 3);
#if defined(OWN_KEYS)
        SCORES(s, K, P.ld_q, off_k, q, P.ld_q, off_q)
#if defined(DK)
        SCORES(u, V, P.ld_q, off_v, dy, P.ld_y, off_y)
#endif
#else
        SCORES(s, q, P.ld_q, off_q, K, P.ld_k, off_k)
#if defined(DQ)
        SCORES(u, dy, P.ld_y, off_y, V, P.ld_v, off_v)
#endif
#endif

#if defined(OWN_KEYS)
        vec4 other_lse, other_delta;
        [[unroll]] for (uint n = 0; n < 4; n++) {
            uint at = (other_at + min(other[n], other_last)) * heads + h;
            other_lse[n] = AT(lse, at);
#if defined(DK)
            other_delta[n] = AT(delta, at);
#endif
        }
        if (DROPOUT) {
            [[unroll]] for (uint n = 0; n < 4; n++) factor[n] = factors(head_row * P.time_q + other[n], own0);
            factor = transpose(factor);
        }
        [[unroll]] for (uint i = 0; i < 4; i++) {
            vec4 seen = vec4(greaterThanEqual(other, uvec4(own0 + i))) * vec4(lessThan(other, uvec4(P.time_q)));
            vec4 p = exp(min(P.scale * s[i] - other_lse, vec4(80))) * seen;
#if defined(DK)
            s[i] = P.scale * p * (u[i] * factor[i] - other_delta);
#else
            s[i] = p * factor[i];
#endif
        }
#else
        if (DROPOUT) [[unroll]]
            for (uint i = 0; i < 4; i++) factor[i] = factors(head_row * T + own0 + i, s1);
#if defined(DQ)
        [[unroll]] for (uint i = 0; i < 4; i++) {
            vec4 seen = vec4(lessThanEqual(other, uvec4(limit[i])));
            vec4 p = exp(min(P.scale * s[i] - own_lse[i], vec4(80))) * seen;
            s[i] = P.scale * p * (u[i] * factor[i] - own_delta[i]);
        }
#else
        vec4 tile_top;
        [[unroll]] for (uint i = 0; i < 4; i++) {
            s[i] = mix(vec4(LOWEST), P.scale * s[i], lessThanEqual(other, uvec4(min(limit[i], P.time_k - 1))));
            tile_top[i] = max(max(s[i].x, s[i].y), max(s[i].z, s[i].w));
        }
        vec4 before = top;
        top = max(top, row_max(tile_top));
        vec4 shrink = exp(before - top);
        [[unroll]] for (uint i = 0; i < 4; i++) {
            s[i] = exp(s[i] - top[i]);
            low[i] *= shrink[i];
            high[i] *= shrink[i];
        }
        sum = sum * shrink + in_rows(s);
        [[unroll]] for (uint i = 0; i < 4; i++) s[i] *= factor[i];
#endif
#endif
        mat4 columns = transpose(s);
        [[unroll]] for (uint n = 0; n < 4; n++) weights[(4 * tx + n) * 8 + ty] = columns[n];
        ACCUMULATE(low, OTHER, OTHER_LD, OTHER_OFF, col)
        ACCUMULATE(high, OTHER, OTHER_LD, OTHER_OFF, col + 32)
    }

#if defined(DQ)
    store(low, P.ld_q, off_q, col);
    store(high, P.ld_q, off_q, col + 32);
    if (tx == 0 && col == 0) [[unroll]]
        for (uint i = 0; i < 4; i++)
            if (own0 + i < T) AT(delta, (own_at + own0 + i) * heads + h) = own_delta[i];
#elif defined(DK)
    store(low, P.ld_q, off_k, col);
    store(high, P.ld_q, off_k, col + 32);
#elif defined(DV)
    store(low, P.ld_q, off_v, col);
    store(high, P.ld_q, off_v, col + 32);
#else
    sum = row_sum(sum);
    [[unroll]] for (uint i = 0; i < 4; i++) {
        low[i] /= sum[i];
        high[i] /= sum[i];
    }
    store(low, P.ld_y, off_y, col);
    store(high, P.ld_y, off_y, col + 32);
    if (tx == 0 && col == 0) [[unroll]]
        for (uint i = 0; i < 4; i++)
            if (own0 + i < T) AT(lse, (own_at + own0 + i) * heads + h) = top[i] + log(sum[i]);
#endif
}
