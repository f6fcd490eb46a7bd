/* What render_device.c and render.c share. */
#ifndef STUDIO_RENDER_PARTS_H
#define STUDIO_RENDER_PARTS_H

#include "render.h"
#include "lock.h"

enum { RENDER_IMAGES = 8 };

struct render {
    window *window;
    pm_vulkan_device host;
    pm_vulkan_wishes *wishes;
    VkPhysicalDeviceMemoryProperties memory;
    lock *queue_lock;
    int adapter;
    char name[256];

    VkSurfaceFormatKHR format;
    VkRenderPass pass;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
    VkSemaphore acquired;

    VkSwapchainKHR swapchain;
    VkExtent2D size;
    bool can_copy; /* from the images */
    render_times times;
    uint32_t image_count;
    VkImage images[RENDER_IMAGES];
    VkImageView views[RENDER_IMAGES];
    VkFramebuffer framebuffers[RENDER_IMAGES];
    VkSemaphore rendered[RENDER_IMAGES];

    char shot[WINDOW_PATH]; /* where the next frame is written to; "": nowhere */
    bool shot_good;
    VkBuffer shot_buffer;
    VkDeviceMemory shot_memory;
};

/* Pass, commands, fences, and the images of the window. */
bool render_make_frames(render *r, char why[256]);
void render_free_frames(render *r);

/* render_shot.c: records the copy of an image; then writes the file. */
bool render_shot_record(render *r, VkImage image);
void render_shot_write(render *r);

#endif
