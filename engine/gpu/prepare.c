/* Finishing a program: its pipelines, push constants and descriptor sets. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "base/hash.h"

enum { ADDRESS_WORDS = 2 };

const char *gpu_command_name(const gpu_command *command)
{
    return command->module ? command->module->name : gpu_kernel_name(command->kernel);
}

/* ---- pipelines and push constants -------------------------------------------------------------------------------- */

static pm_status make_pipeline(gpu_program *program, gpu_command *command)
{
    if (command->module) {
        command->pipeline = &command->module->pipeline;
        return PM_OK;
    }
    gpu_places places;
    pm_status status = gpu_places_of(program, command, &places);
    if (status != PM_OK) return status;
    return gpu_pipeline_get(program->device, command->kernel, places.map, &program->words[command->first_spec],
                            command->spec_count, &command->pipeline);
}

static pm_status make_pipelines(gpu_program *program)
{
    pm_device *device = program->device;
    double start = os_seconds();
    uint32_t before = device->pipeline_count;
    for (uint32_t i = 0; i < program->command_count; i++) {
        gpu_command *command = &program->commands[i];
        if (command->kind != GPU_DISPATCH) continue;
        pm_status status = make_pipeline(program, command);
        if (status != PM_OK) return status;
        if (command->pipeline->seen_by != program->serial) program->stats.pipelines++;
        command->pipeline->seen_by = program->serial;
    }
    double seconds = os_seconds() - start;
    if (seconds > 1)
        log_line(&device->log, PM_LOG_INFO, "gpu: program '%s': %u pipelines made in %.1f s", program->name,
                 device->pipeline_count - before, seconds);
    return PM_OK;
}

/* The whole block: an address or an offset in words for each argument, then the kernel's struct. */
static pm_status make_push(gpu_program *program, gpu_command *command)
{
    pm_device *device = program->device;
    const spirv_facts *facts = &command->pipeline->loaded->facts;
    if (command->module) { /* the caller's block is the whole of it */
        if (facts->push_size == command->push_size) return PM_OK;
        return log_fail(&device->log, PM_INVALID, "gpu: %s takes %u bytes of push constants, not %u",
                        command->module->name, facts->push_size, command->push_size);
    }
    uint32_t words = device->caps.bda ? ADDRESS_WORDS : 1, param = command->push_size / 4;
    uint32_t head = words * command->arg_count;
    if (facts->push_size == 0) { /* the kernel reads none */
        command->push_size = 0;
        return PM_OK;
    }
    if (facts->push_args != command->arg_count || facts->push_param != command->push_size ||
        facts->push_size != 4 * (head + param))
        return log_fail(&device->log, PM_INTERNAL,
                        "gpu: kernel %s takes %u arguments and %u bytes of push constants; program '%s' gave %u and %u",
                        gpu_kernel_name(command->kernel), facts->push_args, facts->push_param, program->name,
                        command->arg_count, command->push_size);
    if (!gpu_program_reserve(program, 0, 0, head + param)) return program->status;
    uint32_t first = program->word_count;
    gpu_places places;
    pm_status status = gpu_places_of(program, command, &places);
    if (status != PM_OK) return status;
    for (uint32_t i = 0; i < command->arg_count; i++) {
        const gpu_span span = gpu_arg_bound(program, command, i);
        uint64_t value =
            device->caps.bda ? span.buffer->block->address + span.buffer->offset + span.offset : places.words[i];
        uint32_t pair[ADDRESS_WORDS] = {(uint32_t)value, (uint32_t)(value >> 32)};
        gpu_program_put(program, pair, words);
    }
    gpu_program_put(program, &program->words[command->first_push], param);
    command->first_push = first;
    command->push_size = 4 * (head + param);
    return PM_OK;
}

/* ---- descriptor sets --------------------------------------------------------------------------------------------- */

/* A planned descriptor set. Commands that bind the same ranges share it. */
typedef struct gpu_set {
    uint32_t mask;
    VkDescriptorSetLayout layout;
    uint64_t hash;
    VkDescriptorBufferInfo infos[GPU_MAX_BINDINGS];
    VkDescriptorSet handle;
} gpu_set;

static pm_status describe_set(const gpu_program *program, const gpu_command *command, gpu_set *set)
{
    gpu_places places;
    pm_status status = gpu_places_of(program, command, &places);
    if (status != PM_OK) return status;
    memset(set, 0, sizeof *set);
    set->mask = places.mask;
    set->layout = command->pipeline->loaded->set_layout;
    memcpy(set->infos, places.infos, sizeof set->infos);
    set->hash = hash_bytes(hash_bytes(HASH_INIT, &set->mask, sizeof set->mask), set->infos, sizeof set->infos);
    return PM_OK;
}

/* Fills `sets` with the distinct sets, and `index` of each command with its set's. */
static pm_status collect_sets(gpu_program *program, gpu_set *sets, uint32_t *index, uint32_t *set_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < program->command_count; i++) {
        const gpu_command *command = &program->commands[i];
        index[i] = UINT32_MAX;
        if (command->kind != GPU_DISPATCH || !command->pipeline->loaded->facts.binding_mask) continue;
        pm_status status = describe_set(program, command, &sets[count]);
        if (status != PM_OK) return status;
        uint32_t at = 0;
        while (at < count && (sets[at].hash != sets[count].hash || sets[at].layout != sets[count].layout ||
                              memcmp(sets[at].infos, sets[count].infos, sizeof sets[at].infos) != 0))
            at++;
        index[i] = at;
        if (at == count) count++;
    }
    *set_count = count;
    return PM_OK;
}

static void write_set(pm_device *device, const gpu_set *set)
{
    VkWriteDescriptorSet writes[GPU_MAX_BINDINGS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++)
        if (set->mask & (1u << i))
            writes[count++] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                                     .dstSet = set->handle,
                                                     .dstBinding = i,
                                                     .descriptorCount = 1,
                                                     .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                     .pBufferInfo = &set->infos[i]};
    device->vk.vkUpdateDescriptorSets(device->handle, count, writes, 0, NULL);
}

static pm_status allocate_sets(gpu_program *program, gpu_set *sets, uint32_t count)
{
    pm_device *device = program->device;
    pm_status status = PM_OK;
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 0};
    for (uint32_t i = 0; i < count; i++) size.descriptorCount += gpu_bit_count(sets[i].mask);
    const VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = count,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
    VK_TRY(device, device->vk.vkCreateDescriptorPool(device->handle, &pool, NULL, &program->descriptors));
    for (uint32_t i = 0; i < count; i++) {
        const VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                                  .descriptorPool = program->descriptors,
                                                  .descriptorSetCount = 1,
                                                  .pSetLayouts = &sets[i].layout};
        VK_TRY(device, device->vk.vkAllocateDescriptorSets(device->handle, &info, &sets[i].handle));
        write_set(device, &sets[i]);
    }
fail:
    return status;
}

static pm_status make_sets(gpu_program *program)
{
    uint32_t commands = program->command_count, count = 0;
    gpu_set *sets = malloc((commands + 1) * sizeof *sets);
    uint32_t *index = malloc((commands + 1) * sizeof *index);
    pm_status status = PM_OK;
    if (!sets || !index)
        status = log_fail(&program->device->log, PM_NO_HOST_MEMORY, "gpu: no memory for program '%s'", program->name);
    if (status == PM_OK) status = collect_sets(program, sets, index, &count);
    if (status == PM_OK && count > 0) status = allocate_sets(program, sets, count);
    for (uint32_t i = 0; status == PM_OK && i < commands; i++)
        if (index[i] != UINT32_MAX) program->commands[i].set = sets[index[i]].handle;
    free(sets);
    free(index);
    return status;
}

/* The number of submissions by estimate; the first run corrects it. */
static pm_status count_submissions(gpu_program *program)
{
    pm_device *device = program->device;
    gpu_cut cut;
    pm_status status = gpu_cut_make(program->work, program->command_count, device->submit_ms, &cut);
    if (status != PM_OK) return log_fail(&device->log, status, "gpu: no memory for program '%s'", program->name);
    program->stats.submissions = cut.submission_count;
    gpu_cut_free(&cut);
    return PM_OK;
}

pm_status gpu_program_finish(gpu_program *program)
{
    pm_device *device = program->device;
    pm_status status = gpu_check_lost(device);
    if (status != PM_OK) return status;
    if (program->finished)
        return log_fail(&device->log, PM_INVALID, "gpu: program '%s' was finished before", program->name);
    if (program->status != PM_OK) return program->status; /* logged where it happened */
    status = make_pipelines(program);
    if (device->compile_only) {
        program->finished = status == PM_OK;
        return program->status = status;
    }
    for (uint32_t i = 0; status == PM_OK && i < program->command_count; i++)
        if (program->commands[i].kind == GPU_DISPATCH) status = make_push(program, &program->commands[i]);
    if (status == PM_OK) status = make_sets(program);
    if (status == PM_OK && device->profile) status = gpu_profile_program(program);
    const bool unknown = status == PM_OK && gpu_first_run_needed(program);
    program->first_run = unknown && !program->whole;
    if (program->first_run)
        status = count_submissions(program);
    else if (unknown)
        status = gpu_recording_with_caution(program); /* so that nothing that may fail is left for its run */
    else if (status == PM_OK)
        status = gpu_recording_make(program, device->submit_ms);
    program->finished = status == PM_OK;
    program->status = status;
    return status;
}

/* ---- the fingerprint --------------------------------------------------------------------------------------------- */

/* A buffer by the first argument that lies in it. */
static uint64_t hash_arg(const gpu_program *program, uint32_t index, uint64_t hash)
{
    const gpu_arg *arg = &program->args[index];
    uint32_t first = 0;
    while (program->args[first].span.buffer != arg->span.buffer) first++;
    const gpu_buffer *buffer = arg->span.buffer;
    const uint64_t key[] = {first,
                            arg->access,
                            arg->span.offset,
                            arg->span.size,
                            buffer ? buffer->size : 0,
                            buffer ? (uint64_t)buffer->block->lifetime : 0};
    return hash_bytes(hash, key, sizeof key);
}

static uint64_t hash_places(const gpu_places *places, uint64_t hash)
{
    hash = hash_bytes(hash, &places->map, sizeof places->map);
    hash = hash_bytes(hash, places->words, sizeof places->words);
    for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++) {
        const uint64_t range = places->mask >> i & 1 ? places->infos[i].range : 0;
        hash = hash_bytes(hash, &range, sizeof range);
    }
    return hash;
}

bool gpu_program_pipeline(const gpu_program *program, uint32_t index, gpu_pipeline_key *out)
{
    if (program->status != PM_OK) return false;
    for (uint32_t i = 0; i < program->command_count; i++) {
        const gpu_command *c = &program->commands[i];
        if (c->kind != GPU_DISPATCH || c->module || index-- > 0) continue;
        gpu_places places;
        if (gpu_places_of(program, c, &places) != PM_OK) return false;
        *out = (gpu_pipeline_key){.kernel = c->kernel,
                                  .bda = program->device->caps.bda,
                                  .map = places.map == GPU_OWN_BINDINGS ? 0 : places.map,
                                  .spec = &program->words[c->first_spec],
                                  .spec_count = c->spec_count};
        return true;
    }
    return false;
}

uint64_t gpu_program_fingerprint(gpu_program *program)
{
    const uint32_t bda = program->device->caps.bda;
    uint64_t hash = hash_bytes(HASH_INIT, &bda, sizeof bda);
    if (program->status != PM_OK) return 0;
    for (uint32_t i = 0; i < program->command_count; i++) {
        const gpu_command *c = &program->commands[i];
        const uint32_t head[] = {c->kind, c->kernel, c->spec_count, c->push_size, c->word};
        hash = hash_bytes(hash, head, sizeof head);
        hash = hash_bytes(hash, program->work[i].groups, sizeof program->work[i].groups);
        for (uint32_t k = 0; k < c->arg_count; k++) hash = hash_arg(program, c->first_arg + k, hash);
        if (c->kind != GPU_DISPATCH) continue;
        gpu_places places;
        if (gpu_places_of(program, c, &places) != PM_OK) return 0;
        hash = hash_places(&places, hash);
        hash = hash_bytes(hash, &program->words[c->first_spec], c->spec_count * sizeof *program->words);
        hash = hash_bytes(hash, &program->words[c->first_push], c->push_size);
    }
    return hash;
}
