/* Timing a case with several copies of its operands in turn, and whole steps of a model. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "bench/cases.h"

/* Fill in a row's times, variant and counts. */
pm_status measure_case(pm_device *device, const bench_case *c, bool quick, pm_bench_row *row);
/* Whether a whole step's numbers make a model. */
pm_status check_step(const pm_log *log, const uint32_t *dims, pm_arch arch);
/* `name` is train-step, prefill or decode; dims as its form says, checked. */
pm_status measure_step(pm_device *device, const char *name, const uint32_t *dims, dtype_id type,
                       const pm_bench_params *params, pm_bench_row *row);

#endif
