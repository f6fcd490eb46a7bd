/* GPUs that are not there. */
#ifndef APPS_KERNEL_TARGET_H
#define APPS_KERNEL_TARGET_H

#include "kernel.h"

typedef enum target_family {
    TARGET_AMD,
    TARGET_INTEL,
    TARGET_HASVK,
    TARGET_ADRENO,      /* by its three digits */
    TARGET_ADRENO_CHIP, /* by its chip's number */
    TARGET_MALI,
    TARGET_VIDEOCORE
} target_family;

typedef struct kernel_target {
    const char *name;
    target_family family;
    const char *chip; /* what the family's variable is set to */
    const char *gpu;
    bool standard;
} kernel_target;

/* A target's process writes a line on stderr before each kernel that it builds: this, and an object with its name and constants. */
#define TARGET_KERNEL_MARK "pumice-kernel "
enum { KERNEL_LIMIT_S = 30 }; /* processor time for one kernel */

/* How many kernels a target's process leaves out. */
uint32_t kernel_target_skip(void);

/* Prints the targets' results; false where a kernel could not be built, after an error line. */
bool kernel_print_targets(const kernel_options *options, const cJSON *results);

#endif
