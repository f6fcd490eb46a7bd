/* Kernels from outside: a module, checked; its one pipeline; buffers for its bindings; a program of one dispatch. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"

struct pm_kernel {
    pm_device *device;
    pm_kernel_info info;
    gpu_module module;
    gpu_buffer *buffers[PM_KERNEL_BINDINGS]; /* by number of binding */
    gpu_program *program;
};

/* ---- checks ------------------------------------------------------------------------------------------------------ */

/* The newest SPIR-V that a Vulkan version takes (Vulkan specification, appendix "Vulkan Environment for SPIR-V"). */
static uint32_t newest_spirv(uint32_t vulkan)
{
    if (vulkan >= VK_API_VERSION_1_3) return 0x00010600;
    if (vulkan >= VK_API_VERSION_1_2) return 0x00010500;
    return vulkan >= VK_API_VERSION_1_1 ? 0x00010300 : 0x00010000;
}

static pm_status check_version(const pm_device *device, const char *name, const pm_kernel_info *info, bool compile_only)
{
    uint32_t vulkan = device->caps.api_version;
    if (vulkan > device->instance.api_version) vulkan = device->instance.api_version;
    const uint32_t newest = newest_spirv(vulkan);
    if (info->version <= newest || compile_only) return PM_OK;
    return log_fail(&device->log, PM_UNSUPPORTED, "gpu: %s is SPIR-V %u.%u; %s takes up to %u.%u", name,
                    info->version >> 16, info->version >> 8 & 0xff, device->caps.name, newest >> 16,
                    newest >> 8 & 0xff);
}

static pm_status check_bindings(const pm_device *device, const char *name, const pm_kernel_info *info, uint32_t *mask)
{
    *mask = 0;
    for (uint32_t i = 0; i < info->binding_count; i++) {
        const pm_kernel_binding *b = &info->bindings[i];
        const char *fault = !b->storage_buffer               ? "is no storage buffer"
                            : b->set != 0                    ? "is not in set 0"
                            : b->binding >= GPU_MAX_BINDINGS ? "has a number above 15"
                                                             : NULL;
        if (fault)
            return log_fail(&device->log, PM_UNSUPPORTED,
                            "gpu: %s: binding %u of set %u (%s) %s; Pumice binds storage buffers 0 to 15 of set 0",
                            name, b->binding, b->set, b->name, fault);
        *mask |= 1u << b->binding;
    }
    return PM_OK;
}

static pm_status check_group(const pm_device *device, const char *name, const pm_kernel_info *info)
{
    VkPhysicalDeviceProperties properties;
    device->instance.vk.vkGetPhysicalDeviceProperties(device->physical, &properties);
    const VkPhysicalDeviceLimits *limits = &properties.limits;
    const pm_caps *caps = &device->caps;
    /* A preset lowers both limits. Otherwise a group may hold more invocations than its x axis allows. */
    const uint32_t most = caps->max_workgroup_size < limits->maxComputeWorkGroupSize[0]
                              ? caps->max_workgroup_size
                              : limits->maxComputeWorkGroupInvocations;
    uint64_t invocations = 1;
    bool fits = true;
    for (int i = 0; i < 3; i++) {
        fits = fits && info->local_size[i] > 0 && info->local_size[i] <= limits->maxComputeWorkGroupSize[i];
        if (fits) invocations *= info->local_size[i];
    }
    if (!fits || invocations > most)
        return log_fail(&device->log, PM_UNSUPPORTED,
                        "gpu: %s has work groups of %u x %u x %u; %s allows 1 to %u x %u x %u and %u invocations", name,
                        info->local_size[0], info->local_size[1], info->local_size[2], caps->name,
                        limits->maxComputeWorkGroupSize[0], limits->maxComputeWorkGroupSize[1],
                        limits->maxComputeWorkGroupSize[2], most);
    return gpu_shared_check(device, name, info->shared_size);
}

/* What a module needs that no capability of SPIR-V says. */
static pm_status check_modes(const pm_device *device, const char *name, const pm_kernel_info *info)
{
    const gpu_feature_set *on = &device->enabled, *found = &device->features.found;
    if (info->local_size_by_id && !on->maintenance4.maintenance4)
        return gpu_feature_missing(device, name, "LocalSizeId", "maintenance4", found->maintenance4.maintenance4);
    if (info->shared_initialized && !on->zero_shared.shaderZeroInitializeWorkgroupMemory)
        return gpu_feature_missing(device, name, "shared memory that begins as zeros",
                                   "shaderZeroInitializeWorkgroupMemory",
                                   found->zero_shared.shaderZeroInitializeWorkgroupMemory);
    return PM_OK;
}

static pm_status check(pm_kernel *kernel)
{
    const pm_device *device = kernel->device;
    const pm_kernel_info *info = &kernel->info;
    const char *name = kernel->module.name;
    spirv_facts *facts = &kernel->module.kernel.facts;
    facts->push_size = (info->push_size + 3) / 4 * 4;
    for (uint32_t i = 0; i < info->capability_count; i++)
        facts->matrices |= info->capabilities[i] == SPIRV_COOPERATIVE_MATRIX;
    pm_status status = check_version(device, name, info, device->compile_only);
    if (status == PM_OK) status = gpu_module_check(device, name, info->capabilities, info->capability_count);
    if (status == PM_OK) status = check_modes(device, name, info);
    if (status == PM_OK) status = check_bindings(device, name, info, &facts->binding_mask);
    if (status == PM_OK) status = gpu_layout_check(device, name, facts->binding_mask, facts->push_size);
    if (status == PM_OK) status = check_group(device, name, info);
    return status;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

static const pm_kernel_spec *find_spec(const pm_kernel_info *info, uint32_t id)
{
    for (uint32_t i = 0; i < info->spec_count; i++)
        if (info->specs[i].id == id) return &info->specs[i];
    return NULL;
}

static pm_status build(pm_kernel *kernel, const pm_kernel_value *spec, size_t spec_count)
{
    VkSpecializationMapEntry entries[PM_KERNEL_SPECS];
    unsigned char data[PM_KERNEL_SPECS * sizeof(uint64_t)];
    VkSpecializationInfo info = {.pMapEntries = entries, .pData = data};
    for (size_t i = 0; i < spec_count && info.mapEntryCount < PM_KERNEL_SPECS; i++) {
        const size_t size = pm_scalar_size(find_spec(&kernel->info, spec[i].id)->scalar);
        for (size_t byte = 0; byte < size; byte++) /* little-endian, as on every host with Vulkan */
            data[info.dataSize + byte] = (unsigned char)(spec[i].value >> (8 * byte) & 0xff);
        entries[info.mapEntryCount++] = (VkSpecializationMapEntry){spec[i].id, (uint32_t)info.dataSize, size};
        info.dataSize += size;
    }
    const VkPipelineCreateFlags flags = kernel->device->features.executable_info ? GPU_CAPTURE_STATISTICS : 0;
    return gpu_pipeline_make(kernel->device, &kernel->module.kernel, kernel->info.entry, &info, flags,
                             &kernel->module.pipeline.handle);
}

pm_status pm_kernel_create(pm_device *device, const char *name, const uint32_t *words, size_t count,
                           const pm_kernel_value *spec, size_t spec_count, pm_kernel **out)
{
    pm_status status = gpu_check_lost(device);
    if (status != PM_OK) return status;
    pm_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: %s: no memory for a kernel", name);
    kernel->device = device;
    snprintf(kernel->module.name, sizeof kernel->module.name, "%s", name);
    kernel->module.pipeline.profiled = PM_PROFILE_NO_KERNEL;
    kernel->module.pipeline.map = GPU_OWN_BINDINGS;
    kernel->module.pipeline.loaded = &kernel->module.kernel;
    gpu_kernel *made = &kernel->module.kernel;
    status = pm_kernel_describe(&device->log, name, words, count, spec, spec_count, &kernel->info);
    if (status == PM_OK) status = check(kernel);
    if (status == PM_OK && made->facts.binding_mask)
        status = gpu_set_layout_make(device, made->facts.binding_mask, &made->set_layout);
    if (status == PM_OK) status = gpu_kernel_make(device, words, count, made);
    if (status == PM_OK) status = build(kernel, spec, spec_count);
    if (status != PM_OK) {
        pm_kernel_destroy(&kernel);
        return status;
    }
    *out = kernel;
    return PM_OK;
}

void pm_kernel_destroy(pm_kernel **handle)
{
    pm_kernel *kernel = *handle;
    if (!kernel) return;
    pm_device *device = kernel->device;
    gpu_program_destroy(&kernel->program);
    for (int i = 0; i < PM_KERNEL_BINDINGS; i++) gpu_buffer_destroy(&kernel->buffers[i]);
    device->vk.vkDestroyPipeline(device->handle, kernel->module.pipeline.handle, NULL);
    device->vk.vkDestroyShaderModule(device->handle, kernel->module.kernel.module, NULL);
    device->vk.vkDestroyPipelineLayout(device->handle, kernel->module.kernel.layout, NULL);
    device->vk.vkDestroyDescriptorSetLayout(device->handle, kernel->module.kernel.set_layout, NULL);
    free(kernel);
    *handle = NULL;
}

const pm_kernel_info *pm_kernel_get_info(const pm_kernel *kernel)
{
    return &kernel->info;
}

pm_status pm_kernel_statistics(pm_kernel *kernel, pm_kernel_statistic *out, size_t capacity, size_t *count)
{
    return gpu_pipeline_statistics(kernel->device, kernel->module.pipeline.handle, out, capacity, count);
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static const pm_kernel_binding *find_binding(const pm_kernel *kernel, uint32_t binding)
{
    for (uint32_t i = 0; i < kernel->info.binding_count; i++)
        if (kernel->info.bindings[i].binding == binding) return &kernel->info.bindings[i];
    return NULL;
}

pm_status pm_kernel_buffer(pm_kernel *kernel, uint32_t binding, uint64_t size)
{
    pm_device *device = kernel->device;
    const pm_log *log = &device->log;
    const pm_kernel_binding *b = find_binding(kernel, binding);
    const char *name = kernel->module.name;
    if (!b || kernel->buffers[binding])
        return log_fail(log, PM_INVALID, "gpu: %s: binding %u %s", name, binding,
                        b ? "has a buffer already" : "is not there");
    if (size == 0 || size < b->fixed_size)
        return log_fail(log, PM_INVALID, "gpu: %s: binding %u (%s) needs %llu bytes or more, not %llu", name, binding,
                        b->name, (unsigned long long)(b->fixed_size ? b->fixed_size : 1), (unsigned long long)size);
    if (size > device->caps.max_buffer_range)
        return log_fail(log, PM_UNSUPPORTED, "gpu: %s: binding %u: %llu bytes exceed %s's largest binding of %llu",
                        name, binding, (unsigned long long)size, device->caps.name,
                        (unsigned long long)device->caps.max_buffer_range);
    char text[32];
    snprintf(text, sizeof text, "binding %u", binding);
    gpu_buffer *made = NULL;
    pm_status status = gpu_buffer_create(device, GPU_WORKSPACE, (size + 3) / 4 * 4, text, &made);
    if (status == PM_OK) status = gpu_fill(gpu_span_of(made), 0);
    if (status != PM_OK) {
        gpu_buffer_destroy(&made);
        return status;
    }
    kernel->buffers[binding] = made;
    return PM_OK;
}

/* The first bytes of a binding's buffer. False, after a line, where it is shorter. */
static bool find_span(const pm_kernel *kernel, uint32_t binding, size_t size, gpu_span *span)
{
    gpu_buffer *buffer = binding < PM_KERNEL_BINDINGS ? kernel->buffers[binding] : NULL;
    if (buffer && size > 0 && size <= gpu_span_of(buffer).size) {
        *span = (gpu_span){buffer, 0, size};
        return true;
    }
    (void)log_fail(&kernel->device->log, PM_INVALID, "gpu: %s: binding %u has no buffer of %zu bytes",
                   kernel->module.name, binding, size);
    return false;
}

pm_status pm_kernel_write(pm_kernel *kernel, uint32_t binding, const void *data, size_t size)
{
    gpu_span span;
    return find_span(kernel, binding, size, &span) ? gpu_write(span, data) : PM_INVALID;
}

pm_status pm_kernel_read(pm_kernel *kernel, uint32_t binding, void *data, size_t size)
{
    gpu_span span;
    return find_span(kernel, binding, size, &span) ? gpu_read(span, data) : PM_INVALID;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Bits 0: reads, 1: writes, as gpu_access has them. */
static gpu_access access_of(const pm_kernel_binding *binding)
{
    if (!binding->writable) return GPU_READ;
    return binding->readable ? GPU_READ_WRITE : GPU_WRITE;
}

static pm_status collect_args(const pm_kernel *kernel, gpu_arg args[GPU_MAX_BINDINGS])
{
    for (uint32_t i = 0; i < kernel->info.binding_count; i++) {
        const pm_kernel_binding *b = &kernel->info.bindings[i];
        if (!kernel->buffers[b->binding])
            return log_fail(&kernel->device->log, PM_INVALID, "gpu: %s: binding %u (%s) has no buffer",
                            kernel->module.name, b->binding, b->name);
        args[b->binding] = (gpu_arg){gpu_span_of(kernel->buffers[b->binding]), access_of(b)};
    }
    return PM_OK;
}

static pm_status check_dispatch(const pm_kernel *kernel, const uint32_t groups[3], size_t push_size)
{
    const pm_device *device = kernel->device;
    const uint32_t *most = device->caps.max_group_count;
    if (device->compile_only)
        return log_fail(&device->log, PM_INVALID, "gpu: %s was opened to compile only", device->caps.name);
    for (uint32_t i = 0; i < kernel->info.member_count; i++)
        if (kernel->info.members[i].type.scalar == PM_SCALAR_ADDRESS)
            return log_fail(&device->log, PM_UNSUPPORTED,
                            "gpu: %s takes an address (%s); only buffers by binding can be given", kernel->module.name,
                            kernel->info.members[i].name);
    for (int i = 0; i < 3; i++)
        if (groups[i] == 0 || groups[i] > most[i])
            return log_fail(&device->log, PM_INVALID, "gpu: %u x %u x %u work groups; %s allows 1 to %u x %u x %u",
                            groups[0], groups[1], groups[2], device->caps.name, most[0], most[1], most[2]);
    if (push_size != kernel->info.push_size)
        return log_fail(&device->log, PM_INVALID, "gpu: %s takes %u bytes of push constants, not %zu",
                        kernel->module.name, kernel->info.push_size, push_size);
    return PM_OK;
}

pm_status pm_kernel_prepare(pm_kernel *kernel, const uint32_t groups[3], const void *push, size_t push_size)
{
    gpu_arg args[GPU_MAX_BINDINGS] = {{{0}, GPU_READ}};
    uint32_t words[64] = {0}; /* 256 bytes: the most that devices offer */
    pm_status status = check_dispatch(kernel, groups, push_size);
    if (status == PM_OK) status = collect_args(kernel, args);
    if (status == PM_OK && push_size > sizeof words)
        status = log_fail(&kernel->device->log, PM_UNSUPPORTED, "gpu: %s has more than %zu bytes of push constants",
                          kernel->module.name, sizeof words);
    if (status != PM_OK) return status;
    if (push_size) memcpy(words, push, push_size);
    gpu_program_destroy(&kernel->program);
    status = gpu_program_create(kernel->device, kernel->module.name, &kernel->program);
    if (status != PM_OK) return status;
    const gpu_dispatch dispatch = {.module = &kernel->module,
                                   .args = args,
                                   .arg_count = GPU_MAX_BINDINGS,
                                   .push = words,
                                   .push_size = kernel->module.kernel.facts.push_size,
                                   .groups = {groups[0], groups[1], groups[2]}};
    gpu_record(kernel->program, &dispatch);
    status = gpu_program_finish(kernel->program);
    if (status != PM_OK) gpu_program_destroy(&kernel->program);
    return status;
}

pm_status pm_kernel_run(pm_kernel *kernel, double *ms)
{
    if (!kernel->program)
        return log_fail(&kernel->device->log, PM_INVALID, "gpu: %s was not prepared to run", kernel->module.name);
    const double start = os_seconds();
    pm_status status = gpu_submit(kernel->program);
    if (status == PM_OK) status = gpu_wait(kernel->device);
    const double host_ms = 1e3 * (os_seconds() - start);
    gpu_program_stats stats;
    gpu_program_get_stats(kernel->program, &stats);
    if (status == PM_OK) *ms = stats.run_ms > 0 ? stats.run_ms : host_ms;
    return status;
}
