/* Runs. A submitted program waits in a list, and its submissions go to the queue a few at a time. So pausing, cancelling and the device's share take
 * effect within the time of what is queued, and the submissions of several owners take turns. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>

#include "base/control.h"
#include "os/clock.h"

/* ---- the list ------------------------------------------------------------------------------------------------------- */

static bool begun(const gpu_run *run)
{
    return run->program->upcoming > 0;
}

/* Whether the update of weights goes on: it is neither paused nor cancelled, and nobody else's work comes between. */
static bool going_whole(const gpu_run *run)
{
    return run->program->whole && begun(run);
}

pm_status gpu_take_outcome(gpu_program *program)
{
    const pm_status status = program->outcome;
    program->outcome = PM_OK;
    return status;
}

static void remove_run(pm_device *device, uint32_t index)
{
    device->run_count--;
    for (uint32_t i = index; i < device->run_count; i++) device->runs[i] = device->runs[i + 1];
}

static void end_with(gpu_program *program, pm_status status)
{
    if (program->outcome == PM_OK) program->outcome = status;
}

void gpu_run_drop(pm_device *device, uint32_t index, pm_status status)
{
    gpu_program *program = device->runs[index].program;
    const gpu_moment signals = device->runs[index].signals;
    bool first = true; /* of its program: the one that may have begun */
    for (uint32_t i = 0; i < index; i++) first &= device->runs[i].program != program;
    remove_run(device, index);
    gpu_signal(device, signals); /* whoever waits for it must not wait for ever */
    program->waiting--;
    end_with(program, status);
    if (!first) return;
    if (program->upcoming > 0) program->ended = 0; /* it overwrote some time stamps */
    program->upcoming = 0;
    if (program->in_flight == 0) gpu_first_drop(program);
}

/* Drops an owner's runs from `index` on, for each needs those before it; in order, for so their values are signalled. */
static void drop_owner(pm_device *device, const void *owner, uint32_t index, pm_status status)
{
    while (index < device->run_count)
        if (device->runs[index].program->owner == owner)
            gpu_run_drop(device, index, status);
        else
            index++;
}

/* All of the owner's runs fail, those too that have ended and are not waited for yet: each may need what failed. */
static void fail_owner(pm_device *device, const void *owner, pm_status status)
{
    drop_owner(device, owner, 0, status);
    for (gpu_program *program = device->programs; program; program = program->next)
        if (program->owner == owner) end_with(program, status);
}

void gpu_runs_drop(pm_device *device, pm_status status)
{
    while (device->run_count) gpu_run_drop(device, 0, status);
    for (gpu_program *program = device->programs; program; program = program->next)
        if (program->in_flight) end_with(program, status);
}

void gpu_runs_drop_cancelled(pm_device *device)
{
    for (uint32_t i = 0; i < device->run_count; i++) {
        const gpu_run *run = &device->runs[i];
        if (!control_cancelled(run->control) || going_whole(run)) continue;
        drop_owner(device, run->program->owner, i--, PM_CANCELLED);
    }
}

/* A place in the list. */
static pm_status add_run(pm_device *device, const gpu_run *run)
{
    if (device->run_count == device->run_capacity) {
        const uint32_t capacity = device->run_capacity ? 2 * device->run_capacity : 8;
        gpu_run *grown = realloc(device->runs, capacity * sizeof *grown);
        if (!grown) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory to run '%s'", run->program->name);
        device->runs = grown;
        device->run_capacity = capacity;
    }
    device->runs[device->run_count++] = *run;
    return PM_OK;
}

static pm_status check_run(const gpu_program *program, const pm_control *control)
{
    const pm_device *device = program->device;
    const pm_status status = gpu_check_lost(device);
    if (status != PM_OK) return status;
    if (!program->finished || program->status != PM_OK)
        return log_fail(&device->log, program->status != PM_OK ? program->status : PM_INVALID,
                        "gpu: program '%s' cannot run: it was not finished, or that failed", program->name);
    return control_cancelled(control) ? PM_CANCELLED : PM_OK;
}

static pm_status submit(gpu_program *program, const gpu_sync *sync)
{
    pm_device *device = program->device;
    const gpu_run run = {.program = program, .control = sync->control, .after = sync->after, .signals = sync->signals};
    pm_status status = check_run(program, run.control);
    const bool nothing = status == PM_OK && (program->command_count == 0 || device->compile_only);
    if (status == PM_OK && !nothing) status = add_run(device, &run);
    if (status != PM_OK || nothing) {
        gpu_signal(device, run.signals);
        return status;
    }
    if (gpu_done(program)) program->outcome = PM_OK;
    program->waiting++;
    status = gpu_poll(device);
    return status == PM_OK && gpu_done(program) ? gpu_take_outcome(program) : status;
}

pm_status gpu_submit_sync(gpu_program *program, const gpu_sync *sync)
{
    if (!gpu_enter(program->device)) return PM_INVALID;
    const pm_status status = submit(program, sync);
    gpu_leave(program->device);
    return status;
}

pm_status gpu_submit(gpu_program *program)
{
    return gpu_submit_sync(program, &(gpu_sync){.control = program->device->control});
}

/* ---- what is done ---------------------------------------------------------------------------------------------------- */

static void landed(pm_device *device, gpu_flight *flight, bool awaited)
{
    gpu_program *program = flight->program;
    const double before = device->landed > flight->submitted ? device->landed : flight->submitted;
    device->landed = os_seconds();
    if (!program) return;
    const double ms = 1e3 * (device->landed - before);
    pm_status status = PM_OK;
    flight->program = NULL;
    program->in_flight--;
    if (device->period_ms > 0) { /* what compiles in its first run does not count whole */
        const double counted = ms < 4 * device->submit_ms ? ms : 4 * device->submit_ms;
        device->due = device->landed + 1e-3 * counted * (device->period_ms / device->submit_ms - 1);
    }
    if (program->closing || program->outcome != PM_OK) {
        if (program->in_flight == 0) gpu_first_drop(program);
        return;
    }
    if (program->first_run) {
        status = gpu_first_landed(program, ms);
        if (status == PM_OK && flight->last) status = gpu_first_finish(program);
    } else {
        if (flight->index == 0) program->late = false;
        program->late |= !awaited;
        program->recording.ms[flight->index] = ms;
        program->ended += flight->last;
    }
    if (status != PM_OK) fail_owner(device, program->owner, status);
}

/* ---- what it took ------------------------------------------------------------------------------------------------------ */

/* Runs that are measured even if the next one must wait for it. */
enum { RUNS_MEASURED = 4 };

static bool has_times(const gpu_program *program)
{
    return program->ended > 0 && program->in_flight == 0 && program->upcoming == 0 && !program->closing &&
           !program->device->lost;
}

static gpu_program *earliest_ended(const pm_device *device)
{
    gpu_program *earliest = NULL;
    for (gpu_program *p = device->programs; p; p = p->next)
        if (has_times(p) && (!earliest || p->submitted < earliest->submitted)) earliest = p;
    return earliest;
}

static pm_status measure(gpu_program *program)
{
    const pm_status status = gpu_program_measured(program, program->ended);
    program->ended = 0;
    if (status != PM_OK) fail_owner(program->device, program->owner, status);
    return status;
}

/* Reading time stamps makes Mesa's software driver wait for all that is in flight (lvp_GetQueryPoolResults). There they are read when nothing is. */
static void measure_ended(pm_device *device)
{
    const bool idle = device->queue.done == device->queue.submitted;
    if (device->caps.type == PM_DEVICE_CPU && !idle) return;
    for (gpu_program *program = earliest_ended(device); program; program = earliest_ended(device))
        (void)measure(program);
}

/* Another run of the program overwrites the time stamps of the last one. */
static pm_status measure_before(gpu_program *program)
{
    return has_times(program) && program->runs_measured < RUNS_MEASURED ? measure(program) : PM_OK;
}

void gpu_runs_retire(pm_device *device, bool awaited)
{
    if (device->retired == device->queue.done) return;
    while (device->retired < device->queue.done)
        landed(device, &device->flights[++device->retired % GPU_TICKETS], awaited);
    measure_ended(device);
}

/* ---- what comes next -------------------------------------------------------------------------------------------------- */

static bool first_of_owner(const pm_device *device, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (device->runs[i].program->owner == device->runs[index].program->owner) return false;
    return true;
}

/* A first run is timed part by part. */
static bool waits_for_part(const gpu_run *run)
{
    return run->program->first_run && run->program->in_flight > 0;
}

/* The run whose submission comes next: of the owners' first ones the one that was served longest ago. An update begins when no other run is half
 * through, and lets none begin before it. NULL: none may go on now. */
static gpu_run *pick(pm_device *device)
{
    gpu_run *best = NULL, *update = NULL;
    bool halfway = false;
    for (uint32_t i = 0; i < device->run_count; i++) {
        gpu_run *run = &device->runs[i];
        if (going_whole(run)) return waits_for_part(run) ? NULL : run;
        if (!first_of_owner(device, i) || control_paused(run->control)) continue;
        if (run->program->whole && !update) update = run;
        halfway |= begun(run);
    }
    for (uint32_t i = 0; i < device->run_count; i++) {
        gpu_run *run = &device->runs[i];
        if (!first_of_owner(device, i) || control_paused(run->control) || waits_for_part(run)) continue;
        if (update && (halfway ? !begun(run) : run != update)) continue;
        if (!best || run->served < best->served) best = run;
    }
    return best;
}

/* Whether a submission that takes about so long may be queued behind those in flight: all of them take submit_ms at most. So whatever comes next, such as a
 * frame or a cancel, waits for no more. A device that ends a long submission idles until the host has seen that, some 50 us. */
static bool room(const pm_device *device, double ms)
{
    const uint64_t count = device->queue.submitted - device->queue.done;
    if (device->period_ms > 0) return count == 0 && os_seconds() >= device->due;
    if (count == 0) return true;
    if (count >= GPU_TICKETS - 1) return false; /* a transfer takes the last one at any time */
    for (uint64_t t = device->queue.done + 1; t <= device->queue.submitted; t++)
        ms += device->flights[t % GPU_TICKETS].ms;
    return ms <= device->submit_ms;
}

/* A part with the host's semaphores. */
static pm_status submit_with(pm_device *device, const VkSubmitInfo *part, const gpu_moment *after,
                             const gpu_moment *signals, uint64_t *ticket)
{
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const VkSemaphore wait = (VkSemaphore)after->semaphore, signal = (VkSemaphore)signals->semaphore;
    const VkTimelineSemaphoreSubmitInfo values = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                  .waitSemaphoreValueCount = after->semaphore != 0,
                                                  .pWaitSemaphoreValues = &after->value,
                                                  .signalSemaphoreValueCount = signals->semaphore != 0,
                                                  .pSignalSemaphoreValues = &signals->value};
    VkSubmitInfo info = *part;
    info.pNext = &values;
    info.waitSemaphoreCount = values.waitSemaphoreValueCount;
    info.pWaitSemaphores = &wait;
    info.pWaitDstStageMask = &stages;
    info.signalSemaphoreCount = values.signalSemaphoreValueCount;
    info.pSignalSemaphores = &signal;
    return gpu_queue_submit(device, &info, ticket);
}

/* Submits the run's next part; *more: it has further ones. */
static pm_status submit_part(gpu_run *run, bool *more)
{
    gpu_program *program = run->program;
    pm_device *device = program->device;
    gpu_moment after = run->after, signals = run->signals;
    run->after = (gpu_moment){0};
    const gpu_recording *recording = program->first_run ? NULL : &program->recording;
    const VkSubmitInfo *info;
    gpu_flight flight = {.program = program, .index = program->upcoming};
    pm_status status = measure_before(program);
    if (status != PM_OK) return status;
    if (recording) {
        info = &recording->infos[flight.index];
        flight.ms = recording->cut.submissions[flight.index].ms;
        flight.last = flight.index + 1 == recording->cut.submission_count;
    } else {
        status = gpu_first_next(program, &info, &flight.ms, &flight.last);
    }
    if (status != PM_OK) return status;
    flight.submitted = os_seconds();
    if (flight.index == 0 || !recording) program->submitted = flight.submitted;
    uint64_t ticket;
    if (!flight.last) signals = (gpu_moment){0};
    status = after.semaphore || signals.semaphore ? submit_with(device, info, &after, &signals, &ticket)
                                                  : gpu_queue_submit(device, info, &ticket);
    if (status != PM_OK) return status;
    device->flights[ticket % GPU_TICKETS] = flight;
    program->in_flight++;
    program->upcoming = flight.last ? 0 : program->upcoming + 1;
    *more = !flight.last;
    return PM_OK;
}

/* How long the run's next submission takes, as expected (ms). */
static double next_ms(const gpu_run *run)
{
    const gpu_program *program = run->program;
    return program->first_run ? program->device->submit_ms : program->recording.cut.submissions[program->upcoming].ms;
}

void gpu_runs_feed(pm_device *device)
{
    for (gpu_run *run = pick(device); run && room(device, next_ms(run)); run = pick(device)) {
        const uint32_t index = (uint32_t)(run - device->runs);
        gpu_program *program = run->program;
        bool more = false;
        run->served = ++device->serving;
        const pm_status status = submit_part(run, &more);
        if (device->lost) {
            gpu_runs_drop(device, PM_DEVICE_LOST);
        } else if (status != PM_OK) {
            fail_owner(device, program->owner, status);
        } else if (!more) {
            remove_run(device, index);
            program->waiting--;
        }
    }
}
