/* The pipeline cache's file, damaged, with its checksum put right. Where it is still good, the driver gets its bytes. This driver, a stand-in, reads
 * all of them, and refuses those that begin with an odd byte. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "files/file.h"
#include "helper_fuzz.h"
#include "gpu/gpu_internal.h"

enum { HEADER = 56, HASH_AT = 48, CONTENT = 32 };

static VKAPI_ATTR VkResult VKAPI_CALL make_cache(VkDevice device, const VkPipelineCacheCreateInfo *info,
                                                 const VkAllocationCallbacks *host, VkPipelineCache *out)
{
    (void)device, (void)host;
    const unsigned char *bytes = info->pInitialData;
    fuzz_touch(bytes, info->initialDataSize);
    if (info->initialDataSize && bytes[0] % 2) return VK_ERROR_OUT_OF_HOST_MEMORY;
    *out = (VkPipelineCache)(uintptr_t)1;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL read_cache(VkDevice device, VkPipelineCache cache, size_t *size, void *out)
{
    (void)device, (void)cache;
    *size = CONTENT;
    if (out) memset(out, 'p', CONTENT);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL drop_cache(VkDevice device, VkPipelineCache cache, const VkAllocationCallbacks *host)
{
    (void)device, (void)cache, (void)host;
}

/* Opens and closes a device's cache, which is saved where pipelines were made meanwhile. */
static void open_and_close(const char *path, uint32_t pipelines)
{
    pm_device *device = calloc(1, sizeof *device);
    REQUIRE(device);
    *device = (pm_device){.log = *fuzz_log(), .cache_path = (char *)path, .pipeline_count = pipelines};
    device->vk.vkCreatePipelineCache = make_cache;
    device->vk.vkGetPipelineCacheData = read_cache;
    device->vk.vkDestroyPipelineCache = drop_cache;
    REQUIRE(fuzz_done(gpu_cache_open(device)));
    gpu_cache_close(device);
    free(device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *good;
    static size_t good_size;
    if (!good) {
        const char *path = fuzz_file("pipelines", "", 0);
        open_and_close(path, 1);
        REQUIRE(file_read(NULL, path, &good, &good_size) == PM_OK && good_size == HEADER + CONTENT);
    }
    size_t damaged_size;
    unsigned char *damaged = fuzz_damage(good, good_size, data, size, &damaged_size);
    if (damaged_size >= HEADER) {
        const uint64_t hash = hash_bytes(HASH_INIT, damaged + HEADER, damaged_size - HEADER);
        memcpy(damaged + HASH_AT, &hash, sizeof hash);
    }
    open_and_close(fuzz_file("pipelines", damaged, damaged_size), 0);
    free(damaged);
    return 0;
}
