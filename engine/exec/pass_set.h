/* Passes for several lengths. They share one workspace, as they never run at the same time. */
#ifndef EXEC_PASS_SET_H
#define EXEC_PASS_SET_H

#include "exec/pass.h"

/* Lengths are padded to multiples of this: at most PASS_SET_MOST for a context. */
enum { PASS_SET_MOST = 16 };
static inline uint32_t padding_unit(uint32_t ctx)
{
    const uint32_t unit = (ctx + 8 * PASS_SET_MOST - 1) / (8 * PASS_SET_MOST) * 8;
    return unit < ctx ? unit : ctx;
}
static inline uint32_t padded_length(uint32_t length, uint32_t ctx)
{
    const uint32_t unit = padding_unit(ctx), padded = (length + unit - 1) / unit * unit;
    return padded < ctx ? padded : ctx;
}

typedef struct pass_set {
    pass all[PASS_SET_MOST]; /* in rising order of length */
    uint32_t count;
    graph_plan room; /* covers each plan */
    gpu_buffer **workspace;
} pass_set;

/* Plans a pass of this shape, unless there is one of its length. Fails: as pass_plan; PM_INVALID where there are too many. */
pm_status pass_set_plan(pass_set *set, const pass_target *to, const gpt_shape *shape, bool gradient);
/* Behind all plans. */
pm_status pass_set_allocate(pass_set *set, pm_device *device);
/* NULL: there is none. */
static inline const pass *pass_set_longest(const pass_set *set)
{
    return set->count ? &set->all[set->count - 1] : NULL;
}
/* The shortest that takes `length` tokens a sequence; NULL: none does. */
pass *pass_set_find(pass_set *set, uint32_t length);
void pass_set_fini(pass_set *set);

#endif
