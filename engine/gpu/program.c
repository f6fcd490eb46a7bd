/* Recording a program: a list on the host, checked as it grows. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pm_status gpu_program_create(pm_device *device, const char *name, gpu_program **out)
{
    pm_status status = gpu_check_lost(device);
    if (status != PM_OK) return status;
    gpu_program *program = calloc(1, sizeof *program);
    if (!program) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for program '%s'", name);
    program->device = device;
    program->serial = ++device->program_serial;
    snprintf(program->name, sizeof program->name, "%s", name ? name : "unnamed");
    program->next = device->programs;
    if (program->next) program->next->previous = program;
    device->programs = program;
    *out = program;
    return PM_OK;
}

void gpu_program_destroy(gpu_program **handle)
{
    gpu_program *program = *handle;
    if (!program) return;
    pm_device *device = program->device;
    gpu_program_stop(program);
    gpu_recording_free(device, &program->recording);
    device->vk.vkDestroyDescriptorPool(device->handle, program->descriptors, NULL);
    if (program->next) program->next->previous = program->previous;
    if (program->previous)
        program->previous->next = program->next;
    else
        device->programs = program->next;
    free(program->commands);
    free(program->work);
    free(program->args);
    free(program->words);
    free(program->rows);
    free(program);
    *handle = NULL;
}

void gpu_program_own(gpu_program *program, const void *owner, bool whole)
{
    program->owner = owner;
    program->whole = whole;
}

const pm_caps *gpu_program_caps(const gpu_program *program)
{
    return &program->device->caps;
}
void gpu_program_label(gpu_program *program, const char *layer, pm_direction direction)
{
    program->label = (gpu_label){.layer = layer, .direction = direction};
}
void gpu_program_op(gpu_program *program, const char *op, const uint32_t shape[3])
{
    program->label.op = op;
    for (int i = 0; i < 3; i++) program->label.shape[i] = shape ? shape[i] : 0;
}
void gpu_program_get_stats(const gpu_program *program, gpu_program_stats *out)
{
    *out = program->stats;
}

uint32_t gpu_program_kernels(const gpu_program *program, kernel_id *out, uint32_t capacity)
{
    bool seen[KERNEL_COUNT] = {false};
    uint32_t count = 0;
    for (uint32_t i = 0; i < program->command_count; i++) {
        const gpu_command *command = &program->commands[i];
        if (command->kind != GPU_DISPATCH || command->module || seen[command->kernel]) continue;
        seen[command->kernel] = true;
        if (count < capacity) out[count] = command->kernel;
        count++;
    }
    return count;
}

void gpu_groups(const pm_caps *caps, uint64_t count, uint32_t groups[3])
{
    /* A grid too long for x gets many rows, so that a long dispatch can be split along y. */
    enum { ROWS = 64 };
    if (count == 0) count = 1;
    uint64_t y = (count - 1) / caps->max_group_count[0] + 1;
    if (y > 1 && y < ROWS) y = ROWS;
    groups[0] = (uint32_t)((count - 1) / y + 1);
    groups[1] = y < UINT32_MAX ? (uint32_t)y : UINT32_MAX;
    groups[2] = 1;
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

void gpu_record_fail(gpu_program *program, pm_status status)
{
    if (program->status == PM_OK) program->status = status;
}

/* "layer 3: gelu of program 'step'" */
static const char *describe(const gpu_program *program, const char *what, char text[160])
{
    const char *layer = program->label.layer ? program->label.layer : "";
    snprintf(text, 160, "%s%s%.40s of program '%s'", layer, *layer ? ": " : "", what, program->name);
    return text;
}

static void refuse(gpu_program *program, const char *what, const char *fault)
{
    char text[160];
    gpu_record_fail(program,
                    log_fail(&program->device->log, PM_INTERNAL, "gpu: %s %s", describe(program, what, text), fault));
}

/* Makes room for `more` elements behind `count`. */
static bool grow(void **data, uint32_t count, uint32_t *capacity, uint32_t more, size_t size)
{
    if (more > UINT32_MAX - count) return false;
    if (count + more <= *capacity) return true;
    uint32_t wanted = *capacity < 64 ? 64 : *capacity > UINT32_MAX / 2 ? UINT32_MAX : 2 * *capacity;
    if (wanted < count + more) wanted = count + more;
    void *grown = realloc(*data, (size_t)wanted * size);
    if (!grown) return false;
    *data = grown;
    *capacity = wanted;
    return true;
}

bool gpu_program_reserve(gpu_program *program, uint32_t more, uint32_t args, uint32_t words)
{
    void *commands = program->commands, *work = program->work, *a = program->args, *w = program->words;
    bool done = grow(&commands, program->command_count, &program->command_capacity, more, sizeof *program->commands) &&
                grow(&work, program->command_count, &program->work_capacity, more, sizeof *program->work) &&
                grow(&a, program->arg_count, &program->arg_capacity, args, sizeof *program->args) &&
                grow(&w, program->word_count, &program->word_capacity, words, sizeof *program->words);
    program->commands = commands;
    program->work = work;
    program->args = a;
    program->words = w;
    if (!done)
        gpu_record_fail(program, log_fail(&program->device->log, PM_NO_HOST_MEMORY,
                                          "gpu: no memory to record program '%s'", program->name));
    return done;
}

uint32_t gpu_program_put(gpu_program *program, const void *data, uint32_t count)
{
    uint32_t first = program->word_count;
    if (count) memcpy(&program->words[first], data, count * sizeof *program->words);
    program->word_count += count;
    return first;
}

static gpu_command *put_command(gpu_program *program, gpu_command_kind kind, const gpu_arg *args, uint32_t count)
{
    gpu_command *command = &program->commands[program->command_count++];
    *command = (gpu_command){.kind = kind, .label = program->label};
    command->first_arg = program->arg_count;
    command->arg_count = count;
    if (count) memcpy(&program->args[program->arg_count], args, count * sizeof *args);
    program->arg_count += count;
    return command;
}

/* Sets the last command's work. */
static void put_work(gpu_program *program, const uint32_t groups[3], double flops, double bytes)
{
    gpu_work *work = &program->work[program->command_count - 1];
    program->commands[program->command_count - 1].flops = flops;
    program->commands[program->command_count - 1].bytes = bytes;
    for (int i = 0; i < 3; i++) work->groups[i] = groups ? groups[i] : 1;
    work->whole = false;
    work->ms = gpu_cut_guess(program->device->caps.type, flops, bytes);
    program->stats.flops += flops;
    program->stats.bytes += bytes;
}

/* NULL, or what is wrong with a dispatch. */
static const char *dispatch_fault(const gpu_program *program, const gpu_dispatch *d)
{
    const pm_caps *caps = &program->device->caps;
    if ((unsigned)d->kernel >= KERNEL_COUNT) return "is no kernel";
    if (d->arg_count > (d->module ? GPU_MAX_BINDINGS : GPU_MAX_ARGS)) return "has too many arguments";
    if (d->spec_count > (d->module ? 0 : GPU_MAX_SPEC)) return "has too many specialization constants";
    if (d->push_size > (d->module ? caps->max_push_constants : GPU_MAX_PUSH) || d->push_size % 4 != 0)
        return "has push constants of a wrong size";
    for (int i = 0; i < 3; i++)
        if (d->groups[i] == 0 || d->groups[i] > caps->max_group_count[i])
            return "has no work groups or more than the device allows";
    for (uint32_t i = 0; i < d->arg_count; i++) {
        const gpu_span *span = &d->args[i].span;
        if (!span->buffer) continue;
        if (gpu_span_fault(*span)) return gpu_span_fault(*span);
        if (span->buffer->device != program->device) return "has an argument of another device";
        if (d->args[i].access < GPU_READ || d->args[i].access > GPU_READ_WRITE)
            return "does not say how it uses an argument";
    }
    return NULL;
}

void gpu_record(gpu_program *program, const gpu_dispatch *d)
{
    if (program->status != PM_OK) return;
    const char *fault = program->finished ? "comes after the end" : dispatch_fault(program, d);
    if (fault) {
        refuse(program, d->module ? d->module->name : gpu_kernel_name(d->kernel), fault);
        return;
    }
    if (!gpu_program_reserve(program, 1, d->arg_count, d->spec_count + d->push_size / 4)) return;
    gpu_command *command = put_command(program, GPU_DISPATCH, d->args, d->arg_count);
    command->kernel = d->kernel;
    command->module = d->module;
    command->first_spec = gpu_program_put(program, d->spec, d->spec_count);
    command->spec_count = d->spec_count;
    command->first_push = gpu_program_put(program, d->push, d->push_size / 4);
    command->push_size = d->push_size;
    /* A user's module may read gl_NumWorkGroups: it is never split. */
    put_work(program, d->groups, d->flops, d->bytes);
    program->work[program->command_count - 1].whole = d->module != NULL;
    program->stats.dispatches++;
}

void gpu_record_fill(gpu_program *program, gpu_span to, uint32_t word)
{
    if (program->status != PM_OK) return;
    const char *fault = program->finished ? "comes after the end" : gpu_span_fault(to);
    if (!fault && to.size % 4 != 0) fault = "needs a multiple of 4 bytes";
    if (fault) {
        refuse(program, "a fill", fault);
        return;
    }
    if (!gpu_program_reserve(program, 1, 1, 0)) return;
    const gpu_arg arg = {to, GPU_WRITE};
    gpu_command *command = put_command(program, GPU_FILL, &arg, 1);
    command->word = word;
    put_work(program, NULL, 0, (double)to.size);
}

void gpu_record_copy(gpu_program *program, gpu_span to, gpu_span from)
{
    if (program->status != PM_OK) return;
    const char *fault = program->finished ? "comes after the end" : gpu_span_fault(to);
    if (!fault) fault = gpu_span_fault(from);
    if (!fault && to.size != from.size) fault = "has spans of different sizes";
    if (!fault && to.buffer == from.buffer && to.offset < from.offset + from.size && from.offset < to.offset + to.size)
        fault = "overlaps itself";
    if (fault) {
        refuse(program, "a copy", fault);
        return;
    }
    if (!gpu_program_reserve(program, 1, 2, 0)) return;
    const gpu_arg args[2] = {{to, GPU_WRITE}, {from, GPU_READ}};
    put_command(program, GPU_COPY, args, 2);
    put_work(program, NULL, 0, 2 * (double)to.size);
}
