// Combines values in shared memory in a fixed order, eight at a time, because a step's barrier costs more than its sums.
#ifndef COMMON_EIGHTS_GLSL
#define COMMON_EIGHTS_GLSL

// Reduces values[first + n stride], n < left, to eight or fewer at the same places. `left` is a power of two, in a variable that then holds the
// remaining number. `me`, 0 … left - 1, is this invocation. The values must be written before a barrier, and may be read after this.
#define COMBINE_EIGHTS(values, first, stride, me, left, combine)                                                       \
    for (; left > 8; left /= 8) {                                                                                      \
        if (me < left / 8)                                                                                             \
            for (uint n_ = 1; n_ < 8; n_++)                                                                            \
                values[first + me * stride] =                                                                          \
                    combine(values[first + me * stride], values[first + (me + n_ * left / 8) * stride]);               \
        barrier();                                                                                                     \
    }

// name(x) combines the x of all invocations of a work group and returns it to each. `size` is a power of two; `scratch` is a shared array of it.
#define DEFINE_GROUP_REDUCE(name, type, combine, scratch, size)                                                        \
    type name(type x)                                                                                                  \
    {                                                                                                                  \
        uint me = gl_LocalInvocationID.x, left = size;                                                                 \
        barrier();                                                                                                     \
        scratch[me] = x;                                                                                               \
        barrier();                                                                                                     \
        COMBINE_EIGHTS(scratch, 0, 1, me, left, combine)                                                               \
        x = scratch[0];                                                                                                \
        for (uint n = 1; n < left; n++) x = combine(x, scratch[n]);                                                    \
        return x;                                                                                                      \
    }
float add_(float a, float b) { return a + b; }

#endif
