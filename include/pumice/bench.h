/* How fast a device is: its own peaks, and operations and whole steps timed on it. */
#ifndef PUMICE_BENCH_H
#define PUMICE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The best measured rates of a device, to compare other kernels' rates with. */
typedef struct pm_peaks {
    double copy_bytes_per_s;   /* large buffers, bytes read and bytes written counted */
    double fma_flops_per_s;    /* fp32 in registers; a multiplication and an addition are two operations */
    double matrix_flops_per_s; /* fp16 products summed in fp32 by matrix units; 0 where no kernel uses such units */
} pm_peaks;

/* The arithmetic peak for kernels of these names, joined by +: that of matrix units where a name has "coop" in it, else of fp32. */
PM_API double pm_peaks_flops(const pm_peaks *peaks, const char *kernels);

/* Measures them, in about a second; the device's other work should be done. Blocks.
 * Fails: PM_NO_DEVICE_MEMORY, PM_DEVICE_LOST, PM_UNSUPPORTED. */
PM_API PM_NODISCARD pm_status pm_peaks_measure(pm_device *device, pm_peaks *out);

/* Operations and steps that can be timed. */
enum { PM_BENCH_SHAPES = 6 };
typedef struct pm_bench_op {
    const char *name;                        /* "matmul" */
    const char *form;                        /* the meaning of a shape's numbers, "MxNxK" */
    const char *text;                        /* one line */
    const char *shapes[PM_BENCH_SHAPES + 1]; /* usual ones, an odd one last; NULL ends them */
} pm_bench_op;
/* By number, in a fixed order; NULL beyond the last. */
PM_API const pm_bench_op *pm_bench_op_at(size_t index);

typedef struct pm_bench_params {
    const char *op, *shape;
    const char *dtype; /* of activations in memory, "f32" or "f16"; NULL: "f32" */
    bool quick;        /* three runs are enough */
    /* Of whole steps: the model's family, with as many heads of keys as of queries; and how a session's weights are kept. */
    pm_arch arch;
    pm_weights weights;
} pm_bench_params;

/* Checks operation, shape and type, without a device. Fails: PM_INVALID, PM_UNSUPPORTED, with what would be right. */
PM_API PM_NODISCARD pm_status pm_bench_check_sized(const pm_log *log, const pm_bench_params *params,
                                                   size_t params_size);
PM_NODISCARD static inline pm_status pm_bench_check(const pm_log *log, const pm_bench_params *params)
{
    return pm_bench_check_sized(log, params, sizeof *params);
}

typedef struct pm_bench_row {
    char op[24], shape[64], dtype[8];
    char variant[160];          /* the kernels that ran, joined by + */
    double ms, ms_low, ms_high; /* of one run: median and quartiles */
    double first_ms;     /* the host's time from recording to the end of the first run: pipelines are made in it, unless
                                  the device has them from before */
    bool device_time;    /* ms by the device's time stamps; else by the host, from submission to the end */
    double flops;        /* of one run, counted as is usual: attention over all T x T pairs */
    double needed_flops; /* without the pairs that causality masks: compare this with a peak */
    double bytes;        /* that must move if each operand is touched once */
    double tokens;       /* of a whole step; else 0 */
    uint32_t runs, copies; /* runs timed; sets of operands used in turn, so that no cache serves them */
} pm_bench_row;

/* Times one operation at one shape, or a whole step. It allocates its own operands, or a model, on the device. Blocks.
 * Fails: as pm_bench_check; PM_NO_*_MEMORY, PM_DEVICE_LOST. */
PM_API PM_NODISCARD pm_status pm_bench_run_sized(pm_device *device, const pm_bench_params *params, size_t params_size,
                                                 pm_bench_row *out);
PM_NODISCARD static inline pm_status pm_bench_run(pm_device *device, const pm_bench_params *params, pm_bench_row *out)
{
    return pm_bench_run_sized(device, params, sizeof *params, out);
}

#ifdef __cplusplus
}
#endif
#endif
