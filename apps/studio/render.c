/* Frames: one at a time. Each is submitted and shown under one lock, so that none of Pumice's work comes between the two: a software driver shows a frame
 * by waiting for all that was submitted before. */
#include <stdio.h>
#include <string.h>

#include "render_parts.h"

/* ---- the window's images ---- */

static void free_images(render *r)
{
    const VkDevice device = r->host.device;
    for (uint32_t i = 0; i < r->image_count; i++) {
        if (r->framebuffers[i]) vk.DestroyFramebuffer(device, r->framebuffers[i], NULL);
        if (r->views[i]) vk.DestroyImageView(device, r->views[i], NULL);
        if (r->rendered[i]) vk.DestroySemaphore(device, r->rendered[i], NULL);
        r->framebuffers[i] = VK_NULL_HANDLE;
        r->views[i] = VK_NULL_HANDLE;
        r->rendered[i] = VK_NULL_HANDLE;
    }
    r->image_count = 0;
}

static VkResult make_image(render *r, uint32_t i)
{
    const VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = r->images[i],
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = r->format.format,
        .subresourceRange = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1}};
    VkResult result = vk.CreateImageView(r->host.device, &view, NULL, &r->views[i]);
    const VkFramebufferCreateInfo framebuffer = {.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
                                                 .renderPass = r->pass,
                                                 .attachmentCount = 1,
                                                 .pAttachments = &r->views[i],
                                                 .width = r->size.width,
                                                 .height = r->size.height,
                                                 .layers = 1};
    const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    if (result == VK_SUCCESS) result = vk.CreateFramebuffer(r->host.device, &framebuffer, NULL, &r->framebuffers[i]);
    if (result == VK_SUCCESS) result = vk.CreateSemaphore(r->host.device, &semaphore, NULL, &r->rendered[i]);
    return result;
}

/* Images of the window's size now. VK_NOT_READY: it has none. */
static VkResult make_swapchain(render *r)
{
    VkSurfaceCapabilitiesKHR caps;
    int width = 0, height = 0;
    VkResult result = vk.GetPhysicalDeviceSurfaceCapabilitiesKHR(r->host.physical, r->window->surface, &caps);
    if (result != VK_SUCCESS) return result;
    window_size(r->window, &width, &height);
    r->size = caps.currentExtent;
    if (r->size.width == UINT32_MAX) r->size = (VkExtent2D){(uint32_t)width, (uint32_t)height};
    if (r->size.width == 0 || r->size.height == 0) return VK_NOT_READY;
    uint32_t wanted = caps.minImageCount + 1;
    if (caps.maxImageCount && wanted > caps.maxImageCount) wanted = caps.maxImageCount;
    r->can_copy = caps.supportedUsageFlags & VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
    const VkSwapchainKHR old = r->swapchain;
    const VkSwapchainCreateInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR,
        .surface = r->window->surface,
        .minImageCount = wanted,
        .imageFormat = r->format.format,
        .imageColorSpace = r->format.colorSpace,
        .imageExtent = r->size,
        .imageArrayLayers = 1,
        .imageUsage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | (r->can_copy ? VK_IMAGE_USAGE_TRANSFER_SRC_BIT : 0u),
        .preTransform = caps.currentTransform,
        .compositeAlpha = caps.supportedCompositeAlpha & VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
                              ? VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
                              : VK_COMPOSITE_ALPHA_INHERIT_BIT_KHR,
        .presentMode = VK_PRESENT_MODE_FIFO_KHR,
        .clipped = VK_TRUE,
        .oldSwapchain = old};
    free_images(r);
    result = vk.CreateSwapchainKHR(r->host.device, &info, NULL, &r->swapchain);
    if (old) vk.DestroySwapchainKHR(r->host.device, old, NULL);
    if (result != VK_SUCCESS) {
        r->swapchain = VK_NULL_HANDLE;
        return result;
    }
    uint32_t count = RENDER_IMAGES;
    result = vk.GetSwapchainImagesKHR(r->host.device, r->swapchain, &count, r->images);
    if (result < VK_SUCCESS) return result;
    r->image_count = count;
    for (uint32_t i = 0; i < count; i++)
        if ((result = make_image(r, i)) != VK_SUCCESS) return result;
    return VK_SUCCESS;
}

/* ---- what lives as long as the device ---- */

/* Colours go to the screen as they are: a format without sRGB's curve. */
static VkResult choose_format(render *r)
{
    VkSurfaceFormatKHR formats[64];
    uint32_t count = 64;
    const VkResult result =
        vk.GetPhysicalDeviceSurfaceFormatsKHR(r->host.physical, r->window->surface, &count, formats);
    if (result < VK_SUCCESS || count == 0) return VK_ERROR_FORMAT_NOT_SUPPORTED;
    r->format = formats[0];
    for (uint32_t i = count; i-- > 0;)
        if (formats[i].format == VK_FORMAT_B8G8R8A8_UNORM || formats[i].format == VK_FORMAT_R8G8B8A8_UNORM)
            r->format = formats[i];
    return VK_SUCCESS;
}

static VkResult make_pass(render *r)
{
    const VkAttachmentDescription color = {.format = r->format.format,
                                           .samples = VK_SAMPLE_COUNT_1_BIT,
                                           .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
                                           .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
                                           .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
                                           .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
                                           .finalLayout = VK_IMAGE_LAYOUT_PRESENT_SRC_KHR};
    const VkAttachmentReference reference = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
                                          .colorAttachmentCount = 1,
                                          .pColorAttachments = &reference};
    const VkSubpassDependency dependency = {.srcSubpass = VK_SUBPASS_EXTERNAL,
                                            .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
                                            .dstStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
                                            .dstAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT};
    const VkRenderPassCreateInfo info = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
                                         .attachmentCount = 1,
                                         .pAttachments = &color,
                                         .subpassCount = 1,
                                         .pSubpasses = &subpass,
                                         .dependencyCount = 1,
                                         .pDependencies = &dependency};
    return vk.CreateRenderPass(r->host.device, &info, NULL, &r->pass);
}

static VkResult make_commands(render *r)
{
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = r->host.queue_family};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    VkResult result = vk.CreateCommandPool(r->host.device, &pool, NULL, &r->pool);
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = r->pool, .commandBufferCount = 1};
    if (result == VK_SUCCESS) result = vk.AllocateCommandBuffers(r->host.device, &allocate, &r->commands);
    if (result == VK_SUCCESS) result = vk.CreateFence(r->host.device, &fence, NULL, &r->fence);
    if (result == VK_SUCCESS) result = vk.CreateSemaphore(r->host.device, &semaphore, NULL, &r->acquired);
    return result;
}

bool render_make_frames(render *r, char why[256])
{
    VkResult result = choose_format(r);
    if (result == VK_SUCCESS) result = make_pass(r);
    if (result == VK_SUCCESS) result = make_commands(r);
    if (result == VK_SUCCESS) result = make_swapchain(r);
    if (result == VK_SUCCESS || result == VK_NOT_READY) return true;
    snprintf(why, 256, "%.100s cannot draw in this window: VkResult %d", r->name, (int)result);
    return false;
}

void render_free_frames(render *r)
{
    const VkDevice device = r->host.device;
    free_images(r);
    if (r->shot_buffer) vk.DestroyBuffer(device, r->shot_buffer, NULL);
    if (r->shot_memory) vk.FreeMemory(device, r->shot_memory, NULL);
    if (r->swapchain) vk.DestroySwapchainKHR(device, r->swapchain, NULL);
    if (r->acquired) vk.DestroySemaphore(device, r->acquired, NULL);
    if (r->fence) vk.DestroyFence(device, r->fence, NULL);
    if (r->pool) vk.DestroyCommandPool(device, r->pool, NULL);
    if (r->pass) vk.DestroyRenderPass(device, r->pass, NULL);
}

VkRenderPass render_pass(const render *r)
{
    return r->pass;
}

uint32_t render_images(const render *r)
{
    return r->image_count < 2 ? 2 : r->image_count;
}

/* ---- frames ---- */

static VkResult begin(render *r)
{
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                           .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    const VkResult result = vk.ResetCommandPool(r->host.device, r->pool, 0);
    return result == VK_SUCCESS ? vk.BeginCommandBuffer(r->commands, &info) : result;
}

static VkResult wait_for_fence(render *r)
{
    const VkResult result = vk.WaitForFences(r->host.device, 1, &r->fence, VK_TRUE, UINT64_MAX);
    return result == VK_SUCCESS ? vk.ResetFences(r->host.device, 1, &r->fence) : result;
}

bool render_once(render *r, render_record record, void *user)
{
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &r->commands};
    if (begin(r) != VK_SUCCESS) return false;
    record(user, r->commands);
    if (vk.EndCommandBuffer(r->commands) != VK_SUCCESS) return false;
    lock_take(r->queue_lock);
    const VkResult result = vk.QueueSubmit(r->host.queue, 1, &info, r->fence);
    lock_leave(r->queue_lock);
    return result == VK_SUCCESS && wait_for_fence(r) == VK_SUCCESS;
}

/* Submits the frame and shows it. *shown is the outcome of the second. */
static VkResult submit_and_show(render *r, uint32_t index, VkResult *shown)
{
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .waitSemaphoreCount = 1,
                               .pWaitSemaphores = &r->acquired,
                               .pWaitDstStageMask = &stage,
                               .commandBufferCount = 1,
                               .pCommandBuffers = &r->commands,
                               .signalSemaphoreCount = 1,
                               .pSignalSemaphores = &r->rendered[index]};
    const VkPresentInfoKHR present = {.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR,
                                      .waitSemaphoreCount = 1,
                                      .pWaitSemaphores = &r->rendered[index],
                                      .swapchainCount = 1,
                                      .pSwapchains = &r->swapchain,
                                      .pImageIndices = &index};
    lock_take(r->queue_lock);
    const VkResult result = vk.QueueSubmit(r->host.queue, 1, &info, r->fence);
    if (result == VK_SUCCESS) *shown = vk.QueuePresentKHR(r->host.queue, &present);
    lock_leave(r->queue_lock);
    return result;
}

static void record_frame(render *r, uint32_t index, const float background[4], render_record record, void *user)
{
    VkClearValue clear;
    memcpy(clear.color.float32, background, sizeof clear.color.float32);
    const VkRenderPassBeginInfo pass = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
                                        .renderPass = r->pass,
                                        .framebuffer = r->framebuffers[index],
                                        .renderArea = {{0, 0}, r->size},
                                        .clearValueCount = 1,
                                        .pClearValues = &clear};
    vk.CmdBeginRenderPass(r->commands, &pass, VK_SUBPASS_CONTENTS_INLINE);
    record(user, r->commands);
    vk.CmdEndRenderPass(r->commands);
}

static bool size_changed(const render *r)
{
    int width = 0, height = 0;
    window_size(r->window, &width, &height);
    return (uint32_t)width != r->size.width || (uint32_t)height != r->size.height;
}

bool render_frame(render *r, const float background[4], render_record record, void *user)
{
    uint32_t index = 0;
    VkResult result = VK_ERROR_OUT_OF_DATE_KHR;
    const double begun = window_seconds();
    if (r->swapchain && !size_changed(r))
        result = vk.AcquireNextImageKHR(r->host.device, r->swapchain, UINT64_MAX, r->acquired, VK_NULL_HANDLE, &index);
    for (int tries = 0; result == VK_ERROR_OUT_OF_DATE_KHR && tries < 3; tries++) {
        result = make_swapchain(r);
        if (result == VK_NOT_READY) return true;
        if (result == VK_SUCCESS)
            result =
                vk.AcquireNextImageKHR(r->host.device, r->swapchain, UINT64_MAX, r->acquired, VK_NULL_HANDLE, &index);
    }
    if (result != VK_SUCCESS && result != VK_SUBOPTIMAL_KHR) return result == VK_ERROR_OUT_OF_DATE_KHR;
    const double acquired = window_seconds();
    if (begin(r) != VK_SUCCESS) return false;
    record_frame(r, index, background, record, user);
    const bool shot = r->shot[0] && render_shot_record(r, r->images[index]);
    const double recorded = window_seconds();
    if (vk.EndCommandBuffer(r->commands) != VK_SUCCESS || submit_and_show(r, index, &result) != VK_SUCCESS)
        return false;
    const double shown = window_seconds();
    if (wait_for_fence(r) != VK_SUCCESS) return false;
    r->times = (render_times){1e3 * (acquired - begun), 1e3 * (shown - recorded), 1e3 * (window_seconds() - shown)};
    if (shot) render_shot_write(r);
    r->shot[0] = 0;
    return result == VK_SUCCESS || result == VK_SUBOPTIMAL_KHR || result == VK_ERROR_OUT_OF_DATE_KHR;
}

render_times render_last(const render *r)
{
    return r->times;
}
