/* From the window to a device with a queue that draws, computes and shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render_parts.h"

enum { ADAPTERS = 16, FAMILIES = 32 };

/* ---- the lock around the queue ---- */

static void lock_queue(void *user)
{
    lock_take(((render *)user)->queue_lock);
}

static void unlock_queue(void *user)
{
    lock_leave(((render *)user)->queue_lock);
}

/* ---- choosing ---- */

/* A queue family that draws, computes and shows; or UINT32_MAX. */
static uint32_t find_family(const window *w, VkPhysicalDevice physical)
{
    const VkQueueFlags wanted = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    VkQueueFamilyProperties families[FAMILIES];
    uint32_t count = FAMILIES;
    vk.GetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        VkBool32 shows = VK_FALSE;
        if ((families[i].queueFlags & wanted) != wanted) continue;
        if (vk.GetPhysicalDeviceSurfaceSupportKHR(physical, i, w->surface, &shows) == VK_SUCCESS && shows) return i;
    }
    return UINT32_MAX;
}

static bool has_swapchain(VkPhysicalDevice physical)
{
    uint32_t count = 0;
    bool found = false;
    if (vk.EnumerateDeviceExtensionProperties(physical, NULL, &count, NULL) != VK_SUCCESS) return false;
    VkExtensionProperties *list = calloc(count + 1, sizeof *list);
    if (list && vk.EnumerateDeviceExtensionProperties(physical, NULL, &count, list) == VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++)
            found = found || strcmp(list[i].extensionName, VK_KHR_SWAPCHAIN_EXTENSION_NAME) == 0;
    free(list);
    return found;
}

/* An adapter's number in Pumice's list, or -1. */
static int find_adapter(VkPhysicalDevice physical, const pm_caps *caps, size_t count)
{
    VkPhysicalDeviceProperties p;
    vk.GetPhysicalDeviceProperties(physical, &p);
    for (size_t i = 0; i < count; i++)
        if (strcmp(caps[i].name, p.deviceName) == 0 && caps[i].device_id == p.deviceID &&
            memcmp(caps[i].pipeline_uuid, p.pipelineCacheUUID, sizeof caps[i].pipeline_uuid) == 0)
            return (int)i;
    return -1;
}

/* Lists what can show this window, and takes the one that `select` names. */
static bool choose(render *r, window *w, const char *select, char why[256])
{
    VkPhysicalDevice list[ADAPTERS], able[ADAPTERS];
    pm_caps all[ADAPTERS], caps[ADAPTERS];
    uint32_t found = ADAPTERS, families[ADAPTERS];
    size_t count = 0, shown = 0;
    int numbers[ADAPTERS];
    char reason[160] = "";
    if (pm_adapters_list(NULL, all, ADAPTERS, &count) != PM_OK) count = 0;
    if (count > ADAPTERS) count = ADAPTERS;
    const VkResult result = vk.EnumeratePhysicalDevices(w->instance, &found, list);
    if (result < VK_SUCCESS) found = 0;
    for (uint32_t i = 0; i < found; i++) {
        const int number = find_adapter(list[i], all, count);
        const uint32_t family = find_family(w, list[i]);
        if (number < 0 || family == UINT32_MAX || !has_swapchain(list[i])) continue;
        able[shown] = list[i];
        families[shown] = family;
        numbers[shown] = number;
        caps[shown++] = all[number];
    }
    if (shown == 0) {
        snprintf(why, 256, "none of the %u Vulkan devices here can show a window on this display", (unsigned)found);
        return false;
    }
    char *end = NULL; /* a number is one of pm_adapters_list, of which some cannot show the window */
    const long number = select ? strtol(select, &end, 10) : -1;
    int chosen = -1;
    for (size_t i = 0; end && end != select && *end == 0 && i < shown; i++)
        if (numbers[i] == number) chosen = (int)i;
    if (chosen < 0 && !(end && end != select && *end == 0)) chosen = pm_adapter_choose(caps, shown, select, reason);
    if (chosen < 0) {
        snprintf(why, 256, "--device %s: no device of that name can show a window here", select ? select : "auto");
        return false;
    }
    r->host.physical = able[chosen];
    r->host.queue_family = families[chosen];
    r->adapter = numbers[chosen];
    snprintf(r->name, sizeof r->name, "%s", caps[chosen].name);
    return true;
}

/* ---- making ---- */

static bool make_device(render *r, char why[256])
{
    const float priority = 1;
    const char *extensions[64] = {VK_KHR_SWAPCHAIN_EXTENSION_NAME};
    uint32_t wished = 0, count = 1;
    pm_vulkan_device *host = &r->host;
    if (pm_vulkan_wishes_make(NULL, host->instance, host->api_version, host->physical, vk.GetInstanceProcAddr,
                              &r->wishes) != PM_OK) {
        snprintf(why, 256, "%.100s: it has no Vulkan 1.1", r->name);
        return false;
    }
    const char *const *names = pm_vulkan_wishes_extensions(r->wishes, &wished);
    for (uint32_t i = 0; i < wished && count < 64; i++) extensions[count++] = names[i];
    host->features = pm_vulkan_wishes_features(r->wishes);
    host->extensions = names;
    host->extension_count = wished;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = host->queue_family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .pNext = host->features,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue,
                                     .enabledExtensionCount = count,
                                     .ppEnabledExtensionNames = extensions};
    const VkResult result = vk.CreateDevice(host->physical, &info, NULL, &host->device);
    if (result != VK_SUCCESS) {
        snprintf(why, 256, "%.100s: its device cannot be opened: VkResult %d", r->name, (int)result);
        return false;
    }
    vk.GetDeviceQueue(host->device, host->queue_family, 0, &host->queue);
    vk.GetPhysicalDeviceMemoryProperties(host->physical, &r->memory);
    return true;
}

bool render_open(render **out, window *w, const char *select, char why[256])
{
    render *r = calloc(1, sizeof *r);
    if (!r || (r->queue_lock = lock_make()) == NULL) {
        snprintf(why, 256, "out of host memory");
        free(r);
        return false;
    }
    r->window = w;
    r->host = (pm_vulkan_device){.instance = w->instance,
                                 .api_version = w->api_version,
                                 .get = vk.GetInstanceProcAddr,
                                 .lock = lock_queue,
                                 .unlock = unlock_queue,
                                 .user = r};
    if (!choose(r, w, select, why) || !make_device(r, why) || !render_make_frames(r, why)) {
        render_close(&r);
        return false;
    }
    *out = r;
    return true;
}

void render_close(render **handle)
{
    render *r = *handle;
    if (!r) return;
    *handle = NULL;
    if (r->host.device) {
        (void)vk.DeviceWaitIdle(r->host.device);
        render_free_frames(r);
        vk.DestroyDevice(r->host.device, NULL);
    }
    pm_vulkan_wishes_free(&r->wishes);
    lock_free(r->queue_lock);
    free(r);
}

const pm_vulkan_device *render_host(const render *r)
{
    return &r->host;
}

int render_adapter(const render *r)
{
    return r->adapter;
}

const char *render_name(const render *r)
{
    return r->name;
}
