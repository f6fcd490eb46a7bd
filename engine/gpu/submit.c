/* Command buffers of a program: recording with derived barriers. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>

/* ---- barriers ---------------------------------------------------------------------------------------------------- */

enum { MAX_TOUCHED = 512 }; /* ranges remembered; with more, a barrier is recorded without a look */

typedef struct gpu_touch {
    const gpu_block *block;
    uint64_t begin, end;
    gpu_access access;
} gpu_touch;

/* The ranges accessed since the last barrier. Each barrier orders all stages that the program uses, so that it empties the list. */
typedef struct gpu_tracker {
    gpu_touch touched[MAX_TOUCHED];
    uint32_t count;
    VkPipelineStageFlags stages;
} gpu_tracker;

/* Fills in the ranges that a command accesses and returns their number. A shader can reach all that a descriptor covers: from the
 * aligned offset below the operand on, and the operands that share the binding. */
static uint32_t touches_of(const gpu_program *program, const gpu_command *command, gpu_touch touches[GPU_MAX_BINDINGS])
{
    gpu_places places = {.map = GPU_OWN_BINDINGS};
    uint32_t count = 0;
    /* It cannot fail here: gpu_program_finish made the same call. */
    if (command->kind == GPU_DISPATCH) (void)gpu_places_of(program, command, &places);
    for (uint32_t i = 0; i < command->arg_count; i++) {
        const gpu_arg *arg = &program->args[command->first_arg + i];
        const VkDescriptorBufferInfo *bound = &places.infos[places.map >> 4 * i & 15];
        if (!arg->span.buffer) continue;
        uint64_t begin = arg->span.buffer->offset + arg->span.offset, size = arg->span.size;
        if (bound->range) begin = bound->offset, size = bound->range;
        touches[count++] = (gpu_touch){arg->span.buffer->block, begin, begin + size, arg->access};
    }
    return count;
}

/* Whether one of the two writes a range that the other accesses. */
static bool conflicts(const gpu_tracker *tracker, const gpu_touch *touch)
{
    for (uint32_t i = 0; i < tracker->count; i++) {
        const gpu_touch *t = &tracker->touched[i];
        if (t->block == touch->block && t->begin < touch->end && touch->begin < t->end &&
            ((t->access | touch->access) & GPU_WRITE))
            return true;
    }
    return false;
}

static VkAccessFlags access_of(VkPipelineStageFlags stages)
{
    VkAccessFlags access = 0;
    if (stages & VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT) access |= VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    if (stages & VK_PIPELINE_STAGE_TRANSFER_BIT) access |= VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    if (stages & VK_PIPELINE_STAGE_HOST_BIT) access |= VK_ACCESS_HOST_READ_BIT;
    return access;
}

static void barrier(pm_device *device, VkCommandBuffer commands, VkPipelineStageFlags from, VkPipelineStageFlags to)
{
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = access_of(from), .dstAccessMask = access_of(to)};
    device->vk.vkCmdPipelineBarrier(commands, from, to, 0, 1, &memory, 0, NULL, 0, NULL);
}

void gpu_full_barrier(pm_device *device, VkCommandBuffer commands, bool host)
{
    const VkPipelineStageFlags work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    barrier(device, commands, work, host ? work | VK_PIPELINE_STAGE_HOST_BIT : work);
}

/* Records a barrier before the command where it must not overlap those since the last barrier. Returns the number of barriers. */
static uint32_t order(gpu_program *program, VkCommandBuffer commands, gpu_tracker *tracker, const gpu_command *command)
{
    gpu_touch touches[GPU_MAX_BINDINGS];
    const uint32_t count = touches_of(program, command, touches);
    bool needed = tracker->count + count > MAX_TOUCHED;
    for (uint32_t i = 0; i < count && !needed; i++) needed = conflicts(tracker, &touches[i]);
    if (needed) {
        barrier(program->device, commands, tracker->stages, tracker->stages);
        tracker->count = 0;
    }
    for (uint32_t i = 0; i < count; i++) tracker->touched[tracker->count++] = touches[i];
    return needed;
}

static VkPipelineStageFlags stages_of(const gpu_program *program)
{
    VkPipelineStageFlags stages = 0;
    for (uint32_t i = 0; i < program->command_count; i++)
        stages |= program->commands[i].kind == GPU_DISPATCH ? VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT
                                                            : VK_PIPELINE_STAGE_TRANSFER_BIT;
    return stages;
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static void record_part(gpu_program *program, VkCommandBuffer commands, const gpu_part *part)
{
    pm_device *device = program->device;
    const gpu_device_table *vk = &device->vk;
    const gpu_command *command = &program->commands[part->command];
    const gpu_arg *args = &program->args[command->first_arg];
    if (command->kind == GPU_FILL) {
        gpu_buffer *to = args[0].span.buffer;
        vk->vkCmdFillBuffer(commands, to->block->handle, to->offset + args[0].span.offset, args[0].span.size,
                            command->word);
        return;
    }
    if (command->kind == GPU_COPY) {
        gpu_buffer *to = args[0].span.buffer, *from = args[1].span.buffer;
        const VkBufferCopy region = {.srcOffset = from->offset + args[1].span.offset,
                                     .dstOffset = to->offset + args[0].span.offset,
                                     .size = args[0].span.size};
        vk->vkCmdCopyBuffer(commands, from->block->handle, to->block->handle, 1, &region);
        return;
    }
    const gpu_kernel *kernel = command->pipeline->loaded;
    if (!command->module && command->kernel == device->broken) return;
    vk->vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, command->pipeline->handle);
    if (command->set)
        vk->vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0, 1, &command->set, 0,
                                    NULL);
    if (command->push_size)
        vk->vkCmdPushConstants(commands, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, command->push_size,
                               &program->words[command->first_push]);
    const uint32_t *b = part->base, *n = part->count;
    if (b[0] || b[1] || b[2])
        vk->vkCmdDispatchBase(commands, b[0], b[1], b[2], n[0], n[1], n[2]);
    else
        vk->vkCmdDispatch(commands, n[0], n[1], n[2]);
}

/* Writes a time stamp at the bottom of the pipe: when all commands before it are done. */
static void stamp(pm_device *device, VkCommandBuffer commands, const gpu_recording *recording, uint32_t query)
{
    if (recording->queries)
        device->vk.vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, recording->queries, query);
}

static bool same_part(const gpu_label *a, const gpu_label *b)
{
    return a->layer == b->layer && a->direction == b->direction;
}

/* Records one submission's parts with barriers, labels and, in a profiled recording, a stamp behind each. */
static void record_parts(gpu_program *program, gpu_recording *recording, uint32_t index, gpu_tracker *tracker)
{
    pm_device *device = program->device;
    VkCommandBuffer commands = recording->buffers[index];
    const gpu_submission *submission = &recording->cut.submissions[index];
    char text[80];
    tracker->count = 0;
    for (uint32_t i = 0; i < submission->count; i++) {
        const gpu_part *part = &recording->cut.parts[submission->first + i];
        const gpu_command *command = &program->commands[part->command];
        bool continues =
            i > 0 && part[-1].command == part->command; /* parts of one dispatch need no barrier between them */
        if (i == 0 || !same_part(&command->label, &program->commands[part[-1].command].label)) {
            if (i > 0) gpu_debug_end(device, commands);
            gpu_debug_begin(device, commands, gpu_debug_part(&command->label, text));
        }
        if (!continues) recording->barriers += order(program, commands, tracker, command);
        gpu_debug_begin(device, commands, gpu_debug_command(command, text));
        record_part(program, commands, part);
        gpu_debug_end(device, commands);
        if (recording->profiled) stamp(device, commands, recording, recording->stamps[index] + 1 + i);
    }
    gpu_debug_end(device, commands);
}

/* Each command buffer starts with a full barrier: all earlier work on the queue, of this program or another, is done. */
static pm_status record_submission(gpu_program *program, gpu_recording *recording, uint32_t index, gpu_tracker *tracker)
{
    pm_device *device = program->device;
    const gpu_device_table *vk = &device->vk;
    pm_status status = PM_OK;
    VkCommandBuffer commands = recording->buffers[index];
    const uint32_t first = recording->stamps[index], end = recording->stamps[index + 1];
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                           .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT};
    VK_TRY(device, vk->vkBeginCommandBuffer(commands, &info));
    gpu_debug_name(device, VK_OBJECT_TYPE_COMMAND_BUFFER, GPU_HANDLE(commands), "%s %u", program->name, index);
    gpu_debug_begin(device, commands, program->name);
    if (recording->queries) vk->vkCmdResetQueryPool(commands, recording->queries, first, end - first);
    gpu_full_barrier(device, commands, false);
    stamp(device, commands, recording, first); /* so that earlier submissions do not count */
    record_parts(program, recording, index, tracker);
    if (!recording->profiled) stamp(device, commands, recording, end - 1);
    if (index + 1 == recording->cut.submission_count) gpu_full_barrier(device, commands, true);
    gpu_debug_end(device, commands);
    VK_TRY(device, vk->vkEndCommandBuffer(commands));
fail:
    return status;
}

static pm_status allocate(gpu_program *program, gpu_recording *recording)
{
    pm_device *device = program->device;
    uint32_t count = recording->cut.submission_count;
    pm_status status = PM_OK;
    recording->buffers = calloc(count, sizeof(VkCommandBuffer));
    recording->infos = calloc(count, sizeof *recording->infos);
    recording->ms = calloc(count, sizeof *recording->ms);
    recording->stamps = calloc((size_t)count + 1, sizeof *recording->stamps);
    for (uint32_t i = 0; recording->stamps && i < count; i++)
        recording->stamps[i + 1] =
            recording->stamps[i] + 1 + (recording->profiled ? recording->cut.submissions[i].count : 1);
    if (recording->stamps) recording->ticks = calloc(recording->stamps[count], sizeof *recording->ticks);
    if (!recording->buffers || !recording->infos || !recording->stamps || !recording->ticks || !recording->ms) {
        status = log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for %u submissions of program '%s'", count,
                          program->name);
        goto fail;
    }
    const VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                              .commandPool = device->pool,
                                              .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                              .commandBufferCount = count};
    VkResult result = device->vk.vkAllocateCommandBuffers(device->handle, &info, recording->buffers);
    if (result != VK_SUCCESS) recording->buffers[0] = VK_NULL_HANDLE; /* so that none is freed */
    VK_TRY(device, result);
    for (uint32_t i = 0; i < count; i++)
        recording->infos[i] = (VkSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &recording->buffers[i]};
    const VkQueryPoolCreateInfo queries = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                           .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                           .queryCount = recording->stamps[count]};
    if (device->caps.timestamps) {
        VK_TRY(device, device->vk.vkCreateQueryPool(device->handle, &queries, NULL, &recording->queries));
        gpu_debug_name(device, VK_OBJECT_TYPE_QUERY_POOL, GPU_HANDLE(recording->queries), "%s", program->name);
    }
fail:
    return status;
}

pm_status gpu_recording_of(gpu_program *program, const gpu_cut *cut, bool profiled, gpu_recording *out)
{
    pm_device *device = program->device;
    gpu_recording made = {.cut = *cut, .profiled = profiled};
    gpu_tracker *tracker = malloc(sizeof *tracker);
    pm_status status = PM_OK;
    if (!tracker)
        status = log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for the submissions of program '%s'",
                          program->name);
    if (status == PM_OK && cut->submission_count > 0) status = allocate(program, &made);
    if (status == PM_OK) tracker->stages = stages_of(program);
    for (uint32_t i = 0; status == PM_OK && i < cut->submission_count; i++)
        status = record_submission(program, &made, i, tracker);
    free(tracker);
    if (status == PM_OK)
        *out = made;
    else
        gpu_recording_free(device, &made);
    return status;
}

pm_status gpu_recording_make(gpu_program *program, double limit_ms)
{
    pm_device *device = program->device;
    gpu_recording made;
    gpu_cut cut;
    pm_status status = gpu_cut_make(program->work, program->command_count, limit_ms, &cut);
    if (status != PM_OK)
        return log_fail(&device->log, status, "gpu: no memory for the submissions of program '%s'", program->name);
    status = gpu_recording_of(program, &cut, device->caps.timestamps && gpu_profile_armed(device), &made);
    if (status != PM_OK) return status;
    made.limit_ms = limit_ms;
    gpu_recording_free(device, &program->recording);
    program->recording = made;
    program->stats.submissions = made.cut.submission_count;
    program->stats.barriers = made.barriers;
    return PM_OK;
}

void gpu_recording_free(pm_device *device, gpu_recording *recording)
{
    if (recording->buffers && recording->buffers[0])
        device->vk.vkFreeCommandBuffers(device->handle, device->pool, recording->cut.submission_count,
                                        recording->buffers);
    device->vk.vkDestroyQueryPool(device->handle, recording->queries, NULL);
    free(recording->buffers);
    free(recording->infos);
    free(recording->stamps);
    free(recording->ticks);
    free(recording->ms);
    gpu_cut_free(&recording->cut);
    *recording = (gpu_recording){0};
}
