/* Where a dispatch's operands are bound. Vulkan promises four storage buffers a stage, and kernels have up to eight operands: where a device
 * has neither more nor addresses, operands that lie near each other share a binding. The kernel's module is patched accordingly. */
#include "gpu/gpu_internal.h"

/* A planned binding: a range of the block, in bytes, and the operands in it. */
typedef struct window {
    const gpu_block *block;
    uint64_t begin, end;
    uint32_t operands; /* bit by number */
} window;

static gpu_span arg_span(const gpu_program *program, const gpu_command *command, uint32_t index)
{
    return program->args[command->first_arg + index].span;
}

/* The first operand that the command writes, or else the first one; GPU_MAX_BINDINGS: none. */
static uint32_t written_arg(const gpu_program *program, const gpu_command *command)
{
    uint32_t found = GPU_MAX_BINDINGS;
    for (uint32_t i = 0; i < command->arg_count && i < GPU_MAX_BINDINGS; i++) {
        const gpu_arg *arg = &program->args[command->first_arg + i];
        if (!arg->span.buffer) continue;
        if (arg->access & GPU_WRITE) return i;
        if (found == GPU_MAX_BINDINGS) found = i;
    }
    return found;
}

gpu_span gpu_arg_bound(const gpu_program *program, const gpu_command *command, uint32_t index)
{
    const gpu_span span = arg_span(program, command, index);
    const uint32_t other = span.buffer ? index : written_arg(program, command);
    return other < command->arg_count ? arg_span(program, command, other) : span;
}

static window joined(const window *a, const window *b)
{
    return (window){a->block, a->begin < b->begin ? a->begin : b->begin, a->end > b->end ? a->end : b->end,
                    a->operands | b->operands};
}

/* Joins the two planned bindings whose common range is smallest. False: no two may be joined. */
static bool join_nearest(window *windows, uint32_t *count, uint64_t most)
{
    uint32_t at = 0, with = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < *count; i++)
        for (uint32_t k = i + 1; k < *count; k++) {
            const window both = joined(&windows[i], &windows[k]);
            if (windows[i].block != windows[k].block || both.end - both.begin >= least) continue;
            least = both.end - both.begin;
            at = i;
            with = k;
        }
    if (least > most) return false;
    windows[at] = joined(&windows[at], &windows[with]);
    windows[with] = windows[--*count];
    return true;
}

/* A range for each operand present. Absent ones share that of an operand which the command writes: barriers keep others away from it. */
static pm_status open_windows(const gpu_program *program, const gpu_command *command, uint32_t mask, window *windows,
                              uint32_t *count)
{
    const pm_device *device = program->device;
    const uint64_t most = device->caps.max_buffer_range;
    const uint32_t written = written_arg(program, command);
    uint32_t absent = 0, share = 0;
    *count = 0;
    for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++) {
        if (!(mask >> i & 1)) continue;
        if (i >= command->arg_count)
            return log_fail(&device->log, PM_INTERNAL,
                            "gpu: kernel %s binds argument %u, which program '%s' did not give",
                            gpu_command_name(command), i, program->name);
        const gpu_span span = arg_span(program, command, i);
        if (!span.buffer) {
            absent |= 1u << i;
            continue;
        }
        if (i == written) share = *count;
        const uint64_t at = span.buffer->offset + span.offset, before = at % device->caps.offset_alignment;
        if (span.size > most - before)
            return log_fail(&device->log, PM_UNSUPPORTED,
                            "gpu: kernel %s, argument %u ('%s'): %llu bytes exceed %s's largest binding of %llu",
                            gpu_command_name(command), i, span.buffer->name, (unsigned long long)(span.size + before),
                            device->caps.name, (unsigned long long)most);
        windows[(*count)++] = (window){span.buffer->block, at - before, at + span.size, 1u << i};
    }
    if (*count > 0) windows[share].operands |= absent;
    return PM_OK;
}

static pm_status operands_of(const gpu_program *program, const gpu_command *command, uint32_t *mask)
{
    *mask = command->module ? command->module->kernel.facts.binding_mask : 0;
    return command->module ? PM_OK : gpu_kernel_operands(program->device, command->kernel, mask);
}

pm_status gpu_places_of(const gpu_program *program, const gpu_command *command, gpu_places *out)
{
    const pm_device *device = program->device;
    const uint32_t most = device->caps.max_storage_buffers;
    window windows[GPU_MAX_BINDINGS];
    uint32_t mask, count = 0;
    *out = (gpu_places){.map = GPU_OWN_BINDINGS};
    pm_status status = operands_of(program, command, &mask);
    const bool few = !command->module && gpu_bit_count(mask) > most;
    if (status == PM_OK) status = open_windows(program, command, mask, windows, &count);
    if (status != PM_OK) return status;
    while (few && count > most)
        if (!join_nearest(windows, &count, device->caps.max_buffer_range))
            return log_fail(&device->log, PM_UNSUPPORTED,
                            "gpu: kernel %s: %s binds %u storage buffers a stage, of %llu bytes at most, and the %u "
                            "operands in program '%s' lie further apart; a smaller model or batch keeps them together",
                            gpu_command_name(command), device->caps.name, most,
                            (unsigned long long)device->caps.max_buffer_range, gpu_bit_count(mask), program->name);
    for (uint32_t w = 0; w < count; w++) {
        const window *from = &windows[w];
        for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++) {
            if (!(from->operands >> i & 1)) continue;
            const gpu_span span = arg_span(program, command, i);
            const uint32_t binding = few ? w : i;
            if (few) out->map = (out->map & ~(UINT64_C(15) << 4 * i)) | (uint64_t)w << 4 * i;
            if (span.buffer) out->words[i] = (uint32_t)((span.buffer->offset + span.offset - from->begin) / 4);
            out->infos[binding] = (VkDescriptorBufferInfo){from->block->handle, from->begin, from->end - from->begin};
            out->mask |= 1u << binding;
        }
    }
    return PM_OK;
}

uint32_t gpu_map_mask(uint64_t map, uint32_t mask)
{
    uint32_t mapped = 0;
    for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++)
        if (mask >> i & 1) mapped |= 1u << (map >> 4 * i & 15);
    return mapped;
}
