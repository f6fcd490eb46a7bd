/* What a physical device reports, turned into pm_caps. */
#include "gpu/gpu_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Later headers have it; its functions and structs are those of VK_EXT_calibrated_timestamps. */
#define CALIBRATED_KHR "VK_KHR_calibrated_timestamps"

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct extension_list {
    VkExtensionProperties *list;
    uint32_t count;
} extension_list;

static bool has(const extension_list *extensions, const char *name)
{
    for (uint32_t i = 0; i < extensions->count; i++)
        if (strcmp(extensions->list[i].extensionName, name) == 0) return true;
    return false;
}

static pm_status read_extensions(const gpu_instance *instance, VkPhysicalDevice physical, extension_list *out)
{
    const pm_log *log = instance->log;
    *out = (extension_list){0};
    uint32_t count = 0;
    VkResult result = instance->vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL);
    if (result == VK_SUCCESS && count > 0) {
        out->list = calloc(count, sizeof *out->list);
        if (!out->list) return log_fail(log, PM_NO_HOST_MEMORY, "gpu: no memory for a list of %u extensions", count);
        result = instance->vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &count, out->list);
        if (result == VK_INCOMPLETE) result = VK_SUCCESS;
        out->count = count;
    }
    if (result != VK_SUCCESS) {
        free(out->list);
        *out = (extension_list){0};
        return log_fail(log, gpu_vk_status(result), "gpu: vkEnumerateDeviceExtensionProperties gave %s",
                        gpu_vk_result_name(result));
    }
    return PM_OK;
}

static pm_device_type type_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return PM_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return PM_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return PM_DEVICE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return PM_DEVICE_CPU;
    default: return PM_DEVICE_OTHER;
    }
}

/* Vulkan chains structs through pNext; each new one goes to the front. */
static void chain(VkBaseOutStructure *head, void *link)
{
    VkBaseOutStructure *item = link;
    item->pNext = head->pNext;
    head->pNext = item;
}

static void read_limits(const VkPhysicalDeviceLimits *limits, pm_caps *caps)
{
    caps->max_buffer_range = limits->maxStorageBufferRange;
    caps->offset_alignment = (uint32_t)limits->minStorageBufferOffsetAlignment;
    caps->max_storage_buffers = limits->maxPerStageDescriptorStorageBuffers;
    caps->max_shared_memory = limits->maxComputeSharedMemorySize;
    caps->max_workgroup_size = limits->maxComputeWorkGroupInvocations;
    if (caps->max_workgroup_size > limits->maxComputeWorkGroupSize[0])
        caps->max_workgroup_size = limits->maxComputeWorkGroupSize[0];
    for (int i = 0; i < 3; i++) caps->max_group_count[i] = limits->maxComputeWorkGroupCount[i];
    caps->max_push_constants = limits->maxPushConstantsSize;
    caps->timestamp_period_ns = limits->timestampPeriod;
}

static void read_properties(const gpu_instance *instance, VkPhysicalDevice physical, const extension_list *extensions,
                            bool v12, pm_caps *caps, gpu_features *features)
{
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties allocation = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceMaintenance4Properties buffers = {.sType =
                                                          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES};
    VkBaseOutStructure *head = (VkBaseOutStructure *)&properties;
    chain(head, &subgroup);
    chain(head, &allocation);
    if (v12 || has(extensions, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME)) chain(head, &driver);
    if (has(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)) chain(head, &sizes);
    if (has(extensions, VK_KHR_MAINTENANCE_4_EXTENSION_NAME)) chain(head, &buffers);
    instance->vk.vkGetPhysicalDeviceProperties2(physical, &properties);

    caps->max_allocation = allocation.maxMemoryAllocationSize;
    features->max_buffer_size = buffers.maxBufferSize ? buffers.maxBufferSize : UINT64_MAX;
    const char *name = utf8_cut(driver.driverName, 120), *info = utf8_cut(driver.driverInfo, 120);
    if (*name) snprintf(caps->driver, sizeof caps->driver, "%.120s%s%.120s", name, *info ? " " : "", info);
    caps->subgroup_size = subgroup.subgroupSize;
    caps->subgroup_min = sizes.minSubgroupSize ? sizes.minSubgroupSize : subgroup.subgroupSize;
    caps->subgroup_max = sizes.maxSubgroupSize ? sizes.maxSubgroupSize : subgroup.subgroupSize;
    if (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) features->subgroup_ops = subgroup.supportedOperations;
    caps->subgroup = (features->subgroup_ops & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT) != 0;
}

static bool knows(const void *extensions, const char *name)
{
    return has(extensions, name);
}

static bool was_enabled(const gpu_given *given, const char *extension)
{
    for (uint32_t i = 0; i < given->extension_count; i++)
        if (strcmp(given->extensions[i], extension) == 0) return true;
    return false;
}

/* The name of the extension for calibrated time stamps that may be used, or NULL. */
static const char *find_calibrated(const extension_list *extensions, const gpu_given *given)
{
    static const char *const names[] = {CALIBRATED_KHR, VK_EXT_CALIBRATED_TIMESTAMPS_EXTENSION_NAME};
    for (int i = 0; i < 2; i++)
        if (has(extensions, names[i]) && (!given || was_enabled(given, names[i]))) return names[i];
    return NULL;
}

static pm_status read_features(const gpu_instance *instance, VkPhysicalDevice physical, const gpu_given *given,
                               const extension_list *extensions, uint32_t api_version, bool compile_only, pm_caps *caps,
                               gpu_features *features)
{
    gpu_feature_set *found = &features->found;
    gpu_features_read(instance->vk.vkGetPhysicalDeviceFeatures2, physical, api_version, knows, extensions, found);
    if (given && !gpu_features_mask(found, &given->on))
        return log_fail(
            instance->log, PM_INVALID,
            "gpu: the host's device claims a feature that %s does not have; give those that it was made with",
            caps->name);
    features->found_version = api_version;
    features->bda_core = api_version >= VK_API_VERSION_1_2;
    features->portability_subset = has(extensions, "VK_KHR_portability_subset");
    features->executable_info = found->executable.pipelineExecutableInfo;
    features->calibrated = find_calibrated(extensions, given);
    static const char *const priorities[] = {"VK_KHR_global_priority", "VK_EXT_global_priority"};
    for (int i = 1; i >= 0; i--)
        if (has(extensions, priorities[i])) features->global_priority = priorities[i];
    caps->int64 = found->core.shaderInt64;
    caps->bda = found->address.bufferDeviceAddress;
    caps->f16 = found->narrow.shaderFloat16;
    caps->storage16 = found->storage16.storageBuffer16BitAccess;
    features->subgroup_control =
        found->subgroup_sizes.subgroupSizeControl && found->subgroup_sizes.computeFullSubgroups;
    /* Matrix kernels need the Vulkan memory model, full subgroups of one size, and shuffles between invocations. */
    const VkSubgroupFeatureFlags exchange = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    caps->coopmat = found->coopmat.cooperativeMatrix && found->model.vulkanMemoryModel &&
                    (features->subgroup_ops & exchange) == exchange &&
                    (features->subgroup_control || caps->subgroup_min == caps->subgroup_max);
    /* RADV's null device crashes when asked for its budget. */
    caps->memory_budget = !compile_only && has(extensions, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    return PM_OK;
}

static void read_memory(const gpu_instance *instance, VkPhysicalDevice physical, pm_caps *caps)
{
    VkPhysicalDeviceMemoryProperties2 memory = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    if (caps->memory_budget) memory.pNext = &budget;
    instance->vk.vkGetPhysicalDeviceMemoryProperties2(physical, &memory);
    const VkPhysicalDeviceMemoryProperties *m = &memory.memoryProperties;
    uint32_t heap = UINT32_MAX;
    for (uint32_t i = 0; i < m->memoryHeapCount; i++)
        if ((m->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) &&
            (heap == UINT32_MAX || m->memoryHeaps[i].size > m->memoryHeaps[heap].size))
            heap = i;
    if (heap == UINT32_MAX) return; /* cannot happen: Vulkan guarantees one */
    caps->device_memory = m->memoryHeaps[heap].size;
    uint64_t limit = budget.heapBudget[heap], used = budget.heapUsage[heap];
    if (caps->memory_budget) caps->device_memory_free = limit > used ? limit - used : 0;
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    /* On a discrete card such a type exists on its largest heap only where the whole of it is mapped (resizable
     * BAR). */
    for (uint32_t i = 0; i < m->memoryTypeCount; i++)
        if (m->memoryTypes[i].heapIndex == heap && (m->memoryTypes[i].propertyFlags & wanted) == wanted)
            caps->unified = true;
}

/* The family given; else one with compute, preferably without graphics: such a queue runs beside the desktop's work. */
static uint32_t choose_family(const VkQueueFamilyProperties *list, uint32_t count, const gpu_given *given)
{
    uint32_t family = UINT32_MAX;
    int best = -1;
    for (uint32_t i = 0; i < count; i++) {
        if (!(list[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || list[i].queueCount == 0) continue;
        int score = (list[i].timestampValidBits ? 2 : 0) + (list[i].queueFlags & VK_QUEUE_GRAPHICS_BIT ? 0 : 1);
        if (given ? i != given->queue_family : score <= best) continue;
        best = score;
        family = i;
    }
    return family;
}

static pm_status read_queues(const gpu_instance *instance, VkPhysicalDevice physical, const gpu_given *given,
                             pm_caps *caps, gpu_features *features)
{
    uint32_t count = 0;
    instance->vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, NULL);
    VkQueueFamilyProperties *list = calloc(count + 1, sizeof *list);
    if (!list)
        return log_fail(instance->log, PM_NO_HOST_MEMORY, "gpu: no memory for a list of %u queue families", count);
    instance->vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, list);
    features->queue_family = choose_family(list, count, given);
    const uint32_t bits = features->queue_family < count ? list[features->queue_family].timestampValidBits : 0;
    features->timestamp_mask = bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    free(list);
    caps->timestamps =
        features->timestamp_mask != 0 && caps->timestamp_period_ns > 0 && isfinite(caps->timestamp_period_ns);
    if (given && features->queue_family == UINT32_MAX)
        return log_fail(instance->log, PM_INVALID, "gpu: queue family %u of %s does not compute", given->queue_family,
                        caps->name);
    return PM_OK;
}

pm_status gpu_caps_fill(const gpu_instance *instance, VkPhysicalDevice physical, const gpu_given *given,
                        bool compile_only, pm_caps *out, gpu_features *features)
{
    pm_caps caps = {0};
    gpu_features found = {.queue_family = UINT32_MAX, .max_buffer_size = UINT64_MAX};
    VkPhysicalDeviceProperties properties;
    instance->vk.vkGetPhysicalDeviceProperties(physical, &properties);
    snprintf(caps.name, sizeof caps.name, "%.255s", utf8_cut(properties.deviceName, sizeof caps.name - 1));
    uint32_t v = properties.driverVersion;
    snprintf(caps.driver, sizeof caps.driver, "driver %u.%u.%u", VK_API_VERSION_MAJOR(v), VK_API_VERSION_MINOR(v),
             VK_API_VERSION_PATCH(v));
    caps.vendor_id = properties.vendorID;
    caps.device_id = properties.deviceID;
    caps.driver_version = properties.driverVersion;
    caps.api_version = properties.apiVersion;
    memcpy(caps.pipeline_uuid, properties.pipelineCacheUUID, sizeof caps.pipeline_uuid);
    caps.type = type_of(properties.deviceType);
    read_limits(&properties.limits, &caps);

    extension_list extensions;
    pm_status status = read_extensions(instance, physical, &extensions);
    if (status != PM_OK) return status;
    /* Vulkan 1.0 has this by an extension only. Such a device is used for compiling alone. */
    if (properties.apiVersion >= VK_API_VERSION_1_1 || compile_only) {
        const uint32_t most = instance->api_version;
        const uint32_t version = properties.apiVersion < most ? properties.apiVersion : most;
        const bool v12 = version >= VK_API_VERSION_1_2;
        read_properties(instance, physical, &extensions, v12, &caps, &found);
        status = read_features(instance, physical, given, &extensions, version, compile_only, &caps, &found);
        read_memory(instance, physical, &caps);
        if (caps.coopmat && status == PM_OK) status = gpu_coopmat_read(instance, physical, &caps);
        caps.coopmat = caps.coopmat_m > 0 && gpu_kernel_built(KERNEL_matmul_coop);
    }
    if (status != PM_OK) {
        free(extensions.list);
        return status;
    }
    status = read_queues(instance, physical, given, &caps, &found);
    free(extensions.list);
    if (status != PM_OK) return status;
    caps.serial = caps.type == PM_DEVICE_CPU;
    caps.fused = true;
    gpu_caps_derive(&caps);
    *out = caps;
    if (features) *features = found;
    return PM_OK;
}
