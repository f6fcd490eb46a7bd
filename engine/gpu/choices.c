/* Autotuned choices: which of several kernel variants to take, on this device with this driver, this build, and what is in use of the device's
 * capabilities. A file of each such set beside the pipeline cache. One that does not match is told of, not used, and replaced when something is
 * stored again. */
#include "gpu/gpu_internal.h"
#include "spirv/spirv.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum { CHOICES_FORMAT = 2 };

/* A build counts as another where a kernel has another name or size. */
static void head_of(const pm_device *device, char head[GPU_HEAD_MAX])
{
    uint64_t build = HASH_INIT;
    for (int k = 0; k < KERNEL_COUNT; k++) {
        const char *name = gpu_kernel_name((kernel_id)k);
        size_t count;
        gpu_kernel_words((kernel_id)k, true, &count);
        build = hash_bytes(hash_bytes(build, name, strlen(name)), &count, sizeof count);
    }
    snprintf(head, GPU_HEAD_MAX, "pumice-tuning %d %s caps %016llx build %016llx", CHOICES_FORMAT, device->identity,
             (unsigned long long)device->caps_hash, (unsigned long long)build);
}

uint32_t gpu_chosen(const gpu_program *program, const char *key)
{
    const gpu_choice *found = gpu_list_find(&program->device->choices, key);
    return found ? found->choice : 0;
}

pm_status gpu_choice_set(pm_device *device, const char *key, uint32_t choice)
{
    return gpu_list_set(device, &device->choices, key, choice);
}

pm_status gpu_choices_open(pm_device *device)
{
    gpu_choice_list *list = &device->choices;
    char head[GPU_HEAD_MAX];
    const char *fault;
    head_of(device, head);
    pm_status status = gpu_list_read(device, list, list->path, head, false, &fault);
    if (status == PM_OK && fault)
        log_line(&device->log, PM_LOG_WARN, "gpu: %s: %s; the usual kernels are taken until pumice tune runs again",
                 list->path, fault);
    else if (status == PM_OK && list->count > 0)
        log_line(&device->log, PM_LOG_DEBUG, "gpu: %s: %u autotuned choices read", list->path, (unsigned)list->count);
    return status;
}

static pm_status save(pm_device *device, const gpu_choice_list *list)
{
    char head[GPU_HEAD_MAX];
    if (!list->path)
        return log_fail(&device->log, PM_INVALID, "autotune: there is no cache folder to keep the choices in");
    head_of(device, head);
    return gpu_list_write(device, list, head);
}

pm_status gpu_choices_save(pm_device *device)
{
    return save(device, &device->choices);
}

pm_status gpu_choices_forget(pm_device *device)
{
    const gpu_choice_list none = {.path = device->choices.path};
    const pm_status status = save(device, &none);
    if (status == PM_OK) device->choices.count = 0;
    return status;
}
