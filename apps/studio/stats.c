#include "stats.h"

#include <stdio.h>
#include <stdlib.h>

void stats_add(stats *s, bool busy, double ms, render_times parts)
{
    s->all++;
    if (!busy || s->count == STATS_FRAMES) return;
    s->ms[s->count++] = (float)ms;
    s->acquire += parts.acquire;
    s->device += parts.device;
    s->present += parts.present;
    s->ui += ms - parts.acquire - parts.device - parts.present;
}

static int compare(const void *pa, const void *pb)
{
    const float a = *(const float *)pa, b = *(const float *)pb;
    return (a > b) - (a < b);
}

static double percentile(const stats *s, double share)
{
    return s->count ? (double)s->ms[(size_t)(share * (double)(s->count - 1) + 0.5)] : 0;
}

void stats_print(stats *s, double tokens_per_s, double steps, double seconds)
{
    if (s->count > 1) qsort(s->ms, s->count, sizeof *s->ms, compare);
    const double n = s->count ? (double)s->count : 1;
    printf("{\"frames\": %zu, \"busy_frames\": %zu, \"p50_ms\": %.2f, \"p95_ms\": %.2f, \"max_ms\": %.2f, "
           "\"mean_ms\": {\"ui\": %.2f, \"acquire\": %.2f, \"device\": %.2f, \"present\": %.2f}, "
           "\"tokens_per_s\": %.1f, \"steps\": %.0f, \"seconds\": %.1f}\n",
           s->all, s->count, percentile(s, 0.5), percentile(s, 0.95), percentile(s, 1), s->ui / n, s->acquire / n,
           s->device / n, s->present / n, tokens_per_s, steps, seconds);
    fflush(stdout);
}
