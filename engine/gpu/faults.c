/* What gave wrong numbers on this device with this driver, and is therefore not used: kernels, and features. `pumice doctor` finds it out. Kept among
 * the tuned choices (choices.c), as "1 off kernel NAME" and "1 off feature NAME". */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <string.h>

#define OFF "off "
#define OFF_KERNEL OFF "kernel "
#define OFF_FEATURE OFF "feature "

_Static_assert(KERNEL_COUNT <= 64 * sizeof((pm_caps *)0)->kernels_off / sizeof(uint64_t), "a bit for each kernel");

/* The first kernel of each one's row in kernels.def: its formats stand or fall together. */
#undef KERNEL_ACT
#undef KERNEL_PRODUCT
static const uint16_t row_of[KERNEL_COUNT] = {
#define KERNEL(name, file, defines) [KERNEL_##name] = KERNEL_##name,
#define KERNEL_ACT(name, file, defines) [KERNEL_##name] = KERNEL_##name, [KERNEL_##name##_f16] = KERNEL_##name,
#define KERNEL_PRODUCT(name, file, defines) KERNEL_ACT(name, file, defines)[KERNEL_##name##_f16_f32] = KERNEL_##name,
#include "kernels.def"
#undef KERNEL
};

kernel_id gpu_kernel_row(kernel_id kernel)
{
    return (kernel_id)row_of[kernel];
}

static void set(pm_caps *caps, kernel_id kernel, bool on)
{
    const uint64_t bit = 1ull << kernel % 64;
    if (on)
        caps->kernels_off[kernel / 64] &= ~bit;
    else
        caps->kernels_off[kernel / 64] |= bit;
}

pm_status gpu_kernel_switch(pm_device *device, kernel_id kernel, bool on)
{
    char key[GPU_CHOICE_KEY];
    const kernel_id row = gpu_kernel_row(kernel);
    snprintf(key, sizeof key, OFF_KERNEL "%s", gpu_kernel_name(row));
    const pm_status status = gpu_choice_set(device, key, !on);
    if (status == PM_OK) set(&device->caps, row, on);
    return status;
}

pm_status gpu_feature_switch(pm_device *device, const char *name, bool on)
{
    char key[GPU_CHOICE_KEY];
    snprintf(key, sizeof key, OFF_FEATURE "%s", name);
    return gpu_choice_set(device, key, !on);
}

bool gpu_is_fault(const gpu_choice *choice)
{
    return strncmp(choice->key, OFF, strlen(OFF)) == 0;
}

bool gpu_faults_forget(pm_device *device)
{
    bool any = false;
    for (uint32_t i = 0; i < device->choice_count; i++) {
        if (!gpu_is_fault(&device->choices[i])) continue;
        any = any || device->choices[i].choice;
        device->choices[i].choice = 0;
    }
    memset(device->caps.kernels_off, 0, sizeof device->caps.kernels_off);
    return any;
}

void gpu_kernel_break(pm_device *device, kernel_id kernel)
{
    device->broken = kernel;
}

/* A name that this build does not know is of another one, which the file's head excludes. */
pm_status gpu_faults_apply(pm_device *device)
{
    for (uint32_t i = 0; i < device->choice_count; i++) {
        const char *key = device->choices[i].key;
        if (device->choices[i].choice == 0) continue;
        if (strncmp(key, OFF_FEATURE, strlen(OFF_FEATURE)) == 0) {
            pm_status status =
                pm_caps_lower(&device->log, &device->caps, "what pumice doctor keeps", key + strlen(OFF_FEATURE));
            if (status != PM_OK) return status;
        }
        for (int k = 0; k < KERNEL_COUNT; k++)
            if (strncmp(key, OFF_KERNEL, strlen(OFF_KERNEL)) == 0 &&
                strcmp(key + strlen(OFF_KERNEL), gpu_kernel_name((kernel_id)k)) == 0)
                set(&device->caps, (kernel_id)k, false);
    }
    return PM_OK;
}
