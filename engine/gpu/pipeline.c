/* Kernels and pipelines: the table of modules, the checks of a module against the device, and the look-up of a VkPipeline by
 * kernel and specialization values. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "kernels_spv.h"
#include "spec.h"

/* ---- the table --------------------------------------------------------------------------------------------------- */

typedef struct kernel_module {
    const char *name;
    kernel_row row;
    const uint32_t *words[2]; /* [0] without, [1] with buffer addresses */
    size_t count[2];
} kernel_module;

static const kernel_module modules[KERNEL_COUNT] = {
#define MODULE(row, suffix, types)                                                                                     \
    {#row #suffix,                                                                                                     \
     ROW_##row,                                                                                                        \
     {spv_##row##suffix##_0, spv_##row##suffix##_1},                                                                   \
     {sizeof spv_##row##suffix##_0 / sizeof(uint32_t), sizeof spv_##row##suffix##_1 / sizeof(uint32_t)}},
#define KERNEL(row, file, defines, types) TYPES_##types(MODULE, row)
#include "kernels.def"
#undef KERNEL
};

/* One more than the kernel; 0: none. */
static const uint16_t kernels_of[ROW_COUNT][TYPES_COUNT] = {
#define OF_TYPES(row, suffix, types) [TYPES_##types] = KERNEL_##row##suffix + 1,
#define KERNEL(row, file, defines, types) [ROW_##row] = {TYPES_##types(OF_TYPES, row)},
#include "kernels.def"
#undef KERNEL
};

static const char *const row_names[ROW_COUNT] = {
#define KERNEL(row, file, defines, types) #row,
#include "kernels.def"
#undef KERNEL
};

kernel_id gpu_kernel_of(kernel_row row, kernel_types types)
{
    const uint16_t one_more = row < ROW_COUNT ? kernels_of[row][types] : 0;
    return one_more ? (kernel_id)(one_more - 1) : KERNEL_COUNT;
}

kernel_row gpu_kernel_row(kernel_id kernel)
{
    return modules[kernel].row;
}

const char *gpu_row_name(kernel_row row)
{
    return row < ROW_COUNT ? row_names[row] : "(no kernel)";
}

const char *gpu_kernel_name(kernel_id kernel)
{
    return (unsigned)kernel < KERNEL_COUNT ? modules[kernel].name : "(no kernel)";
}

const uint32_t *gpu_kernel_words(kernel_id kernel, bool bda, size_t *count)
{
    *count = modules[kernel].count[bda];
    return modules[kernel].words[bda];
}

bool gpu_kernel_built(kernel_id kernel)
{
    return modules[kernel].count[0] > 1;
}

const char *pm_builtin_name(size_t index)
{
    return index < KERNEL_COUNT ? modules[index].name : NULL;
}
const uint32_t *pm_builtin_words(size_t index, bool bda, size_t *count)
{
    return index < KERNEL_COUNT ? gpu_kernel_words((kernel_id)index, bda, count) : NULL;
}

/* ---- requirements ------------------------------------------------------------------------------------------------ */

/* Whether the device was opened with what a capability needs. The driver is not relied on: some accept modules that they cannot run.
 * *feature: the capability's optional feature, NULL where it has none; *there: whether the device has that. */
static bool capability_on(const pm_device *device, uint32_t capability, const char **feature, bool *there)
{
    const VkSubgroupFeatureFlags ops = device->subgroup_disabled ? 0 : device->features.subgroup_ops;
    const pm_caps *caps = &device->caps;
    bool on = false;
    *feature = gpu_capability_feature(&device->features.found, capability, there);
    if (*feature) (void)gpu_capability_feature(&device->enabled, capability, &on);
    switch (capability) {
    /* What Pumice's own kernels choose by. */
    case 9: return caps->f16;
    case 11: return caps->int64;
    case 4433: return caps->storage16;
    case 5345: return caps->coopmat || on;
    case 5347: return caps->bda;
    case SPIRV_COOPERATIVE_MATRIX: return caps->coopmat;
    case 0:               /* Matrix */
    case 1:               /* Shader */
    case 50: return true; /* ImageQuery */
    case 61: return ops & VK_SUBGROUP_FEATURE_BASIC_BIT;
    case 62: return ops & VK_SUBGROUP_FEATURE_VOTE_BIT;
    case 63: return ops & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    case 64: return ops & VK_SUBGROUP_FEATURE_BALLOT_BIT;
    case 65: return ops & VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    case 66: return ops & VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT;
    case 67: return ops & VK_SUBGROUP_FEATURE_CLUSTERED_BIT;
    case 68: return ops & VK_SUBGROUP_FEATURE_QUAD_BIT;
    default: return on;
    }
}

pm_status gpu_feature_missing(const pm_device *device, const char *name, const char *what, const char *feature,
                              bool there)
{
    return log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s needs %s (Vulkan's %s), which %s %s", name, what, feature,
                    device->caps.name, there ? "has, but was opened without" : "does not have");
}

pm_status gpu_module_check(const pm_device *device, const char *name, const uint32_t *capabilities, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *feature, *text = pm_capability_name(capabilities[i]);
        bool there = false;
        if (capability_on(device, capabilities[i], &feature, &there)) continue;
        if (feature) return gpu_feature_missing(device, name, text, feature, there);
        return log_fail(&device->log, PM_UNSUPPORTED,
                        "gpu: %s needs %s (SPIR-V capability %u), which %s does not offer Pumice", name,
                        text[0] ? text : "more than Pumice enables", capabilities[i], device->caps.name);
    }
    return PM_OK;
}

static pm_status check_facts(const pm_device *device, const char *name, const spirv_facts *facts)
{
    pm_status status = gpu_module_check(device, name, facts->capabilities, facts->capability_count);
    if (status != PM_OK) return status;
    if (facts->binding_mask >= GPU_SET_LAYOUTS)
        return log_fail(&device->log, PM_SHADER, "gpu: kernel %s has a binding above %d", name, GPU_MAX_ARGS - 1);
    return gpu_layout_check(device, name, facts->binding_mask, facts->push_size);
}

pm_status gpu_layout_check(const pm_device *device, const char *name, uint32_t binding_mask, uint32_t push_size)
{
    const uint32_t bindings = gpu_bit_count(binding_mask);
    if (bindings > device->caps.max_storage_buffers)
        return log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s binds %u buffers; %s allows %u", name, bindings,
                        device->caps.name, device->caps.max_storage_buffers);
    if (push_size > device->caps.max_push_constants)
        return log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s has %u bytes of push constants; %s allows %u", name,
                        push_size, device->caps.name, device->caps.max_push_constants);
    return PM_OK;
}

pm_status gpu_shared_check(const pm_device *device, const char *name, uint64_t shared_size)
{
    if (shared_size <= device->caps.max_shared_memory) return PM_OK;
    return log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s has %llu bytes of shared memory; %s allows %u", name,
                    (unsigned long long)shared_size, device->caps.name, device->caps.max_shared_memory);
}

/* Checks the work group of one of Pumice's own kernels. */
static pm_status check_group(const pm_device *device, kernel_id kernel, const spirv_facts *facts, const uint32_t *spec,
                             uint32_t spec_count)
{
    const char *name = gpu_kernel_name(kernel);
    if (spec_count > SPEC_GROUP_SIZE && spec[SPEC_GROUP_SIZE] > device->caps.max_workgroup_size)
        return log_fail(&device->log, PM_UNSUPPORTED, "gpu: kernel %s wants work groups of %u; %s allows %u", name,
                        spec[SPEC_GROUP_SIZE], device->caps.name, device->caps.max_workgroup_size);
    pm_kernel_value values[GPU_MAX_SPEC];
    size_t count = 0, words;
    for (uint32_t i = 0; i < spec_count; i++)
        if (facts->spec_mask >> i & 1) values[count++] = (pm_kernel_value){i, spec[i]};
    const uint32_t *module = gpu_kernel_words(kernel, device->caps.bda, &words);
    pm_kernel_info *info = calloc(1, sizeof *info);
    if (!info) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory to read kernel %s", name);
    pm_status status = pm_kernel_describe(&device->log, name, module, words, values, count, info);
    if (status == PM_OK) status = gpu_shared_check(device, name, info->shared_size);
    free(info);
    return status;
}

/* ---- layouts ----------------------------------------------------------------------------------------------------- */

pm_status gpu_set_layout_make(pm_device *device, uint32_t mask, VkDescriptorSetLayout *out)
{
    pm_status status = PM_OK;
    VkDescriptorSetLayoutBinding bindings[GPU_MAX_BINDINGS];
    VkDescriptorSetLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                            .pBindings = bindings};
    for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++)
        if (mask & (1u << i))
            bindings[info.bindingCount++] =
                (VkDescriptorSetLayoutBinding){.binding = i,
                                               .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                               .descriptorCount = 1,
                                               .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VK_TRY(device, device->vk.vkCreateDescriptorSetLayout(device->handle, &info, NULL, out));
fail:
    return status;
}

pm_status gpu_kernel_make(pm_device *device, const uint32_t *words, size_t count, gpu_kernel *kernel)
{
    pm_status status = PM_OK;
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = kernel->facts.push_size};
    const VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                               .setLayoutCount = kernel->facts.binding_mask ? 1 : 0,
                                               .pSetLayouts = &kernel->set_layout,
                                               .pushConstantRangeCount = push.size ? 1 : 0,
                                               .pPushConstantRanges = &push};
    const VkShaderModuleCreateInfo module = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = count * sizeof *words, .pCode = words};
    VK_TRY(device, device->vk.vkCreatePipelineLayout(device->handle, &layout, NULL, &kernel->layout));
    VK_TRY(device, device->vk.vkCreateShaderModule(device->handle, &module, NULL, &kernel->module));
    kernel->loaded = true;
    return PM_OK;
fail:
    device->vk.vkDestroyPipelineLayout(device->handle, kernel->layout, NULL);
    kernel->layout = VK_NULL_HANDLE;
    return status;
}

pm_status gpu_kernel_operands(pm_device *device, kernel_id kernel, uint32_t *mask)
{
    spirv_facts *facts = &device->kernels[kernel].facts;
    size_t count;
    const uint32_t *words = gpu_kernel_words(kernel, device->caps.bda, &count);
    pm_status status = facts->version ? PM_OK : spirv_read(words, count, facts); /* once */
    *mask = facts->binding_mask;
    if (status == PM_OK) return PM_OK;
    return log_fail(&device->log, status, "gpu: the module of kernel %s cannot be read: %s", gpu_kernel_name(kernel),
                    pm_status_text(status));
}

/* The kernel's entry: the one in the device's table, or one in the list of kernels with shared bindings. */
static pm_status place_of(pm_device *device, kernel_id kernel, uint64_t map, gpu_kernel **out)
{
    *out = &device->kernels[kernel];
    if (map == GPU_OWN_BINDINGS) return PM_OK;
    gpu_shared_kernel *shared = device->shared_kernels;
    while (shared && (shared->kernel != kernel || shared->map != map)) shared = shared->next;
    if (!shared) {
        shared = calloc(1, sizeof *shared);
        if (!shared)
            return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for kernel %s", gpu_kernel_name(kernel));
        *shared = (gpu_shared_kernel){device->shared_kernels, kernel, map, {.facts = (*out)->facts}};
        shared->made.facts.binding_mask = gpu_map_mask(map, (*out)->facts.binding_mask);
        device->shared_kernels = shared;
    }
    *out = &shared->made;
    return PM_OK;
}

/* Makes the module; a copy with new bindings where operands share some. */
static pm_status make_mapped(pm_device *device, kernel_id kernel, uint64_t map, gpu_kernel *made)
{
    size_t count;
    const uint32_t *words = gpu_kernel_words(kernel, device->caps.bda, &count);
    if (map == GPU_OWN_BINDINGS) return gpu_kernel_make(device, words, count, made);
    uint32_t *copy = malloc(count * sizeof *copy);
    if (!copy)
        return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for kernel %s", gpu_kernel_name(kernel));
    memcpy(copy, words, count * sizeof *copy);
    spirv_map_bindings(copy, count, map);
    pm_status status = gpu_kernel_make(device, copy, count, made);
    free(copy);
    return status;
}

/* The module's facts and layout. */
static pm_status load(pm_device *device, kernel_id kernel, uint64_t map, const gpu_kernel **out)
{
    gpu_kernel *slot;
    char name[64];
    uint32_t mask;
    pm_status status = gpu_kernel_operands(device, kernel, &mask);
    if (status == PM_OK) status = place_of(device, kernel, map, &slot);
    if (status != PM_OK) return status;
    *out = slot;
    if (slot->loaded) return PM_OK;
    snprintf(name, sizeof name, "kernel %s", gpu_kernel_name(kernel));
    mask = slot->facts.binding_mask;
    status = check_facts(device, name, &slot->facts);
    if (status == PM_OK && mask && !device->set_layouts[mask])
        status = gpu_set_layout_make(device, mask, &device->set_layouts[mask]);
    if (status != PM_OK) return status;
    slot->set_layout = device->set_layouts[mask];
    status = make_mapped(device, kernel, map, slot);
    if (status != PM_OK) return status;
    gpu_debug_name(device, VK_OBJECT_TYPE_SHADER_MODULE, GPU_HANDLE(slot->module), "%s", modules[kernel].name);
    gpu_debug_name(device, VK_OBJECT_TYPE_PIPELINE_LAYOUT, GPU_HANDLE(slot->layout), "%s", modules[kernel].name);
    return PM_OK;
}

/* ---- pipelines --------------------------------------------------------------------------------------------------- */

static uint64_t hash_key(kernel_id kernel, uint64_t map, const uint32_t *spec, uint32_t spec_count)
{
    const uint64_t key[] = {kernel, map};
    return hash_bytes(hash_bytes(HASH_INIT, key, sizeof key), spec, spec_count * sizeof *spec);
}

/* The slot of a key: it holds the key's pipeline, or NULL where that is to be put. */
static gpu_pipeline **find_slot(gpu_pipeline **table, uint32_t capacity, uint64_t hash, kernel_id kernel, uint64_t map,
                                const uint32_t *spec, uint32_t spec_count)
{
    for (uint32_t i = (uint32_t)hash & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        gpu_pipeline *p = table[i];
        if (!p) return &table[i];
        if (p->hash == hash && p->kernel == kernel && p->map == map && p->spec_count == spec_count &&
            memcmp(p->spec, spec, spec_count * sizeof *spec) == 0)
            return &table[i];
    }
}

/* At most half full. */
static pm_status grow_table(pm_device *device)
{
    if (2 * (device->pipeline_count + 1) <= device->pipeline_capacity) return PM_OK;
    uint32_t capacity = device->pipeline_capacity ? 2 * device->pipeline_capacity : 64;
    gpu_pipeline **table = calloc(capacity, sizeof(gpu_pipeline *));
    if (!table) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for the table of pipelines");
    for (uint32_t i = 0; i < device->pipeline_capacity; i++) {
        gpu_pipeline *p = device->pipelines[i];
        if (p) *find_slot(table, capacity, p->hash, p->kernel, p->map, p->spec, p->spec_count) = p;
    }
    free(device->pipelines);
    device->pipelines = table;
    device->pipeline_capacity = capacity;
    return PM_OK;
}

#define FULL_SUBGROUPS VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT

pm_status gpu_pipeline_make(pm_device *device, const gpu_kernel *kernel, const char *entry,
                            const VkSpecializationInfo *spec, VkPipelineCreateFlags flags, VkPipeline *out)
{
    pm_status status = PM_OK;
    /* Matrix kernels: full subgroups of the size that recorders assume. */
    const bool matrices = kernel->facts.matrices && device->caps.coopmat && device->features.subgroup_control;
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = device->caps.coopmat_subgroup};
    const VkComputePipelineCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                              .flags = flags,
                                              .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                        .pNext = matrices ? &size : NULL,
                                                        .flags = matrices ? FULL_SUBGROUPS : 0,
                                                        .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                        .module = kernel->module,
                                                        .pName = entry,
                                                        .pSpecializationInfo = spec},
                                              .layout = kernel->layout};
    VK_TRY(device, device->vk.vkCreateComputePipelines(device->handle, device->cache, 1, &info, NULL, out));
fail:
    return status;
}

static pm_status create(pm_device *device, const gpu_kernel *kernel, gpu_pipeline *pipeline)
{
    VkSpecializationMapEntry entries[GPU_MAX_SPEC];
    for (uint32_t i = 0; i < pipeline->spec_count; i++)
        entries[i] = (VkSpecializationMapEntry){i, i * (uint32_t)sizeof(uint32_t), sizeof(uint32_t)};
    const VkSpecializationInfo spec = {pipeline->spec_count, entries, pipeline->spec_count * sizeof(uint32_t),
                                       pipeline->spec};
    /* Any dispatch may be split. */
    VkPipelineCreateFlags flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT;
    if (device->profile && device->features.executable_info) flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
    return gpu_pipeline_make(device, kernel, "main", &spec, flags, &pipeline->handle);
}

pm_status gpu_pipeline_get(pm_device *device, kernel_id kernel, uint64_t map, const uint32_t *spec, uint32_t spec_count,
                           gpu_pipeline **out)
{
    const gpu_kernel *loaded;
    pm_status status = load(device, kernel, map, &loaded);
    if (status == PM_OK) status = grow_table(device);
    if (status != PM_OK) return status;
    uint64_t hash = hash_key(kernel, map, spec, spec_count);
    gpu_pipeline **slot = find_slot(device->pipelines, device->pipeline_capacity, hash, kernel, map, spec, spec_count);
    if (!*slot) {
        status = check_group(device, kernel, &loaded->facts, spec, spec_count);
        if (status != PM_OK) return status;
        gpu_pipeline *made = calloc(1, sizeof *made);
        if (!made)
            return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for a pipeline of kernel %s",
                            gpu_kernel_name(kernel));
        made->kernel = kernel;
        made->map = map;
        made->loaded = loaded;
        made->hash = hash;
        made->spec_count = spec_count;
        if (spec_count) memcpy(made->spec, spec, spec_count * sizeof *spec);
        if (!device->compile_only)
            status = create(device, loaded, made); /* a compile-only device just answers pm_device_kernels */
        if (status == PM_OK && device->profile && made->handle) status = gpu_profile_pipeline(device, made);
        if (status != PM_OK) {
            device->vk.vkDestroyPipeline(device->handle, made->handle, NULL);
            free(made);
            return status;
        }
        gpu_debug_name(device, VK_OBJECT_TYPE_PIPELINE, GPU_HANDLE(made->handle), "%s", modules[kernel].name);
        *slot = made;
        device->pipeline_count++;
    }
    *out = *slot;
    return PM_OK;
}

size_t pm_device_kernels(const pm_device *device, pm_kernel_used *out, size_t capacity)
{
    size_t count = 0;
    for (uint32_t i = 0; i < device->pipeline_capacity; i++) {
        const gpu_pipeline *p = device->pipelines[i];
        if (!p) continue;
        if (count < capacity) {
            out[count] = (pm_kernel_used){.index = p->kernel, .spec_count = p->spec_count};
            memcpy(out[count].spec, p->spec, p->spec_count * sizeof *p->spec);
        }
        count++;
    }
    return count;
}

static void destroy(pm_device *device, gpu_kernel *kernel)
{
    device->vk.vkDestroyShaderModule(device->handle, kernel->module, NULL);
    device->vk.vkDestroyPipelineLayout(device->handle, kernel->layout, NULL);
}

void gpu_pipelines_close(pm_device *device)
{
    for (uint32_t i = 0; i < device->pipeline_capacity; i++) {
        if (!device->pipelines[i]) continue;
        device->vk.vkDestroyPipeline(device->handle, device->pipelines[i]->handle, NULL);
        free(device->pipelines[i]);
    }
    free(device->pipelines);
    device->pipelines = NULL;
    device->pipeline_count = device->pipeline_capacity = 0;
    for (int i = 0; i < KERNEL_COUNT; i++) destroy(device, &device->kernels[i]);
    while (device->shared_kernels) {
        gpu_shared_kernel *next = device->shared_kernels->next;
        destroy(device, &device->shared_kernels->made);
        free(device->shared_kernels);
        device->shared_kernels = next;
    }
    for (int i = 0; i < GPU_SET_LAYOUTS; i++)
        device->vk.vkDestroyDescriptorSetLayout(device->handle, device->set_layouts[i], NULL);
}
