// Kernels over flat arrays: an invocation handles PER runs of four neighbouring elements, the runs local_size_x apart.
#ifndef COMMON_FLAT_GLSL
#define COMMON_FLAT_GLSL

layout(constant_id = 1) const uint PER = 1;
layout(constant_id = 2) const bool TAIL = false; // the count is no multiple of 4; a constant, for a software driver runs what it might skip
layout(constant_id = 3) const bool WHOLE = false; // each invocation has PER runs: a software driver is slow at loads within loops and branches

// SET4(at) computes four elements from at on, SET1(at) one.
#define FLAT(count, SET4, SET1)                                                                                        \
    uint at = 4 * (flat_group() * gl_WorkGroupSize.x * PER + gl_LocalInvocationID.x);                                  \
    if (WHOLE) {                                                                                                       \
        [[unroll]] for (uint n = 0; n < PER; n++) {                                                                    \
            SET4(at + 4 * n * gl_WorkGroupSize.x)                                                                      \
        }                                                                                                              \
        return;                                                                                                        \
    }                                                                                                                  \
    for (uint n = 0; n < PER && at < count; n++, at += 4 * gl_WorkGroupSize.x) {                                       \
        if (!TAIL || at + 4 <= count) {                                                                                \
            SET4(at)                                                                                                   \
        } else {                                                                                                       \
            for (uint i = at; i < count; i++) {                                                                        \
                SET1(i)                                                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }

#endif
