/* Kernels: the rows of shaders/kernels.def, and for each the types of operands in memory for which it is compiled. */
#ifndef GPU_KERNELS_H
#define GPU_KERNELS_H

#include <pumice/device.h>

#include "kernel_types.h"

typedef enum kernel_row {
#define KERNEL(row, file, defines, types) ROW_##row,
#include "kernels.def"
#undef KERNEL
    ROW_COUNT
} kernel_row;

typedef enum kernel_types {
#define TYPES_ENUM(types, defines) TYPES_##types,
    KERNEL_TYPES(TYPES_ENUM)
#undef TYPES_ENUM
        TYPES_COUNT
} kernel_types;

/* Modules: KERNEL_ and the row's name, with the suffix of its types. */
typedef enum kernel_id {
#define KERNEL_ENUM(row, suffix, types) KERNEL_##row##suffix,
#define KERNEL(row, file, defines, types) TYPES_##types(KERNEL_ENUM, row)
#include "kernels.def"
#undef KERNEL
#undef KERNEL_ENUM
    KERNEL_COUNT
} kernel_id;

/* The row's kernel for these types; KERNEL_COUNT: it is not compiled for them. */
kernel_id gpu_kernel_of(kernel_row row, kernel_types types);
kernel_row gpu_kernel_row(kernel_id kernel);

const char *gpu_kernel_name(kernel_id kernel);
const char *gpu_row_name(kernel_row row);
/* Whether the kernel is in this build: an older glslc lacks the extensions of some. */
bool gpu_kernel_built(kernel_id kernel);
/* Its SPIR-V, compiled with or without buffer addresses. */
const uint32_t *gpu_kernel_words(kernel_id kernel, bool bda, size_t *count);

/* Whether the row's kernels may be chosen. */
static inline bool gpu_row_good(const pm_caps *caps, kernel_row row)
{
    for (int i = 0; i < PM_KERNELS_OFF && caps->kernels_off[i]; i++)
        if (caps->kernels_off[i] == row + 1) return false;
    return true;
}

#endif
