/* Pumice on a VkDevice of the host's. The one header with Vulkan's types; it needs <vulkan/vulkan_core.h>. Where a program uses volk, <volk.h> comes first.
 * A program that renders lets Pumice work on its own device: no second device, no second copy of what both use. */
#ifndef PUMICE_VULKAN_H
#define PUMICE_VULKAN_H

#include <vulkan/vulkan_core.h>

#include <pumice/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what Pumice would like ---- */

/* What makes Pumice faster on a physical device: extensions and features for the host's own VkDeviceCreateInfo. All of it is optional. Pumice needs a
 * device of Vulkan 1.1 and a queue that computes. */
typedef struct pm_vulkan_wishes pm_vulkan_wishes;

/* `api_version`: VkApplicationInfo's of the instance. `get`: NULL for the loader's own. Fails: PM_INVALID, PM_UNSUPPORTED (Vulkan 1.0), PM_NO_DEVICE (no
 * loader), PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_vulkan_wishes_make(const pm_log *log, VkInstance instance, uint32_t api_version,
                                                    VkPhysicalDevice physical, PFN_vkGetInstanceProcAddr get,
                                                    pm_vulkan_wishes **out);
/* *wishes may be NULL; it becomes NULL. */
PM_API void pm_vulkan_wishes_free(pm_vulkan_wishes **wishes);
/* Names for ppEnabledExtensionNames. They live as long as the wishes. */
PM_API const char *const *pm_vulkan_wishes_extensions(const pm_vulkan_wishes *wishes, uint32_t *count);
/* The features, with their chain, for VkDeviceCreateInfo.pNext (pEnabledFeatures is NULL then). The host may switch on more in it, and put
 * other structs behind it, but not VkPhysicalDeviceVulkan11Features to 13Features, which Vulkan allows in place of these alone. A host that has those
 * copies what it finds here. It lives as long as the wishes. */
PM_API VkPhysicalDeviceFeatures2 *pm_vulkan_wishes_features(pm_vulkan_wishes *wishes);

/* ---- the host's device ---- */

typedef struct pm_vulkan_device {
    VkInstance instance;
    uint32_t api_version; /* VkApplicationInfo's of the instance */
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t queue_family; /* of the queue; it must compute */
    /* What the device was made with: pEnabledFeatures, or the chain of structs in pNext. What is not in it counts as off. NULL: nothing is on. Read
     * during the import alone. */
    const VkPhysicalDeviceFeatures2 *features;
    const char *const *extensions;
    uint32_t extension_count;
    PFN_vkGetInstanceProcAddr get; /* NULL: the loader's own */
    /* Called around each use of the queue, on the thread that calls Pumice; both or none. They are needed where another thread uses the queue. Pumice
     * calls nothing of the host's between the two. */
    void (*lock)(void *user);
    void (*unlock)(void *user);
    void *user;
} pm_vulkan_device;

/* Opens Pumice on the host's device. Its capabilities are those of the physical device, less what was not switched on. params: as of
 * pm_device_open; `select`, `validate` and `compile_only` mean nothing here, and `robust` takes what the host switched on. All of the host's must live until pm_device_close, which waits for Pumice's own work,
 * and destroys nothing of the host's. Where `timeout_ms` ran out, that work goes on, and the VkDevice may not be destroyed. Pumice never waits for the queue or the device to be idle.
 * Fails as pm_device_open, and: PM_INVALID (something is missing, the queue's family does not compute, a feature is claimed that the physical device
 * does not have). */
PM_API PM_NODISCARD pm_status pm_device_import_sized(const pm_device_params *params, size_t params_size,
                                                     const pm_vulkan_device *host, size_t host_size, pm_device **out);
PM_NODISCARD static inline pm_status pm_device_import(const pm_device_params *params, const pm_vulkan_device *host,
                                                      pm_device **out)
{
    return pm_device_import_sized(params, sizeof *params, host, sizeof *host, out);
}

#ifdef __cplusplus
}
#endif
#endif
