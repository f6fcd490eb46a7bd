/* The slow device of fault_layer.c: what its command buffers will take, its clock and its time stamps. */
#ifndef FAULT_SLOW_H
#define FAULT_SLOW_H

#include <stdlib.h>
#include <time.h>

#include <vulkan/vulkan.h>

static double slow_group_us; /* 0: the device is not slow */
static double slow_drift;    /* factor of its slowness with each run, after slow_drift_after; 0: none */
static unsigned long slow_drift_after, slow_runs;
static double slow_now_ms;     /* its clock */
static double slow_longest_ms; /* its longest job */

typedef struct slow_event {
    double groups;    /* of a dispatch */
    VkQueryPool pool; /* or a time stamp */
    uint32_t query;
} slow_event;

typedef struct slow_commands {
    struct slow_commands *next;
    VkCommandBuffer handle;
    slow_event *events;
    uint32_t count, room;
} slow_commands;

typedef struct slow_pool {
    struct slow_pool *next;
    VkQueryPool handle;
    uint64_t ticks[]; /* nanoseconds, as llvmpipe's */
} slow_pool;

static slow_commands *slow_all;
static slow_pool *slow_pools;

static slow_commands *slow_commands_of(VkCommandBuffer handle)
{
    slow_commands *c = slow_all;
    while (c && c->handle != handle) c = c->next;
    if (c) return c;
    c = calloc(1, sizeof *c);
    c->handle = handle;
    c->next = slow_all;
    return slow_all = c;
}

static void slow_add(VkCommandBuffer handle, slow_event event)
{
    if (slow_group_us == 0) return;
    slow_commands *c = slow_commands_of(handle);
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->events = realloc(c->events, c->room * sizeof *c->events);
    }
    c->events[c->count++] = event;
}

static slow_pool *slow_pool_of(VkQueryPool handle)
{
    slow_pool *p = slow_pools;
    while (p && p->handle != handle) p = p->next;
    return p;
}

/* Runs the job on the slow device's clock, and lets the host wait for as long. */
static double slow_play(uint32_t count, const VkSubmitInfo *infos)
{
    const double begin = slow_now_ms;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < infos[i].commandBufferCount; k++) {
            const slow_commands *c = slow_commands_of(infos[i].pCommandBuffers[k]);
            for (uint32_t e = 0; e < c->count; e++) {
                slow_now_ms += 1e-3 * slow_group_us * c->events[e].groups;
                slow_pool *pool = slow_pool_of(c->events[e].pool);
                if (pool) pool->ticks[c->events[e].query] = (uint64_t)(slow_now_ms * 1e6);
            }
        }
    const double ms = slow_now_ms - begin;
    const struct timespec pause = {(time_t)(ms / 1000), (long)((ms - 1000 * (double)(time_t)(ms / 1000)) * 1e6)};
    if (ms > 0) nanosleep(&pause, NULL);
    if (ms > slow_longest_ms) slow_longest_ms = ms;
    return ms;
}

static void slow_forget(VkCommandBuffer handle)
{
    for (slow_commands **link = &slow_all; *link; link = &(*link)->next)
        if ((*link)->handle == handle) {
            slow_commands *gone = *link;
            *link = gone->next;
            free(gone->events);
            free(gone);
            return;
        }
}

static void slow_pool_add(VkQueryPool handle, uint32_t count)
{
    slow_pool *pool = calloc(1, sizeof *pool + count * sizeof *pool->ticks);
    pool->handle = handle;
    pool->next = slow_pools;
    slow_pools = pool;
}

static void slow_pool_forget(VkQueryPool handle)
{
    for (slow_pool **link = &slow_pools; *link; link = &(*link)->next)
        if ((*link)->handle == handle) {
            slow_pool *gone = *link;
            *link = gone->next;
            free(gone);
            return;
        }
}

#endif
