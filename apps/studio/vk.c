#include "vk.h"

vk_functions vk;

bool vk_load(PFN_vkGetInstanceProcAddr get)
{
    if (!get) return false;
    vk.GetInstanceProcAddr = get;
    vk.CreateInstance = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
    vk.EnumerateInstanceVersion = (PFN_vkEnumerateInstanceVersion)get(NULL, "vkEnumerateInstanceVersion");
    return vk.CreateInstance != NULL;
}

bool vk_load_instance(VkInstance instance)
{
    bool good = true;
#define LOAD(name)                                                                                                     \
    vk.name = (PFN_vk##name)vk.GetInstanceProcAddr(instance, "vk" #name);                                              \
    good = good && vk.name;
    VK_INSTANCE_FUNCTIONS(LOAD)
    VK_DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    return good;
}
