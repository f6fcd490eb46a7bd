/* Times submissions: a program's first run, which is cut while it runs, and new cuts after later runs. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>

#include "os/clock.h"

/* New cuts for one program: enough to settle, few enough that a busy machine does not cause them for ever. */
enum { MAX_SPLITS = 6, MAX_MERGES = 2 };
/* A multiple of submit_ms. A longer submission is close to a watchdog (half a second and more): it is cut however many cuts there were. */
#define PERIL 5.0
#define TARGET 0.8 /* of submit_ms: leaves room for variation between runs */

/* ---- time stamps ---- */

/* Reads the time stamps of all submissions. */
static pm_status read_ticks(pm_device *device, gpu_recording *recording)
{
    const uint32_t count = recording->stamps[recording->cut.submission_count];
    pm_status status = PM_OK;
    VK_TRY(device, device->vk.vkGetQueryPoolResults(device->handle, recording->queries, 0, count,
                                                    count * sizeof *recording->ticks, recording->ticks,
                                                    sizeof *recording->ticks, VK_QUERY_RESULT_64_BIT));
fail:
    return status;
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

/* Runs one submission and adds its parts' times to `took`, one entry a command. `first`: it is the first of the run. */
static pm_status run_parts(gpu_program *program, gpu_cut *cut, bool first, double *took)
{
    pm_device *device = program->device;
    gpu_recording recording = {0};
    pm_status status = gpu_recording_of(program, cut, device->caps.timestamps, &recording);
    if (status != PM_OK) return status;
    program->submitted = os_seconds();
    status = gpu_run_now(device, recording.buffers[0]);
    if (status == PM_OK && recording.queries) status = read_ticks(device, &recording);
    double host_ms = 1e3 * (device->waited - program->submitted), total = 0;
    for (uint32_t i = 0; status == PM_OK && i < cut->part_count; i++) {
        const gpu_part *part = &cut->parts[i];
        double ms = recording.queries ? ticks_ms(device, recording.ticks[i], recording.ticks[i + 1])
                                      : host_ms * part->ms / cut->submissions[0].ms;
        learn(program, part, ms);
        took[part->command] += ms;
        total += ms;
    }
    if (recording.queries) program->stats.run_ms += total;
    if (total > program->stats.longest_ms) program->stats.longest_ms = total;
    program->stats.barriers += recording.barriers;
    if (status == PM_OK && recording.queries) gpu_profile_run(program, &recording, first);
    gpu_recording_free(device, &recording);
    return status;
}

static pm_status no_memory(const gpu_program *program)
{
    return log_fail(&program->device->log, PM_NO_HOST_MEMORY, "gpu: no memory for the first run of program '%s'",
                    program->name);
}

pm_status gpu_first_run(gpu_program *program)
{
    pm_device *device = program->device;
    const double limit = TARGET * device->submit_ms;
    const uint32_t count = program->command_count;
    double *took = calloc(count, sizeof *took);
    gpu_place place = {0};
    uint32_t submissions = 0;
    pm_status status = took ? PM_OK : no_memory(program);
    while (status == PM_OK && place.command < count) {
        gpu_cut cut;
        double ms = 0;
        for (uint32_t i = place.command; i < count && ms <= limit; i++) {
            program->work[i].ms = expected(program, &program->commands[i]);
            if (i > place.command) ms += program->work[i].ms; /* the first command may be partly done */
        }
        if (gpu_cut_next(program->work, count, limit, FIRST_RUN_PARTS, &place, &cut) != PM_OK)
            status = no_memory(program);
        else
            status = run_parts(program, &cut, submissions++ == 0, took);
    }
    for (uint32_t i = 0; status == PM_OK && i < count; i++) program->work[i].ms = took[i];
    free(took);
    if (status == PM_OK) status = gpu_recording_make(program, limit);
    if (status != PM_OK) return status;
    log_line(&device->log, PM_LOG_DEBUG,
             "gpu: program '%s': its first run in %u submissions, the longest %.1f ms; now %u", program->name,
             submissions, program->stats.longest_ms, program->recording.cut.submission_count);
    program->first_run = false;
    program->runs_measured++;
    return PM_OK;
}

/* ---- later runs ---- */

/* Sets the times of the last run's submissions from time stamps. A device without them has the host's clock, if the wait was for this run
 * alone: its time is divided as expected. *longest is negative where neither can be had. */
static pm_status measure(gpu_program *program, bool alone, double *longest)
{
    pm_device *device = program->device;
    gpu_recording *recording = &program->recording;
    const uint32_t count = recording->cut.submission_count, *stamps = recording->stamps;
    pm_status status = PM_OK;
    double expected = 0, host_ms = 1e3 * (device->waited - program->submitted);
    *longest = -1;
    for (uint32_t i = 0; i < count; i++) expected += recording->cut.submissions[i].ms;
    if (!recording->queries && !alone) return PM_OK;
    if (recording->queries) status = read_ticks(device, recording);
    if (status != PM_OK) return status;
    program->stats.run_ms = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (recording->queries) {
            recording->ms[i] = ticks_ms(device, recording->ticks[stamps[i]], recording->ticks[stamps[i + 1] - 1]);
            program->stats.run_ms += recording->ms[i];
        } else {
            recording->ms[i] = host_ms * recording->cut.submissions[i].ms / expected;
        }
        if (recording->ms[i] > *longest) *longest = recording->ms[i];
    }
    return PM_OK;
}

static pm_status recut(gpu_program *program, double limit_ms, double longest)
{
    pm_device *device = program->device;
    uint32_t before = program->recording.cut.submission_count;
    pm_status status = gpu_recording_make(program, limit_ms);
    if (status == PM_OK)
        log_line(&device->log, PM_LOG_DEBUG, "gpu: program '%s': %u submissions, the longest %.1f ms; now %u",
                 program->name, before, longest, program->recording.cut.submission_count);
    return status;
}

pm_status gpu_program_measured(gpu_program *program, uint32_t runs, bool alone)
{
    pm_device *device = program->device;
    double longest;
    pm_status status = measure(program, alone, &longest);
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
