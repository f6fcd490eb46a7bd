/* The pipeline cache between runs (kept.c). Drivers check what they are given only in part, so the file has a header of ours before the driver's bytes.
 * Its name tells device and driver, so that a file whose header differs in any field is damaged. A damaged file is logged, ignored, and
 * replaced at the next save. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { CACHE_FORMAT = 1 };
static const char cache_magic[8] = "PUMICEPC";

typedef struct cache_header {
    char magic[8];
    uint32_t format;
    uint32_t vendor_id, device_id, driver_version;
    uint8_t pipeline_uuid[16];
    uint64_t size; /* bytes that follow */
    uint64_t hash; /* of them */
} cache_header;

static cache_header header_of(const pm_device *device, const void *data, size_t size)
{
    cache_header header;
    memset(&header, 0, sizeof header); /* padding too: the struct is written as it is */
    memcpy(header.magic, cache_magic, sizeof header.magic);
    header.format = CACHE_FORMAT;
    header.vendor_id = device->vendor_id;
    header.device_id = device->caps.device_id;
    header.driver_version = device->caps.driver_version;
    memcpy(header.pipeline_uuid, device->caps.pipeline_uuid, sizeof header.pipeline_uuid);
    header.size = size;
    header.hash = hash_bytes(HASH_INIT, data, size);
    return header;
}

/* The driver's bytes in the file, or NULL. */
static const char *good_content(const pm_device *device, const char *file, size_t file_size, size_t *size)
{
    if (file_size < sizeof(cache_header)) return NULL;
    const char *data = file + sizeof(cache_header);
    *size = file_size - sizeof(cache_header);
    cache_header wanted = header_of(device, data, *size);
    return memcmp(file, &wanted, sizeof wanted) == 0 ? data : NULL;
}

/* The whole file if it is valid, else NULL. *data points into it. */
static char *read_cache(const pm_device *device, const char **data, size_t *size)
{
    char *file = NULL;
    size_t file_size = 0;
    *data = NULL;
    if (!device->cache_path) return NULL;
    const pm_status status = gpu_kept_read(device, device->cache_path, &file, &file_size);
    const bool read = status == PM_OK;
    if (status == PM_NO_FILE) return NULL;
    if (read) *data = good_content(device, file, file_size, size);
    if (*data)
        log_line(&device->log, PM_LOG_DEBUG, "gpu: %s: %zu bytes of pipelines read", device->cache_path, *size);
    else
        log_line(&device->log, PM_LOG_WARN, "gpu: %s: this pipeline cache %s; making it again", device->cache_path,
                 read ? "is damaged" : "cannot be read");
    return file;
}

pm_status gpu_cache_open(pm_device *device)
{
    pm_status status = PM_OK;
    size_t size = 0;
    const char *data = NULL;
    char *file = read_cache(device, &data, &size);
    if (data) device->cache_hash = hash_bytes(HASH_INIT, data, size);
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                      .initialDataSize = data ? size : 0,
                                      .pInitialData = data};
    VkResult result = device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &device->cache);
    if (result != VK_SUCCESS && data) { /* the driver refuses its own data */
        info.initialDataSize = 0;
        info.pInitialData = NULL;
        device->cache_hash = 0;
        VK_TRY(device, device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &device->cache));
    } else {
        VK_TRY(device, result);
    }
fail:
    free(file);
    return status;
}

static void save(pm_device *device)
{
    size_t size = 0;
    char *file = NULL;
    if (device->vk.vkGetPipelineCacheData(device->handle, device->cache, &size, NULL) != VK_SUCCESS || size == 0)
        return;
    file = malloc(sizeof(cache_header) + size);
    if (!file) return;
    char *data = file + sizeof(cache_header);
    if (device->vk.vkGetPipelineCacheData(device->handle, device->cache, &size, data) == VK_SUCCESS) {
        cache_header header = header_of(device, data, size);
        memcpy(file, &header, sizeof header);
        if (header.hash != device->cache_hash) {
            const pm_status status = gpu_kept_write(device, NULL, device->cache_path, file, sizeof header + size);
            if (status == PM_OK)
                log_line(&device->log, PM_LOG_DEBUG, "gpu: %s: %zu bytes of pipelines saved", device->cache_path, size);
            else /* only time is lost: the next start compiles again */
                log_line(&device->log, PM_LOG_WARN, "gpu: %s: the pipeline cache could not be written",
                         device->cache_path);
        }
    }
    free(file);
}

void gpu_cache_close(pm_device *device)
{
    if (!device->cache) return;
    if (device->cache_path && device->pipeline_count > 0 && !device->lost) save(device);
    device->vk.vkDestroyPipelineCache(device->handle, device->cache, NULL);
    device->cache = VK_NULL_HANDLE;
}
