/* A Vulkan layer for tests, VK_LAYER_PUMICE_fault. Between the program and any driver it imitates a device that is lost, out of memory or
 * slow. PUMICE_FAULT says what it does, in words with blanks between:
 *
 *   lose=N       the N-th call that waits for the device or gives it work loses it: from then on every such call on that VkDevice
 *                returns VK_ERROR_DEVICE_LOST. May be given several times, for later devices.
 *   deny=N       the N-th call that may run out of memory returns VK_ERROR_OUT_OF_DEVICE_MEMORY
 *   deny_host=N  the same with VK_ERROR_OUT_OF_HOST_MEMORY
 *   group_us=X   slow: an integrated GPU on which each work group takes X microseconds, by its time stamps and by the host's clock
 *   drift=X      slower and slower: X times as slow after each run, when its time stamps are read
 *   drift_after=N  starts the drift only after N runs
 *   watchdog_ms=X  slow with a watchdog: the device is lost where one vkQueueSubmit takes longer (drivers merge its parts: Mesa's
 *                vk_queue_submits_merge)
 *   names=1      the device's and the driver's name are not UTF-8, or not where they are cut
 *   report=FILE  the results go there: calls counted, live objects, the longest job in ms, devices lost
 *
 * Counting starts again when an instance is made under another PUMICE_FAULT. One driver and one thread at a time. */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vk_layer.h>

#include "fault_slow.h"

#define LAYER_EXPORT __attribute__((visibility("default")))

enum { MOST_LOSSES = 8, MOST_DEVICES = 16 };

static struct {
    char text[512]; /* PUMICE_FAULT as it was read */
    unsigned long lose[MOST_LOSSES], deny;
    VkResult denial;
    double watchdog_ms;
    bool names;
    const char *report;            /* a file; NULL: none */
    unsigned long queue, fallible; /* calls so far */
    unsigned lost;                 /* devices */
    long objects;                  /* created and not destroyed */
} fault;

static void read_faults(void)
{
    const char *env = getenv("PUMICE_FAULT");
    static char words[sizeof fault.text];
    int losses = 0;
    if (strcmp(env ? env : "", fault.text) == 0) return;
    memset(&fault, 0, sizeof fault);
    slow_group_us = slow_drift = slow_longest_ms = 0;
    slow_drift_after = slow_runs = 0;
    snprintf(fault.text, sizeof fault.text, "%s", env ? env : "");
    snprintf(words, sizeof words, "%s", fault.text);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        const char *value = strchr(word, '=');
        if (!value++) continue;
        if (strncmp(word, "lose=", 5) == 0 && losses < MOST_LOSSES) fault.lose[losses++] = strtoul(value, NULL, 10);
        if (strncmp(word, "deny", 4) == 0) fault.deny = strtoul(value, NULL, 10);
        if (strncmp(word, "deny=", 5) == 0) fault.denial = VK_ERROR_OUT_OF_DEVICE_MEMORY;
        if (strncmp(word, "deny_host=", 10) == 0) fault.denial = VK_ERROR_OUT_OF_HOST_MEMORY;
        if (strncmp(word, "group_us=", 9) == 0) slow_group_us = strtod(value, NULL);
        if (strncmp(word, "drift_after=", 12) == 0) slow_drift_after = strtoul(value, NULL, 10);
        if (strncmp(word, "drift=", 6) == 0) slow_drift = strtod(value, NULL);
        if (strncmp(word, "watchdog_ms=", 12) == 0) fault.watchdog_ms = strtod(value, NULL);
        if (strncmp(word, "names=", 6) == 0) fault.names = true;
        if (strncmp(word, "report=", 7) == 0) fault.report = value;
    }
}

static void write_report(void)
{
    FILE *file = fault.report ? fopen(fault.report, "w") : NULL;
    if (!file) return;
    fprintf(file, "queue=%lu fallible=%lu objects=%ld longest_ms=%.3f lost=%u\n", fault.queue, fault.fallible,
            fault.objects, slow_longest_ms, fault.lost);
    fclose(file);
}

/* ---- the functions below ---- */

#define COUNTED(X) /* one object each: its type */                                                                     \
    X(Buffer)                                                                                                          \
    X(Fence)                                                                                                           \
    X(DescriptorPool)                                                                                                  \
    X(DescriptorSetLayout)                                                                                             \
    X(PipelineLayout)                                                                                                  \
    X(ShaderModule)                                                                                                    \
    X(CommandPool)                                                                                                     \
    X(PipelineCache)

#define OTHERS(X)                                                                                                      \
    X(DestroyDevice)                                                                                                   \
    X(DeviceWaitIdle)                                                                                                  \
    X(QueueWaitIdle)                                                                                                   \
    X(QueueSubmit)                                                                                                     \
    X(WaitForFences)                                                                                                   \
    X(GetQueryPoolResults)                                                                                             \
    X(CreateQueryPool)                                                                                                 \
    X(DestroyQueryPool)                                                                                                \
    X(AllocateMemory)                                                                                                  \
    X(FreeMemory)                                                                                                      \
    X(MapMemory)                                                                                                       \
    X(BindBufferMemory)                                                                                                \
    X(CreateComputePipelines)                                                                                          \
    X(DestroyPipeline)                                                                                                 \
    X(AllocateCommandBuffers)                                                                                          \
    X(FreeCommandBuffers)                                                                                              \
    X(AllocateDescriptorSets)                                                                                          \
    X(BeginCommandBuffer)                                                                                              \
    X(EndCommandBuffer)                                                                                                \
    X(CmdDispatch)                                                                                                     \
    X(CmdDispatchBase)                                                                                                 \
    X(CmdWriteTimestamp)

#define DECLARE(name) static PFN_vk##name next_##name;
#define DECLARE_COUNTED(type)                                                                                          \
    DECLARE(Create##type)                                                                                              \
    DECLARE(Destroy##type)
OTHERS(DECLARE)
COUNTED(DECLARE_COUNTED)
static PFN_vkGetInstanceProcAddr next_GetInstanceProcAddr;
static PFN_vkGetDeviceProcAddr next_GetDeviceProcAddr;
static PFN_vkDestroyInstance next_DestroyInstance;
static PFN_vkGetPhysicalDeviceProperties next_GetPhysicalDeviceProperties;
static PFN_vkGetPhysicalDeviceProperties2 next_GetPhysicalDeviceProperties2;

/* ---- devices and their loss ---- */

/* A device and its queues begin with the same pointer of the loader. */
static struct {
    void *key;
    VkDevice handle;
    bool lost;
} devices[MOST_DEVICES];

static void *key_of(const void *handle)
{
    return *(void *const *)handle;
}

static int slot_of(const void *handle)
{
    int i = 0;
    while (i < MOST_DEVICES - 1 && devices[i].key != (handle ? key_of(handle) : NULL)) i++;
    return i;
}

/* Waits for the driver's work first, so that nothing that the program destroys afterwards is in use. */
static void lose(int slot)
{
    next_DeviceWaitIdle(devices[slot].handle);
    devices[slot].lost = true;
    fault.lost++;
}

/* Before a call that gives the device work or waits for it. */
static bool is_lost(const void *handle)
{
    const int slot = slot_of(handle);
    fault.queue++;
    for (int i = 0; i < MOST_LOSSES; i++)
        if (fault.lose[i] == fault.queue) lose(slot);
    return devices[slot].lost;
}

/* Before a call that takes memory. */
static bool is_denied(void)
{
    return ++fault.fallible == fault.deny;
}

/* ---- the functions of a device ---- */

#define CREATE_COUNTED(type)                                                                                           \
    static VKAPI_ATTR VkResult VKAPI_CALL layer_Create##type(VkDevice device, const Vk##type##CreateInfo *info,        \
                                                             const VkAllocationCallbacks *a, Vk##type *out)            \
    {                                                                                                                  \
        if (is_denied()) return fault.denial;                                                                          \
        VkResult result = next_Create##type(device, info, a, out);                                                     \
        fault.objects += result == VK_SUCCESS;                                                                         \
        return result;                                                                                                 \
    }                                                                                                                  \
    static VKAPI_ATTR void VKAPI_CALL layer_Destroy##type(VkDevice device, Vk##type object,                            \
                                                          const VkAllocationCallbacks *a)                              \
    {                                                                                                                  \
        fault.objects -= object != VK_NULL_HANDLE;                                                                     \
        next_Destroy##type(device, object, a);                                                                         \
    }
COUNTED(CREATE_COUNTED)

static VKAPI_ATTR VkResult VKAPI_CALL layer_AllocateMemory(VkDevice device, const VkMemoryAllocateInfo *info,
                                                           const VkAllocationCallbacks *a, VkDeviceMemory *out)
{
    if (is_denied()) return fault.denial;
    VkResult result = next_AllocateMemory(device, info, a, out);
    fault.objects += result == VK_SUCCESS;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL layer_FreeMemory(VkDevice device, VkDeviceMemory memory,
                                                   const VkAllocationCallbacks *a)
{
    fault.objects -= memory != VK_NULL_HANDLE;
    next_FreeMemory(device, memory, a);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_CreateComputePipelines(VkDevice device, VkPipelineCache cache,
                                                                   uint32_t count,
                                                                   const VkComputePipelineCreateInfo *infos,
                                                                   const VkAllocationCallbacks *a, VkPipeline *out)
{
    for (uint32_t i = 0; i < count; i++) out[i] = VK_NULL_HANDLE;
    if (is_denied()) return fault.denial;
    VkResult result = next_CreateComputePipelines(device, cache, count, infos, a, out);
    for (uint32_t i = 0; i < count; i++) fault.objects += out[i] != VK_NULL_HANDLE;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL layer_DestroyPipeline(VkDevice device, VkPipeline object,
                                                        const VkAllocationCallbacks *a)
{
    fault.objects -= object != VK_NULL_HANDLE;
    next_DestroyPipeline(device, object, a);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_CreateQueryPool(VkDevice device, const VkQueryPoolCreateInfo *info,
                                                            const VkAllocationCallbacks *a, VkQueryPool *out)
{
    if (is_denied()) return fault.denial;
    VkResult result = next_CreateQueryPool(device, info, a, out);
    if (result != VK_SUCCESS) return result;
    slow_pool_add(*out, info->queryCount);
    fault.objects++;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL layer_DestroyQueryPool(VkDevice device, VkQueryPool object,
                                                         const VkAllocationCallbacks *a)
{
    fault.objects -= object != VK_NULL_HANDLE;
    slow_pool_forget(object);
    next_DestroyQueryPool(device, object, a);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_MapMemory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                                                      VkDeviceSize size, VkMemoryMapFlags flags, void **out)
{
    return is_denied() ? fault.denial : next_MapMemory(device, memory, offset, size, flags, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_BindBufferMemory(VkDevice device, VkBuffer buffer, VkDeviceMemory memory,
                                                             VkDeviceSize offset)
{
    return is_denied() ? fault.denial : next_BindBufferMemory(device, buffer, memory, offset);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_AllocateCommandBuffers(VkDevice device,
                                                                   const VkCommandBufferAllocateInfo *info,
                                                                   VkCommandBuffer *out)
{
    for (uint32_t i = 0; i < info->commandBufferCount; i++) out[i] = VK_NULL_HANDLE;
    return is_denied() ? fault.denial : next_AllocateCommandBuffers(device, info, out);
}

static VKAPI_ATTR void VKAPI_CALL layer_FreeCommandBuffers(VkDevice device, VkCommandPool pool, uint32_t count,
                                                           const VkCommandBuffer *list)
{
    for (uint32_t i = 0; i < count; i++) slow_forget(list[i]);
    next_FreeCommandBuffers(device, pool, count, list);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_AllocateDescriptorSets(VkDevice device,
                                                                   const VkDescriptorSetAllocateInfo *info,
                                                                   VkDescriptorSet *out)
{
    return is_denied() ? fault.denial : next_AllocateDescriptorSets(device, info, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_BeginCommandBuffer(VkCommandBuffer commands,
                                                               const VkCommandBufferBeginInfo *info)
{
    slow_forget(commands);
    return is_denied() ? fault.denial : next_BeginCommandBuffer(commands, info);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_EndCommandBuffer(VkCommandBuffer commands)
{
    return is_denied() ? fault.denial : next_EndCommandBuffer(commands);
}

static VKAPI_ATTR void VKAPI_CALL layer_CmdDispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z)
{
    slow_add(commands, (slow_event){.groups = (double)x * y * z});
    next_CmdDispatch(commands, x, y, z);
}

static VKAPI_ATTR void VKAPI_CALL layer_CmdDispatchBase(VkCommandBuffer commands, uint32_t bx, uint32_t by, uint32_t bz,
                                                        uint32_t x, uint32_t y, uint32_t z)
{
    slow_add(commands, (slow_event){.groups = (double)x * y * z});
    next_CmdDispatchBase(commands, bx, by, bz, x, y, z);
}

static VKAPI_ATTR void VKAPI_CALL layer_CmdWriteTimestamp(VkCommandBuffer commands, VkPipelineStageFlagBits stage,
                                                          VkQueryPool pool, uint32_t query)
{
    slow_add(commands, (slow_event){.pool = pool, .query = query});
    next_CmdWriteTimestamp(commands, stage, pool, query);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_QueueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos,
                                                        VkFence fence)
{
    if (is_lost(queue)) return VK_ERROR_DEVICE_LOST;
    if (is_denied()) return fault.denial;
    VkResult result = next_QueueSubmit(queue, count, infos, fence);
    if (result != VK_SUCCESS || slow_group_us == 0) return result;
    if (slow_play(count, infos) <= fault.watchdog_ms || fault.watchdog_ms == 0) return result;
    lose(slot_of(queue));
    return VK_ERROR_DEVICE_LOST;
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_WaitForFences(VkDevice device, uint32_t count, const VkFence *fences,
                                                          VkBool32 all, uint64_t timeout)
{
    if (is_lost(device)) return VK_ERROR_DEVICE_LOST;
    return is_denied() ? fault.denial : next_WaitForFences(device, count, fences, all, timeout);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_GetQueryPoolResults(VkDevice device, VkQueryPool pool, uint32_t first,
                                                                uint32_t count, size_t size, void *data,
                                                                VkDeviceSize stride, VkQueryResultFlags flags)
{
    if (is_lost(device)) return VK_ERROR_DEVICE_LOST;
    VkResult result = next_GetQueryPoolResults(device, pool, first, count, size, data, stride, flags);
    const slow_pool *slow = slow_pool_of(pool);
    for (uint32_t i = 0; slow_group_us > 0 && slow && i < count; i++)
        memcpy((char *)data + i * stride, &slow->ticks[first + i], sizeof slow->ticks[0]);
    if (slow_drift > 0 && ++slow_runs > slow_drift_after) slow_group_us *= slow_drift;
    return result;
}

/* These two usually come before a device's end, and are not counted. */
static VKAPI_ATTR VkResult VKAPI_CALL layer_QueueWaitIdle(VkQueue queue)
{
    return devices[slot_of(queue)].lost ? VK_ERROR_DEVICE_LOST : next_QueueWaitIdle(queue);
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_DeviceWaitIdle(VkDevice device)
{
    return devices[slot_of(device)].lost ? VK_ERROR_DEVICE_LOST : next_DeviceWaitIdle(device);
}

static VKAPI_ATTR void VKAPI_CALL layer_DestroyDevice(VkDevice device, const VkAllocationCallbacks *a)
{
    if (!device) return;
    devices[slot_of(device)].key = NULL;
    fault.objects--;
    next_DestroyDevice(device, a);
}

/* ---- instances, and what the loader asks for ---- */

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL layer_GetInstanceProcAddr(VkInstance instance, const char *name);
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL layer_GetDeviceProcAddr(VkDevice device, const char *name);

/* The loader's link to the layer below, in the chain behind a create info. */
static void *link_of(const void *chain, VkStructureType type)
{
    const VkLayerInstanceCreateInfo *at = chain; /* the device's has the same head */
    while (at && !(at->sType == type && at->function == VK_LAYER_LINK_INFO)) at = at->pNext;
    return (void *)at;
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_CreateInstance(const VkInstanceCreateInfo *info,
                                                           const VkAllocationCallbacks *a, VkInstance *out)
{
    VkLayerInstanceCreateInfo *link = link_of(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    next_GetInstanceProcAddr = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)next_GetInstanceProcAddr(NULL, "vkCreateInstance");
    VkResult result = create(info, a, out);
    if (result != VK_SUCCESS) return result;
    next_DestroyInstance = (PFN_vkDestroyInstance)next_GetInstanceProcAddr(*out, "vkDestroyInstance");
    next_GetPhysicalDeviceProperties =
        (PFN_vkGetPhysicalDeviceProperties)next_GetInstanceProcAddr(*out, "vkGetPhysicalDeviceProperties");
    next_GetPhysicalDeviceProperties2 =
        (PFN_vkGetPhysicalDeviceProperties2)next_GetInstanceProcAddr(*out, "vkGetPhysicalDeviceProperties2");
    read_faults();
    return result;
}

static VKAPI_ATTR void VKAPI_CALL layer_DestroyInstance(VkInstance instance, const VkAllocationCallbacks *a)
{
    if (instance) next_DestroyInstance(instance, a);
    write_report();
}

static VKAPI_ATTR void VKAPI_CALL layer_GetPhysicalDeviceProperties(VkPhysicalDevice physical,
                                                                    VkPhysicalDeviceProperties *out)
{
    next_GetPhysicalDeviceProperties(physical, out);
    if (slow_group_us > 0) out->deviceType = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    if (fault.names) strcpy(out->deviceName, "Karte \xe4");
}

/* A name of 119 letters and one of two bytes. */
static VKAPI_ATTR void VKAPI_CALL layer_GetPhysicalDeviceProperties2(VkPhysicalDevice physical,
                                                                     VkPhysicalDeviceProperties2 *out)
{
    next_GetPhysicalDeviceProperties2(physical, out);
    for (VkBaseOutStructure *link = out->pNext; link && fault.names; link = link->pNext)
        if (link->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES) {
            VkPhysicalDeviceDriverProperties *driver = (VkPhysicalDeviceDriverProperties *)link;
            memset(driver->driverName, 'd', 119);
            strcpy(driver->driverName + 119, "\xc3\xa4");
            strcpy(driver->driverInfo, "1.0\xff");
        }
}

static VKAPI_ATTR VkResult VKAPI_CALL layer_CreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                         const VkAllocationCallbacks *a, VkDevice *out)
{
    VkLayerDeviceCreateInfo *link = link_of(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
    PFN_vkGetInstanceProcAddr instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    next_GetDeviceProcAddr = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create = (PFN_vkCreateDevice)instance(NULL, "vkCreateDevice");
    if (is_denied()) return fault.denial;
    VkResult result = create(physical, info, a, out);
    if (result != VK_SUCCESS) return result;
#define LOAD(name) next_##name = (PFN_vk##name)next_GetDeviceProcAddr(*out, "vk" #name);
#define LOAD_COUNTED(type)                                                                                             \
    LOAD(Create##type)                                                                                                 \
    LOAD(Destroy##type)
    OTHERS(LOAD)
    COUNTED(LOAD_COUNTED)
    const int slot = slot_of(NULL);
    devices[slot].key = key_of(*out);
    devices[slot].handle = *out;
    devices[slot].lost = false;
    fault.objects++;
    return result;
}

#define FIND(function)                                                                                                 \
    if (strcmp(name, "vk" #function) == 0) return (PFN_vkVoidFunction)layer_##function;
#define FIND_COUNTED(type)                                                                                             \
    FIND(Create##type)                                                                                                 \
    FIND(Destroy##type)

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL layer_GetDeviceProcAddr(VkDevice device, const char *name)
{
    FIND(GetDeviceProcAddr)
    OTHERS(FIND)
    COUNTED(FIND_COUNTED)
    return next_GetDeviceProcAddr(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL layer_GetInstanceProcAddr(VkInstance instance, const char *name)
{
    FIND(GetInstanceProcAddr)
    FIND(CreateInstance)
    FIND(DestroyInstance)
    FIND(CreateDevice)
    FIND(GetPhysicalDeviceProperties)
    FIND(GetPhysicalDeviceProperties2)
    return instance ? next_GetInstanceProcAddr(instance, name) : NULL;
}

LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *versions)
{
    if (versions->loaderLayerInterfaceVersion > 2) versions->loaderLayerInterfaceVersion = 2;
    versions->pfnGetInstanceProcAddr = layer_GetInstanceProcAddr;
    versions->pfnGetDeviceProcAddr = layer_GetDeviceProcAddr;
    versions->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
