#version 450
// Gated activations (Shazeer, 2020): y = f(gate) up. x: (N, 2 I) = gate | up; y, dy: (N, I); dx: (N, 2 I).
// f: SiLU, x / (1 + exp(-x)), or GELU, tanh form.
// BACKWARD: dx = dy up f'(gate) | dy f(gate).
// Invocations by the elements of y, as common/flat.glsl says; the first is P.first. WIDE and PAIRS: I is a multiple of 4.
#define PUSH gate_push
#ifdef BACKWARD
#define BUFFERS(X) X(0, readonly, act, dy) X(1, readonly, act, x) X(2, writeonly, act, y)
#else
#define BUFFERS(X) X(0, readonly, act, x) X(1, writeonly, act, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/gelu.glsl"
#include "common/vector.glsl"

#include "common/flat.glsl"

layout(constant_id = SPEC_GATE_INNER) const uint I = 1;

layout(constant_id = SPEC_GATE_SILU) const bool SILU = false;

// SiLU. The bound keeps exp finite; beyond it y is less than 1e-32. 1 - s is e s, which loses no digits.
VEC exp_minus(VEC v) { return exp(min(-v, VEC(80.0))); }
VEC silu(VEC v) { return v / (1.0 + exp_minus(v)); }
VEC silu_slope(VEC v)
{
    VEC e = exp_minus(v), s = 1.0 / (1.0 + e);
    return s * (1.0 + v * (e * s));
}
VEC f(VEC v) { return SILU ? silu(v) : gelu(v); }
VEC slope(VEC v) { return SILU ? silu_slope(v) : gelu_slope(v); }

// Where the gate of an element of y is; `up` is I behind it.
uint gate_of(uint i) { return i + i / I * I; }

void gate(uint i)
{
    uint at = gate_of(i);
    VEC g = GET(x, at), up = GET(x, at + I);
#ifdef BACKWARD
    VEC d = GET(dy, i);
    SET(y, at, d * up * slope(g));
    SET(y, at + I, d * f(g));
#else
    SET(y, i, f(g) * up);
#endif
}

#define SET1(at) gate(P.first + (at));
#if N == 4
#define SET4(at) SET1(at)
#else // a row may end within the four
#define SET4(at) [[unroll]] for (uint k = 0; k < 4; k++) gate(P.first + (at) + k);
#endif
#ifdef BACKWARD
#define TOUCHES(at) TOUCH(dy, P.first + (at)) TOUCH(x, gate_of(P.first + (at))) TOUCH(x, gate_of(P.first + (at)) + I)
#else
#define TOUCHES(at) TOUCH(x, gate_of(P.first + (at))) TOUCH(x, gate_of(P.first + (at)) + I)
#endif

void main() { FLAT(P.count, SET4, SET1, TOUCHES, y) }
