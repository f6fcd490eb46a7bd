/* Polling and waiting. Every call that works on a device comes by here now and then, and so feeds the queue. */
#include "gpu/gpu_internal.h"

#include "os/atomic.h"
#include "os/clock.h"
#include "os/thread.h"

/* A wait looks again after so long where nothing is queued: a run is paused, or the device's share is used up (s). */
#define LOOK_SECONDS 0.002

#ifndef NDEBUG
bool gpu_enter(pm_device *device)
{
    const uint32_t self = os_thread_self();
    if (os_atomic_load(&device->user) != self && os_atomic_replace(&device->user, 0, self) != 0) {
        log_line(&device->log, PM_LOG_ERROR,
                 "gpu: two threads use %s at once; one at a time may (a pm_worker, or a lock of the program's own)",
                 device->caps.name);
        return false;
    }
    device->calls++;
    return true;
}

void gpu_leave(pm_device *device)
{
    if (--device->calls == 0) os_atomic_store(&device->user, 0);
}
#endif

static pm_status poll(pm_device *device)
{
    const pm_status status = device->lost ? PM_DEVICE_LOST : gpu_queue_poll(device);
    if (status != PM_OK) {
        gpu_runs_drop(device, status);
        return status;
    }
    gpu_runs_retire(device, false);
    gpu_runs_drop_cancelled(device);
    gpu_runs_feed(device);
    return device->lost ? PM_DEVICE_LOST : PM_OK;
}

pm_status gpu_poll(pm_device *device)
{
    if (!gpu_enter(device)) return PM_INVALID;
    const pm_status status = poll(device);
    gpu_leave(device);
    return status;
}

static pm_status wait_next(pm_device *device, double seconds)
{
    pm_status status = PM_OK;
    if (device->queue.done < device->queue.submitted) {
        status = gpu_queue_wait(device, device->queue.done + 1);
        if (status != PM_OK) gpu_runs_drop(device, status);
        gpu_runs_retire(device, true);
    } else {
        const double start = os_seconds();
        os_sleep(seconds < LOOK_SECONDS ? seconds : LOOK_SECONDS);
        device->wait_seconds += os_seconds() - start;
    }
    return status == PM_OK ? gpu_poll(device) : status;
}

pm_status gpu_wait_next(pm_device *device, double seconds)
{
    if (!gpu_enter(device)) return PM_INVALID;
    const pm_status status = wait_next(device, seconds);
    gpu_leave(device);
    return status;
}

pm_status pm_device_poll(pm_device *device)
{
    const pm_status status = gpu_check_lost(device);
    return status == PM_OK ? gpu_poll(device) : status;
}

pm_status pm_device_wait(pm_device *device, double seconds)
{
    const pm_status status = gpu_check_lost(device);
    return status == PM_OK ? gpu_wait_next(device, seconds) : status;
}

bool gpu_done(const gpu_program *program)
{
    return program->waiting == 0 && program->in_flight == 0;
}

bool gpu_failed(const gpu_program *program)
{
    return program->outcome != PM_OK;
}

/* Waits on after a failure: what is in flight must end. */
static pm_status wait_on(pm_device *device, pm_status before)
{
    const pm_status status = gpu_wait_next(device, LOOK_SECONDS);
    return before == PM_OK ? status : before;
}

pm_status gpu_wait_for(gpu_program *program)
{
    pm_status status = gpu_check_lost(program->device);
    while (!program->device->lost && !gpu_done(program)) status = wait_on(program->device, status);
    const pm_status outcome = gpu_take_outcome(program);
    return status == PM_OK ? outcome : status;
}

/* Drops what waits of it, but for a whole run that has begun. */
static void drop_waiting(gpu_program *program)
{
    pm_device *device = program->device;
    const uint32_t kept = program->whole && program->upcoming > 0;
    for (uint32_t i = device->run_count; i-- > 0 && program->waiting > kept;)
        if (device->runs[i].program == program) gpu_run_drop(device, i, PM_CANCELLED);
}

void gpu_forget(gpu_program *program)
{
    drop_waiting(program);
    while (!program->device->lost && !gpu_done(program)) (void)gpu_wait_next(program->device, LOOK_SECONDS);
    (void)gpu_take_outcome(program);
}

pm_status gpu_wait(pm_device *device)
{
    pm_status status = gpu_check_lost(device);
    while (!device->lost && (device->run_count > 0 || device->queue.done < device->queue.submitted))
        status = wait_on(device, status);
    for (gpu_program *program = device->programs; program; program = program->next) {
        const pm_status outcome = gpu_take_outcome(program);
        if (status == PM_OK) status = outcome;
    }
    return status;
}

/* Works behind all that is in flight, and before what waits. */
pm_status gpu_run_now(pm_device *device, VkCommandBuffer commands)
{
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
    uint64_t ticket;
    if (device->compile_only) return PM_OK;
    pm_status status = gpu_queue_submit(device, &info, &ticket);
    if (status != PM_OK) return status;
    device->flights[ticket % GPU_TICKETS] = (gpu_flight){.submitted = os_seconds()};
    status = gpu_queue_wait(device, ticket);
    gpu_runs_retire(device, true);
    return status;
}

pm_status gpu_settle(pm_device *device)
{
    pm_status status = gpu_check_lost(device);
    if (status == PM_OK) status = gpu_queue_wait(device, device->queue.submitted);
    gpu_runs_retire(device, true);
    return status;
}

void gpu_program_stop(gpu_program *program)
{
    pm_device *device = program->device;
    drop_waiting(program);
    while (!device->lost && program->waiting > 0)
        (void)gpu_wait_next(device, LOOK_SECONDS); /* weights half updated are of no use */
    program->closing = true;
    for (uint32_t i = device->run_count; i-- > 0;)
        if (device->runs[i].program == program) gpu_run_drop(device, i, PM_CANCELLED);
    while (program->in_flight > 0 && !device->lost) {
        (void)gpu_queue_wait(device, device->queue.done + 1);
        gpu_runs_retire(device, true);
    }
    for (int i = 0; i < GPU_TICKETS; i++)
        if (device->flights[i].program == program) device->flights[i].program = NULL;
    program->in_flight = 0;
    gpu_first_drop(program);
}
