#version 450
// Softmax cross-entropy over a vocabulary in tiles.
// TILE:     state(i) = lse, target logit, running max, running sum of exp, continued with this tile's logits. state: (N, 4).
//           lse = max + log(sum) is written with each tile, and is final after the last one.
// SUM:      result = weighted mean loss, sum of weighted losses, sum of weights, 0. One work group.
// BACKWARD: logits become dlogits = (exp(logit - lse) - [col is the target]) weight scale grad_scale / sum of weights; 0 where a target is
//           ignored.
// logits: (N, ld), ld a multiple of 4, of which columns [0, count) hold vocabulary [first, first + count); targets: (N), negative: ignored;
// weights: (N) with WEIGHTED, else 1 each.
// TILE and SUM: LANES invocations share a row (common/reduce.glsl). BACKWARD: one invocation N elements (common/vector.glsl).
#define PUSH loss_push
#if defined(TILE)
#define BUFFERS(X) X(0, readonly, act, logits) X(1, readonly, int, targets) X(2, readwrite, float, state)
#elif defined(SUM)
#define BUFFERS(X) X(0, readonly, float, state) X(1, readonly, int, targets) X(2, writeonly, float, result) X(3, readonly, float, weights)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, readwrite, act, logits) X(1, readonly, int, targets) X(2, readonly, float, state) X(3, readonly, float, result)      \
    X(4, readonly, uint, scalars) X(5, readonly, float, weights)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/reduce.glsl"
#include "common/vector.glsl"

layout(constant_id = SPEC_LOSS_WEIGHTED) const bool WEIGHTED = false;

void main()
{
#if defined(TILE)
    uint row = row_index();
    if (row >= P.rows) return;
    float top = P.is_first != 0 ? -3.4e38 : AT(state, 4 * row + 2), sum = P.is_first != 0 ? 0.0 : AT(state, 4 * row + 3);
    VEC tops = VEC(-3.4e38), sums = VEC(0);
    uint whole = P.count - P.count % N; // the last few one by one: elements between count and ld are undefined
    for (uint c = N * lane(); c < whole; c += N * LANES) tops = max(tops, GET(logits, row * P.ld + c));
    float rest_top = in_max(tops), rest_sum = 0;
    for (uint c = whole + lane(); c < P.count; c += LANES) rest_top = max(rest_top, AT(logits, row * P.ld + c));
    float tile_top = max(top, row_max(rest_top));
    for (uint c = N * lane(); c < whole; c += N * LANES) sums += exp(GET(logits, row * P.ld + c) - tile_top);
    for (uint c = whole + lane(); c < P.count; c += LANES) rest_sum += exp(AT(logits, row * P.ld + c) - tile_top);
    float tile_sum = row_sum(in_sum(sums) + rest_sum) + sum * exp(top - tile_top);
    if (lane() == 0) {
        uint target = uint(AT(targets, row)) - P.first;
        PUT(state, 4 * row, tile_top + log(tile_sum));
        if (target < P.count)
            PUT(state, 4 * row + 1, AT(logits, row * P.ld + target));
        else if (P.is_first != 0)
            PUT(state, 4 * row + 1, 0.0);
        PUT(state, 4 * row + 2, tile_top);
        PUT(state, 4 * row + 3, tile_sum);
    }
#elif defined(SUM)
    // Rows are summed in blocks of 64, so that a long sum keeps small terms.
    float sum = 0, counted = 0;
    for (uint block = 64 * lane(); block < P.rows; block += 64 * LANES) {
        float part = 0, n = 0;
        for (uint i = block; i < min(block + 64, P.rows); i++) {
            if (AT(targets, i) < 0) continue;
            float weight = WEIGHTED ? AT(weights, i) : 1.0;
            part += weight * (AT(state, 4 * i) - AT(state, 4 * i + 1));
            n += weight;
        }
        sum += part;
        counted += n;
    }
    sum = row_sum(sum);
    counted = row_sum(counted);
    if (gl_LocalInvocationID.x == 0) {
        PUT(result, 0, counted > 0 ? sum / counted : 0.0);
        PUT(result, 1, sum);
        PUT(result, 2, counted);
        PUT(result, 3, 0);
    }
#else
    uint runs = P.ld / N, at = flat_invocation(), row = at / runs, col = N * (at % runs);
    if (row >= P.rows) return;
    int target = AT(targets, row);
    VEC d = VEC(0);
    if (target >= 0) {
        float scale = P.scale * SCALAR_F(scalars, grad_scale) / AT(result, 2);
        if (WEIGHTED) scale *= AT(weights, row);
        d = scale * exp(GET(logits, row * P.ld + col) - AT(state, 4 * row));
        subtract_at(d, uint(target) - P.first - col, scale);
    }
    SET(logits, row * P.ld + col, d);
#endif
}
