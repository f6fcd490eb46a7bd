/* Pumice on a device that the program made itself, beside work of the program's own on the same queue. It links libvulkan.
 *     embed_vulkan [STEPS] */
#include <stdio.h>
#include <stdlib.h>

#include <pumice/pumice.h>
#include <pumice/vulkan.h>
#include <vulkan/vulkan.h>

/* What the program has of Vulkan. Its own work fills a buffer; another program would draw. */
typedef struct host {
    pm_vulkan_wishes *wishes;
    pm_vulkan_device vulkan;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkFence fence;
    const uint32_t *mapped;
} host;

enum { BYTES = 4096 };

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", line);
}

/* ---- the program's own device ---- */

static uint32_t computing_family(VkPhysicalDevice physical)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = 16, i = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    while (i < count && !(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) i++;
    return i;
}

/* The device has what the program needs, here nothing, and what Pumice would like. */
static VkResult make_device(host *h, const pm_log *log)
{
    const float priority = 1;
    pm_vulkan_device *v = &h->vulkan;
    const VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2};
    const VkInstanceCreateInfo instance = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
    uint32_t one = 1;
    v->api_version = app.apiVersion;
    VkResult result = vkCreateInstance(&instance, NULL, &v->instance);
    if (result == VK_SUCCESS) result = vkEnumeratePhysicalDevices(v->instance, &one, &v->physical);
    if (result < VK_SUCCESS || one == 0) return result ? result : VK_ERROR_INITIALIZATION_FAILED;
    if (pm_vulkan_wishes_make(log, v->instance, v->api_version, v->physical, vkGetInstanceProcAddr, &h->wishes) !=
        PM_OK)
        return VK_ERROR_INITIALIZATION_FAILED;
    v->get = vkGetInstanceProcAddr;
    v->features = pm_vulkan_wishes_features(h->wishes);
    v->extensions = pm_vulkan_wishes_extensions(h->wishes, &v->extension_count);
    v->queue_family = computing_family(v->physical);
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = v->queue_family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo device = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                       .pNext = v->features,
                                       .queueCreateInfoCount = 1,
                                       .pQueueCreateInfos = &queue,
                                       .enabledExtensionCount = v->extension_count,
                                       .ppEnabledExtensionNames = v->extensions};
    result = vkCreateDevice(v->physical, &device, NULL, &v->device);
    if (result == VK_SUCCESS) vkGetDeviceQueue(v->device, v->queue_family, 0, &v->queue);
    return result;
}

/* ---- the program's own work ---- */

/* Memory that the host sees and need not flush: every device has some for a buffer. */
static uint32_t visible_memory(VkPhysicalDevice physical, uint32_t allowed)
{
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t i = 0;
    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    while (!(allowed >> i & 1) || (memory.memoryTypes[i].propertyFlags & wanted) != wanted) i++;
    return i;
}

static VkResult make_buffer(host *h)
{
    const VkDevice device = h->vulkan.device;
    const VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = BYTES, .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkMemoryRequirements needs;
    VkResult result = vkCreateBuffer(device, &buffer, NULL, &h->buffer);
    if (result != VK_SUCCESS) return result;
    vkGetBufferMemoryRequirements(device, h->buffer, &needs);
    const VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .allocationSize = needs.size,
                                         .memoryTypeIndex = visible_memory(h->vulkan.physical, needs.memoryTypeBits)};
    result = vkAllocateMemory(device, &memory, NULL, &h->memory);
    if (result == VK_SUCCESS) result = vkBindBufferMemory(device, h->buffer, h->memory, 0);
    if (result == VK_SUCCESS) result = vkMapMemory(device, h->memory, 0, BYTES, 0, (void **)&h->mapped);
    return result;
}

static VkResult make_commands(host *h)
{
    const VkDevice device = h->vulkan.device;
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                          .queueFamilyIndex = h->vulkan.queue_family};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkResult result = vkCreateCommandPool(device, &pool, NULL, &h->pool);
    const VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = h->pool, .commandBufferCount = 1};
    if (result == VK_SUCCESS) result = vkAllocateCommandBuffers(device, &commands, &h->commands);
    if (result == VK_SUCCESS) result = vkCreateFence(device, &fence, NULL, &h->fence);
    return result;
}

/* Fills the buffer with a number on the device; false where it did not get there. */
static bool work(host *h, uint32_t number)
{
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkMemoryBarrier seen = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                  .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                  .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &h->commands};
    if (vkBeginCommandBuffer(h->commands, &begin) != VK_SUCCESS) return false;
    vkCmdFillBuffer(h->commands, h->buffer, 0, BYTES, number);
    vkCmdPipelineBarrier(h->commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &seen, 0, NULL,
                         0, NULL);
    return vkEndCommandBuffer(h->commands) == VK_SUCCESS &&
           vkQueueSubmit(h->vulkan.queue, 1, &submit, h->fence) == VK_SUCCESS &&
           vkWaitForFences(h->vulkan.device, 1, &h->fence, VK_TRUE, UINT64_MAX) == VK_SUCCESS &&
           vkResetFences(h->vulkan.device, 1, &h->fence) == VK_SUCCESS && h->mapped[BYTES / 4 - 1] == number;
}

static void free_all(host *h)
{
    pm_vulkan_device *v = &h->vulkan;
    if (v->device) {
        vkDestroyFence(v->device, h->fence, NULL);
        vkDestroyCommandPool(v->device, h->pool, NULL);
        vkDestroyBuffer(v->device, h->buffer, NULL);
        vkFreeMemory(v->device, h->memory, NULL);
        vkDestroyDevice(v->device, NULL);
    }
    if (v->instance) vkDestroyInstance(v->instance, NULL);
    pm_vulkan_wishes_free(&h->wishes);
}

/* ---- training beside it ---- */

int main(int argc, char **argv)
{
    enum { BATCH = 4, TIME = 16, VOCAB = 16 };
    const uint32_t steps = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 40;
    const pm_device_params params = {.log = {print_line, NULL, PM_LOG_WARN}};
    const pm_gpt_config config = {.vocab = VOCAB, .ctx = TIME, .embd = 32, .heads = 4, .layers = 2};
    const pm_train_params train = {.batch = BATCH, .steps = steps, .lr = 1e-2f, .clip = 1.0f};
    int32_t tokens[BATCH * TIME], targets[BATCH * TIME];
    host h = {0};
    pm_device *device = NULL;
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_step step = {0};

    VkResult result = make_device(&h, &params.log);
    if (result == VK_SUCCESS) result = make_buffer(&h);
    if (result == VK_SUCCESS) result = make_commands(&h);
    if (result != VK_SUCCESS) fprintf(stderr, "no device: VkResult %d\n", (int)result);
    pm_status status = result == VK_SUCCESS ? pm_device_import(&params, &h.vulkan, &device) : PM_NO_DEVICE;
    if (status == PM_OK) status = pm_model_create(device, &config, 1, &model);
    if (status == PM_OK) status = pm_trainer_create(model, &train, &trainer);
    for (uint32_t i = 0; i < steps && status == PM_OK; i++) {
        for (int32_t j = 0; j < BATCH * TIME; j++) { /* count up, from another number in each row */
            tokens[j] = (j + j / TIME * 5 + (int32_t)i) % VOCAB;
            targets[j] = (tokens[j] + 1) % VOCAB;
        }
        status = pm_trainer_step_tokens(trainer, tokens, targets, &step);
        if (status == PM_OK && !work(&h, i)) status = PM_DEVICE_LOST;
    }
    if (status == PM_OK)
        printf("%s: loss %.3f after %u steps, and as many buffers filled\n", pm_device_caps(device)->name, step.loss,
               (unsigned)step.step);

    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    pm_device_close(&device); /* before the VkDevice */
    free_all(&h);
    return status == PM_OK ? 0 : 1;
}
