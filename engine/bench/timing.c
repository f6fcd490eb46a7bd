#include "bench/timing.h"

#include "base/clock.h"

enum { LEAST_RUNS = 5, MOST_RUNS = 30 };
#define ENOUGH_SECONDS 0.25

pm_status timing_run(pm_device *device, gpu_program *program, double *ms)
{
    double start = clock_seconds();
    pm_status status = gpu_submit(program);
    if (status == PM_OK) status = gpu_wait(device);
    if (status != PM_OK) return status;
    double host = 1e3 * (clock_seconds() - start);
    gpu_program_stats stats;
    gpu_program_get_stats(program, &stats);
    *ms = stats.run_ms > 0 ? stats.run_ms : host;
    return PM_OK;
}

pm_status timing_best(pm_device *device, gpu_program *program, double *ms)
{
    double best = 0, one, start = 0;
    for (int run = -1; run < LEAST_RUNS || (run < MOST_RUNS && clock_seconds() - start < ENOUGH_SECONDS); run++) {
        pm_status status = timing_run(device, program, &one);
        if (status != PM_OK) return status;
        if (run < 0)
            start = clock_seconds();
        else if (run == 0 || one < best)
            best = one;
    }
    *ms = best;
    return PM_OK;
}
