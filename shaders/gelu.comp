#version 450
// GELU, tanh form: y = 0.5 x (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3)   (Hendrycks and Gimpel, 2016).
// BACKWARD: dx = dy * (0.5 (1 + tanh u) + 0.5 x (1 - tanh^2 u) u').
// x, y, dy, dx: (rows * cols). Invocations as common/flat.glsl says.
#define PUSH rows_push
#ifdef BACKWARD
#define BUFFERS(X) X(0, readonly, act, dy) X(1, readonly, act, x) X(2, writeonly, act, y)
#else
#define BUFFERS(X) X(0, readonly, act, x) X(1, writeonly, act, y)
#endif
#extension GL_GOOGLE_include_directive : require
#include "common/kernel.glsl"
#include "common/gelu.glsl"

#include "common/flat.glsl"

#ifdef BACKWARD
#define SET4(at) PUT4(y, at, AT4(dy, at) * gelu_slope(AT4(x, at)));
#define SET1(at) PUT(y, at, AT(dy, at) * gelu_slope(AT(x, at)));
#define TOUCHES(at) TOUCH(dy, at) TOUCH(x, at)
#else
#define SET4(at) PUT4(y, at, gelu(AT4(x, at)));
#define SET1(at) PUT(y, at, gelu(AT(x, at)));
#define TOUCHES(at) TOUCH(x, at)
#endif

void main() { FLAT(P.cols, SET4, SET1, TOUCHES, y) }
