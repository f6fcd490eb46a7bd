/* Device memory: blocks by lifetime, buffers cut out of them. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

/* Every buffer starts where a storage buffer binding and a cache line may. A power of two, as the limit is. */
static uint64_t alignment(const pm_device *device)
{
    return device->caps.offset_alignment > 256 ? device->caps.offset_alignment : 256;
}

uint64_t gpu_max_buffer(const pm_device *device)
{
    uint64_t size = device->caps.max_allocation;
    if (size > device->features.max_buffer_size) size = device->features.max_buffer_size;
    return size / alignment(device) * alignment(device);
}

void gpu_memory_stats(const pm_device *device, uint64_t *now, uint64_t *peak)
{
    *now = device->bytes_now;
    *peak = device->bytes_peak;
}

/* ---- free ranges of a block -------------------------------------------------------------------------------------- */

/* Room for one more buffer, so that giving back cannot fail later: n buffers leave at most n + 1 free ranges. */
static bool reserve_range(gpu_block *block)
{
    if (block->live + 2 <= block->free_capacity) return true;
    uint32_t capacity = block->free_capacity ? 2 * block->free_capacity : 8;
    gpu_range *grown = realloc(block->free, capacity * sizeof *grown);
    if (!grown) return false;
    block->free = grown;
    block->free_capacity = capacity;
    return true;
}

static void insert_range(gpu_block *block, uint64_t offset, uint64_t size)
{
    uint32_t at = 0;
    while (at < block->free_count && block->free[at].offset < offset) at++;
    gpu_range *left = at > 0 ? &block->free[at - 1] : NULL;
    gpu_range *right = at < block->free_count ? &block->free[at] : NULL;
    bool joins_left = left && left->offset + left->size == offset;
    bool joins_right = right && offset + size == right->offset;
    if (joins_left && joins_right) {
        left->size += size + right->size;
        memmove(right, right + 1, (block->free_count - at - 1) * sizeof *right);
        block->free_count--;
    } else if (joins_left) {
        left->size += size;
    } else if (joins_right) {
        right->offset = offset;
        right->size += size;
    } else {
        memmove(&block->free[at + 1], &block->free[at], (block->free_count - at) * sizeof *block->free);
        block->free[at] = (gpu_range){offset, size};
        block->free_count++;
    }
}

static void take_range(gpu_block *block, uint32_t at, uint64_t size)
{
    gpu_range *range = &block->free[at];
    range->offset += size;
    range->size -= size;
    if (range->size > 0) return;
    memmove(range, range + 1, (block->free_count - at - 1) * sizeof *range);
    block->free_count--;
}

/* The smallest free range of the lifetime that holds `size` bytes. */
static gpu_block *find_range(pm_device *device, gpu_lifetime lifetime, uint64_t size, uint32_t *at)
{
    gpu_block *best = NULL;
    uint64_t best_size = UINT64_MAX;
    for (gpu_block *block = device->blocks; block; block = block->next) {
        if (block->lifetime != lifetime) continue;
        for (uint32_t i = 0; i < block->free_count; i++)
            if (block->free[i].size >= size && block->free[i].size < best_size) {
                best = block;
                best_size = block->free[i].size;
                *at = i;
            }
    }
    return best;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* How well a memory type suits a lifetime; 0: not at all. */
static int suitability(const pm_device *device, gpu_lifetime lifetime, VkMemoryPropertyFlags flags)
{
    bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const VkMemoryPropertyFlags host_bits = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    bool host = (flags & host_bits) == host_bits;
    if (flags & (VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
                 VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD))
        return 0;
    if (lifetime == GPU_SHARED) return host ? 1 + 2 * cached + (local && device->caps.unified) : 0;
    if (!local) return host ? 1 : 0; /* when the device's own is full */
    bool visible = flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    if (device->caps.unified) return host ? 4 + cached : 3;
    return visible ? 3 : 4;
}

static void free_block(pm_device *device, gpu_block *block)
{
    if (device->compile_only)
        free(block->mapped);
    else if (block->mapped)
        device->vk.vkUnmapMemory(device->handle, block->memory);
    if (!block->foreign) device->vk.vkDestroyBuffer(device->handle, block->handle, NULL);
    if (block->memory) {
        device->vk.vkFreeMemory(device->handle, block->memory, NULL);
        device->bytes_now -= block->size;
        device->heap_used[block->heap] -= block->size;
    }
    free(block->free);
    free(block);
}

/* Tries the fitting memory types, best first. A heap's size is kept here: software drivers promise more than there
 * is. VK_ERROR_OUT_OF_DEVICE_MEMORY where none has room. */
static VkResult allocate(pm_device *device, gpu_block *block, const VkMemoryRequirements *needs, uint32_t *type_out)
{
    /* Where memory is short, drivers move other allocations to the host's first. */
    const VkMemoryPriorityAllocateInfoEXT priority = {.sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT,
                                                      .priority = block->lifetime == GPU_WEIGHTS ? 0.75f : 0.5f};
    const void *more = device->enabled.priority.memoryPriority ? &priority : NULL;
    const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                             .pNext = more,
                                             .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    uint32_t left = needs->memoryTypeBits;
    if (needs->size > device->max_memory - device->bytes_now) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (;;) {
        int best = 0;
        uint32_t type = 0;
        for (uint32_t i = 0; i < device->heaps.memoryTypeCount; i++) {
            if (!(left & (1u << i))) continue;
            uint32_t heap = device->heaps.memoryTypes[i].heapIndex;
            uint64_t room = device->heaps.memoryHeaps[heap].size - device->heap_used[heap];
            int score = needs->size > room
                            ? 0
                            : suitability(device, block->lifetime, device->heaps.memoryTypes[i].propertyFlags);
            if (score > best) {
                best = score;
                type = i;
            }
        }
        if (best == 0) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
        left &= ~(1u << type);
        const VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                           .pNext = device->caps.bda ? &flags : more,
                                           .allocationSize = needs->size,
                                           .memoryTypeIndex = type};
        VkResult result = device->vk.vkAllocateMemory(device->handle, &info, NULL, &block->memory);
        if (result == VK_SUCCESS) {
            *type_out = type;
            return VK_SUCCESS;
        }
        block->memory = VK_NULL_HANDLE;
        if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY && result != VK_ERROR_OUT_OF_HOST_MEMORY) return result;
    }
}

static VkResult map_block(pm_device *device, gpu_block *block, VkMemoryPropertyFlags flags)
{
    const VkMemoryPropertyFlags host_bits = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    block->cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    if (block->lifetime != GPU_SHARED) {
        if (!local && !device->spilled) {
            device->spilled = true;
            log_line(&device->log, PM_LOG_WARN, "gpu: %s has no memory left; the host's is used, which is slower",
                     device->caps.name);
        }
        if (!device->caps.unified) return VK_SUCCESS;
    }
    if ((flags & host_bits) != host_bits) return VK_SUCCESS;
    void *mapped = NULL;
    VkResult result = device->vk.vkMapMemory(device->handle, block->memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    block->mapped = mapped;
    return result;
}

static void find_address(pm_device *device, gpu_block *block)
{
    if (!device->caps.bda) return;
    const VkBufferDeviceAddressInfo address = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                               .buffer = block->handle};
    block->address = device->features.bda_core ? device->vk.vkGetBufferDeviceAddress(device->handle, &address)
                                               : device->vk.vkGetBufferDeviceAddressKHR(device->handle, &address);
}

/* A block of `size` bytes, all free. Logs nothing: the caller knows for which buffer. */
static VkResult make_block(pm_device *device, gpu_lifetime lifetime, uint64_t size, gpu_block **out)
{
    gpu_block *block = calloc(1, sizeof *block);
    if (!block) return VK_ERROR_OUT_OF_HOST_MEMORY;
    block->lifetime = lifetime;
    VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (!reserve_range(block)) goto fail;
    if (device->compile_only) { /* nothing runs: the host's memory serves, zeroed as it comes */
        block->mapped = calloc(1, size);
        if (!block->mapped) goto fail;
        block->size = size;
        goto made;
    }
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 (device->caps.bda ? (VkBufferUsageFlags)VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0),
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    result = device->vk.vkCreateBuffer(device->handle, &info, NULL, &block->handle);
    if (result != VK_SUCCESS) goto fail;
    VkMemoryRequirements needs;
    device->vk.vkGetBufferMemoryRequirements(device->handle, block->handle, &needs);
    uint32_t type = 0;
    result = needs.size > device->caps.max_allocation ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                                                      : allocate(device, block, &needs, &type);
    if (result != VK_SUCCESS) goto fail;
    block->size = needs.size;
    block->heap = device->heaps.memoryTypes[type].heapIndex;
    device->heap_used[block->heap] += needs.size;
    device->bytes_now += needs.size;
    result = device->vk.vkBindBufferMemory(device->handle, block->handle, block->memory, 0);
    if (result == VK_SUCCESS) result = map_block(device, block, device->heaps.memoryTypes[type].propertyFlags);
    if (result != VK_SUCCESS) goto fail;
    if (device->bytes_now > device->bytes_peak) device->bytes_peak = device->bytes_now;
    find_address(device, block);
made:
    block->free[block->free_count++] = (gpu_range){0, size};
    block->next = device->blocks;
    device->blocks = block;
    *out = block;
    return VK_SUCCESS;
fail:
    free_block(device, block);
    return result;
}

/* Bytes that Pumice may have at once. */
static uint64_t most_memory(const pm_device *device)
{
    return device->max_memory < device->caps.device_memory ? device->max_memory : device->caps.device_memory;
}

/* Blocks double from 8 to 64 MiB (shared ones from 2 to 16), are smaller on small devices, and as large as one big
 * buffer needs. */
static uint64_t block_size(const pm_device *device, gpu_lifetime lifetime, uint64_t reserved)
{
    uint64_t size = lifetime == GPU_SHARED ? 2 * MIB : 8 * MIB, most = 8 * size;
    for (const gpu_block *block = device->blocks; block; block = block->next)
        if (block->lifetime == lifetime && size < most) size *= 2;
    while (size > MIB && size > most_memory(device) / 16) size /= 2;
    if (size > gpu_max_buffer(device)) size = gpu_max_buffer(device);
    return size > reserved ? size : reserved;
}

/* Vulkan has one object for a block: it is named after its only buffer, or its newest and how many others there are. */
static void name_block(pm_device *device, const gpu_block *block, const char *newest)
{
    static const char *const kinds[GPU_LIFETIMES] = {"weights", "workspace", "shared"};
    const char *kind = kinds[block->lifetime];
    if (block->live == 1)
        gpu_debug_name(device, VK_OBJECT_TYPE_BUFFER, GPU_HANDLE(block->handle), "%s: %s", kind, newest);
    else
        gpu_debug_name(device, VK_OBJECT_TYPE_BUFFER, GPU_HANDLE(block->handle), "%s: %s and %u more", kind, newest,
                       (unsigned)block->live - 1);
    gpu_debug_name(device, VK_OBJECT_TYPE_DEVICE_MEMORY, GPU_HANDLE(block->memory), "%s", kind);
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static pm_status buffer_fail(pm_device *device, VkResult result, const char *name, uint64_t size)
{
    if (result == VK_ERROR_DEVICE_LOST) device->lost = true;
    pm_status status = gpu_vk_status(result);
    const bool capped = device->max_memory < device->caps.device_memory;
    const uint64_t most = most_memory(device);
    const uint64_t rest = most > device->bytes_now ? most - device->bytes_now : 0;
    return log_fail(
        &device->log, status,
        "gpu: no memory for buffer '%s' of %llu bytes (%s); %llu MiB allocated, %llu MiB left at most%s; a smaller "
        "batch, context or model needs less",
        name, (unsigned long long)size, gpu_vk_result_name(result), (unsigned long long)(device->bytes_now / MIB),
        (unsigned long long)(rest / MIB), capped ? " under max_memory" : "");
}

static void list_buffer(pm_device *device, gpu_buffer *buffer, gpu_block *block, const char *name, gpu_range range,
                        uint64_t reserved)
{
    buffer->device = device;
    buffer->block = block;
    buffer->offset = range.offset;
    buffer->size = range.size;
    buffer->reserved = reserved;
    snprintf(buffer->name, sizeof buffer->name, "%s", name);
    block->live++;
    buffer->next = device->buffers;
    if (buffer->next) buffer->next->previous = buffer;
    device->buffers = buffer;
}

static pm_status create(pm_device *device, gpu_lifetime lifetime, uint64_t size, const char *name, gpu_buffer **out)
{
    pm_status status = gpu_check_lost(device);
    if (status != PM_OK) return status;
    if (!name) name = "unnamed";
    if (size == 0 || lifetime >= GPU_LIFETIMES)
        return log_fail(&device->log, PM_INVALID, "gpu: buffer '%s' needs a size above 0 and a lifetime", name);
    if (size > gpu_max_buffer(device))
        return log_fail(&device->log, PM_NO_DEVICE_MEMORY,
                        "gpu: buffer '%s' of %llu bytes exceeds the device's limit of %llu bytes", name,
                        (unsigned long long)size, (unsigned long long)gpu_max_buffer(device));
    gpu_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no host memory for buffer '%s'", name);
    uint64_t step = alignment(device);
    uint64_t reserved = (size + step - 1) / step * step; /* the largest buffer is a multiple of it */

    uint32_t at = 0;
    VkResult result = VK_SUCCESS;
    gpu_block *block = find_range(device, lifetime, reserved, &at);
    if (!block) {
        uint64_t want = block_size(device, lifetime, reserved);
        result = make_block(device, lifetime, want, &block);
        if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY && want > reserved)
            result = make_block(device, lifetime, reserved, &block);
        at = 0;
    }
    if (result == VK_SUCCESS && !reserve_range(block)) result = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (result != VK_SUCCESS) {
        free(buffer);
        return buffer_fail(device, result, name, size);
    }
    list_buffer(device, buffer, block, name, (gpu_range){block->free[at].offset, size}, reserved);
    take_range(block, at, reserved);
    name_block(device, block, name);
    *out = buffer;
    return PM_OK;
}

pm_status gpu_buffer_create(pm_device *device, gpu_lifetime lifetime, uint64_t size, const char *name, gpu_buffer **out)
{
    if (!gpu_enter(device)) return PM_INVALID;
    const pm_status status = create(device, lifetime, size, name, out);
    gpu_leave(device);
    return status;
}

/* A block of its own, which is never cut. Its VkBuffer has the host's name, and stays the host's. */
pm_status gpu_buffer_wrap(pm_device *device, VkBuffer handle, uint64_t offset, uint64_t size, const char *name,
                          gpu_buffer **out)
{
    gpu_buffer *buffer = calloc(1, sizeof *buffer);
    gpu_block *block = calloc(1, sizeof *block);
    if (!buffer || !block || !reserve_range(block)) {
        free(buffer);
        free(block);
        return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no host memory for buffer '%s'", name);
    }
    block->lifetime = GPU_LIFETIMES;
    block->foreign = true;
    block->handle = handle;
    block->size = offset + size;
    find_address(device, block);
    block->next = device->blocks;
    device->blocks = block;
    list_buffer(device, buffer, block, name, (gpu_range){offset, size}, size);
    *out = buffer;
    return PM_OK;
}

void gpu_buffer_destroy(gpu_buffer **handle)
{
    gpu_buffer *buffer = *handle;
    if (!buffer) return;
    /* What was destroyed is in no list any more. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    pm_device *device = buffer->device;
    gpu_block *block = buffer->block;
    if (buffer->next) buffer->next->previous = buffer->previous;
    if (buffer->previous)
        buffer->previous->next = buffer->next;
    else
        device->buffers = buffer->next;
    insert_range(block, buffer->offset, buffer->reserved);
    if (--block->live == 0) {
        gpu_block **link = &device->blocks;
        while (*link != block) link = &(*link)->next;
        *link = block->next;
        free_block(device, block);
    }
    free(buffer);
    *handle = NULL;
}

void gpu_memory_close(pm_device *device)
{
    while (device->buffers) {
        gpu_buffer *buffer = device->buffers;
        gpu_buffer_destroy(&buffer);
    }
    device->staging = NULL;
}
