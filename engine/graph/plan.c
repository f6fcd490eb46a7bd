/* The memory plan. Lifetimes follow from the nodes' order. Then tensors get places, the largest first, each at the lowest offset that no tensor
 * with an overlapping lifetime has (greedy by size: Pisarchyk and Lee, 2020). */
#include "graph/graph.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"

typedef struct lifetime {
    tensor_id tensor;
    uint32_t first, last; /* nodes */
    uint64_t bytes;       /* aligned */
    uint32_t block;
    uint64_t offset;
} lifetime;

static int larger_first(const void *pa, const void *pb)
{
    const lifetime *a = pa, *b = pb;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a->tensor < b->tensor ? -1 : a->tensor > b->tensor;
}

static int by_place(const void *pa, const void *pb)
{
    const lifetime *const *a = pa, *const *b = pb;
    if ((*a)->block != (*b)->block) return (*a)->block < (*b)->block ? -1 : 1;
    return (*a)->offset < (*b)->offset ? -1 : (*a)->offset > (*b)->offset;
}

static uint32_t collect(const graph *g, lifetime *all, uint32_t *slot)
{
    uint32_t count = 0;
    for (uint32_t t = 0; t < g->tensor_count; t++) slot[t] = UINT32_MAX;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const node *n = &g->nodes[i];
        for (int k = 0; k < OP_MAX_IN + OP_MAX_OUT; k++) {
            tensor_id id = k < OP_MAX_IN ? n->in[k] : n->out[k - OP_MAX_IN];
            const tensor *t = &g->tensors[id];
            if (!id || t->kind != TENSOR_INTERNAL) continue;
            if (slot[id] == UINT32_MAX) {
                uint64_t bytes = graph_tensor_bytes(t);
                slot[id] = count;
                all[count++] = (lifetime){.tensor = id,
                                          .first = i,
                                          .bytes = (bytes + GRAPH_ALIGNMENT - 1) / GRAPH_ALIGNMENT * GRAPH_ALIGNMENT};
            }
            all[slot[id]].last = i;
        }
    }
    return count;
}

/* Finds the lowest place for `l`. `placed` has the tensors with overlapping lifetimes, sorted by place. */
static void place(lifetime *l, lifetime *const *placed, uint32_t count, uint64_t max_block)
{
    uint32_t block = 0;
    uint64_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        const lifetime *p = placed[i];
        if (p->block < block) continue;
        if (p->block > block) break; /* the rest of this block is free, and `l` fits: see below */
        if (p->offset >= offset + l->bytes) break;
        uint64_t end = p->offset + p->bytes;
        if (end > offset) offset = end;
        if (offset + l->bytes > max_block) {
            block++;
            offset = 0;
        }
    }
    l->block = block;
    l->offset = offset;
}

static pm_status store(const graph *g, const lifetime *all, uint32_t count, graph_plan *plan)
{
    for (uint32_t i = 0; i < count; i++)
        if (all[i].block >= plan->block_count) plan->block_count = all[i].block + 1;
    plan->block = calloc(g->tensor_count, sizeof *plan->block);
    plan->offset = calloc(g->tensor_count, sizeof *plan->offset);
    plan->block_bytes = calloc(plan->block_count + 1, sizeof *plan->block_bytes);
    if (!plan->block || !plan->offset || !plan->block_bytes) return PM_NO_HOST_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        plan->block[all[i].tensor] = all[i].block;
        plan->offset[all[i].tensor] = all[i].offset;
        uint64_t end = all[i].offset + all[i].bytes, *bytes = &plan->block_bytes[all[i].block];
        if (end > *bytes) *bytes = end;
    }
    for (uint32_t b = 0; b < plan->block_count; b++) plan->total_bytes += plan->block_bytes[b];
    return PM_OK;
}

pm_status graph_plan_make(const graph *g, uint64_t max_block, graph_plan *out)
{
    if (g->status != PM_OK) return g->status;
    pm_status status = PM_NO_HOST_MEMORY;
    graph_plan plan = {0};
    lifetime *all = malloc((g->tensor_count + 1) * sizeof *all);
    lifetime **near = malloc((g->tensor_count + 1) * sizeof *near);
    uint32_t *slot = malloc((g->tensor_count + 1) * sizeof *slot);
    if (!all || !near || !slot) goto done;
    uint32_t count = collect(g, all, slot);
    qsort(all, count, sizeof *all, larger_first);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].bytes > max_block) {
            status = log_fail(g->log, PM_NO_DEVICE_MEMORY,
                              "an activation of %" PRIu64 " MiB exceeds this device's largest allocation, %" PRIu64
                              " MiB: use a smaller batch or a shorter context",
                              all[i].bytes >> 20, max_block >> 20);
            goto done;
        }
        uint32_t n = 0;
        for (uint32_t k = 0; k < i; k++)
            if (all[k].first <= all[i].last && all[i].first <= all[k].last) near[n++] = &all[k];
        qsort(near, n, sizeof(lifetime *), by_place);
        place(&all[i], near, n, max_block);
    }
    status = store(g, all, count, &plan);
done:
    free(all);
    free(near);
    free(slot);
    if (status == PM_NO_HOST_MEMORY) log_fail(g->log, status, "graph: no memory for the plan");
    if (status == PM_OK)
        *out = plan;
    else
        graph_plan_fini(&plan);
    return status;
}

void graph_plan_fini(graph_plan *plan)
{
    free(plan->block);
    free(plan->offset);
    free(plan->block_bytes);
    *plan = (graph_plan){0};
}

pm_status graph_plan_cover(const pm_log *log, graph_plan *room, const graph_plan *plan)
{
    if (plan->block_count > room->block_count) {
        uint64_t *more = realloc(room->block_bytes, plan->block_count * sizeof *more);
        if (!more) return log_fail(log, PM_NO_HOST_MEMORY, "workspace: no memory");
        for (uint32_t i = room->block_count; i < plan->block_count; i++) more[i] = 0;
        room->block_bytes = more;
        room->block_count = plan->block_count;
    }
    room->total_bytes = 0;
    for (uint32_t i = 0; i < room->block_count; i++) {
        if (i < plan->block_count && plan->block_bytes[i] > room->block_bytes[i])
            room->block_bytes[i] = plan->block_bytes[i];
        room->total_bytes += room->block_bytes[i];
    }
    return PM_OK;
}

pm_status graph_workspace_create(pm_device *device, const graph_plan *plan, gpu_buffer ***blocks)
{
    pm_status status = PM_OK;
    gpu_buffer **b = calloc(plan->block_count + 1, sizeof *b);
    if (!b) return log_fail(gpu_log(device), PM_NO_HOST_MEMORY, "workspace: no memory");
    for (uint32_t i = 0; i < plan->block_count && status == PM_OK; i++)
        status = gpu_buffer_create(device, GPU_WORKSPACE, plan->block_bytes[i], "activations", &b[i]);
    if (status == PM_OK)
        *blocks = b;
    else
        graph_workspace_destroy(plan, &b);
    return status;
}

void graph_workspace_destroy(const graph_plan *plan, gpu_buffer ***blocks)
{
    if (!*blocks) return;
    for (uint32_t i = 0; i < plan->block_count; i++) gpu_buffer_destroy(&(*blocks)[i]);
    free(*blocks);
    *blocks = NULL;
}
