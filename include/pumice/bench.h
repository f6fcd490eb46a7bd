/* How fast a device is: its own peaks. */
#ifndef PUMICE_BENCH_H
#define PUMICE_BENCH_H

#include <pumice/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The best that kernels reached on a device, against which other kernels' rates are read. Rates a second. */
typedef struct pm_peaks {
    double copy_bytes_per_s;   /* large buffers, bytes read and bytes written counted */
    double fma_flops_per_s;    /* fp32 in registers; a multiplication and an addition are two operations */
    double matrix_flops_per_s; /* fp16 products summed in fp32 by matrix units; 0 where no kernel uses such units */
} pm_peaks;

/* Measures them, in about a second; the device's other work should be done. Blocks.
 * Fails: PM_NO_DEVICE_MEMORY, PM_DEVICE_LOST, PM_UNSUPPORTED. */
PM_API PM_NODISCARD pm_status pm_peaks_measure(pm_device *device, pm_peaks *out);

#ifdef __cplusplus
}
#endif
#endif
