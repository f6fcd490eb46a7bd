/* Timing a program's runs. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include "gpu/gpu.h"

/* Runs a program and waits. *ms: the device's time by its time stamps, or, without them, the host's from submission to the end. */
pm_status timing_run(pm_device *device, gpu_program *program, double *ms);

/* The shortest of several runs: at least 5, at most 30, and no more after 0.25 s. A warm-up goes before. */
pm_status timing_best(pm_device *device, gpu_program *program, double *ms);

/* Many runs: until their median is settled, as time allows. */
enum { TIMING_MOST = 100 };
typedef struct timing {
    double ms[TIMING_MOST], start;
    uint32_t runs;
    bool quick;
} timing;

void timing_start(timing *t, bool quick);
bool timing_more(const timing *t); /* whether another run is wanted */
void timing_add(timing *t, double ms);
/* Sorts; the quartiles, of which the middle one is the median. */
void timing_quartiles(timing *t, double *low, double *median, double *high);

#endif
