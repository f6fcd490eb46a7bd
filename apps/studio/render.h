/* The device that draws the window, which Pumice computes on too, and the frames. */
#ifndef STUDIO_RENDER_H
#define STUDIO_RENDER_H

#include "window.h"

#include <pumice/vulkan.h>

typedef struct render render;

/* Opens the adapter that draws: `select` as of pm_adapter_choose; NULL: any that can show this window, a GPU first. False: `why` is one line. */
bool render_open(render **out, window *w, const char *select, char why[256]);
/* Pumice must have closed its device before. *r may be NULL. */
void render_close(render **r);

/* For pm_device_import: instance, device, queue, and a lock around the queue. Lives as long as the render. */
const pm_vulkan_device *render_host(const render *r);
/* Its number in pm_adapters_list, and its name. */
int render_adapter(const render *r);
const char *render_name(const render *r);

VkRenderPass render_pass(const render *r);
uint32_t render_images(const render *r);

/* Records commands by `record`, submits them, waits for them. */
typedef void (*render_record)(void *user, VkCommandBuffer commands);
bool render_once(render *r, render_record record, void *user);
/* Draws a frame and shows it. False: the device was lost, or the window cannot be drawn on any more. A window without size draws nothing. */
bool render_frame(render *r, const float background[4], render_record record, void *user);
/* Where the last frame's time went, in milliseconds: waiting for an image, until the frame was
 * handed over, and then for the device. */
typedef struct render_times {
    double acquire, present, device;
} render_times;
render_times render_last(const render *r);
/* The next frame is also written to this PNG file. */
void render_shoot(render *r, const char *path);
/* Whether the last shot was written. */
bool render_shot_good(const render *r);

#endif
