/* What a device offers, lowered: features to do without, presets of real parts, limits. No Vulkan. */
#include "gpu/caps.h"
#include "gpu/gpu.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "os/memory.h"

/* ---- presets ---------------------------------------------------------------------------------------------------- */

/* The features that a part lacks, and its limits. A limit of 0 leaves the device's own. */
typedef struct preset {
    const char *without;                              /* features */
    uint32_t vendor_id;                               /* by which kernels are chosen; 0: the device's own */
    uint32_t vulkan;                                  /* as pm_caps.api_version */
    uint64_t max_buffer_range, max_allocation;        /* bytes */
    uint32_t max_storage_buffers, max_workgroup_size; /* a stage; invocations */
    uint32_t max_shared_memory, offset_alignment, max_push_constants; /* bytes */
} preset;

typedef enum preset_id {
#define PRESET_ENUM(id, name, like) PRESET_##id,
    PM_PRESET_LIST(PRESET_ENUM)
#undef PRESET_ENUM
        PRESET_COUNT
} preset_id;

enum { KIB = 1 << 10, MIB = 1 << 20, VULKAN_1_1 = 1 << 22 | 1 << 12 };

/* None has `serial`, which is for software drivers. Numbers are what Mesa 25.0.7's drivers report for the part (tools/gpu-lab.sh), unless
 * a row says otherwise. Their subgroups have 128 invocations on Adreno, 16 on Mali and VideoCore, 8 to 32 on Intel, 32 or 64 on AMD,
 * 32 on Apple. A preset does not set the size: kernels without `serial` depend on it on matrix units only. */
static const preset presets[PRESET_COUNT] = {
    /* Vulkan 1.1's "Required Limits". */
    [PRESET_baseline] = {.without = "bda,serial,timestamps,memory_budget,unified,subgroup,int64,storage16,f16,coopmat",
                         .vulkan = VULKAN_1_1,
                         .max_buffer_range = 128 * MIB,
                         .max_allocation = 256 * MIB,
                         .max_storage_buffers = 4,
                         .max_workgroup_size = 128,
                         .max_shared_memory = 16 * KIB,
                         .offset_alignment = 256,
                         .max_push_constants = 128},
    /* No addresses, 24 storage buffers, offsets by 64 bytes: Qualcomm's own driver (vulkan.gpuinfo.org); Mesa's gives more of each. */
    [PRESET_adreno] = {.without = "bda,serial,memory_budget,storage16,coopmat",
                       .vendor_id = VENDOR_QUALCOMM,
                       .max_buffer_range = 128 * MIB,
                       .max_allocation = UINT32_MAX,
                       .max_storage_buffers = 24,
                       .max_workgroup_size = 1024,
                       .max_shared_memory = 32 * KIB,
                       .offset_alignment = 64,
                       .max_push_constants = 128},
    /* A G610's numbers, but 256 invocations as on a G52, and ARM's own offset alignment, which is coarser than Mesa's 4 bytes. */
    [PRESET_mali] = {.without = "serial,timestamps,memory_budget,f16,coopmat",
                     .vendor_id = VENDOR_ARM,
                     .vulkan = VULKAN_1_1,
                     .max_buffer_range = UINT32_MAX,
                     .max_allocation = UINT32_MAX,
                     .max_storage_buffers = 64,
                     .max_workgroup_size = 256,
                     .max_shared_memory = 32 * KIB,
                     .offset_alignment = 64,
                     .max_push_constants = 128},
    [PRESET_videocore] = {.without = "serial,subgroup,int64,f16,coopmat",
                          .vendor_id = VENDOR_BROADCOM,
                          .max_buffer_range = 1024 * MIB,
                          .max_allocation = 1024 * MIB,
                          .max_storage_buffers = 8,
                          .max_workgroup_size = 256,
                          .max_shared_memory = 16 * KIB,
                          .offset_alignment = 32,
                          .max_push_constants = 128},
    [PRESET_intel_xe] = {.without = "serial,coopmat",
                         .vendor_id = VENDOR_INTEL,
                         .max_buffer_range = (uint64_t)2048 * MIB,
                         .max_allocation = (uint64_t)2048 * MIB,
                         .max_workgroup_size = 1024,
                         .max_shared_memory = 64 * KIB,
                         .max_push_constants = 256},
    [PRESET_arc] = {.without = "serial",
                    .vendor_id = VENDOR_INTEL,
                    .max_buffer_range = UINT32_MAX,
                    .max_allocation = (uint64_t)4096 * MIB,
                    .max_workgroup_size = 1024,
                    .max_shared_memory = 64 * KIB,
                    .max_push_constants = 256},
    [PRESET_rdna3] = {.without = "serial",
                      .vendor_id = VENDOR_AMD,
                      .max_buffer_range = UINT32_MAX,
                      .max_allocation = UINT32_MAX - 3,
                      .max_workgroup_size = 1024,
                      .max_shared_memory = 64 * KIB,
                      .max_push_constants = 256},
    /* Metal binds 31 buffers to a stage and gives a group 32 KiB; MoltenVK's MVKDevice.mm: buffers up to 1 GiB on older systems. */
    [PRESET_apple] = {.without = "bda,serial,coopmat",
                      .vendor_id = VENDOR_APPLE,
                      .max_buffer_range = 1024 * MIB,
                      .max_allocation = 1024 * MIB,
                      .max_storage_buffers = 31,
                      .max_workgroup_size = 1024,
                      .max_shared_memory = 32 * KIB,
                      .offset_alignment = 16},
};

static uint64_t lower64(uint64_t value, uint64_t limit)
{
    return limit && limit < value ? limit : value;
}

static uint32_t lower32(uint32_t value, uint32_t limit)
{
    return (uint32_t)lower64(value, limit);
}

static void lower_limits(pm_caps *caps, const preset *p)
{
    if (p->vendor_id) caps->vendor_id = p->vendor_id;
    caps->api_version = lower32(caps->api_version, p->vulkan);
    caps->max_storage_buffers = lower32(caps->max_storage_buffers, p->max_storage_buffers);
    caps->max_workgroup_size = lower32(caps->max_workgroup_size, p->max_workgroup_size);
    caps->max_shared_memory = lower32(caps->max_shared_memory, p->max_shared_memory);
    caps->max_push_constants = lower32(caps->max_push_constants, p->max_push_constants);
    if (caps->offset_alignment < p->offset_alignment) caps->offset_alignment = p->offset_alignment;
    gpu_caps_limit(caps, p->max_buffer_range, p->max_allocation);
}

/* ---- lowering ---------------------------------------------------------------------------------------------------- */

void gpu_caps_limit(pm_caps *caps, uint64_t max_buffer_range, uint64_t max_allocation)
{
    caps->max_buffer_range = lower64(caps->max_buffer_range, max_buffer_range);
    caps->max_allocation = lower64(caps->max_allocation, max_allocation);
}

void gpu_caps_derive(pm_caps *caps)
{
    caps->fused = caps->fused && (caps->bda || caps->max_storage_buffers >= GPU_MAX_ARGS);
    caps->coopmat = caps->coopmat && caps->storage16 && caps->f16 && caps->subgroup;
    if (!caps->memory_budget) caps->device_memory_free = caps->device_memory;
    if (caps->type == PM_DEVICE_CPU || caps->type == PM_DEVICE_INTEGRATED) { /* it is the host's */
        const uint64_t left = os_memory_left();
        if (caps->device_memory_free > left) caps->device_memory_free = left;
    }
}

static bool is_word(const char *at, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(at, word, length) == 0;
}

static bool disable_feature(pm_caps *caps, const char *at, size_t length)
{
    const bool all = is_word(at, length, "all");
    bool known = all;
#define DISABLE(feature, meaning)                                                                                      \
    if (all || is_word(at, length, #feature)) {                                                                        \
        caps->feature = false;                                                                                         \
        known = true;                                                                                                  \
    }
    PM_FEATURE_LIST(DISABLE)
#undef DISABLE
    return known;
}

/* The next word of a list: sets where it begins and returns its length; 0 at the end. */
static size_t next_word(const char **at, size_t last)
{
    *at += last;
    *at += strspn(*at, ", ");
    return strcspn(*at, ", ");
}

static bool apply_preset(pm_caps *caps, const char *at, size_t length)
{
    static const char *const names[PRESET_COUNT] = {
#define PRESET_NAME(id, name, like) name,
        PM_PRESET_LIST(PRESET_NAME)
#undef PRESET_NAME
    };
    for (int i = 0; i < PRESET_COUNT; i++) {
        if (!is_word(at, length, names[i])) continue;
        const char *feature = presets[i].without;
        for (size_t n = next_word(&feature, 0); n > 0; n = next_word(&feature, n)) disable_feature(caps, feature, n);
        lower_limits(caps, &presets[i]);
        return true;
    }
    return false;
}

#define FEATURE_NAME(feature, meaning) ", " #feature
#define PRESET_NAME(id, name, like) " " name
static const char names_there[] = PM_FEATURE_LIST(FEATURE_NAME) "; presets:" PM_PRESET_LIST(PRESET_NAME);

pm_status pm_caps_lower(const pm_log *log, pm_caps *caps, const char *origin, const char *names)
{
    pm_caps lowered = *caps;
    const char *at = names ? names : "";
    for (size_t length = next_word(&at, 0); length > 0; length = next_word(&at, length))
        if (!disable_feature(&lowered, at, length) && !apply_preset(&lowered, at, length))
            return log_fail(log, PM_INVALID, "%s: no feature or preset is named '%.*s'; there are all%s", origin,
                            length > 60 ? 60 : (int)length, at, names_there);
    gpu_quirks_apply(log, &lowered, caps->vendor_id);
    gpu_caps_derive(&lowered);
    *caps = lowered;
    return PM_OK;
}

uint64_t gpu_caps_hash(const pm_caps *caps)
{
#define FEATURE_VALUE(feature, meaning) caps->feature,
    const uint64_t values[] = {caps->vendor_id,          caps->type,
                               caps->max_allocation,     caps->max_buffer_range,
                               caps->offset_alignment,   caps->max_storage_buffers,
                               caps->max_shared_memory,  caps->max_workgroup_size,
                               caps->max_group_count[0], caps->max_group_count[1],
                               caps->max_group_count[2], caps->max_push_constants,
                               caps->subgroup_size,      caps->subgroup_min,
                               caps->subgroup_max,       caps->coopmat_m,
                               caps->coopmat_n,          caps->coopmat_k,
                               caps->coopmat_subgroup,   PM_FEATURE_LIST(FEATURE_VALUE)};
#undef FEATURE_VALUE
    const uint64_t hash = hash_bytes(HASH_INIT, values, sizeof values);
    return hash_bytes(hash, caps->kernels_off, sizeof caps->kernels_off);
}

void gpu_caps_features(const pm_caps *caps, char *text, size_t size)
{
    size_t at = 0;
    text[0] = 0;
#define APPEND(feature, meaning)                                                                                       \
    if (caps->feature && at < size) {                                                                                  \
        int n = snprintf(text + at, size - at, "%s%s", at ? " " : "", #feature);                                       \
        if (n > 0) at += (size_t)n;                                                                                    \
    }
    PM_FEATURE_LIST(APPEND)
#undef APPEND
    if (!text[0]) snprintf(text, size, "none");
}
