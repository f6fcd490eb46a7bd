/* Adapters as plain numbers: the list of them, choosing one. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "files/file.h"
#include "os/streams.h"

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static const char *const type_names[] = {"adapter", "integrated GPU", "discrete GPU", "virtual GPU", "software driver"};

static bool contains_nocase(const char *text, const char *part)
{
    size_t n = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && text[i] && letter_small(text[i]) == letter_small(part[i])) i++;
        if (i == n) return true;
    }
    return false;
}

static int choose_auto(const pm_caps *adapters, size_t count, char why[160])
{
    static const pm_device_type order[] = {PM_DEVICE_DISCRETE, PM_DEVICE_INTEGRATED, PM_DEVICE_VIRTUAL, PM_DEVICE_OTHER,
                                           PM_DEVICE_CPU};
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
        for (size_t i = 0; i < count; i++)
            if (adapters[i].type == order[k]) {
                if (order[k] == PM_DEVICE_CPU)
                    snprintf(why, 160, "no GPU was found; %.60s is a software driver and slow", adapters[i].name);
                else
                    snprintf(why, 160, "the first %s", type_names[order[k]]);
                return (int)i;
            }
    snprintf(why, 160, "the adapter is of no known type");
    return -1;
}

int pm_adapter_choose(const pm_caps *adapters, size_t count, const char *select, char why[160])
{
    if (count == 0) {
        snprintf(why, 160, "no Vulkan device was found; install a driver (Mesa's llvmpipe serves without a GPU)");
        return -1;
    }
    if (!select || !*select || strcmp(select, "auto") == 0) return choose_auto(adapters, count, why);
    if (strspn(select, "0123456789") == strlen(select)) {
        unsigned long index = strtoul(select, NULL, 10); /* too large a number saturates */
        if (index >= count) {
            snprintf(why, 160, "there is no adapter %.20s; indices go from 0 to %zu", select, count - 1);
            return -1;
        }
        snprintf(why, 160, "adapter %lu was asked for", index);
        return (int)index;
    }
    for (size_t i = 0; i < count; i++)
        if (contains_nocase(adapters[i].name, select)) {
            snprintf(why, 160, "its name contains '%.60s'", select);
            return (int)i;
        }
    snprintf(why, 160, "no adapter's name contains '%.40s'; 'auto', an index or a part of a name is right", select);
    return -1;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

static pm_status list_adapters(const pm_log *log, pm_caps *out, size_t capacity, size_t *count)
{
    gpu_instance instance;
    VkPhysicalDevice *list = NULL;
    uint32_t found = 0;
    pm_status status = gpu_instance_open(log, false, false, &instance);
    if (status == PM_OK) status = gpu_instance_adapters(&instance, &list, &found);
    for (uint32_t i = 0; i < found && i < capacity && status == PM_OK; i++)
        status = gpu_caps_fill(&instance, list[i], NULL, false, &out[i], NULL);
    free(list);
    gpu_instance_close(&instance);
    if (status == PM_OK) *count = found;
    return status;
}

pm_status pm_adapters_list(const pm_log *log, pm_caps *out, size_t capacity, size_t *count)
{
    os_streams_hold();
    const pm_status status = list_adapters(log, out, capacity, count);
    os_streams_release();
    return status;
}
