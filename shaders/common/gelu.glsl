// GELU, tanh form, and its derivative. 0.5 (1 + tanh u) is computed as the logistic function of 2u, which loses no digits where tanh is near -1.
// The bound on u keeps exp finite; beyond it y is less than 1e-33.
#ifndef COMMON_GELU_GLSL
#define COMMON_GELU_GLSL

#define DEFINE_GELU(T)                                                                                                 \
    T exp_minus_2u(T x) { return exp(min(-1.5957691216057308 * (x + 0.044715 * x * x * x), T(80.0))); }                \
    T gelu(T x) { return x / (1.0 + exp_minus_2u(x)); }                                                                \
    T gelu_slope(T x)                                                                                                  \
    {                                                                                                                  \
        T e = exp_minus_2u(x);                                                                                         \
        T s = 1.0 / (1.0 + e);                                                                                         \
        T two_du = 1.5957691216057308 * (1.0 + 3.0 * 0.044715 * x * x);                                                \
        return s * (1.0 + x * (e * s) * two_du);                                                                       \
    }
DEFINE_GELU(float)
DEFINE_GELU(vec4)

#endif
