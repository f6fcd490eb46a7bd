/* A device whose work does not end. Nothing that it may still use can be destroyed, and no wait for it ends: from then on the functions that
 * destroy and wait do nothing. Its objects stay until the process ends. */
#include "gpu/gpu_internal.h"

#define ABANDONED_LIST(X)                                                                                              \
    X(vkDestroyBuffer, VkBuffer)                                                                                       \
    X(vkDestroyCommandPool, VkCommandPool)                                                                             \
    X(vkDestroyDescriptorPool, VkDescriptorPool)                                                                       \
    X(vkDestroyDescriptorSetLayout, VkDescriptorSetLayout)                                                             \
    X(vkDestroyFence, VkFence)                                                                                         \
    X(vkDestroyPipeline, VkPipeline)                                                                                   \
    X(vkDestroyPipelineCache, VkPipelineCache)                                                                         \
    X(vkDestroyPipelineLayout, VkPipelineLayout)                                                                       \
    X(vkDestroyQueryPool, VkQueryPool)                                                                                 \
    X(vkDestroyShaderModule, VkShaderModule)                                                                           \
    X(vkFreeMemory, VkDeviceMemory)

#define ABANDONED_FUNCTION(name, type)                                                                                 \
    static VKAPI_ATTR void VKAPI_CALL keep_##name(VkDevice device, type object, const VkAllocationCallbacks *memory)   \
    {                                                                                                                  \
        (void)device;                                                                                                  \
        (void)object;                                                                                                  \
        (void)memory;                                                                                                  \
    }
ABANDONED_LIST(ABANDONED_FUNCTION)
#undef ABANDONED_FUNCTION

static VKAPI_ATTR void VKAPI_CALL keep_device(VkDevice device, const VkAllocationCallbacks *memory)
{
    (void)device;
    (void)memory;
}

static VKAPI_ATTR void VKAPI_CALL keep_mapped(VkDevice device, VkDeviceMemory memory)
{
    (void)device;
    (void)memory;
}

static VKAPI_ATTR void VKAPI_CALL keep_commands(VkDevice device, VkCommandPool pool, uint32_t count,
                                                const VkCommandBuffer *buffers)
{
    (void)device;
    (void)pool;
    (void)count;
    (void)buffers;
}

void gpu_keep_all(pm_device *device)
{
    device->lost = device->abandoned = true;
#define ABANDONED_ROW(name, type) device->vk.name = keep_##name;
    ABANDONED_LIST(ABANDONED_ROW)
#undef ABANDONED_ROW
    device->vk.vkDestroyDevice = keep_device;
    device->vk.vkUnmapMemory = keep_mapped;
    device->vk.vkFreeCommandBuffers = keep_commands;
}

pm_status gpu_abandon(pm_device *device)
{
    gpu_keep_all(device);
    return log_fail(&device->log, PM_DEVICE_LOST,
                    "gpu: the work did not end within %g s, the longest wait allowed; it cannot be cancelled, so %s "
                    "counts as lost",
                    1e-3 * device->timeout_ms, device->caps.name);
}
