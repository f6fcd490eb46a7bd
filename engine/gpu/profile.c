/* Profiles programs: a row for each command, events on the host's clock from time stamps, and drivers' statistics of pipelines. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"

/* Clocks drift by some tens of parts per million, which is microseconds in this interval. */
#define CALIBRATE_SECONDS 0.1

bool gpu_profile_armed(const pm_device *device)
{
    return device->profile && device->profile->armed;
}

/* ---- one clock --------------------------------------------------------------------------------------------------- */

static VkTimeDomainEXT host_domain(void)
{
    return os_counter_is_performance_counter ? VK_TIME_DOMAIN_QUERY_PERFORMANCE_COUNTER_EXT
                                             : VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT;
}

/* Uses calibrated time stamps where the device can relate its clock to the host's counter, which is os_seconds()'s. */
static void open_clock(pm_device *device)
{
    const char *extension = device->features.calibrated;
    if (!extension) return;
    bool khr = extension[3] == 'K';
    PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT list =
        (PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT)device->instance.get(
            device->instance.handle,
            khr ? "vkGetPhysicalDeviceCalibrateableTimeDomainsKHR" : "vkGetPhysicalDeviceCalibrateableTimeDomainsEXT");
    PFN_vkGetCalibratedTimestampsEXT read = (PFN_vkGetCalibratedTimestampsEXT)device->instance.vk.vkGetDeviceProcAddr(
        device->handle, khr ? "vkGetCalibratedTimestampsKHR" : "vkGetCalibratedTimestampsEXT");
    VkTimeDomainEXT domains[16];
    uint32_t count = 16;
    bool ticks = false, counter = false;
    if (!list || !read || list(device->physical, &count, domains) < VK_SUCCESS) return;
    for (uint32_t i = 0; i < count; i++) {
        ticks |= domains[i] == VK_TIME_DOMAIN_DEVICE_EXT;
        counter |= domains[i] == host_domain();
    }
    if (ticks && counter) device->clock.read = read;
}

/* Reads both clocks a few times and keeps the closest pair. False where that fails. */
static bool calibrate(pm_device *device)
{
    gpu_clock *clock = &device->clock;
    const VkCalibratedTimestampInfoEXT infos[2] = {
        {.sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT, .timeDomain = VK_TIME_DOMAIN_DEVICE_EXT},
        {.sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT, .timeDomain = host_domain()}};
    uint64_t least = UINT64_MAX;
    if (!clock->read) return false;
    if (clock->seconds > 0 && device->landed - clock->seconds < CALIBRATE_SECONDS) return true;
    for (int i = 0; i < 3; i++) {
        uint64_t times[2], deviation = 0;
        if (clock->read(device->handle, 2, infos, times, &deviation) != VK_SUCCESS) break;
        if (deviation >= least) continue;
        least = deviation;
        clock->ticks = times[0];
        clock->seconds = os_counter_seconds(times[1]);
    }
    return least != UINT64_MAX;
}

/* Seconds from tick `from` to tick `to`; negative where `to` is earlier. */
static double seconds_between(const pm_device *device, uint64_t from, uint64_t to)
{
    uint64_t mask = device->features.timestamp_mask, ahead = (to - from) & mask, back = (from - to) & mask;
    double ticks = ahead <= back ? (double)ahead : -(double)back;
    return ticks * (double)device->caps.timestamp_period_ns * 1e-9;
}

/* The host's time of the program's first tick. Without calibration the run is centred between its submission and the end of the
 * wait. The error is at most half of the host's time on top of the device's. */
static double first_tick_seconds(gpu_program *program, const gpu_recording *recording)
{
    pm_device *device = program->device;
    uint64_t first = recording->ticks[0],
             last = recording->ticks[recording->stamps[recording->cut.submission_count] - 1];
    if (calibrate(device)) {
        device->profile->info.clock = PM_PROFILE_CLOCK_CALIBRATED;
        return device->clock.seconds + seconds_between(device, device->clock.ticks, first);
    }
    device->profile->info.clock = PM_PROFILE_CLOCK_ESTIMATED;
    return program->submitted + 0.5 * (device->landed - program->submitted - seconds_between(device, first, last));
}

pm_status gpu_profile_open(pm_device *device, uint32_t events)
{
    pm_status status = prof_create(&device->log, events, &device->profile);
    if (status == PM_OK) open_clock(device);
    return status;
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

pm_status gpu_profile_program(gpu_program *program)
{
    pm_device *device = program->device;
    program->rows = malloc((program->command_count + 1) * sizeof *program->rows);
    if (!program->rows)
        return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for the profile of program '%s'",
                        program->name);
    const pm_profile_row whole = {
        .track = PM_PROFILE_SUBMISSIONS, .program = program->name, .variant = PM_PROFILE_NO_KERNEL};
    pm_status status = prof_row(device->profile, &whole, &program->submitted_row);
    for (uint32_t i = 0; i < program->command_count && status == PM_OK; i++) {
        const gpu_command *c = &program->commands[i];
        const gpu_label *l = &c->label;
        const pm_profile_row key = {.track = PM_PROFILE_COMMANDS,
                                    .program = program->name,
                                    .op = l->op,
                                    .layer = l->layer,
                                    .direction = l->direction,
                                    .shape = {l->shape[0], l->shape[1], l->shape[2]},
                                    .kernel = c->kind == GPU_FILL   ? "fill"
                                              : c->kind == GPU_COPY ? "copy"
                                                                    : gpu_command_name(c),
                                    .variant = c->pipeline ? c->pipeline->profiled : PM_PROFILE_NO_KERNEL};
        status = prof_row(device->profile, &key, &program->rows[i]);
    }
    return status;
}

void gpu_profile_run(gpu_program *program, const gpu_recording *recording, uint32_t runs)
{
    pm_device *device = program->device;
    pm_profile *profile = device->profile;
    if (!profile || !profile->taking || !program->rows || program->submitted < profile->started) return;
    double origin = first_tick_seconds(program, recording);
    profile->info.runs += runs;
    if (runs > 1) profile->info.missed_runs += runs - 1;
    for (uint32_t s = 0; s < recording->cut.submission_count; s++) {
        const gpu_submission *submission = &recording->cut.submissions[s];
        const uint64_t *ticks = recording->ticks + recording->stamps[s];
        double begin = origin + seconds_between(device, recording->ticks[0], ticks[0]), at = begin;
        for (uint32_t i = 0; i < submission->count; i++) {
            const gpu_part *part = &recording->cut.parts[submission->first + i];
            const gpu_command *command = &program->commands[part->command];
            double seconds = seconds_between(device, ticks[i], ticks[i + 1]),
                   share = gpu_cut_share(&program->work[part->command], part);
            prof_event_add(profile, program->rows[part->command], at, seconds, share * command->flops,
                           share * command->bytes);
            at += seconds;
        }
        prof_event_add(profile, program->submitted_row, begin, at - begin, 0, 0);
    }
}

/* ---- pipelines --------------------------------------------------------------------------------------------------- */

pm_status gpu_profile_pipeline(pm_device *device, gpu_pipeline *pipeline)
{
    enum { MOST = 256 }; /* drivers give ten to thirty for each subgroup size */
    char constants[12 * GPU_MAX_SPEC] = "";
    for (uint32_t i = 0, used = 0; i < pipeline->spec_count; i++)
        used += (uint32_t)snprintf(constants + used, sizeof constants - used, "%s%u", i ? "," : "", pipeline->spec[i]);
    pm_status status =
        prof_kernel_add(device->profile, gpu_kernel_name(pipeline->kernel), constants, &pipeline->profiled);
    if (status != PM_OK || !device->features.executable_info) return status;
    pm_kernel_statistic *list = malloc(MOST * sizeof *list);
    if (!list) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for a kernel's statistics");
    size_t count = 0;
    status = gpu_pipeline_statistics(device, pipeline->handle, list, MOST, &count);
    for (size_t i = 0; i < count && i < MOST && status == PM_OK; i++)
        status = prof_statistic_add(device->profile, pipeline->profiled, list[i].executable, list[i].name,
                                    list[i].description, list[i].value);
    free(list);
    return status;
}
