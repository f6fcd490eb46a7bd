/* The roof over a kernel: what of the device's peaks bounds it. */
#include <pumice/bench.h>
#include <string.h>

double pm_peaks_flops(const pm_peaks *peaks, const char *kernels)
{
    return strstr(kernels, "coop") && peaks->matrix_flops_per_s > 0 ? peaks->matrix_flops_per_s
                                                                    : peaks->fma_flops_per_s;
}
