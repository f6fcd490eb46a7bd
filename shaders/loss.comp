#version 450
// Softmax cross-entropy over a vocabulary that comes in tiles.
// TILE:     state(i) = lse, target logit, running max, running sum of exp, continued with this tile's logits. state: (N, 4).
//           lse = max + log(sum), written with each tile, so that it is right after the last one.
// SUM:      result = weighted mean loss, sum of weighted losses, sum of weights, 0. One work group.
// BACKWARD: logits become dlogits = (exp(logit - lse) - [col is the target]) weight scale grad_scale / sum of weights; 0 where a target is
//           ignored.
// logits: (N, ld), of which columns [0, count) hold vocabulary [first, first + count); targets: (N), negative: ignored; weights: (N) with WEIGHTED, else 1 each.
// TILE and SUM: LANES invocations share a row (common/reduce.glsl). BACKWARD: one invocation an element.
#define PUSH loss_push
#if defined(TILE)
#define BUFFERS(X) X(0, readonly, float, logits) X(1, readonly, int, targets) X(2, , float, state)
#elif defined(SUM)
#define BUFFERS(X) X(0, readonly, float, state) X(1, readonly, int, targets) X(2, writeonly, float, result) X(3, readonly, float, weights)
#else
#define BUFFERS(X)                                                                                                     \
    X(0, , float, logits) X(1, readonly, int, targets) X(2, readonly, float, state) X(3, readonly, float, result)      \
    X(4, readonly, uint, scalars) X(5, readonly, float, weights)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/reduce.glsl"

layout(constant_id = 2) const bool WEIGHTED = false;

void main()
{
#if defined(TILE)
    uint row = row_index();
    if (row >= P.rows) return;
    float top = P.is_first != 0 ? -3.4e38 : AT(state, 4 * row + 2), sum = P.is_first != 0 ? 0.0 : AT(state, 4 * row + 3);
    float tile_top = -3.4e38;
    for (uint c = lane(); c < P.count; c += LANES) tile_top = max(tile_top, AT(logits, row * P.ld + c));
    tile_top = max(top, row_max(tile_top));
    float tile_sum = 0;
    for (uint c = lane(); c < P.count; c += LANES) tile_sum += exp(AT(logits, row * P.ld + c) - tile_top);
    tile_sum = row_sum(tile_sum) + sum * exp(top - tile_top);
    if (lane() == 0) {
        uint target = uint(AT(targets, row)) - P.first;
        AT(state, 4 * row) = tile_top + log(tile_sum);
        if (target < P.count)
            AT(state, 4 * row + 1) = AT(logits, row * P.ld + target);
        else if (P.is_first != 0)
            AT(state, 4 * row + 1) = 0.0;
        AT(state, 4 * row + 2) = tile_top;
        AT(state, 4 * row + 3) = tile_sum;
    }
#elif defined(SUM)
    // Rows in blocks of 64, so that a long sum does not lose what is small.
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
        AT(result, 0) = counted > 0 ? sum / counted : 0.0;
        AT(result, 1) = sum;
        AT(result, 2) = counted;
        AT(result, 3) = 0;
    }
#else
    uint at = flat_invocation(), row = at / P.count, col = at % P.count;
    if (row >= P.rows) return;
    int target = AT(targets, row);
    float d = 0;
    if (target >= 0) {
        d = exp(AT(logits, row * P.ld + col) - AT(state, 4 * row));
        if (uint(target) == P.first + col) d -= 1.0;
        d *= P.scale * SCALAR_F(scalars, SCALAR_GRAD_SCALE) / AT(result, 2);
        if (WEIGHTED) d *= AT(weights, row);
    }
    AT(logits, row * P.ld + col) = d;
#endif
}
