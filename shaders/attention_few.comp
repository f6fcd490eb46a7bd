#version 450
// Causal attention and its gradient for GPUs with few registers, and for rows that cannot be read four elements at a time. common/attention.glsl
// lists the kernels. A work group has 4 own rows of one head. It loops over the other rows, 64 at a time, and reads them from memory:
//   S = own_one other_one^T, for some also U = own_two other_two^T     (4 x 64: one other row an invocation, four sums in registers)
//   W = weights of S and U                                             (4 x 64: to shared memory)
//   sum += W other                                                     (4 x 64: one column an invocation; in smaller heads a share of its rows)
// Each 64 columns of a head take a work group, which all compute S.
// Shared memory: 6 KiB with U, else 4 KiB; heads of more than 128 columns 10 KiB and 6 KiB.
#extension GL_GOOGLE_include_directive : require
#include "common/attention.glsl"
#include "common/eights.glsl"

// A row's columns from c on.
#define OF_Q(row, c) (row) * P.ld_q + P.off_q + h * D + (c)
#define OF_K(row, c) (row) * P.ld_k + P.off_k + of_keys * D + (c)
#define OF_V(row, c) (row) * P.ld_v + P.off_v + of_keys * D + (c)
#define OF_Y(row, c) (row) * P.ld_y + h * D + (c)
// The tensors of own and other rows, the summed tensor, and the result.
#if defined(DQ)
#define OWN_ONE(row, c) AT4(q, OF_Q(row, c))
#define OWN_TWO(row, c) AT4(dy, OF_Y(row, c))
#define OTHER_ONE(row, c) AT4(q, OF_K(row, c))
#define OTHER_TWO(row, c) AT4(q, OF_V(row, c))
#define SUMMED(row, c) AT(q, OF_K(row, c))
#define RESULT(row, c) OF_Q(row, c)
#elif defined(DK)
#define OWN_ONE(row, c) AT4(q, OF_K(row, c))
#define OWN_TWO(row, c) AT4(q, OF_V(row, c))
#define OTHER_ONE(row, c) AT4(q, OF_Q(row, c))
#define OTHER_TWO(row, c) AT4(dy, OF_Y(row, c))
#define SUMMED(row, c) AT(q, OF_Q(row, c))
#define RESULT(row, c) OF_K(row, c)
#elif defined(DV)
#define OWN_ONE(row, c) AT4(q, OF_K(row, c))
#define OTHER_ONE(row, c) AT4(q, OF_Q(row, c))
#define SUMMED(row, c) AT(dy, OF_Y(row, c))
#define RESULT(row, c) OF_V(row, c)
#else
#define OWN_ONE(row, c) AT4(q, OF_Q(row, c))
#define OTHER_ONE(row, c) AT4(k, OF_K(row, c))
#define SUMMED(row, c) AT(v, OF_V(row, c))
#define RESULT(row, c) OF_Y(row, c)
#endif
#ifdef OWN_KEYS
#define HEADS heads / GROUP // whose own rows there are
#define OWN_TIME P.time_k
#define OTHER_TIME P.time_q
#else
#define HEADS heads
#define OWN_TIME P.time_q
#define OTHER_TIME P.time_k
#endif

layout(constant_id = SPEC_ATTENTION_MOST) const uint MOST = 128; // no less than D

const uint OWN = ATTENTION_FEW_ROWS, OTHERS = ATTENTION_FEW_OTHERS;

shared vec4 own_one[MOST]; // [column / 4][own row]
#if defined(DQ) || defined(DK)
shared vec4 own_two[MOST];
#endif
shared vec4 weights[OTHERS]; // of the own rows; before them dropout's factors
shared vec4 partial[OTHERS];
#ifdef DQ
shared vec4 own_lse, own_delta;
#elif !defined(OWN_KEYS)
shared vec4 top; // the running maximum
#endif
vec4 add_(vec4 a, vec4 b) { return a + b; }
DEFINE_GROUP_REDUCE(row_sum, vec4, add_, partial, OTHERS)
DEFINE_GROUP_REDUCE(row_max, vec4, max, partial, OTHERS)

// s[i] += own row i times the other row.
#define SCORES(s, own, other, row)                                                                                     \
    for (uint c_ = 0; c_ < D; c_ += 4) {                                                                               \
        vec4 x_ = other(row, c_);                                                                                      \
        [[unroll]] for (uint i_ = 0; i_ < OWN; i_++) s[i_] += dot(own[c_ + i_], x_);                                   \
    }

void main()
{
    uint me = gl_LocalInvocationID.x, heads = P.channels / D, blocks = (OWN_TIME + OWN - 1) / OWN;
    uint parts = (D + OTHERS - 1) / OTHERS, group = flat_group(), head_row = group / parts / blocks, own_heads = HEADS;
    if (head_row >= P.sequences * own_heads) return;
    uint b = head_row / own_heads, first = group / parts % blocks * OWN;
#ifdef OWN_KEYS
    uint of_keys = head_row % own_heads, h = of_keys * GROUP; // the first of the query heads that share the keys
#else
    uint h = head_row % heads, of_keys = h / GROUP;
#endif
    uint own_at = b * OWN_TIME, own_last = OWN_TIME - 1, other_at = b * OTHER_TIME, other_last = OTHER_TIME - 1;
    uint columns = min(D, OTHERS), shares = OTHERS / columns, share = me / columns; // the last share may be empty
    uint col = group % parts * OTHERS + me % columns, col_in = min(col, D - 1);

    for (uint n = me; n < D; n += OTHERS) {
        uint row = own_at + min(first + n % OWN, own_last), c = n / OWN * 4;
        own_one[n] = OWN_ONE(row, c);
#if defined(DQ) || defined(DK)
        own_two[n] = OWN_TWO(row, c);
#endif
    }
#if defined(DQ)
    vec4 slope = vec4(0);
    for (uint n = me; n < D; n += OTHERS) // own_two[n] is this invocation's
        slope[n % OWN] += dot(own_two[n], AT4(y, (own_at + min(first + n % OWN, own_last)) * P.ld_y + h * D + n / OWN * 4));
    slope = row_sum(slope);
    if (me == 0) {
        own_delta = slope;
        [[unroll]] for (uint i = 0; i < OWN; i++) own_lse[i] = AT(lse, (own_at + min(first + i, own_last)) * heads + h);
    }
    uint pos = 0;
#elif !defined(OWN_KEYS)
    uint pos = SCALAR_U(scalars, pos);
    if (me == 0) top = vec4(LOWEST);
    vec4 total = vec4(0); // of this invocation's keys
#endif
#if defined(OWN_KEYS)
    uint from = first, to = end_seen(first + OWN - 1, OTHER_TIME);
#else
    uint from = first_of_tile(pos + first), to = min(pos + min(first + OWN, OWN_TIME), OTHER_TIME);
#define SEES(i, key) ((key) <= pos + first + (i) && (key) <= other_last && within(pos + first + (i), key))
#endif
    vec4 sum = vec4(0);

    for (uint s0 = from; s0 < to; s0 += OTHERS) {
        uint other = s0 + me, other_row = other_at + min(other, other_last);
        barrier();
        // Four neighbouring keys of a mask row share one block of random words.
#if defined(OWN_KEYS)
        if (DROPOUT) weights[me] = dropout_factors(DROPOUT_WORDS(scalars, MASK_ROWS, (b * heads + h) * P.time_q + other, first / 4, P.stream), P.keep);
#else
        if (DROPOUT) {
            vec4 m = dropout_factors(DROPOUT_WORDS(scalars, MASK_ROWS, head_row * P.time_q + first + me % OWN, s0 / 4 + me / 4, P.stream), P.keep);
            [[unroll]] for (uint n = 0; n < 4; n++) weights[me / 4 * 4 + n][me % OWN] = m[n];
            barrier();
        }
#endif
        vec4 s = vec4(0);
        SCORES(s, own_one, OTHER_ONE, other_row)
#if defined(DQ) || defined(DK)
        vec4 u = vec4(0);
        SCORES(u, own_two, OTHER_TWO, other_row)
#endif
#if defined(OWN_KEYS)
        float other_lse = AT(lse, other_row * heads + h);
        [[unroll]] for (uint i = 0; i < OWN; i++)
            s[i] = other >= first + i && other <= other_last && within(other, first + i) ? exp(min(P.scale * s[i] - other_lse, 80)) : 0.0;
#elif defined(DQ)
        [[unroll]] for (uint i = 0; i < OWN; i++) s[i] = SEES(i, other) ? exp(min(P.scale * s[i] - own_lse[i], 80)) : 0.0;
#else
        [[unroll]] for (uint i = 0; i < OWN; i++) s[i] = SEES(i, other) ? P.scale * s[i] : LOWEST;
        vec4 before = top, now = max(before, row_max(s)), shrink = exp(before - now);
        if (me == 0) top = now;
        s = exp(s - now);
        sum *= shrink;
        total = total * shrink + s;
#endif
        vec4 m = DROPOUT ? weights[me] : vec4(1);
#if defined(DQ)
        s *= P.scale * (u * m - own_delta);
#elif defined(DK)
        s *= P.scale * (u * m - AT(delta, other_row * heads + h));
#else
        s *= m;
#endif
        weights[me] = s;
        barrier();
        uint count = share < shares ? min(OTHERS, to - s0) : 0;
        for (uint n = share; n < count; n += shares) sum += weights[n] * SUMMED(other_at + s0 + n, col_in);
#ifdef OWN_KEYS
        if (GROUP > 1 && s0 + OTHERS >= to && h + 1 < (of_keys + 1) * GROUP) { // the next head that shares the keys, from its start
            h++;
            s0 = from - OTHERS;
        }
#endif
    }

    if (shares > 1) {
        barrier();
        partial[me] = sum;
        barrier();
        for (uint n = 1; n < shares; n++) sum += partial[(n * columns + me) % OTHERS];
    }
#if defined(DQ)
    if (group % parts == 0 && me < OWN && first + me < OWN_TIME) PUT(delta, (own_at + first + me) * heads + h, own_delta[me]);
#elif !defined(OWN_KEYS)
    total = row_sum(total);
    sum /= total;
    if (group % parts == 0 && me < OWN && first + me < OWN_TIME)
        PUT(lse, (own_at + first + me) * heads + h, top[me] + log(total[me]));
#endif
    if (share == 0 && col < D) [[unroll]]
        for (uint i = 0; i < OWN; i++)
            if (first + i < OWN_TIME) PUT(result, RESULT(own_at + first + i, col), sum[i]);
}
