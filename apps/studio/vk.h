/* Vulkan's functions that the studio calls, found at run time: vk.CreateDevice(...). */
#ifndef STUDIO_VK_H
#define STUDIO_VK_H

#include <stdbool.h>

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan.h>

#define VK_INSTANCE_FUNCTIONS(X)                                                                                       \
    X(DestroyInstance)                                                                                                 \
    X(EnumeratePhysicalDevices)                                                                                        \
    X(GetPhysicalDeviceProperties)                                                                                     \
    X(GetPhysicalDeviceMemoryProperties)                                                                               \
    X(GetPhysicalDeviceQueueFamilyProperties)                                                                          \
    X(EnumerateDeviceExtensionProperties)                                                                              \
    X(CreateDevice)                                                                                                    \
    X(DestroySurfaceKHR)                                                                                               \
    X(GetPhysicalDeviceSurfaceSupportKHR)                                                                              \
    X(GetPhysicalDeviceSurfaceCapabilitiesKHR)                                                                         \
    X(GetPhysicalDeviceSurfaceFormatsKHR)

/* They are found through the instance too: its loader sends them to the right driver. */
#define VK_DEVICE_FUNCTIONS(X)                                                                                         \
    X(DestroyDevice)                                                                                                   \
    X(GetDeviceQueue)                                                                                                  \
    X(DeviceWaitIdle)                                                                                                  \
    X(QueueSubmit)                                                                                                     \
    X(AllocateMemory)                                                                                                  \
    X(FreeMemory)                                                                                                      \
    X(MapMemory)                                                                                                       \
    X(CreateBuffer)                                                                                                    \
    X(DestroyBuffer)                                                                                                   \
    X(GetBufferMemoryRequirements)                                                                                     \
    X(BindBufferMemory)                                                                                                \
    X(CreateFence)                                                                                                     \
    X(DestroyFence)                                                                                                    \
    X(ResetFences)                                                                                                     \
    X(WaitForFences)                                                                                                   \
    X(CreateSemaphore)                                                                                                 \
    X(DestroySemaphore)                                                                                                \
    X(CreateImageView)                                                                                                 \
    X(DestroyImageView)                                                                                                \
    X(CreateRenderPass)                                                                                                \
    X(DestroyRenderPass)                                                                                               \
    X(CreateFramebuffer)                                                                                               \
    X(DestroyFramebuffer)                                                                                              \
    X(CreateDescriptorPool)                                                                                            \
    X(DestroyDescriptorPool)                                                                                           \
    X(CreateCommandPool)                                                                                               \
    X(DestroyCommandPool)                                                                                              \
    X(AllocateCommandBuffers)                                                                                          \
    X(BeginCommandBuffer)                                                                                              \
    X(EndCommandBuffer)                                                                                                \
    X(ResetCommandPool)                                                                                                \
    X(CmdBeginRenderPass)                                                                                              \
    X(CmdEndRenderPass)                                                                                                \
    X(CmdPipelineBarrier)                                                                                              \
    X(CmdCopyImageToBuffer)                                                                                            \
    X(CreateSwapchainKHR)                                                                                              \
    X(DestroySwapchainKHR)                                                                                             \
    X(GetSwapchainImagesKHR)                                                                                           \
    X(AcquireNextImageKHR)                                                                                             \
    X(QueuePresentKHR)

typedef struct vk_functions {
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
    PFN_vkCreateInstance CreateInstance;
    PFN_vkEnumerateInstanceVersion EnumerateInstanceVersion; /* NULL: Vulkan 1.0 */
#define VK_FIELD(name) PFN_vk##name name;
    VK_INSTANCE_FUNCTIONS(VK_FIELD)
    VK_DEVICE_FUNCTIONS(VK_FIELD)
#undef VK_FIELD
} vk_functions;

extern vk_functions vk;

/* Those that need no instance, and then the others. False where one is missing. */
bool vk_load(PFN_vkGetInstanceProcAddr get);
bool vk_load_instance(VkInstance instance);

#endif
