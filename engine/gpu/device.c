/* Opening and closing a device. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/control.h"
#include "base/copy.h"
#include "base/hash.h"
#include "base/sized.h"
#include "files/file.h"
#include "os/streams.h"

pm_status gpu_vk_fail(pm_device *device, VkResult result, const char *call, const char *file, int line)
{
    pm_status status = gpu_vk_status(result);
    if (status == PM_DEVICE_LOST) device->lost = true;
    const char *name = strrchr(file, '/'), *function = call; /* without its table and arguments */
    for (const char *c = call; *c && *c != '('; c++)
        if (*c == '.' || *c == '>') function = c + 1;
    return log_fail(&device->log, status, "gpu: %s from %.*s (%s:%d)", gpu_vk_result_name(result),
                    (int)strcspn(function, "("), function, name ? name + 1 : file, line);
}

pm_status gpu_check_lost(const pm_device *device)
{
    if (!device->lost) return PM_OK;
    return log_fail(&device->log, PM_DEVICE_LOST, "gpu: %s was lost earlier; open it again", device->caps.name);
}

const pm_log *gpu_log(const pm_device *device)
{
    return &device->log;
}
const pm_caps *pm_device_caps(const pm_device *device)
{
    return &device->caps;
}
pm_profile *pm_device_profile(pm_device *device)
{
    return device->profile;
}
pm_profile *gpu_profile(const pm_device *device)
{
    return device->profile;
}
double pm_device_wait_seconds(const pm_device *device)
{
    return device->wait_seconds;
}

void pm_device_control(pm_device *device, pm_control *control)
{
    device->control = control;
}
pm_control *gpu_control(const pm_device *device)
{
    return device->control;
}
pm_status gpu_gate(const pm_device *device)
{
    const pm_status status = gpu_check_lost(device);
    return status == PM_OK ? control_gate(device->control) : status;
}

uint32_t pm_device_validation_messages(const pm_device *device)
{
    return os_atomic_load(&device->instance.messages);
}

/* Fills in device->physical, caps and features. */
static pm_status choose(pm_device *device, const pm_device_params *params)
{
    VkPhysicalDevice *list = NULL;
    uint32_t count = 0;
    pm_status status = gpu_instance_adapters(&device->instance, &list, &count);
    if (status != PM_OK) return status;
    pm_caps *caps = calloc(count ? count : 1, sizeof *caps);
    gpu_features *features = calloc(count ? count : 1, sizeof *features);
    if (!caps || !features) {
        status = log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for the list of adapters");
        goto done;
    }
    for (uint32_t i = 0; i < count && status == PM_OK; i++)
        status = gpu_caps_fill(&device->instance, list[i], NULL, params->compile_only, &caps[i], &features[i]);
    if (status != PM_OK) goto done;

    char why[160];
    int index = pm_adapter_choose(caps, count, params->select, why);
    if (index < 0) {
        status = log_fail(&device->log, PM_NO_DEVICE, "gpu: %s", why);
        goto done;
    }
    device->physical = list[index];
    device->caps = caps[index];
    device->vendor_id = caps[index].vendor_id;
    device->features = features[index];
    if (device->caps.api_version < VK_API_VERSION_1_1 && !params->compile_only)
        status = log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s offers Vulkan 1.0; 1.1 or later is needed",
                          device->caps.name);
    else if (device->features.queue_family == UINT32_MAX)
        status = log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s has no queue that computes", device->caps.name);
    else if (device->caps.type == PM_DEVICE_CPU && (!params->select || strcmp(params->select, "auto") == 0))
        log_line(&device->log, PM_LOG_INFO, "gpu: %s", why);
done:
    free(list);
    free(caps);
    free(features);
    return status;
}

static pm_status lower(pm_device *device, const pm_device_params *params, bool with_faults)
{
    const bool subgroup = device->caps.subgroup;
    pm_status status = pm_caps_lower(&device->log, &device->caps, "disable", params->disable);
    if (status == PM_OK && !with_faults) status = gpu_faults_apply(device);
    device->subgroup_disabled = subgroup && !device->caps.subgroup;
    gpu_caps_limit(&device->caps, params->max_buffer_range, params->max_allocation);
    if (device->caps.device_memory_free > device->max_memory) device->caps.device_memory_free = device->max_memory;
    return status;
}

/* What Pumice's own kernels use, after lowering, and what the caller asked for beyond that. */
void gpu_choose_features(pm_device *device, const pm_device_params *params)
{
    const pm_caps *caps = &device->caps;
    gpu_feature_set *on = &device->enabled;
    const gpu_feature_set *found = &device->features.found;
    on->core.shaderInt16 = found->core.shaderInt16;
    on->core.shaderInt64 = caps->int64;
    on->storage16.storageBuffer16BitAccess = caps->storage16;
    on->address.bufferDeviceAddress = caps->bda;
    on->narrow.shaderFloat16 = caps->f16;
    on->coopmat.cooperativeMatrix = caps->coopmat;
    on->model.vulkanMemoryModel = caps->coopmat;
    on->subgroup_sizes.subgroupSizeControl = caps->coopmat && device->features.subgroup_control;
    on->subgroup_sizes.computeFullSubgroups = on->subgroup_sizes.subgroupSizeControl;
    on->executable.pipelineExecutableInfo = device->features.executable_info;
    on->priority.memoryPriority = found->priority.memoryPriority;
    if (params->user_kernels) gpu_features_add_outside(found, on);
    if (params->robust) on->core.robustBufferAccess = found->core.robustBufferAccess;
}

/* The queue's priority among all programs. A driver may not permit a high one: the usual one is taken then. */
static VkResult create_with(pm_device *device, const pm_device_params *params, VkDeviceCreateInfo *info,
                            VkDeviceQueueCreateInfo *queue)
{
    const bool high = params->priority == PM_DEVICE_PRIORITY_HIGH;
    const VkDeviceQueueGlobalPriorityCreateInfoEXT priority = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_EXT,
        .globalPriority = high ? VK_QUEUE_GLOBAL_PRIORITY_HIGH_EXT : VK_QUEUE_GLOBAL_PRIORITY_LOW_EXT};
    const bool given = params->priority != PM_DEVICE_PRIORITY_USUAL && device->features.global_priority;
    const uint32_t others = info->enabledExtensionCount - given;
    queue->pNext = given ? &priority : NULL;
    VkResult result = device->instance.vk.vkCreateDevice(device->physical, info, NULL, &device->handle);
    if (result != VK_ERROR_NOT_PERMITTED_EXT || !given) return result;
    log_line(&device->log, PM_LOG_WARN, "gpu: %s does not permit this priority; the usual one is taken",
             device->caps.name);
    queue->pNext = NULL;
    info->enabledExtensionCount = others; /* the priority's is the last */
    return device->instance.vk.vkCreateDevice(device->physical, info, NULL, &device->handle);
}

static pm_status create_device(pm_device *device, const pm_device_params *params)
{
    const float priority = params->priority == PM_DEVICE_PRIORITY_LOW ? 0.0f : 1.0f;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = device->features.queue_family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkPhysicalDeviceFeatures2 enable = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    const char *extensions[GPU_FEATURE_STRUCTS + 3];
    uint32_t count = gpu_features_enable(&device->enabled, device->features.found_version, &enable, extensions);
    if (params->profile && device->features.calibrated) extensions[count++] = device->features.calibrated;
    if (device->features.portability_subset) extensions[count++] = "VK_KHR_portability_subset";
    if (params->priority != PM_DEVICE_PRIORITY_USUAL && device->features.global_priority)
        extensions[count++] = device->features.global_priority;
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &enable,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = count,
                               .ppEnabledExtensionNames = extensions};
    pm_status status = PM_OK;
    VK_TRY(device, create_with(device, params, &info, &queue));
    gpu_device_table_fill(device->instance.vk.vkGetDeviceProcAddr, device->handle, &device->vk);
    device->vk.vkGetDeviceQueue(device->handle, device->features.queue_family, 0, &device->queue.handle);
fail:
    return status;
}

static pm_status create_commands(pm_device *device)
{
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                          .queueFamilyIndex = device->features.queue_family};
    VkCommandBufferAllocateInfo transfer = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
    pm_status status = PM_OK;
    VK_TRY(device, device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &device->pool));
    transfer.commandPool = device->pool;
    VK_TRY(device, device->vk.vkAllocateCommandBuffers(device->handle, &transfer, &device->transfer));
    return gpu_queue_open(device);
fail:
    return status;
}

/* <cache folder>/<what>-<vendor>-<device>-<hash of the driver><ending>, or that name alone for a program that keeps it. A missing cache folder is no
 * failure. */
static pm_status name_file(pm_device *device, const char *cache_dir, const char *what, const char *ending, char **path)
{
    char name[96];
    uint64_t hash = hash_bytes(HASH_INIT, &device->caps.driver_version, sizeof device->caps.driver_version);
    hash = hash_bytes(hash, device->caps.pipeline_uuid, sizeof device->caps.pipeline_uuid);
    snprintf(name, sizeof name, "%s-%04x-%04x-%016llx%s", what, device->vendor_id, device->caps.device_id,
             (unsigned long long)hash, ending);
    char *found = device->keeper.load ? NULL : file_cache_dir(cache_dir);
    if (!found && !device->keeper.load) return PM_OK;
    *path = found ? file_join(found, name) : copy_text(name);
    free(found);
    if (!*path) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for a path");
    return PM_OK;
}

/* Of the device as it is. */
static pm_status open_faults(pm_device *device, const char *cache_dir)
{
    const pm_caps *caps = &device->caps;
    snprintf(device->identity, sizeof device->identity, "device %04x:%04x driver %08x-%016llx", device->vendor_id,
             caps->device_id, caps->driver_version,
             (unsigned long long)hash_bytes(HASH_INIT, caps->pipeline_uuid, sizeof caps->pipeline_uuid));
    pm_status status = name_file(device, cache_dir, "faults", ".txt", &device->faults.path);
    if (status == PM_OK && !device->keeper.load)
        status = name_file(device, cache_dir, "tuning", ".txt", &device->old_choices_path);
    return status == PM_OK ? gpu_faults_open(device) : status;
}

/* Of the device as it is lowered. */
static pm_status open_choices(pm_device *device, const char *cache_dir)
{
    char ending[32];
    device->caps_hash = gpu_caps_hash(&device->caps);
    snprintf(ending, sizeof ending, "-%016llx.txt", (unsigned long long)device->caps_hash);
    const pm_status status = name_file(device, cache_dir, "tuning", ending, &device->choices.path);
    return status == PM_OK ? gpu_choices_open(device) : status;
}

/* All but the hold on the standard streams. Returns whether the driver works on. */
static bool close_device(pm_device *device)
{
    if (device->handle) {
        if (!device->lost)
            (void)gpu_queue_wait(device, device->queue.submitted); /* a device lost by its driver is idle */
        while (device->programs) {
            gpu_program *program = device->programs;
            gpu_program_destroy(&program);
        }
        gpu_memory_close(device);
        gpu_cache_close(device);
        gpu_pipelines_close(device);
        gpu_queue_close(device);
        device->vk.vkDestroyCommandPool(device->handle, device->pool, NULL);
        if (!device->imported) device->vk.vkDestroyDevice(device->handle, NULL);
    }
    if (device->abandoned)
        gpu_instance_silence(&device->instance);
    else if (!device->imported)
        gpu_instance_close(&device->instance);
    prof_destroy(&device->profile);
    free(device->runs);
    gpu_list_close(&device->choices);
    gpu_list_close(&device->faults);
    free(device->old_choices_path);
    free(device->cache_path);
    const bool abandoned = device->abandoned;
    if (!abandoned) free(device); /* else the validation layer's messages still come here */
    return abandoned;
}

static pm_status make_device(const pm_device_params *params, pm_device **out)
{
    if (!params->cache_load != !params->cache_store)
        return log_fail(&params->log, PM_INVALID, "pm_device_params: cache_load and cache_store go together");
    pm_device *device = calloc(1, sizeof *device);
    if (!device) return log_fail(&params->log, PM_NO_HOST_MEMORY, "gpu: no memory for a device");
    device->keeper = (gpu_keeper){params->cache_load, params->cache_store, params->cache_user};
    device->log = params->log;
    device->compile_only = params->compile_only;
    device->broken = KERNEL_COUNT;
    device->timeout_ms = params->timeout_ms;
    device->submit_ms = params->submit_ms ? params->submit_ms : 100;
    device->control = params->control;
    device->period_ms = params->period_ms > device->submit_ms ? params->period_ms : 0;
    device->max_memory = params->max_memory ? params->max_memory : UINT64_MAX;
    *out = device;
    return PM_OK;
}

/* What its capabilities and caches allow to use of the device that was chosen. */
static pm_status settle(pm_device *device, const pm_device_params *params, bool with_faults)
{
    pm_status status = open_faults(device, params->cache_dir);
    if (status == PM_OK) status = lower(device, params, with_faults);
    if (status == PM_OK) gpu_choose_features(device, params);
    if (status == PM_OK) status = open_choices(device, params->cache_dir);
    return status;
}

/* What a device has beyond its handle and queue. */
static pm_status furnish(pm_device *device, const pm_device_params *params)
{
    pm_status status = PM_OK;
    gpu_debug_open(device);
    if (params->profile) status = gpu_profile_open(device, params->profile_events);
    device->instance.vk.vkGetPhysicalDeviceMemoryProperties(device->physical, &device->heaps);
    if (status == PM_OK) status = create_commands(device);
    if (status == PM_OK) status = name_file(device, params->cache_dir, "pipelines", ".bin", &device->cache_path);
    if (status == PM_OK) status = gpu_cache_open(device);
    if (status != PM_OK) return status;
    char features[200];
    gpu_caps_features(&device->caps, features, sizeof features);
    log_line(&device->log, PM_LOG_INFO, "gpu: %s, %s, Vulkan %u.%u; features: %s", device->caps.name,
             device->caps.driver, VK_API_VERSION_MAJOR(device->caps.api_version),
             VK_API_VERSION_MINOR(device->caps.api_version), features);
    return PM_OK;
}

static pm_status open_device(const pm_device_params *params, const gpu_host *host, bool with_faults, pm_device **out)
{
    pm_device *device;
    pm_status status = make_device(params, &device);
    if (status != PM_OK) return status;
    if (host) {
        status = gpu_host_adopt(device, host);
    } else {
        status = gpu_instance_open(&device->log, params->validate, params->profile, &device->instance);
        if (status == PM_OK) status = choose(device, params);
    }
    if (status == PM_OK) status = settle(device, params, with_faults);
    if (status == PM_OK) status = host ? gpu_host_attach(device, host) : create_device(device, params);
    if (status == PM_OK) status = furnish(device, params);
    if (status == PM_OK)
        *out = device;
    else
        (void)close_device(device);
    return status;
}

/* The driver opens files for as long as there is a device: its threads write a cache, and it compiles when work is first submitted. */
pm_status gpu_device_open_on(const pm_device_params *params, const gpu_host *host, bool with_faults, pm_device **out)
{
    os_streams_hold();
    const pm_status status = open_device(params, host, with_faults, out);
    if (status != PM_OK) os_streams_release();
    return status;
}

pm_status gpu_device_open(const pm_device_params *params, bool with_faults, pm_device **out)
{
    return gpu_device_open_on(params, NULL, with_faults, out);
}

pm_status pm_device_open_sized(const pm_device_params *given, size_t given_size, pm_device **out)
{
    pm_device_params params = {0};
    const pm_status status = sized_read(&params.log, "pm_device_params", given, given_size, &params, sizeof params);
    return status == PM_OK ? gpu_device_open(&params, false, out) : status;
}

void pm_device_close(pm_device **handle)
{
    pm_device *device = *handle;
    if (!device) return;
    log_line(&device->log, PM_LOG_INFO, "gpu: at most %.2f MiB of device memory were allocated",
             (double)device->bytes_peak / (1 << 20));
    if (!close_device(device)) os_streams_release();
    *handle = NULL;
}
