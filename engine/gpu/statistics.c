/* Drivers' statistics of compiled pipelines, by VK_KHR_pipeline_executable_properties. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

static double value_of(const VkPipelineExecutableStatisticKHR *statistic)
{
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: return statistic->value.b32 != 0;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: return (double)statistic->value.i64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: return (double)statistic->value.u64;
    default: return statistic->value.f64;
    }
}

/* Appends one executable's statistics to out[*count …]. Beyond the capacity it only counts. */
static pm_status read_executable(pm_device *device, VkPipeline pipeline, VkPipelineExecutablePropertiesKHR *executable,
                                 uint32_t index, pm_kernel_statistic *out, size_t capacity, size_t *count)
{
    pm_status status = PM_OK;
    VkPipelineExecutableStatisticKHR *list = NULL;
    const VkPipelineExecutableInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline, .executableIndex = index};
    uint32_t n = 0;
    VK_TRY(device, device->vk.vkGetPipelineExecutableStatisticsKHR(device->handle, &info, &n, NULL));
    list = calloc(n ? n : 1, sizeof *list);
    if (!list) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for a pipeline's statistics");
    for (uint32_t i = 0; i < n; i++) list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    VK_TRY(device, device->vk.vkGetPipelineExecutableStatisticsKHR(device->handle, &info, &n, list));
    for (uint32_t i = 0; i < n; i++, ++*count) {
        if (*count >= capacity) continue;
        pm_kernel_statistic *s = &out[*count];
        *s = (pm_kernel_statistic){.subgroup_size = executable->subgroupSize, .value = value_of(&list[i])};
        snprintf(s->executable, sizeof s->executable, "%.63s", utf8_cut(executable->name, 63));
        snprintf(s->name, sizeof s->name, "%.63s", utf8_cut(list[i].name, 63));
        snprintf(s->description, sizeof s->description, "%.159s", utf8_cut(list[i].description, 159));
    }
fail:
    free(list);
    return status;
}

pm_status gpu_pipeline_statistics(pm_device *device, VkPipeline pipeline, pm_kernel_statistic *out, size_t capacity,
                                  size_t *count)
{
    pm_status status = PM_OK;
    VkPipelineExecutablePropertiesKHR *list = NULL;
    const VkPipelineInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline};
    uint32_t n = 0;
    size_t found = 0;
    if (device->features.executable_info)
        VK_TRY(device, device->vk.vkGetPipelineExecutablePropertiesKHR(device->handle, &info, &n, NULL));
    list = calloc(n ? n : 1, sizeof *list);
    if (!list) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for a pipeline's executables");
    for (uint32_t i = 0; i < n; i++) list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR;
    if (n > 0) VK_TRY(device, device->vk.vkGetPipelineExecutablePropertiesKHR(device->handle, &info, &n, list));
    for (uint32_t i = 0; i < n && status == PM_OK; i++)
        status = read_executable(device, pipeline, &list[i], i, out, capacity, &found);
    if (status == PM_OK) *count = found;
fail:
    free(list);
    return status;
}
