// Combines all of a subgroup's values in a fixed order, from registers, for software drivers: these are slow at barriers and shared memory.
#ifndef COMMON_BROADCAST_GLSL
#define COMMON_BROADCAST_GLSL
#extension GL_KHR_shader_subgroup_ballot : require

#define FOUR_(combine, v, first)                                                                                       \
    combine(combine(subgroupBroadcast(v, first), subgroupBroadcast(v, (first) + 1)),                                   \
            combine(subgroupBroadcast(v, (first) + 2), subgroupBroadcast(v, (first) + 3)))

// Combines the values of invocations 0 … count - 1. count is a constant: 4, 8, or 1 for v itself.
#define COMBINE_LANES(combine, v, count)                                                                               \
    (count == 1 ? v : count == 4 ? FOUR_(combine, v, 0) : combine(FOUR_(combine, v, 0), FOUR_(combine, v, 4)))

#endif
