#include "exec/pass_set.h"

#include <string.h>

#include "base/log.h"

pass *pass_set_find(pass_set *set, uint32_t length)
{
    for (pass *p = set->all; p < set->all + set->count; p++)
        if (p->shape.time >= length) return p;
    return NULL;
}

pm_status pass_set_plan(pass_set *set, const pass_target *to, const gpt_shape *shape, bool gradient)
{
    pass next, *at = pass_set_find(set, shape->time), *end = set->all + set->count;
    if (at && at->shape.time == shape->time) return PM_OK;
    if (set->count == PASS_SET_MOST)
        return log_fail(to->log, PM_INVALID, "passes: there are more than %d lengths", PASS_SET_MOST);
    const pm_status status = pass_plan(&next, to, shape, gradient);
    if (status != PM_OK) return status;
    if (!at) at = end;
    memmove(at + 1, at, (size_t)(end - at) * sizeof *at);
    *at = next;
    set->count++;
    return graph_plan_cover(to->log, &set->room, &next.plan);
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
