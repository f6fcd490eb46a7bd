/* Host access to buffers: direct where they are mapped, else through a staging buffer. All functions block. */
#include "gpu/gpu_internal.h"

#include <string.h>

/* The host reads uncached memory at about a microsecond for a few words, so that larger reads are staged. Fills are cut into pieces: a
 * large buffer would take seconds on a slow device. */
enum { STAGING_BYTES = 8 << 20, UNCACHED_READ = 4096, FILL_BYTES = 64 << 20 };

gpu_span gpu_span_of(gpu_buffer *buffer)
{
    return (gpu_span){buffer, 0, buffer->size};
}

const char *gpu_span_fault(gpu_span span)
{
    if (!span.buffer) return "has no buffer";
    if (span.size == 0) return "is empty";
    if (span.offset % 4 != 0) return "has an offset that is no multiple of 4";
    if (span.offset > span.buffer->size || span.size > span.buffer->size - span.offset) return "exceeds its buffer";
    return NULL;
}

void *gpu_map(gpu_span span)
{
    if (gpu_span_fault(span) || !span.buffer->block->mapped) return NULL;
    return span.buffer->block->mapped + span.buffer->offset + span.offset;
}

static pm_status check(gpu_span span, const char *verb)
{
    const char *fault = gpu_span_fault(span);
    if (!fault) return gpu_gate(span.buffer->device);
    const pm_log *log = span.buffer ? &span.buffer->device->log : NULL;
    return log_fail(log, PM_INVALID, "gpu: the span to %s in buffer '%s' %s", verb,
                    span.buffer ? span.buffer->name : "", fault);
}

static pm_status need_staging(pm_device *device)
{
    if (device->staging) return PM_OK;
    uint64_t size = STAGING_BYTES;
    if (size > gpu_max_buffer(device)) size = gpu_max_buffer(device);
    return gpu_buffer_create(device, GPU_SHARED, size, "staging", &device->staging);
}

static pm_status begin(pm_device *device)
{
    pm_status status = PM_OK;
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                           .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    VK_TRY(device, device->vk.vkBeginCommandBuffer(device->transfer, &info));
    gpu_full_barrier(device, device->transfer, false);
fail:
    return status;
}

static pm_status end(pm_device *device)
{
    pm_status status = PM_OK;
    gpu_full_barrier(device, device->transfer, true);
    VK_TRY(device, device->vk.vkEndCommandBuffer(device->transfer));
    status = gpu_run_now(device, device->transfer);
fail:
    return status;
}

static pm_status copy(gpu_span to, gpu_span from)
{
    pm_device *device = to.buffer->device;
    pm_status status = begin(device);
    if (status != PM_OK) return status;
    const VkBufferCopy region = {
        .srcOffset = from.buffer->offset + from.offset, .dstOffset = to.buffer->offset + to.offset, .size = to.size};
    device->vk.vkCmdCopyBuffer(device->transfer, from.buffer->block->handle, to.buffer->block->handle, 1, &region);
    return end(device);
}

pm_status gpu_write(gpu_span to, const void *data)
{
    pm_status status = check(to, "write");
    if (status != PM_OK) return status;
    pm_device *device = to.buffer->device;
    unsigned char *mapped = gpu_map(to);
    if (mapped) {
        status = gpu_settle(device); /* earlier work may still read it */
        if (status == PM_OK) memcpy(mapped, data, to.size);
        return status;
    }
    status = need_staging(device);
    const unsigned char *bytes = data;
    while (status == PM_OK && to.size > 0) {
        gpu_span part = {device->staging, 0, to.size < device->staging->size ? to.size : device->staging->size};
        memcpy(gpu_map(part), bytes, part.size);
        status = copy((gpu_span){to.buffer, to.offset, part.size}, part);
        bytes += part.size;
        to.offset += part.size;
        to.size -= part.size;
    }
    return status;
}

pm_status gpu_read(gpu_span from, void *data)
{
    pm_status status = check(from, "read");
    if (status != PM_OK) return status;
    pm_device *device = from.buffer->device;
    const unsigned char *mapped = gpu_map(from);
    if (mapped && (from.buffer->block->cached || from.size <= UNCACHED_READ)) {
        status = gpu_settle(device);
        if (status == PM_OK) memcpy(data, mapped, from.size);
        return status;
    }
    status = need_staging(device);
    unsigned char *bytes = data;
    while (status == PM_OK && from.size > 0) {
        gpu_span part = {device->staging, 0, from.size < device->staging->size ? from.size : device->staging->size};
        status = copy(part, (gpu_span){from.buffer, from.offset, part.size});
        if (status == PM_OK) memcpy(bytes, gpu_map(part), part.size);
        bytes += part.size;
        from.offset += part.size;
        from.size -= part.size;
    }
    return status;
}

pm_status gpu_fill(gpu_span to, uint32_t word)
{
    pm_status status = check(to, "fill");
    if (status != PM_OK) return status;
    pm_device *device = to.buffer->device;
    if (to.size % 4 != 0)
        return log_fail(&device->log, PM_INVALID, "gpu: a fill of buffer '%s' needs a multiple of 4 bytes",
                        to.buffer->name);
    unsigned char *mapped = gpu_map(to);
    if (mapped) {
        status = gpu_settle(device);
        if (status == PM_OK && word == 0) {
            memset(mapped, 0, to.size);
            return PM_OK;
        }
        for (uint64_t i = 0; status == PM_OK && i < to.size; i += 4) memcpy(mapped + i, &word, 4);
        return status;
    }
    for (uint64_t at = 0; status == PM_OK && at < to.size; at += FILL_BYTES) {
        const uint64_t size = to.size - at < FILL_BYTES ? to.size - at : FILL_BYTES;
        status = begin(device);
        if (status != PM_OK) return status;
        device->vk.vkCmdFillBuffer(device->transfer, to.buffer->block->handle, to.buffer->offset + to.offset + at, size,
                                   word);
        status = end(device);
    }
    return status;
}
