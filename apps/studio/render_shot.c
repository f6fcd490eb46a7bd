/* A frame as a PNG file. */
#include <stdio.h>
#include <stdlib.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#include <stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include "files.h"
#include "render_parts.h"

static uint32_t memory_type(const render *r, uint32_t allowed)
{
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t i = 0;
    while (i + 1 < r->memory.memoryTypeCount &&
           !((allowed >> i & 1) && (r->memory.memoryTypes[i].propertyFlags & wanted) == wanted))
        i++;
    return i;
}

static bool make_buffer(render *r)
{
    const VkDevice device = r->host.device;
    const VkBufferCreateInfo buffer = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                       .size = (VkDeviceSize)r->size.width * r->size.height * 4,
                                       .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkMemoryRequirements needs;
    if (vk.CreateBuffer(device, &buffer, NULL, &r->shot_buffer) != VK_SUCCESS) return false;
    vk.GetBufferMemoryRequirements(device, r->shot_buffer, &needs);
    const VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .allocationSize = needs.size,
                                         .memoryTypeIndex = memory_type(r, needs.memoryTypeBits)};
    return vk.AllocateMemory(device, &memory, NULL, &r->shot_memory) == VK_SUCCESS &&
           vk.BindBufferMemory(device, r->shot_buffer, r->shot_memory, 0) == VK_SUCCESS;
}

static void free_buffer(render *r)
{
    if (r->shot_buffer) vk.DestroyBuffer(r->host.device, r->shot_buffer, NULL);
    if (r->shot_memory) vk.FreeMemory(r->host.device, r->shot_memory, NULL);
    r->shot_buffer = VK_NULL_HANDLE;
    r->shot_memory = VK_NULL_HANDLE;
}

static void move_image(render *r, VkImage image, VkImageLayout from, VkImageLayout to)
{
    const VkImageMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
        .oldLayout = from,
        .newLayout = to,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image,
        .subresourceRange = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1}};
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    vk.CmdPipelineBarrier(r->commands, stages, stages, 0, 0, NULL, 0, NULL, 1, &barrier);
}

bool render_shot_record(render *r, VkImage image)
{
    r->shot_good = false;
    if (!r->can_copy || !make_buffer(r)) {
        free_buffer(r);
        return false;
    }
    const VkBufferImageCopy copy = {.imageSubresource = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1},
                                    .imageExtent = {r->size.width, r->size.height, 1}};
    move_image(r, image, VK_IMAGE_LAYOUT_PRESENT_SRC_KHR, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    vk.CmdCopyImageToBuffer(r->commands, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, r->shot_buffer, 1, &copy);
    move_image(r, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, VK_IMAGE_LAYOUT_PRESENT_SRC_KHR);
    return true;
}

typedef struct bytes {
    unsigned char *data;
    size_t size;
    bool good;
} bytes;

static void add_bytes(void *user, void *data, int size)
{
    bytes *out = user;
    unsigned char *grown = out->good ? realloc(out->data, out->size + (size_t)size) : NULL;
    out->good = grown != NULL;
    if (!grown) return;
    out->data = grown;
    for (int i = 0; i < size; i++) out->data[out->size++] = ((unsigned char *)data)[i];
}

void render_shot_write(render *r)
{
    const size_t pixels = (size_t)r->size.width * r->size.height;
    const bool swap = r->format.format == VK_FORMAT_B8G8R8A8_UNORM || r->format.format == VK_FORMAT_B8G8R8A8_SRGB;
    void *mapped = NULL;
    bytes png = {.good = true};
    unsigned char *rgb = malloc(pixels * 3 + 1);
    if (rgb && vk.MapMemory(r->host.device, r->shot_memory, 0, VK_WHOLE_SIZE, 0, &mapped) == VK_SUCCESS) {
        const unsigned char *from = mapped;
        for (size_t i = 0; i < pixels; i++)
            for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = from[4 * i + (swap ? 2 - c : c)];
        png.good = stbi_write_png_to_func(add_bytes, &png, (int)r->size.width, (int)r->size.height, 3, rgb,
                                          (int)r->size.width * 3) &&
                   png.good;
        r->shot_good = png.good && files_write(r->shot, png.data, png.size);
    }
    free(rgb);
    free(png.data);
    free_buffer(r);
}

void render_shoot(render *r, const char *path)
{
    snprintf(r->shot, sizeof r->shot, "%s", path);
    r->shot_good = false;
}

bool render_shot_good(const render *r)
{
    return r->shot_good;
}
