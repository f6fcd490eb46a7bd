/* The Vulkan functions that this folder calls, each once. Every instance and device has its own table, filled by the vkGetInstanceProcAddr that it
 * came with, the loader's or a host's. So no function pointer is shared between the two. */
#ifndef GPU_TABLE_H
#define GPU_TABLE_H

#include <stdbool.h>

#include <volk.h>

/* Without an instance. */
#define GPU_LOADER_FUNCTIONS(X)                                                                                        \
    X(CreateInstance)                                                                                                  \
    X(EnumerateInstanceExtensionProperties)                                                                            \
    X(EnumerateInstanceLayerProperties)                                                                                \
    X(EnumerateInstanceVersion)

#define GPU_INSTANCE_FUNCTIONS(X)                                                                                      \
    X(CreateDevice)                                                                                                    \
    X(DestroyInstance)                                                                                                 \
    X(EnumerateDeviceExtensionProperties)                                                                              \
    X(EnumeratePhysicalDevices)                                                                                        \
    X(GetDeviceProcAddr)                                                                                               \
    X(GetPhysicalDeviceFeatures2)                                                                                      \
    X(GetPhysicalDeviceMemoryProperties)                                                                               \
    X(GetPhysicalDeviceMemoryProperties2)                                                                              \
    X(GetPhysicalDeviceProperties)                                                                                     \
    X(GetPhysicalDeviceProperties2)                                                                                    \
    X(GetPhysicalDeviceQueueFamilyProperties)

#define GPU_DEVICE_FUNCTIONS(X)                                                                                        \
    X(AllocateCommandBuffers)                                                                                          \
    X(AllocateDescriptorSets)                                                                                          \
    X(AllocateMemory)                                                                                                  \
    X(BeginCommandBuffer)                                                                                              \
    X(BindBufferMemory)                                                                                                \
    X(CmdBindDescriptorSets)                                                                                           \
    X(CmdBindPipeline)                                                                                                 \
    X(CmdCopyBuffer)                                                                                                   \
    X(CmdDispatch)                                                                                                     \
    X(CmdDispatchBase)                                                                                                 \
    X(CmdFillBuffer)                                                                                                   \
    X(CmdPipelineBarrier)                                                                                              \
    X(CmdPushConstants)                                                                                                \
    X(CmdResetQueryPool)                                                                                               \
    X(CmdWriteTimestamp)                                                                                               \
    X(CreateBuffer)                                                                                                    \
    X(CreateCommandPool)                                                                                               \
    X(CreateComputePipelines)                                                                                          \
    X(CreateDescriptorPool)                                                                                            \
    X(CreateDescriptorSetLayout)                                                                                       \
    X(CreateFence)                                                                                                     \
    X(CreatePipelineCache)                                                                                             \
    X(CreatePipelineLayout)                                                                                            \
    X(CreateQueryPool)                                                                                                 \
    X(CreateShaderModule)                                                                                              \
    X(DestroyBuffer)                                                                                                   \
    X(DestroyCommandPool)                                                                                              \
    X(DestroyDescriptorPool)                                                                                           \
    X(DestroyDescriptorSetLayout)                                                                                      \
    X(DestroyDevice)                                                                                                   \
    X(DestroyFence)                                                                                                    \
    X(DestroyPipeline)                                                                                                 \
    X(DestroyPipelineCache)                                                                                            \
    X(DestroyPipelineLayout)                                                                                           \
    X(DestroyQueryPool)                                                                                                \
    X(DestroyShaderModule)                                                                                             \
    X(EndCommandBuffer)                                                                                                \
    X(FreeCommandBuffers)                                                                                              \
    X(FreeMemory)                                                                                                      \
    X(GetBufferDeviceAddress)                                                                                          \
    X(GetBufferDeviceAddressKHR)                                                                                       \
    X(GetBufferMemoryRequirements)                                                                                     \
    X(GetDeviceQueue)                                                                                                  \
    X(GetFenceStatus)                                                                                                  \
    X(GetPipelineCacheData)                                                                                            \
    X(GetPipelineExecutablePropertiesKHR)                                                                              \
    X(GetPipelineExecutableStatisticsKHR)                                                                              \
    X(GetQueryPoolResults)                                                                                             \
    X(MapMemory)                                                                                                       \
    X(QueueSubmit)                                                                                                     \
    X(ResetFences)                                                                                                     \
    X(UnmapMemory)                                                                                                     \
    X(UpdateDescriptorSets)                                                                                            \
    X(WaitForFences)

#define GPU_TABLE_FIELD(name) PFN_vk##name vk##name;
typedef struct gpu_loader_table {
    GPU_LOADER_FUNCTIONS(GPU_TABLE_FIELD)
} gpu_loader_table;
/* Functions of extensions, and of later versions, are NULL where they are absent. */
typedef struct gpu_instance_table {
    GPU_INSTANCE_FUNCTIONS(GPU_TABLE_FIELD)
} gpu_instance_table;
typedef struct gpu_device_table {
    GPU_DEVICE_FUNCTIONS(GPU_TABLE_FIELD)
} gpu_device_table;
#undef GPU_TABLE_FIELD

/* The loader's vkGetInstanceProcAddr; NULL where this machine has no loader. From any thread. */
PFN_vkGetInstanceProcAddr gpu_loader(void);

void gpu_loader_table_fill(PFN_vkGetInstanceProcAddr get, gpu_loader_table *out);
void gpu_instance_table_fill(PFN_vkGetInstanceProcAddr get, VkInstance instance, gpu_instance_table *out);
void gpu_device_table_fill(PFN_vkGetDeviceProcAddr get, VkDevice device, gpu_device_table *out);

#endif
