// Values in shared memory that a work group combines in a fixed order, eight at a time: a step's barrier costs more than its sums.
#ifndef COMMON_EIGHTS_GLSL
#define COMMON_EIGHTS_GLSL

// values[first + n stride], n < left, a power of two, become eight or fewer at the same places; `me` of 0 … left - 1 is this invocation. `left` is a
// variable, afterwards their number. All have been written before a barrier, and may be read after this.
#define COMBINE_EIGHTS(values, first, stride, me, left, combine)                                                       \
    for (; left > 8; left /= 8) {                                                                                      \
        if (me < left / 8)                                                                                             \
            for (uint n_ = 1; n_ < 8; n_++)                                                                            \
                values[first + me * stride] =                                                                          \
                    combine(values[first + me * stride], values[first + (me + n_ * left / 8) * stride]);               \
        barrier();                                                                                                     \
    }

// name(x): all invocations' x of a work group of `size`, a power of two, combined, for each of them. `scratch`: as many, shared.
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
