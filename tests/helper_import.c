#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/table.h" /* volk, which must come before <pumice/vulkan.h> */

#include "helper_import.h"
#include "os/atomic.h"

#define HOST_FUNCTIONS(X)                                                                                              \
    X(AllocateCommandBuffers)                                                                                          \
    X(AllocateMemory)                                                                                                  \
    X(BeginCommandBuffer)                                                                                              \
    X(BindBufferMemory)                                                                                                \
    X(CmdFillBuffer)                                                                                                   \
    X(CreateBuffer)                                                                                                    \
    X(CreateCommandPool)                                                                                               \
    X(CreateDevice)                                                                                                    \
    X(CreateFence)                                                                                                     \
    X(DestroyBuffer)                                                                                                   \
    X(DestroyCommandPool)                                                                                              \
    X(DestroyDevice)                                                                                                   \
    X(DestroyFence)                                                                                                    \
    X(DestroyInstance)                                                                                                 \
    X(DeviceWaitIdle)                                                                                                  \
    X(EndCommandBuffer)                                                                                                \
    X(EnumeratePhysicalDevices)                                                                                        \
    X(FreeMemory)                                                                                                      \
    X(GetBufferMemoryRequirements)                                                                                     \
    X(GetDeviceQueue)                                                                                                  \
    X(GetPhysicalDeviceQueueFamilyProperties)                                                                          \
    X(QueueSubmit)                                                                                                     \
    X(ResetFences)                                                                                                     \
    X(WaitForFences)

struct test_host {
    pm_vulkan_device device;
    pm_vulkan_wishes *wishes;
    PFN_vkGetInstanceProcAddr get;
    VkDebugUtilsMessengerEXT messenger;
    os_atomic messages;
    VkCommandPool pool;
    VkCommandBuffer commands; /* fill a buffer */
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkFence fence;
    bool busy;
    os_atomic stop;
    pthread_t thread;
    pthread_mutex_t mutex;
    os_atomic locked, locks, faults;
#define FIELD(name) PFN_vk##name name;
    HOST_FUNCTIONS(FIELD)
#undef FIELD
};

static void lock(void *user)
{
    test_host *host = user;
    pthread_mutex_lock(&host->mutex);
    if (os_atomic_add(&host->locked, 1) > 0) os_atomic_add(&host->faults, 1);
    os_atomic_add(&host->locks, 1);
}

static void unlock(void *user)
{
    test_host *host = user;
    if (os_atomic_add(&host->locked, UINT32_MAX) != 1) os_atomic_add(&host->faults, 1);
    pthread_mutex_unlock(&host->mutex);
}

/* ---- the host's own work ---- */

static bool fill_buffer(test_host *host)
{
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &host->commands};
    lock(host);
    const VkResult result = host->QueueSubmit(host->device.queue, 1, &info, host->fence);
    unlock(host);
    return result == VK_SUCCESS &&
           host->WaitForFences(host->device.device, 1, &host->fence, VK_TRUE, UINT64_MAX) == VK_SUCCESS &&
           host->ResetFences(host->device.device, 1, &host->fence) == VK_SUCCESS;
}

static void *fill_again_and_again(void *user)
{
    test_host *host = user;
    while (!os_atomic_load(&host->stop))
        if (!fill_buffer(host)) os_atomic_add(&host->faults, 1);
    return NULL;
}

static void make_work(test_host *host)
{
    const VkDevice device = host->device.device;
    const VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = 4096, .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = host->device.queue_family};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkMemoryRequirements needs;
    assert_int_equal(host->CreateBuffer(device, &buffer, NULL, &host->buffer), VK_SUCCESS);
    host->GetBufferMemoryRequirements(device, host->buffer, &needs);
    uint32_t type = 0;
    while (!(needs.memoryTypeBits >> type & 1)) type++;
    const VkMemoryAllocateInfo memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size, .memoryTypeIndex = type};
    assert_int_equal(host->AllocateMemory(device, &memory, NULL, &host->memory), VK_SUCCESS);
    assert_int_equal(host->BindBufferMemory(device, host->buffer, host->memory, 0), VK_SUCCESS);
    assert_int_equal(host->CreateCommandPool(device, &pool, NULL, &host->pool), VK_SUCCESS);
    assert_int_equal(host->CreateFence(device, &fence, NULL, &host->fence), VK_SUCCESS);
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = host->pool, .commandBufferCount = 1};
    assert_int_equal(host->AllocateCommandBuffers(device, &allocate, &host->commands), VK_SUCCESS);
    assert_int_equal(host->BeginCommandBuffer(host->commands, &begin), VK_SUCCESS);
    host->CmdFillBuffer(host->commands, host->buffer, 0, VK_WHOLE_SIZE, 7);
    assert_int_equal(host->EndCommandBuffer(host->commands), VK_SUCCESS);
}

/* ---- instance and device ---- */

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    test_host *host = user;
    (void)severity, (void)types;
    os_atomic_add(&host->messages, 1);
    fprintf(stderr, "validation: %s\n", data->pMessage);
    return VK_FALSE;
}

static bool make_instance(test_host *host)
{
    static const char *const layer = "VK_LAYER_KHRONOS_validation", *const extension = "VK_EXT_debug_utils";
    const char *validate = getenv("PUMICE_VALIDATE");
    const bool on = validate && strcmp(validate, "1") == 0;
    const VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity =
            VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = host};
    host->device.api_version = VK_API_VERSION_1_2;
    const VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = host->device.api_version};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &app,
                                       .enabledLayerCount = on,
                                       .ppEnabledLayerNames = &layer,
                                       .enabledExtensionCount = on,
                                       .ppEnabledExtensionNames = &extension};
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)host->get(VK_NULL_HANDLE, "vkCreateInstance");
    if (create(&info, NULL, &host->device.instance) != VK_SUCCESS) return false;
#define LOAD(name) host->name = (PFN_vk##name)host->get(host->device.instance, "vk" #name);
    HOST_FUNCTIONS(LOAD)
#undef LOAD
    PFN_vkCreateDebugUtilsMessengerEXT listen =
        (PFN_vkCreateDebugUtilsMessengerEXT)host->get(host->device.instance, "vkCreateDebugUtilsMessengerEXT");
    if (on) assert_int_equal(listen(host->device.instance, &messenger, NULL, &host->messenger), VK_SUCCESS);
    return true;
}

/* The adapter that Pumice itself would take, and a family that computes. */
static bool choose(test_host *host)
{
    pm_caps caps[16];
    VkPhysicalDevice list[16];
    VkQueueFamilyProperties families[16];
    size_t count = 0;
    uint32_t found = 16, family_count = 16;
    char why[160];
    assert_int_equal(pm_adapters_list(NULL, caps, 16, &count), PM_OK);
    const int chosen = pm_adapter_choose(caps, count, getenv("PUMICE_TEST_DEVICE"), why);
    if (chosen < 0 || host->EnumeratePhysicalDevices(host->device.instance, &found, list) < VK_SUCCESS) return false;
    host->device.physical = list[chosen];
    host->GetPhysicalDeviceQueueFamilyProperties(list[chosen], &family_count, families);
    while (!(families[host->device.queue_family].queueFlags & VK_QUEUE_COMPUTE_BIT)) host->device.queue_family++;
    return true;
}

static void make_device(test_host *host, test_host_kind kind)
{
    const float priority = 1;
    pm_vulkan_device *d = &host->device;
    if (kind != TEST_HOST_BARE) {
        assert_int_equal(
            pm_vulkan_wishes_make(NULL, d->instance, d->api_version, d->physical, host->get, &host->wishes), PM_OK);
        d->features = pm_vulkan_wishes_features(host->wishes);
        d->extensions = pm_vulkan_wishes_extensions(host->wishes, &d->extension_count);
    }
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = d->queue_family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .pNext = d->features,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue,
                                     .enabledExtensionCount = d->extension_count,
                                     .ppEnabledExtensionNames = d->extensions};
    assert_int_equal(host->CreateDevice(d->physical, &info, NULL, &d->device), VK_SUCCESS);
    host->GetDeviceQueue(d->device, d->queue_family, 0, &d->queue);
    d->lock = lock;
    d->unlock = unlock;
    d->user = host;
}

test_host *test_host_make(test_host_kind kind)
{
    test_host *host = calloc(1, sizeof *host);
    assert_non_null(host);
    host->get = gpu_loader();
    if (!host->get || !make_instance(host) || !choose(host)) {
        if (host->device.instance) host->DestroyInstance(host->device.instance, NULL);
        free(host);
        return NULL;
    }
    make_device(host, kind);
    make_work(host);
    pthread_mutex_init(&host->mutex, NULL);
    host->busy = kind == TEST_HOST_BUSY;
    if (host->busy) assert_int_equal(pthread_create(&host->thread, NULL, fill_again_and_again, host), 0);
    return host;
}

pm_vulkan_device *test_host_device(test_host *host)
{
    return &host->device;
}

unsigned test_host_locks(const test_host *host)
{
    assert_int_equal(os_atomic_load(&host->faults), 0);
    return os_atomic_load(&host->locks);
}

void test_host_done(test_host **handle)
{
    test_host *host = *handle;
    const VkDevice device = host->device.device;
    if (host->busy) {
        os_atomic_store(&host->stop, 1);
        pthread_join(host->thread, NULL);
    }
    assert_true(fill_buffer(host));
    assert_int_equal(host->DeviceWaitIdle(device), VK_SUCCESS);
    assert_int_equal(os_atomic_load(&host->faults), 0);
    host->DestroyFence(device, host->fence, NULL);
    host->DestroyCommandPool(device, host->pool, NULL);
    host->DestroyBuffer(device, host->buffer, NULL);
    host->FreeMemory(device, host->memory, NULL);
    host->DestroyDevice(device, NULL); /* the layer speaks here of what Pumice left */
    PFN_vkDestroyDebugUtilsMessengerEXT destroy =
        (PFN_vkDestroyDebugUtilsMessengerEXT)host->get(host->device.instance, "vkDestroyDebugUtilsMessengerEXT");
    if (host->messenger) destroy(host->device.instance, host->messenger, NULL);
    host->DestroyInstance(host->device.instance, NULL);
    pm_vulkan_wishes_free(&host->wishes);
    pthread_mutex_destroy(&host->mutex);
    assert_int_equal(os_atomic_load(&host->messages), 0);
    free(host);
    *handle = NULL;
}
