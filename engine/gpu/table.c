#include "gpu/table.h"

#include "os/atomic.h"

/* volk finds and opens the loader, once in a process; all that Pumice takes of it is this one function. */
PFN_vkGetInstanceProcAddr gpu_loader(void)
{
    static os_atomic lock;
    static bool found;
    os_lock_take(&lock);
    if (!found) found = volkInitialize() == VK_SUCCESS;
    const PFN_vkGetInstanceProcAddr get = found ? vkGetInstanceProcAddr : NULL;
    os_lock_give(&lock);
    return get;
}

#define FROM_LOADER(name) out->vk##name = (PFN_vk##name)get(VK_NULL_HANDLE, "vk" #name);
void gpu_loader_table_fill(PFN_vkGetInstanceProcAddr get, gpu_loader_table *out)
{
    GPU_LOADER_FUNCTIONS(FROM_LOADER)
}

#define FROM_INSTANCE(name) out->vk##name = (PFN_vk##name)get(instance, "vk" #name);
void gpu_instance_table_fill(PFN_vkGetInstanceProcAddr get, VkInstance instance, gpu_instance_table *out)
{
    GPU_INSTANCE_FUNCTIONS(FROM_INSTANCE)
}

#define FROM_DEVICE(name) out->vk##name = (PFN_vk##name)get(device, "vk" #name);
void gpu_device_table_fill(PFN_vkGetDeviceProcAddr get, VkDevice device, gpu_device_table *out)
{
    GPU_DEVICE_FUNCTIONS(FROM_DEVICE)
}
