// Sums and maxima over the LANES invocations that share a row, in a fixed order.
// A work group is one row of LANES invocations, or, with LANES = 1, as many rows as it has invocations.
// PAIRS, for software drivers: LANES is 1 or the subgroup's size, 4 or 8, and a work group has as many rows as fit. Registers are broadcast instead
// of shared memory and barriers.
#ifndef COMMON_REDUCE_GLSL
#define COMMON_REDUCE_GLSL

layout(constant_id = SPEC_REDUCE_LANES) const uint LANES = 1; // a power of two; 1 or the work group's size

#ifdef PAIRS
uint lane() { return gl_LocalInvocationID.x % LANES; }
uint row_index() { return flat_invocation() / LANES; }

#include "common/broadcast.glsl"
float add_(float a, float b) { return a + b; }
#define DEFINE_REDUCE(name, combine)                                                                                   \
    float name(float v) { return COMBINE_LANES(combine, v, LANES); }
#else
#include "common/eights.glsl"
uint lane() { return LANES == 1 ? 0 : gl_LocalInvocationID.x; }
uint row_index() { return LANES == 1 ? flat_invocation() : flat_group(); }

shared float reduce_scratch[LANES];

#define DEFINE_REDUCE(name, combine)                                                                                   \
    DEFINE_GROUP_REDUCE(group_##name, float, combine, reduce_scratch, LANES)                                           \
    float name(float v) { return LANES == 1 ? v : group_##name(v); }
#endif
DEFINE_REDUCE(row_sum, add_)
DEFINE_REDUCE(row_max, max)

#endif
