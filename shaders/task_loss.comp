#version 450
// The losses of fine-tuning, over R examples. The numbers are few: one work group does the forward pass.
// LABELS:   softmax cross-entropy of logits (R, K) against right(r) = class, number of classes; a class below 0 is ignored.
//           result = mean loss, sum, examples counted, how many have their first largest logit at the right class.
//           BACKWARD: dlogits = (softmax - [k is the class]) scale grad_scale / counted; 0 beyond the classes and where ignored.
// Else:     squared error of values (R) against right(r) = value, weight. result = sum of weighted errors / sum of weights, that sum,
//           sum of weights, 0.   BACKWARD: dvalues = 2 (value - right) weight scale grad_scale / sum of weights.
// Forward: LANES invocations share the rows (common/reduce.glsl). BACKWARD: they share a row of logits; a value is one invocation's.
#define PUSH task_push
#ifdef LABELS
#define RIGHT int
#else
#define RIGHT float
#endif
#ifdef BACKWARD
#define OPERANDS(X, type)                                                                                              \
    X(0, readonly, act, values) X(1, readonly, type, right) X(2, readonly, float, result)                            \
    X(3, readonly, uint, scalars) X(4, writeonly, act, gradient)
#else
#define OPERANDS(X, type) X(0, readonly, act, values) X(1, readonly, type, right) X(2, writeonly, float, result)
#endif
#define BUFFERS(X) OPERANDS(X, RIGHT)
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/row.glsl"

#if defined(LABELS) && !defined(BACKWARD)
// The largest of row r's first `classes` logits, its index, and the sum of exp(logit - largest).
void softmax(uint r, uint classes, out float top, out uint best, out float sum)
{
    top = -3.4e38;
    best = 0;
    for (uint k = 0; k < classes; k++) {
        float logit = AT(values, r * P.cols + k);
        if (logit > top) {
            top = logit;
            best = k;
        }
    }
    sum = 0;
    for (uint k = 0; k < classes; k++) sum += exp(AT(values, r * P.cols + k) - top);
}
#endif

void main()
{
#ifdef BACKWARD
    uint r = row_index();
    if (beyond(r)) return;
    float scale = P.scale * SCALAR_F(scalars, grad_scale) / AT(result, 2);
#ifdef LABELS
    int label = AT(right, 2 * r), classes = label < 0 ? 0 : AT(right, 2 * r + 1);
    uint base = r * P.cols, runs = runs_of(P.cols);
#define LOGITS(at) first_of(GET(values, base + at), classes - int(at), -3.4e38)
    VEC tops = VEC(-3.4e38), sums = VEC(0), kept[KEPT_SIZE];
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC v = LOGITS(run_at(i));
        tops = max(tops, v);
        if (KEPT > 0) kept[i] = v;
    }
    float top = row_max(in_max(tops));
    [[unroll]] for (uint i = 0; i < runs; i++) {
        VEC e = exp((KEPT > 0 ? kept[i] : LOGITS(run_at(i))) - top);
        sums += e;
        if (KEPT > 0) kept[i] = e;
    }
    float factor = label < 0 ? 0.0 : scale / row_sum(in_sum(sums));
    [[unroll]] for (uint i = 0; i < runs; i++) {
        uint at = run_at(i);
        VEC d = factor * (KEPT > 0 ? kept[i] : exp(LOGITS(at) - top));
        if (uint(label) < uint(classes)) subtract_at(d, uint(label) - at, scale);
        SET(gradient, base + at, d);
    }
#else
    float weight = AT(right, 2 * r + 1);
    PUT(gradient, r, weight > 0 ? 2.0 * (AT(values, r) - AT(right, 2 * r)) * weight * scale : 0.0);
#endif
#else
    float total = 0, counted = 0, hits = 0;
    for (uint r = lane(); r < P.rows; r += LANES) {
#ifdef LABELS
        int label = AT(right, 2 * r);
        if (label < 0) continue;
        float top, sum;
        uint best;
        softmax(r, min(uint(AT(right, 2 * r + 1)), P.cols), top, best, sum);
        total += top + log(sum) - AT(values, r * P.cols + uint(label));
        counted += 1;
        if (best == uint(label)) hits += 1;
#else
        float weight = AT(right, 2 * r + 1), d = AT(values, r) - AT(right, 2 * r);
        if (weight <= 0) continue;
        total += d * d * weight;
        counted += weight;
#endif
    }
    total = row_sum(total);
    counted = row_sum(counted);
    hits = row_sum(hits);
    if (gl_LocalInvocationID.x == 0) {
        PUT(result, 0, counted > 0 ? total / counted : 0.0);
        PUT(result, 1, total);
        PUT(result, 2, counted);
        PUT(result, 3, hits);
    }
#endif
}
