/* Timing a program's runs. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include "gpu/gpu.h"

/* Runs a program and waits. *ms: the device's time by its time stamps, or, without them, the host's from submission to the end. */
pm_status timing_run(pm_device *device, gpu_program *program, double *ms);

/* The shortest of several runs: at least 5, at most 30, and no more after 0.25 s. A warm-up goes before. */
pm_status timing_best(pm_device *device, gpu_program *program, double *ms);

#endif
