/* Names of objects and labels of commands, by VK_EXT_debug_utils. */
#include "gpu/gpu_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/number.h"

void gpu_debug_open(pm_device *device)
{
    const gpu_instance *instance = &device->instance;
    if (!device->instance.debug_utils) return;
    gpu_debug debug = {
        (PFN_vkSetDebugUtilsObjectNameEXT)instance->get(instance->handle, "vkSetDebugUtilsObjectNameEXT"),
        (PFN_vkCmdBeginDebugUtilsLabelEXT)instance->get(instance->handle, "vkCmdBeginDebugUtilsLabelEXT"),
        (PFN_vkCmdEndDebugUtilsLabelEXT)instance->get(instance->handle, "vkCmdEndDebugUtilsLabelEXT")};
    if (debug.name && debug.begin && debug.end) device->debug = debug;
}

void gpu_debug_name(pm_device *device, VkObjectType type, uint64_t handle, const char *format, ...)
{
    char text[120];
    va_list args;
    if (!device->debug.name || !handle) return;
    va_start(args, format);
    number_vprint(text, sizeof text, format, args);
    va_end(args);
    const VkDebugUtilsObjectNameInfoEXT info = {.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
                                                .objectType = type,
                                                .objectHandle = handle,
                                                .pObjectName = text};
    (void)device->debug.name(device->handle, &info); /* a missing name is no failure */
}

void gpu_debug_begin(pm_device *device, VkCommandBuffer commands, const char *text)
{
    const VkDebugUtilsLabelEXT label = {.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT, .pLabelName = text};
    if (device->debug.begin) device->debug.begin(commands, &label);
}

void gpu_debug_end(pm_device *device, VkCommandBuffer commands)
{
    if (device->debug.end) device->debug.end(commands);
}

const char *gpu_debug_part(const gpu_label *label, char text[80])
{
    const char *layer = label->layer ? label->layer : "", *direction = pm_direction_name(label->direction);
    snprintf(text, 80, "%.50s%s%s",
             *layer       ? layer
             : *direction ? ""
                          : "commands",
             *layer && *direction ? " " : "", direction);
    return text;
}

const char *gpu_debug_command(const gpu_command *command, char text[80])
{
    const uint32_t *n = command->label.shape;
    const char *kernel = command->kind == GPU_FILL   ? "fill"
                         : command->kind == GPU_COPY ? "copy"
                                                     : gpu_command_name(command);
    int used = snprintf(text, 80, "%.40s", command->label.op ? command->label.op : kernel);
    for (int i = 0; i < 3 && n[i] && used < 80; i++)
        used += snprintf(text + used, 80 - (size_t)used, "%c%u", i ? 'x' : ' ', (unsigned)n[i]);
    return text;
}
