// Kernels over flat arrays: an invocation handles PER runs of four neighbouring elements, the runs local_size_x apart.
#ifndef COMMON_FLAT_GLSL
#define COMMON_FLAT_GLSL

layout(constant_id = SPEC_FLAT_PER) const uint PER = 1; // with WHOLE and PAIRS a multiple of 4
layout(constant_id = SPEC_FLAT_TAIL) const bool TAIL = false; // the count is no multiple of 4; a constant, because a software driver executes skipped branches
layout(constant_id = SPEC_FLAT_WHOLE) const bool WHOLE = false; // each invocation has PER runs: a software driver is slow at loads within loops and branches

// Prefetches the cache lines of four runs of a subgroup of any size. The first run begins at `at`.
#define LINES(at)                                                                                                      \
    (at) - 4 * gl_SubgroupInvocationID + gl_SubgroupInvocationID * 4 / gl_SubgroupSize * 4 * gl_WorkGroupSize.x +      \
        gl_SubgroupInvocationID % (gl_SubgroupSize / 4) * LINE

// SET4(at) computes four elements of `result` from at on, SET1(at) one. TOUCHES(at) prefetches the operands of SET4.
#define FLAT(count, SET4, SET1, TOUCHES, result)                                                                       \
    uint at = 4 * (flat_group() * gl_WorkGroupSize.x * PER + gl_LocalInvocationID.x);                                  \
    if (WHOLE) {                                                                                                       \
        [[unroll]] for (uint n = 0; n < PER; n += 4) {                                                                 \
            TOUCHES(LINES(at + 4 * n * gl_WorkGroupSize.x))                                                            \
        }                                                                                                              \
        [[unroll]] for (uint n = 0; n < PER; n++) {                                                                    \
            SET4(at + 4 * n * gl_WorkGroupSize.x)                                                                      \
        }                                                                                                              \
        KEEP(result)                                                                                                   \
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
