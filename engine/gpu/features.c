/* The feature structs of Vulkan as one set, and the table of what SPIR-V capabilities need of it. */
#include "gpu/features.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct feature_struct {
    size_t at, size; /* in a gpu_feature_set, bytes; the size without padding */
    VkStructureType type;
    uint32_t version;
    const char *extension;
} feature_struct;

static const feature_struct structs[GPU_FEATURE_STRUCTS] = {
#define FEATURE_STRUCT_ROW(field, type, last, number, version, extension)                                              \
    {offsetof(gpu_feature_set, field), offsetof(type, last) + sizeof(VkBool32), number, version, extension},
    FEATURE_STRUCT_LIST(FEATURE_STRUCT_ROW)
#undef FEATURE_STRUCT_ROW
};

static VkBaseOutStructure *struct_of(gpu_feature_set *set, const feature_struct *s)
{
    return (VkBaseOutStructure *)(void *)((char *)set + s->at);
}

static void chain(void **head, VkBaseOutStructure *item, VkStructureType type)
{
    item->sType = type;
    item->pNext = *head;
    *head = item;
}

void gpu_features_read(PFN_vkGetPhysicalDeviceFeatures2 read, VkPhysicalDevice physical, uint32_t api_version,
                       bool (*knows)(const void *user, const char *name), const void *user, gpu_feature_set *out)
{
    VkPhysicalDeviceFeatures2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    *out = (gpu_feature_set){0};
    for (int i = 0; i < GPU_FEATURE_STRUCTS; i++)
        if (api_version >= structs[i].version || knows(user, structs[i].extension))
            chain(&all.pNext, struct_of(out, &structs[i]), structs[i].type);
    read(physical, &all);
    out->core = all.features;
}

/* Behind its head a struct of features is nothing but a row of VkBool32. */
static bool any_on(const gpu_feature_set *set, const feature_struct *s)
{
    const char *at = (const char *)set + s->at;
    for (size_t i = sizeof(VkBaseOutStructure); i + sizeof(VkBool32) <= s->size; i += sizeof(VkBool32))
        if (*(const VkBool32 *)(const void *)(at + i)) return true;
    return false;
}

uint32_t gpu_features_enable(gpu_feature_set *set, uint32_t api_version, VkPhysicalDeviceFeatures2 *head,
                             const char **extensions)
{
    uint32_t count = 0;
    head->features = set->core;
    for (int i = 0; i < GPU_FEATURE_STRUCTS; i++) {
        if (!any_on(set, &structs[i])) continue;
        chain(&head->pNext, struct_of(set, &structs[i]), structs[i].type);
        if (api_version < structs[i].version) extensions[count++] = structs[i].extension;
    }
    return count;
}

/* ---- a host's device ---------------------------------------------------------------------------------------------- */

/* Vulkan's later versions have collective structs. */
static void take_11(const VkPhysicalDeviceVulkan11Features *from, gpu_feature_set *to)
{
    to->storage16.storageBuffer16BitAccess = from->storageBuffer16BitAccess;
    to->storage16.uniformAndStorageBuffer16BitAccess = from->uniformAndStorageBuffer16BitAccess;
    to->storage16.storagePushConstant16 = from->storagePushConstant16;
    to->pointers.variablePointersStorageBuffer = from->variablePointersStorageBuffer;
    to->pointers.variablePointers = from->variablePointers;
}

static void take_12(const VkPhysicalDeviceVulkan12Features *from, gpu_feature_set *to)
{
    to->timeline.timelineSemaphore = from->timelineSemaphore;
    to->storage8.storageBuffer8BitAccess = from->storageBuffer8BitAccess;
    to->storage8.uniformAndStorageBuffer8BitAccess = from->uniformAndStorageBuffer8BitAccess;
    to->storage8.storagePushConstant8 = from->storagePushConstant8;
    to->narrow.shaderFloat16 = from->shaderFloat16;
    to->narrow.shaderInt8 = from->shaderInt8;
    to->address.bufferDeviceAddress = from->bufferDeviceAddress;
    to->atomic64.shaderBufferInt64Atomics = from->shaderBufferInt64Atomics;
    to->atomic64.shaderSharedInt64Atomics = from->shaderSharedInt64Atomics;
    to->model.vulkanMemoryModel = from->vulkanMemoryModel;
    to->model.vulkanMemoryModelDeviceScope = from->vulkanMemoryModelDeviceScope;
    to->subgroup_types.shaderSubgroupExtendedTypes = from->shaderSubgroupExtendedTypes;
    to->scalar_layout.scalarBlockLayout = from->scalarBlockLayout;
}

static void take_13(const VkPhysicalDeviceVulkan13Features *from, gpu_feature_set *to)
{
    to->maintenance4.maintenance4 = from->maintenance4;
    to->zero_shared.shaderZeroInitializeWorkgroupMemory = from->shaderZeroInitializeWorkgroupMemory;
    to->dot_product.shaderIntegerDotProduct = from->shaderIntegerDotProduct;
    to->subgroup_sizes.subgroupSizeControl = from->subgroupSizeControl;
    to->subgroup_sizes.computeFullSubgroups = from->computeFullSubgroups;
}

static bool counts(const feature_struct *s, uint32_t api_version, const char *const *extensions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(extensions[i], s->extension) == 0) return true;
    return api_version >= s->version;
}

void gpu_features_of_host(const VkPhysicalDeviceFeatures2 *head, uint32_t api_version, const char *const *extensions,
                          uint32_t extension_count, gpu_feature_set *out)
{
    *out = (gpu_feature_set){0};
    if (!head) return;
    out->core = head->features;
    for (const VkBaseInStructure *item = head->pNext; item; item = item->pNext) {
        if (item->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES) take_11((const void *)item, out);
        if (item->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES) take_12((const void *)item, out);
        if (item->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES) take_13((const void *)item, out);
        for (int i = 0; i < GPU_FEATURE_STRUCTS; i++)
            if (item->sType == structs[i].type && counts(&structs[i], api_version, extensions, extension_count))
                memcpy(struct_of(out, &structs[i]), item, structs[i].size);
    }
}

/* found &= on, over a row of VkBool32. False where `on` has more. */
static bool mask_row(char *found, const char *on, size_t size)
{
    bool all = true;
    for (size_t i = 0; i + sizeof(VkBool32) <= size; i += sizeof(VkBool32)) {
        VkBool32 *f = (VkBool32 *)(void *)(found + i);
        const VkBool32 o = *(const VkBool32 *)(const void *)(on + i);
        all = all && (*f || !o);
        *f = *f && o;
    }
    return all;
}

bool gpu_features_mask(gpu_feature_set *found, const gpu_feature_set *on)
{
    gpu_feature_set both = *found;
    bool all = mask_row((char *)&both.core, (const char *)&on->core, sizeof both.core);
    const size_t head = sizeof(VkBaseOutStructure);
    for (int i = 0; i < GPU_FEATURE_STRUCTS; i++)
        all = mask_row((char *)&both + structs[i].at + head, (const char *)on + structs[i].at + head,
                       structs[i].size - head) &&
              all;
    if (all) *found = both;
    return all;
}

/* ---- kernels from outside ---------------------------------------------------------------------------------------- */

/* By a SPIR-V capability (Vulkan specification, appendix "SPIR-V Capabilities"); 0: by something else in the module, or beside another. */
#define NEED(capability, field, feature)                                                                               \
    {                                                                                                                  \
        capability, offsetof(gpu_feature_set, field.feature), #feature                                                 \
    }
static const struct {
    uint32_t capability;
    size_t at;
    const char *name;
} needs[] = {
    NEED(10, core, shaderFloat64),
    NEED(11, core, shaderInt64),
    NEED(22, core, shaderInt16),
    NEED(9, narrow, shaderFloat16),
    NEED(39, narrow, shaderInt8),
    NEED(12, atomic64, shaderBufferInt64Atomics),
    NEED(0, atomic64, shaderSharedInt64Atomics),
    NEED(4433, storage16, storageBuffer16BitAccess),
    NEED(4434, storage16, uniformAndStorageBuffer16BitAccess),
    NEED(4435, storage16, storagePushConstant16),
    NEED(4448, storage8, storageBuffer8BitAccess),
    NEED(4449, storage8, uniformAndStorageBuffer8BitAccess),
    NEED(4450, storage8, storagePushConstant8),
    NEED(4441, pointers, variablePointersStorageBuffer),
    NEED(4442, pointers, variablePointers),
    NEED(5345, model, vulkanMemoryModel),
    NEED(5346, model, vulkanMemoryModelDeviceScope),
    NEED(5347, address, bufferDeviceAddress),
    NEED(6016, dot_product, shaderIntegerDotProduct),
    NEED(6017, dot_product, shaderIntegerDotProduct),
    NEED(6018, dot_product, shaderIntegerDotProduct),
    NEED(6019, dot_product, shaderIntegerDotProduct),
    NEED(6022, coopmat, cooperativeMatrix),
    NEED(6033, atomic_float, shaderBufferFloat32AtomicAdd),
    NEED(0, atomic_float, shaderSharedFloat32AtomicAdd),
    NEED(6034, atomic_float, shaderBufferFloat64AtomicAdd),
    NEED(0, atomic_float, shaderSharedFloat64AtomicAdd),
    NEED(0, subgroup_types, shaderSubgroupExtendedTypes),
    NEED(0, scalar_layout, scalarBlockLayout),
    NEED(0, maintenance4, maintenance4),
    NEED(0, zero_shared, shaderZeroInitializeWorkgroupMemory),
};

static VkBool32 *feature_at(gpu_feature_set *set, size_t at)
{
    return (VkBool32 *)(void *)((char *)set + at);
}

/* Those of pm_caps stay as they are, for they may have been lowered. */
static bool is_lowered(uint32_t capability)
{
    return capability == 9 || capability == 11 || capability == 4433 || capability == 5347 || capability == 6022;
}

void gpu_features_add_outside(const gpu_feature_set *found, gpu_feature_set *set)
{
    gpu_feature_set has = *found;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (*feature_at(&has, needs[i].at) && !is_lowered(needs[i].capability)) *feature_at(set, needs[i].at) = VK_TRUE;
    if (!set->storage16.storageBuffer16BitAccess) set->storage16.uniformAndStorageBuffer16BitAccess = VK_FALSE;
}

const char *gpu_capability_feature(const gpu_feature_set *set, uint32_t capability, bool *on)
{
    gpu_feature_set copy = *set;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (needs[i].capability == capability && capability != 0) {
            *on = *feature_at(&copy, needs[i].at);
            return needs[i].name;
        }
    return NULL;
}
