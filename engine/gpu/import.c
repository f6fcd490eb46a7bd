/* A device that a host made: what it should switch on, and what Pumice may use of it. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>

#include <pumice/vulkan.h>

#include "base/sized.h"

/* ---- wishes ---- */

struct pm_vulkan_wishes {
    gpu_feature_set set;
    VkPhysicalDeviceFeatures2 features;
    const char *extensions[GPU_FEATURE_STRUCTS + 2];
    uint32_t extension_count;
};

static pm_status find_instance(const pm_log *log, VkInstance handle, uint32_t api_version,
                               PFN_vkGetInstanceProcAddr get, gpu_instance *out)
{
    *out = (gpu_instance){.handle = handle, .api_version = api_version, .log = log, .get = get ? get : gpu_loader()};
    if (!out->get) return log_fail(log, PM_NO_DEVICE, "gpu: no Vulkan loader found; give the host's own");
    if (!handle) return log_fail(log, PM_INVALID, "gpu: the host's device comes without its instance");
    if (api_version < VK_API_VERSION_1_1)
        return log_fail(log, PM_UNSUPPORTED, "gpu: the host's instance is for Vulkan 1.0; make it for 1.1 or later");
    gpu_instance_table_fill(out->get, handle, &out->vk);
    return PM_OK;
}

/* What Pumice's kernels would use of the device as it is. */
static pm_status fill_wishes(const pm_log *log, pm_device *device, pm_vulkan_wishes *wishes)
{
    const pm_device_params usual = {0};
    pm_status status =
        gpu_caps_fill(&device->instance, device->physical, NULL, false, &device->caps, &device->features);
    if (status != PM_OK) return status;
    if (device->caps.api_version < VK_API_VERSION_1_1)
        return log_fail(log, PM_UNSUPPORTED, "gpu: %s offers Vulkan 1.0; 1.1 or later is needed", device->caps.name);
    gpu_choose_features(device, &usual);
    wishes->set = device->enabled;
    wishes->set.timeline.timelineSemaphore = device->features.found.timeline.timelineSemaphore;
    wishes->features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    wishes->extension_count =
        gpu_features_enable(&wishes->set, device->features.found_version, &wishes->features, wishes->extensions);
    if (device->features.portability_subset)
        wishes->extensions[wishes->extension_count++] = "VK_KHR_portability_subset";
    if (device->features.calibrated) wishes->extensions[wishes->extension_count++] = device->features.calibrated;
    return PM_OK;
}

pm_status pm_vulkan_wishes_make(const pm_log *log, VkInstance instance, uint32_t api_version, VkPhysicalDevice physical,
                                PFN_vkGetInstanceProcAddr get, pm_vulkan_wishes **out)
{
    pm_device *device = calloc(1, sizeof *device); /* never opened */
    pm_vulkan_wishes *wishes = calloc(1, sizeof *wishes);
    pm_status status = PM_OK;
    if (!device || !wishes)
        status = log_fail(log, PM_NO_HOST_MEMORY, "gpu: no memory for a device");
    else
        status = find_instance(log, instance, api_version, get, &device->instance);
    if (status == PM_OK && !physical)
        status = log_fail(log, PM_INVALID, "gpu: the wishes come without a physical device");
    if (status == PM_OK) {
        device->physical = physical;
        status = fill_wishes(log, device, wishes);
    }
    free(device);
    if (status == PM_OK)
        *out = wishes;
    else
        free(wishes);
    return status;
}

void pm_vulkan_wishes_free(pm_vulkan_wishes **wishes)
{
    free(*wishes);
    *wishes = NULL;
}

const char *const *pm_vulkan_wishes_extensions(const pm_vulkan_wishes *wishes, uint32_t *count)
{
    *count = wishes->extension_count;
    return wishes->extensions;
}

VkPhysicalDeviceFeatures2 *pm_vulkan_wishes_features(pm_vulkan_wishes *wishes)
{
    return &wishes->features;
}

/* ---- importing ---- */

pm_status gpu_host_adopt(pm_device *device, const gpu_host *host)
{
    device->imported = true;
    gpu_given given = {.queue_family = host->queue_family,
                       .extensions = host->extensions,
                       .extension_count = host->extensions ? host->extension_count : 0};
    pm_status status = find_instance(&device->log, host->instance, host->api_version, host->get, &device->instance);
    if (status != PM_OK) return status;
    const char *missing = !host->physical                ? "its physical device"
                          : !host->device                ? "its VkDevice"
                          : !host->queue                 ? "its queue"
                          : !host->lock != !host->unlock ? "one of lock and unlock"
                                                         : NULL;
    if (missing) return log_fail(&device->log, PM_INVALID, "gpu: the host's device comes without %s", missing);
    gpu_features_of_host(host->features, host->api_version, given.extensions, given.extension_count, &given.on);
    device->physical = host->physical;
    status = gpu_caps_fill(&device->instance, host->physical, &given, false, &device->caps, &device->features);
    device->vendor_id = device->caps.vendor_id;
    if (status == PM_OK && device->caps.api_version < VK_API_VERSION_1_1)
        status = log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s offers Vulkan 1.0; 1.1 or later is needed",
                          device->caps.name);
    return status;
}

pm_status gpu_host_attach(pm_device *device, const gpu_host *host)
{
    device->handle = host->device;
    gpu_device_table_fill(device->instance.vk.vkGetDeviceProcAddr, device->handle, &device->vk);
    device->queue.handle = host->queue;
    device->queue.lock = host->lock;
    device->queue.unlock = host->unlock;
    device->queue.user = host->user;
    const bool core = device->features.bda_core;
    if (device->caps.bda && !(core ? device->vk.vkGetBufferDeviceAddress : device->vk.vkGetBufferDeviceAddressKHR))
        return log_fail(&device->log, PM_INVALID,
                        "gpu: the host's device claims bufferDeviceAddress, and has no function for it");
    return PM_OK;
}

pm_status pm_device_import_sized(const pm_device_params *given, size_t given_size, const pm_vulkan_device *given_host,
                                 size_t host_size, pm_device **out)
{
    pm_device_params params = {0};
    pm_vulkan_device host = {0};
    pm_status status = sized_read(&params.log, "pm_device_params", given, given_size, &params, sizeof params);
    if (status == PM_OK)
        status = sized_read(&params.log, "pm_vulkan_device", given_host, host_size, &host, sizeof host);
    params.compile_only = false;
    return status == PM_OK ? gpu_device_open_on(&params, &host, false, out) : status;
}
