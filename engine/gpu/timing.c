/* Times submissions: a program's first run, which is cut while it runs, and new cuts after later runs. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>

/* New cuts for one program: enough to settle, few enough that a busy machine does not cause them for ever. */
enum { MAX_SPLITS = 6, MAX_MERGES = 2 };
/* A multiple of submit_ms. A longer submission is close to a watchdog (half a second and more): it is cut however many cuts there were. */
#define PERIL 5.0
#define TARGET 0.8 /* of submit_ms: leaves room for variation between runs */

/* ---- time stamps ---- */

/* Reads the time stamps of all submissions; *read: they could be. A run is done without them, too, so that only a lost device fails. */
static pm_status read_ticks(pm_device *device, gpu_recording *recording, bool *read)
{
    const uint32_t count = recording->stamps[recording->cut.submission_count];
    pm_status status = PM_OK;
    *read = false;
    if (!recording->queries) return PM_OK;
    const VkResult result =
        device->vk.vkGetQueryPoolResults(device->handle, recording->queries, 0, count, count * sizeof *recording->ticks,
                                         recording->ticks, sizeof *recording->ticks, VK_QUERY_RESULT_64_BIT);
    *read = result == VK_SUCCESS;
    if (result == VK_ERROR_DEVICE_LOST) VK_TRY(device, result);
fail:
    return status;
}

/* Records for later runs, behind one that is done. Where there is no memory, all stays as it is, with a warning. */
static bool record_again(gpu_program *program, double limit_ms)
{
    pm_device *device = program->device;
    const pm_log log = device->log;
    device->log = (pm_log){0};
    const pm_status status = gpu_recording_make(program, limit_ms);
    device->log = log;
    if (status != PM_OK && !device->lost)
        log_line(&device->log, PM_LOG_WARN, "gpu: program '%s' is not cut anew: %s", program->name,
                 pm_status_text(status));
    return status == PM_OK;
}

static double ticks_ms(const pm_device *device, uint64_t from, uint64_t to)
{
    return (double)((to - from) & device->features.timestamp_mask) * (double)device->caps.timestamp_period_ns * 1e-6;
}

/* ---- the first run ---- */

enum { FIRST_RUN_PARTS = 256 }; /* in one submission: each has a time stamp */

/* Measured milliseconds per estimated one, shared by all commands with this command's pipeline; 0 before the first measurement. */
static double *pace_of(const gpu_program *program, const gpu_command *command)
{
    return command->pipeline ? &command->pipeline->pace : &program->device->pace[command->kind];
}

static double guess(const gpu_program *program, const gpu_command *command)
{
    return gpu_cut_guess(program->device->caps.type, command->flops, command->bytes);
}

static double expected(const gpu_program *program, const gpu_command *command)
{
    const double pace = *pace_of(program, command);
    return guess(program, command) * (pace > 0 ? pace : gpu_cut_caution(program->device->caps.type));
}

bool gpu_first_run_needed(const gpu_program *program)
{
    double ms = 0;
    for (uint32_t i = 0; i < program->command_count; i++) ms += expected(program, &program->commands[i]);
    return ms > TARGET * program->device->submit_ms;
}

pm_status gpu_recording_with_caution(gpu_program *program)
{
    for (uint32_t i = 0; i < program->command_count; i++)
        program->work[i].ms = expected(program, &program->commands[i]);
    return gpu_recording_make(program, TARGET * program->device->submit_ms);
}

/* Learns from a part's time: at once where it was slower than expected, step by step where faster, since short parts may mislead. */
static void learn(gpu_program *program, const gpu_part *part, double ms)
{
    enum { FASTER = 8 };
    const gpu_command *command = &program->commands[part->command];
    double *pace = pace_of(program, command), before = *pace;
    double now = ms / (guess(program, command) * gpu_cut_share(&program->work[part->command], part));
    if (before == 0) before = gpu_cut_caution(program->device->caps.type);
    *pace = now > before / FASTER ? now : before / FASTER;
}

struct gpu_first {
    gpu_place place; /* behind what was submitted */
    double *took;    /* ms, by command */
    uint32_t submissions;
    gpu_recording recording; /* of the submission in flight */
};

static pm_status no_memory(const gpu_program *program)
{
    return log_fail(&program->device->log, PM_NO_HOST_MEMORY, "gpu: no memory for the first run of program '%s'",
                    program->name);
}

static pm_status begin(gpu_program *program)
{
    program->first = calloc(1, sizeof *program->first);
    if (program->first) program->first->took = calloc(program->command_count, sizeof *program->first->took);
    if (program->first && program->first->took) return PM_OK;
    gpu_first_drop(program);
    return no_memory(program);
}

void gpu_first_drop(gpu_program *program)
{
    if (!program->first) return;
    gpu_recording_free(program->device, &program->first->recording);
    free(program->first->took);
    free(program->first);
    program->first = NULL;
}

pm_status gpu_first_next(gpu_program *program, const VkSubmitInfo **info, double *ms, bool *last)
{
    pm_device *device = program->device;
    const uint32_t count = program->command_count;
    pm_status status = program->first ? PM_OK : begin(program);
    if (status != PM_OK) return status;
    gpu_first *first = program->first;
    gpu_place place = first->place;
    gpu_cut cut;
    double left = 0;
    for (uint32_t i = place.command; i < count && left < TARGET * device->submit_ms; i++) {
        program->work[i].ms = expected(program, &program->commands[i]);
        if (i > place.command) left += program->work[i].ms; /* the first command may be partly done */
    }
    if (gpu_cut_next(program->work, count, TARGET * device->submit_ms, FIRST_RUN_PARTS, &place, &cut) != PM_OK)
        return no_memory(program);
    *ms = cut.submissions[0].ms;
    status = gpu_recording_of(program, &cut, device->caps.timestamps, &first->recording);
    if (status != PM_OK) return status;
    first->place = place;
    *info = first->recording.infos;
    *last = place.command == count;
    return PM_OK;
}

pm_status gpu_first_landed(gpu_program *program, double host_ms)
{
    pm_device *device = program->device;
    gpu_first *first = program->first;
    gpu_recording *recording = &first->recording;
    const gpu_cut *cut = &recording->cut;
    double total = 0;
    bool read;
    const pm_status status = read_ticks(device, recording, &read);
    for (uint32_t i = 0; status == PM_OK && i < cut->part_count; i++) {
        const gpu_part *part = &cut->parts[i];
        const double ms = read ? ticks_ms(device, recording->ticks[i], recording->ticks[i + 1])
                               : host_ms * part->ms / cut->submissions[0].ms;
        learn(program, part, ms);
        first->took[part->command] += ms;
        total += ms;
    }
    if (first->submissions == 0) program->stats.run_ms = 0;
    if (read) program->stats.run_ms += total;
    if (total > program->stats.longest_ms) program->stats.longest_ms = total;
    program->stats.barriers += recording->barriers;
    if (read) gpu_profile_run(program, recording, first->submissions == 0);
    first->submissions++;
    gpu_recording_free(device, recording);
    return status;
}

pm_status gpu_first_finish(gpu_program *program)
{
    pm_device *device = program->device;
    for (uint32_t i = 0; i < program->command_count; i++) program->work[i].ms = program->first->took[i];
    const uint32_t submissions = program->first->submissions;
    gpu_first_drop(program);
    if (!record_again(program, TARGET * device->submit_ms))
        return gpu_check_lost(device); /* the next run is a first one */
    log_line(&device->log, PM_LOG_DEBUG,
             "gpu: program '%s': its first run in %u submissions, the longest %.1f ms; now %u", program->name,
             submissions, program->stats.longest_ms, program->recording.cut.submission_count);
    program->first_run = false;
    program->runs_measured++;
    return PM_OK;
}

/* ---- later runs ---- */

/* Sets the times of the last run's submissions from time stamps. A device without them has the host's clock, if the host waited for each. *longest is
 * negative where neither can be had. */
static pm_status measure(gpu_program *program, double *longest)
{
    pm_device *device = program->device;
    gpu_recording *recording = &program->recording;
    const uint32_t count = recording->cut.submission_count, *stamps = recording->stamps;
    bool read;
    const pm_status status = read_ticks(device, recording, &read);
    *longest = -1;
    if (!read && (recording->queries || program->late)) return status;
    program->stats.run_ms = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (read) {
            recording->ms[i] = ticks_ms(device, recording->ticks[stamps[i]], recording->ticks[stamps[i + 1] - 1]);
            program->stats.run_ms += recording->ms[i];
        }
        if (recording->ms[i] > *longest) *longest = recording->ms[i];
    }
    return PM_OK;
}

static pm_status recut(gpu_program *program, double limit_ms, double longest)
{
    pm_device *device = program->device;
    const uint32_t before = program->recording.cut.submission_count;
    if (!record_again(program, limit_ms)) return gpu_check_lost(device);
    log_line(&device->log, PM_LOG_DEBUG, "gpu: program '%s': %u submissions, the longest %.1f ms; now %u",
             program->name, before, longest, program->recording.cut.submission_count);
    return PM_OK;
}

pm_status gpu_program_measured(gpu_program *program, uint32_t runs)
{
    pm_device *device = program->device;
    double longest;
    pm_status status = measure(program, &longest);
    if (status != PM_OK || longest < 0) return status;
    if (program->recording.profiled) gpu_profile_run(program, &program->recording, runs);
    /* A software driver compiles in the first run, so that its time does not count. */
    bool cold = device->caps.type == PM_DEVICE_CPU && program->runs_measured == 0;
    bool after_cold = device->caps.type == PM_DEVICE_CPU && program->runs_measured == 1;
    program->runs_measured++;
    if (longest > program->stats.longest_ms || after_cold) program->stats.longest_ms = longest;
    uint32_t perils =
        program->splits > MAX_SPLITS ? program->splits - MAX_SPLITS : 0; /* each may be undone by a merge */
    bool split =
        !cold && longest > device->submit_ms && (program->splits < MAX_SPLITS || longest > PERIL * device->submit_ms);
    bool merge = !cold && longest < device->submit_ms / 4 && program->recording.cut.submission_count > 1 &&
                 program->merges < MAX_MERGES + perils;
    if (split || merge) {
        program->splits += split;
        program->merges += merge;
        gpu_cut_learn(program->work, &program->recording.cut, program->recording.ms);
        return recut(program, TARGET * device->submit_ms, longest);
    }
    if (program->recording.profiled != gpu_profile_armed(device)) /* the profile was stopped or restarted */
        return recut(program, program->recording.limit_ms, longest);
    return PM_OK;
}
