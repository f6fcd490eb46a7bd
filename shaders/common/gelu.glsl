// GELU, tanh form, and its derivative. tanh is 1 - 2 / (exp(2u) + 1): exact at both ends, no overflow to NaN.
#ifndef COMMON_GELU_GLSL
#define COMMON_GELU_GLSL

#define DEFINE_GELU(T)                                                                                                 \
    T tanh_safe(T u) { return 1.0 - 2.0 / (exp(2.0 * min(u, T(15.0))) + 1.0); }                                        \
    T gelu(T x) { return 0.5 * x * (1.0 + tanh_safe(0.7978845608028654 * (x + 0.044715 * x * x * x))); }               \
    T gelu_slope(T x)                                                                                                  \
    {                                                                                                                  \
        T t = tanh_safe(0.7978845608028654 * (x + 0.044715 * x * x * x));                                              \
        T du = 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x);                                                    \
        return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * du;                                                         \
    }
DEFINE_GELU(float)
DEFINE_GELU(vec4)

#endif
