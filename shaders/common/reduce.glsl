// Sums and maxima over the LANES invocations that share a row, in a fixed order. LANES = 1 needs no barrier: what suits a software driver.
// A work group is one row of LANES invocations, or, with LANES = 1, as many rows as it has invocations.
#ifndef COMMON_REDUCE_GLSL
#define COMMON_REDUCE_GLSL

layout(constant_id = 1) const uint LANES = 1; // a power of two; 1 or the work group's size

shared float reduce_scratch[LANES];

uint lane() { return LANES == 1 ? 0 : gl_LocalInvocationID.x; }
uint row_index() { return LANES == 1 ? flat_invocation() : flat_group(); }

#define DEFINE_REDUCE(name, combine)                                                                                   \
    float name(float v)                                                                                                \
    {                                                                                                                  \
        if (LANES == 1) return v;                                                                                      \
        uint me = gl_LocalInvocationID.x;                                                                              \
        barrier();                                                                                                     \
        reduce_scratch[me] = v;                                                                                        \
        barrier();                                                                                                     \
        for (uint half_ = LANES / 2; half_ > 0; half_ /= 2) {                                                          \
            if (me < half_) reduce_scratch[me] = combine(reduce_scratch[me], reduce_scratch[me + half_]);              \
            barrier();                                                                                                 \
        }                                                                                                              \
        return reduce_scratch[0];                                                                                      \
    }
float add_(float a, float b) { return a + b; }
DEFINE_REDUCE(row_sum, add_)
DEFINE_REDUCE(row_max, max)

#endif
