/* What gave wrong numbers on this device with this driver, and is therefore not used: kernels, and features. `pumice doctor` finds it out, and
 * nothing else changes it. Kept in a file of its own, whatever the build and however far a run lowers the device, as "1 off kernel NAME" and "1 off
 * feature NAME". */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <string.h>

#include "files/file.h"

#define OFF "off "
#define OFF_KERNEL OFF "kernel "
#define OFF_FEATURE OFF "feature "

_Static_assert(ROW_COUNT < UINT16_MAX, "a number for each row");

/* False: there is no more room. */
static bool set(pm_caps *caps, kernel_row row, bool on)
{
    uint16_t *off = caps->kernels_off;
    int at = 0, count = 0;
    while (count < PM_KERNELS_OFF && off[count]) count++;
    while (at < count && off[at] != row + 1) at++;
    if (!on && at == PM_KERNELS_OFF) return false;
    if (!on) off[at] = (uint16_t)(row + 1);
    if (on && at < count) {
        memmove(off + at, off + at + 1, (size_t)(count - at - 1) * sizeof *off);
        off[count - 1] = 0;
    }
    return true;
}

static pm_status too_many(const pm_device *device)
{
    return log_fail(&device->log, PM_UNSUPPORTED, "gpu: more than %d kernels are wrong on %s: it cannot be used",
                    PM_KERNELS_OFF, device->caps.name);
}

static void row_key(kernel_row row, char key[GPU_CHOICE_KEY])
{
    snprintf(key, GPU_CHOICE_KEY, OFF_KERNEL "%s", gpu_row_name(row));
}

static void feature_key(const char *name, char key[GPU_CHOICE_KEY])
{
    snprintf(key, GPU_CHOICE_KEY, OFF_FEATURE "%s", name);
}

static bool is_off(const pm_device *device, const char *key)
{
    const gpu_choice *found = gpu_list_find(&device->faults, key);
    return found && found->choice;
}

pm_status gpu_row_switch(pm_device *device, kernel_row row, bool on)
{
    char key[GPU_CHOICE_KEY];
    if (!set(&device->caps, row, on)) return too_many(device);
    row_key(row, key);
    const pm_status status = gpu_list_set(device, &device->faults, key, !on);
    if (status != PM_OK) set(&device->caps, row, !on);
    return status;
}

pm_status gpu_feature_switch(pm_device *device, const char *name, bool on)
{
    char key[GPU_CHOICE_KEY];
    feature_key(name, key);
    return gpu_list_set(device, &device->faults, key, !on);
}

bool gpu_row_switched_off(const pm_device *device, kernel_row row)
{
    char key[GPU_CHOICE_KEY];
    row_key(row, key);
    return is_off(device, key);
}

bool gpu_feature_switched_off(const pm_device *device, const char *name)
{
    char key[GPU_CHOICE_KEY];
    feature_key(name, key);
    return is_off(device, key);
}

bool gpu_faults_forget(pm_device *device)
{
    bool any = device->faults_lost;
    for (uint32_t i = 0; i < device->faults.count; i++) {
        any = any || device->faults.all[i].choice;
        device->faults.all[i].choice = 0;
    }
    memset(device->caps.kernels_off, 0, sizeof device->caps.kernels_off);
    return any;
}

void gpu_kernel_break(pm_device *device, kernel_id kernel)
{
    device->broken = kernel;
}

/* ---- the file ---- */

static void head_of(const pm_device *device, char head[GPU_HEAD_MAX])
{
    snprintf(head, GPU_HEAD_MAX, "pumice-faults 1 %s", device->identity);
}

/* Before they had a file of their own, they stood among the choices. */
static pm_status read_old(pm_device *device, const char **fault)
{
    char head[GPU_HEAD_MAX];
    gpu_choice_list old = {0};
    snprintf(head, sizeof head, "pumice-tuning 1 %s build 0123456789abcdef", device->identity);
    pm_status status = gpu_list_read(device, &old, device->old_choices_path, head, true, fault);
    for (uint32_t i = 0; i < old.count && status == PM_OK; i++)
        if (strncmp(old.all[i].key, OFF, strlen(OFF)) == 0)
            status = gpu_list_set(device, &device->faults, old.all[i].key, old.all[i].choice);
    gpu_list_close(&old);
    return status;
}

pm_status gpu_faults_open(pm_device *device)
{
    char head[GPU_HEAD_MAX];
    const char *fault;
    const bool own = !device->faults.path || !device->old_choices_path || file_exists(device->faults.path);
    const char *path = own ? device->faults.path : device->old_choices_path;
    head_of(device, head);
    const pm_status status =
        own ? gpu_list_read(device, &device->faults, path, head, true, &fault) : read_old(device, &fault);
    if (status != PM_OK || !fault) return status;
    device->faults_lost = true;
    log_line(&device->log, PM_LOG_WARN,
             "gpu: %s: %s; what pumice doctor may have switched off is used again until it has run anew", path, fault);
    return PM_OK;
}

bool gpu_faults_kept(const pm_device *device)
{
    return device->faults.path != NULL;
}

pm_status gpu_faults_save(pm_device *device)
{
    char head[GPU_HEAD_MAX];
    if (!device->faults.path) return PM_OK;
    head_of(device, head);
    return gpu_list_write(device, &device->faults, head);
}

/* A name that this build does not know is of another one, and means nothing here. */
pm_status gpu_faults_apply(pm_device *device)
{
    for (uint32_t i = 0; i < device->faults.count; i++) {
        const char *key = device->faults.all[i].key;
        if (device->faults.all[i].choice == 0) continue;
        if (strncmp(key, OFF_FEATURE, strlen(OFF_FEATURE)) == 0) {
            pm_status status =
                pm_caps_lower(NULL, &device->caps, "what pumice doctor keeps", key + strlen(OFF_FEATURE));
            if (status != PM_OK && status != PM_INVALID) return status;
        }
        for (int k = 0; k < KERNEL_COUNT; k++)
            if (strncmp(key, OFF_KERNEL, strlen(OFF_KERNEL)) == 0 &&
                strcmp(key + strlen(OFF_KERNEL), gpu_kernel_name((kernel_id)k)) == 0 &&
                !set(&device->caps, gpu_kernel_row((kernel_id)k), false))
                return too_many(device);
    }
    return PM_OK;
}
