#include "exec/pass_set.h"

#include "base/log.h"

pass *pass_set_find(pass_set *set, uint32_t length)
{
    pass *best = NULL;
    for (pass *p = set->all; p < set->all + set->count; p++)
        if (p->shape.time >= length && (!best || p->shape.time < best->shape.time)) best = p;
    return best;
}

pm_status pass_set_plan(pass_set *set, const pass_target *to, const gpt_shape *shape, bool gradient)
{
    pass *next = pass_set_find(set, shape->time);
    if (next && next->shape.time == shape->time) return PM_OK;
    if (set->count == PASS_SET_MOST)
        return log_fail(to->log, PM_INVALID, "passes: there are more than %d lengths", PASS_SET_MOST);
    next = &set->all[set->count];
    pm_status status = pass_plan(next, to, shape, gradient);
    if (status != PM_OK) return status;
    set->count++;
    return graph_plan_cover(to->log, &set->room, &next->plan);
}

pm_status pass_set_allocate(pass_set *set, pm_device *device)
{
    return graph_workspace_create(device, &set->room, &set->workspace);
}

void pass_set_fini(pass_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) pass_fini(&set->all[i]); /* before what they use */
    graph_workspace_destroy(&set->room, &set->workspace);
    graph_plan_fini(&set->room);
    set->count = 0;
}
