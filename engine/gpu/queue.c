/* The queue. Each submission to it has a ticket, a number that counts up. A fence tells when the ticket's work is done, and all work before it. */
#include "gpu/gpu_internal.h"

#include "os/clock.h"

pm_status gpu_queue_open(pm_device *device)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    pm_status status = PM_OK;
    /* RADV's null device cannot make one. */
    for (int i = 0; i < GPU_TICKETS && !device->compile_only; i++)
        VK_TRY(device, device->vk.vkCreateFence(device->handle, &info, NULL, &device->queue.fences[i]));
fail:
    return status;
}

void gpu_queue_close(pm_device *device)
{
    for (int i = 0; i < GPU_TICKETS; i++) device->vk.vkDestroyFence(device->handle, device->queue.fences[i], NULL);
}

static VkResult submit(pm_device *device, uint32_t count, const VkSubmitInfo *info, VkFence fence)
{
    const gpu_queue *queue = &device->queue;
    if (queue->lock) queue->lock(queue->user);
    const VkResult result = device->vk.vkQueueSubmit(queue->handle, count, info, fence);
    if (queue->unlock) queue->unlock(queue->user);
    return result;
}

/* The fences of the tickets that are not known to be done, up to this one. */
static uint32_t open_fences(const gpu_queue *queue, uint64_t ticket, VkFence fences[GPU_TICKETS])
{
    uint32_t count = 0;
    for (uint64_t t = queue->done + 1; t <= ticket; t++) fences[count++] = queue->fences[t % GPU_TICKETS];
    return count;
}

/* All tickets up to this one are done: makes their fences ready for others. */
static pm_status take_done(pm_device *device, uint64_t ticket)
{
    VkFence fences[GPU_TICKETS];
    const uint32_t count = open_fences(&device->queue, ticket, fences);
    pm_status status = PM_OK;
    device->queue.done = ticket;
    VkResult reset = device->vk.vkResetFences(device->handle, count, fences);
    if (reset != VK_SUCCESS) reset = device->vk.vkResetFences(device->handle, count, fences);
    if (reset != VK_SUCCESS) gpu_keep_all(device); /* no fence tells of further work */
    VK_TRY(device, reset);
fail:
    return status;
}

/* `quiet`: without a line, and the device is not given up. */
static pm_status wait_fences(pm_device *device, uint64_t ticket, bool quiet)
{
    VkFence fences[GPU_TICKETS];
    const uint32_t count = open_fences(&device->queue, ticket, fences);
    pm_status status = PM_OK;
    if (count == 0) return PM_OK;
    const uint64_t timeout_ns = device->timeout_ms ? device->timeout_ms * UINT64_C(1000000) : UINT64_MAX;
    const VkResult result = device->vk.vkWaitForFences(device->handle, count, fences, VK_TRUE, timeout_ns);
    if (result == VK_TIMEOUT) return gpu_abandon(device);
    if (quiet && result != VK_SUCCESS && result != VK_ERROR_DEVICE_LOST) return gpu_vk_status(result);
    VK_TRY(device, result);
    return take_done(device, ticket);
fail:
    return status;
}

/* For want of memory a wait may fail. The work must end before its owner is freed: a second try, and where it fails too nothing is freed. */
pm_status gpu_queue_wait(pm_device *device, uint64_t ticket)
{
    const double start = os_seconds();
    pm_status status = device->lost ? PM_DEVICE_LOST : wait_fences(device, ticket, true);
    if (status != PM_OK && !device->lost) status = wait_fences(device, ticket, false);
    if (status != PM_OK && !device->lost) gpu_keep_all(device);
    device->wait_seconds += os_seconds() - start;
    return status;
}

/* A fence for the next ticket: the oldest one's, once it is done. */
static pm_status next_fence(pm_device *device, VkFence *out)
{
    gpu_queue *queue = &device->queue;
    const uint64_t ticket = queue->submitted + 1;
    *out = queue->fences[ticket % GPU_TICKETS];
    return ticket - queue->done > GPU_TICKETS ? gpu_queue_wait(device, ticket - GPU_TICKETS) : PM_OK;
}

/* A second try where there was no memory, behind all that holds some: an update must not stop half through. */
pm_status gpu_queue_submit(pm_device *device, const VkSubmitInfo *info, uint64_t *ticket)
{
    VkFence fence;
    pm_status status = next_fence(device, &fence);
    if (status != PM_OK) return status;
    VkResult result = submit(device, 1, info, fence);
    if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY) {
        status = gpu_queue_wait(device, device->queue.submitted);
        if (status != PM_OK) return status;
        result = submit(device, 1, info, fence);
    }
    VK_TRY(device, result);
    *ticket = ++device->queue.submitted;
fail:
    return status;
}

pm_status gpu_queue_signal(pm_device *device, VkSemaphore timeline, uint64_t value)
{
    const VkTimelineSemaphoreSubmitInfo values = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                  .signalSemaphoreValueCount = 1,
                                                  .pSignalSemaphoreValues = &value};
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .pNext = &values,
                               .signalSemaphoreCount = 1,
                               .pSignalSemaphores = &timeline};
    pm_status status = PM_OK;
    VK_TRY(device, submit(device, 1, &info, VK_NULL_HANDLE));
fail:
    return status;
}

pm_status gpu_queue_poll(pm_device *device)
{
    const gpu_queue *queue = &device->queue;
    uint64_t ticket = queue->done;
    pm_status status = PM_OK;
    while (ticket < queue->submitted) {
        const VkResult result = device->vk.vkGetFenceStatus(device->handle, queue->fences[(ticket + 1) % GPU_TICKETS]);
        if (result == VK_ERROR_DEVICE_LOST) VK_TRY(device, result);
        if (result != VK_SUCCESS) break; /* not yet, or no memory for the question: a wait will tell */
        ticket++;
    }
    return ticket > queue->done ? take_done(device, ticket) : PM_OK;
fail:
    return status;
}
