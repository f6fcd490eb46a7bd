/* What Pumice and a host's own work on the device share: buffers and timeline semaphores. */
#include "gpu/gpu_internal.h"

#include <pumice/vulkan.h>

pm_status gpu_buffer_of_host(pm_device *device, const pm_vulkan_buffer *host, uint64_t size, const char *name,
                             gpu_buffer **out)
{
    if (host->size < size)
        return log_fail(&device->log, PM_INVALID, "gpu: the host's buffer for %s has %llu bytes; it needs %llu", name,
                        (unsigned long long)host->size, (unsigned long long)size);
    if (host->offset % device->caps.offset_alignment != 0 || host->offset % 4 != 0)
        return log_fail(&device->log, PM_INVALID,
                        "gpu: the host's buffer for %s begins at byte %llu, which is no multiple of %u", name,
                        (unsigned long long)host->offset, (unsigned)device->caps.offset_alignment);
    return gpu_buffer_wrap(device, host->buffer, host->offset, size, name, out);
}

void gpu_span_for_host(gpu_span span, pm_vulkan_buffer *out)
{
    *out = (pm_vulkan_buffer){span.buffer->block->handle, span.buffer->offset + span.offset, span.size};
}

void gpu_signal(pm_device *device, gpu_moment moment)
{
    if (moment.semaphore && !device->lost)
        (void)gpu_queue_signal(device, (VkSemaphore)moment.semaphore, moment.value); /* it tells of a failure */
}

void gpu_drop_sync(pm_device *device)
{
    gpu_signal(device, gpu_take_sync(device).signals);
}

gpu_sync gpu_take_sync(pm_device *device)
{
    gpu_sync sync = device->sync;
    sync.control = device->control;
    device->sync = (gpu_sync){0};
    return sync;
}

static pm_status check_timeline(const pm_device *device, VkSemaphore semaphore)
{
    if (!device->imported)
        return log_fail(&device->log, PM_INVALID, "gpu: semaphores are for a host's device: see pm_device_import");
    if (!device->features.found.timeline.timelineSemaphore)
        return log_fail(&device->log, PM_UNSUPPORTED, "gpu: the host's device was made without timelineSemaphore");
    if (!semaphore) return log_fail(&device->log, PM_INVALID, "gpu: there is no semaphore");
    return PM_OK;
}

pm_status pm_vulkan_wait(pm_device *device, VkSemaphore timeline, uint64_t value)
{
    const pm_status status = check_timeline(device, timeline);
    if (status == PM_OK) device->sync.after = (gpu_moment){GPU_HANDLE(timeline), value};
    return status;
}

pm_status pm_vulkan_signal(pm_device *device, VkSemaphore timeline, uint64_t value)
{
    const pm_status status = check_timeline(device, timeline);
    if (status == PM_OK) device->sync.signals = (gpu_moment){GPU_HANDLE(timeline), value};
    return status;
}
