#version 450
// Causal attention for GPUs with many registers and much shared memory. Unlike attention_tile.comp, a work group of 16 x 8 invocations has 64 own
// rows and all D columns of a head, so that it computes scores once, and keeps its queries in shared memory. It loops over the keys, 32 at a time:
//   S = q k^T        (64 x 32: 4 x 4 an invocation, in registers)
//   P = exp(S - top) (64 x 32: to shared memory)
//   y += P v         (64 x D: 4 x 8 an invocation, in registers)
// It prefetches a block's values while it computes the scores, and the next keys while it sums the values.
// Heads that share keys, and windows: common/seen.glsl. Operands must allow accesses of four. Shared memory: 10.5 KiB, and 416 bytes for each column of the head: 36.5 KiB with D = 64.
#define PUSH attention_push
#define BUFFERS(X)                                                                                                     \
    X(0, readonly, act, q) X(1, readonly, kv, k) X(2, readonly, kv, v) X(3, readonly, uint, scalars)                 \
    X(4, writeonly, act, result) X(5, writeonly, float, lse)
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/philox.glsl"
#include "common/seen.glsl"

layout(constant_id = SPEC_ATTENTION_HEAD) const uint D = 64; // head size, a multiple of 4 up to 64

const uint ROWS = ATTENTION_BLOCK_ROWS, KEYS = ATTENTION_BLOCK_KEYS, THREADS = ATTENTION_BLOCK_THREADS;
const uint QUADS = D / 4, EACH = (KEYS * QUADS + THREADS - 1) / THREADS; // fours of a block that an invocation loads
const uint LD_Q = ROWS / 4 + 1, LD_K = KEYS / 4 + 1;                    // in vec4; odd, to spread lines over banks

shared vec4 queries[D * LD_Q];       // [column][row / 4]
shared vec4 block[D * LD_K];         // keys: [column][key / 4]; values, which take less: [key][column / 4]
shared vec4 weights[KEYS * LD_Q];    // [key][row / 4]; before them dropout's factors
shared vec4 partial[THREADS];

vec4 over_rows(vec4 x, bool largest)
{
    uint me = gl_LocalInvocationID.x;
    barrier();
    partial[me] = x;
    barrier();
    vec4 r = partial[me / 8 * 8];
    for (uint n = 1; n < 8; n++) {
        vec4 other = partial[me / 8 * 8 + n];
        r = largest ? max(r, other) : r + other;
    }
    return r;
}

void main()
{
    uint heads = P.channels / D, T = P.time_q, blocks = (T + ROWS - 1) / ROWS, group = flat_group(), head_row = group / blocks;
    if (head_row >= P.sequences * heads) return;
    uint me = gl_LocalInvocationID.x, tx = me % 8, ty = me / 8, b = head_row / heads, h = head_row % heads;
    uint first = (blocks - 1 - group % blocks) * ROWS, own0 = first + 4 * ty; // long ones first
    uint off_q = P.off_q + h * D, off_k = P.off_k + h / GROUP * D, off_v = P.off_v + h / GROUP * D, keys_at = b * P.time_k, last = P.time_k - 1;
    uint pos = SCALAR_U(scalars, pos), from = first_of_tile(pos + first), to = min(pos + min(first + ROWS, T), P.time_k);

    for (uint n = me; n < ROWS * QUADS; n += THREADS) {
        uint row = n / QUADS, d = n % QUADS * 4;
        vec4 x = P.scale * AT4(q, (b * T + min(first + row, T - 1)) * P.ld_q + off_q + d);
        [[unroll]] for (uint i = 0; i < 4; i++) queries[(d + i) * LD_Q + row / 4][row % 4] = x[i];
    }
    vec4 next[EACH];
// Neighbouring invocations load neighbouring keys, as `block` stores them, or neighbouring columns, as memory stores values.
#define FETCH_KEYS(s0)                                                                                                 \
    [[unroll]] for (uint e = 0; e < EACH; e++) {                                                                       \
        uint n = e * THREADS + me;                                                                                     \
        next[e] = AT4(k, (keys_at + min(s0 + n % KEYS, last)) * P.ld_k + off_k + min(n / KEYS, QUADS - 1) * 4);        \
    }
#define FETCH_VALUES(s0)                                                                                               \
    [[unroll]] for (uint e = 0; e < EACH; e++) {                                                                       \
        uint n = e * THREADS + me;                                                                                     \
        next[e] = AT4(v, (keys_at + min(s0 + n / QUADS, last)) * P.ld_v + off_v + n % QUADS * 4);                      \
    }
    mat4 left = mat4(0), right = mat4(0);           // y's rows, columns 4 tx and 32 + 4 tx on
    vec4 top = vec4(LOWEST), total = vec4(0);       // total: of this invocation's keys
    uint at_left = min(tx, QUADS - 1), at_right = min(8 + tx, QUADS - 1);

    FETCH_KEYS(from)
    for (uint s0 = from; s0 < to; s0 += KEYS) {
        barrier();
        [[unroll]] for (uint e = 0; e < EACH; e++) {
            uint n = e * THREADS + me, key = n % KEYS, d = n / KEYS * 4;
            if (n < KEYS * QUADS) [[unroll]]
                for (uint i = 0; i < 4; i++) block[(d + i) * LD_K + key / 4][key % 4] = next[e][i];
        }
        if (DROPOUT)
            for (uint n = me; n < KEYS / 4 * ROWS; n += THREADS) {
                uint row = n % ROWS, key = n / ROWS * 4;
                uvec4 bits = DROPOUT_WORDS(scalars, MASK_ROWS, head_row * T + first + row, (s0 + key) / 4, P.stream);
                [[unroll]] for (uint i = 0; i < 4; i++) weights[(key + i) * LD_Q + row / 4][row % 4] = dropout_factor(bits[i], P.keep);
            }
        barrier();
        FETCH_VALUES(s0)
        mat4 s = mat4(0); // [row][key]
        for (uint d = 0; d < D; d += 4) [[unroll]]
            for (uint i = 0; i < 4; i++) s += outerProduct(block[(d + i) * LD_K + tx], queries[(d + i) * LD_Q + ty]);
        uvec4 key = s0 + 4 * tx + uvec4(0, 1, 2, 3);
        vec4 tile_top;
        [[unroll]] for (uint i = 0; i < 4; i++) {
            uint end = min(pos + own0 + i, last);
            s[i] = mix(vec4(LOWEST), s[i], lessThanEqual(key, uvec4(end)));
            if (WINDOWED) s[i] = mix(vec4(LOWEST), s[i], greaterThanEqual(key, uvec4(first_seen(pos + own0 + i))));
            tile_top[i] = max(max(s[i].x, s[i].y), max(s[i].z, s[i].w));
        }
        vec4 before = top;
        top = max(top, over_rows(tile_top, true)); // its barriers: the keys have been used
        vec4 shrink = exp(before - top);
        total *= shrink;
        [[unroll]] for (uint i = 0; i < 4; i++) {
            s[i] = exp(s[i] - top[i]);
            total[i] += (s[i].x + s[i].y) + (s[i].z + s[i].w);
            left[i] *= shrink[i];
            right[i] *= shrink[i];
        }
        [[unroll]] for (uint n = 0; n < 4; n++) {
            vec4 p = vec4(s[0][n], s[1][n], s[2][n], s[3][n]);
            if (DROPOUT) p *= weights[(4 * tx + n) * LD_Q + ty];
            weights[(4 * tx + n) * LD_Q + ty] = p;
        }
        [[unroll]] for (uint e = 0; e < EACH; e++)
            if (e * THREADS + me < KEYS * QUADS) block[e * THREADS + me] = next[e];
        barrier();
        uint after = s0 + KEYS;
        FETCH_KEYS(after)
        for (uint r = 0; r < KEYS; r += 4) [[unroll]]
            for (uint i = 0; i < 4; i++) {
                vec4 w = weights[(r + i) * LD_Q + ty];
                left += outerProduct(block[(r + i) * QUADS + at_left], w);
                right += outerProduct(block[(r + i) * QUADS + at_right], w);
            }
    }

    total = over_rows(total, false);
    [[unroll]] for (uint i = 0; i < 4; i++) {
        uint row = b * T + own0 + i;
        if (own0 + i >= T) continue;
        if (tx == 0) PUT(lse, row * heads + h, top[i] + log(total[i]));
        if (tx < QUADS) PUT4(result, row * P.ld_y + h * D + 4 * tx, left[i] / total[i]);
        if (8 + tx < QUADS) PUT4(result, row * P.ld_y + h * D + 32 + 4 * tx, right[i] / total[i]);
    }
}
