#include "bench/timing.h"

#include <stdlib.h>

#include "os/clock.h"

enum { LEAST_RUNS = 5, MOST_RUNS = 30 };
#define ENOUGH_SECONDS 0.25

pm_status timing_run(pm_device *device, gpu_program *program, double *ms)
{
    double start = os_seconds();
    pm_status status = gpu_submit(program);
    if (status == PM_OK) status = gpu_wait(device);
    if (status != PM_OK) return status;
    double host = 1e3 * (os_seconds() - start);
    gpu_program_stats stats;
    gpu_program_get_stats(program, &stats);
    *ms = stats.run_ms > 0 ? stats.run_ms : host;
    return PM_OK;
}

pm_status timing_best(pm_device *device, gpu_program *program, double *ms)
{
    double best = 0, one, start = 0;
    for (int run = -1; run < LEAST_RUNS || (run < MOST_RUNS && os_seconds() - start < ENOUGH_SECONDS); run++) {
        pm_status status = timing_run(device, program, &one);
        if (status != PM_OK) return status;
        if (run < 0)
            start = os_seconds();
        else if (run == 0 || one < best)
            best = one;
    }
    *ms = best;
    return PM_OK;
}

/* At least 7 runs and 0.3 s of them, at most TIMING_MOST; what takes longer than 10 s so is content with 3, and so is a quick look. */
enum { USUAL_RUNS = 7, FEW_RUNS = 3 };
#define USUAL_SECONDS 0.3
#define QUICK_SECONDS 0.03
#define LONG_SECONDS 10.0

void timing_start(timing *t, bool quick)
{
    *t = (timing){.start = os_seconds(), .quick = quick};
}

bool timing_more(const timing *t)
{
    const double spent = os_seconds() - t->start;
    const uint32_t least = t->quick || spent > LONG_SECONDS ? FEW_RUNS : USUAL_RUNS;
    return t->runs < TIMING_MOST && (t->runs < least || spent < (t->quick ? QUICK_SECONDS : USUAL_SECONDS));
}

void timing_add(timing *t, double ms)
{
    if (t->runs < TIMING_MOST) t->ms[t->runs++] = ms;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between neighbours in proportion. */
static double quantile(const timing *t, double q)
{
    const double at = q * (t->runs - 1);
    const uint32_t i = (uint32_t)at;
    if (i + 1 >= t->runs) return t->ms[t->runs - 1];
    return t->ms[i] + (at - i) * (t->ms[i + 1] - t->ms[i]);
}

void timing_quartiles(timing *t, double *low, double *median, double *high)
{
    qsort(t->ms, t->runs, sizeof *t->ms, compare);
    *low = quantile(t, 0.25);
    *median = quantile(t, 0.5);
    *high = quantile(t, 0.75);
}
