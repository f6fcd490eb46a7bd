/* A worker's thread calls the jobs' pieces in turn. The monitor guards the list and the jobs' outcomes; no piece runs while it is held. */
#include <pumice/job.h>

#include <stdlib.h>

#include "base/control.h"
#include "base/log.h"
#include "base/sized.h"
#include "gpu/gpu.h"
#include "os/atomic.h"
#include "os/clock.h"
#include "os/thread.h"

/* Where every job waits for a device, the worker looks again at least this often (s). */
#define LOOK_SECONDS 0.002

/* What a worker and its jobs share; it lives as long as one of them. */
typedef struct shared {
    os_monitor *monitor;
    os_atomic users;
} shared;

struct pm_job {
    shared *shared;
    pm_job *next; /* in the worker's list */
    pm_job_params params;
    pm_control *control;
    pm_status outcome;
    os_atomic ended; /* then nothing of it changes any more, and the worker may be gone */
};

struct pm_worker {
    pm_log log;
    os_thread *thread;
    shared *shared;
    pm_job *jobs; /* that have not ended, in the order in which they were started */
    bool closing;
};

static void leave_shared(shared *s)
{
    if (os_atomic_add(&s->users, UINT32_MAX) != 1) return;
    os_monitor_destroy(&s->monitor);
    free(s);
}

/* One piece. */
static pm_status work_on(pm_job *job)
{
    pm_device *device = job->params.device;
    pm_control *const before = device ? gpu_control(device) : NULL;
    if (device) pm_device_control(device, job->control);
    const pm_status status = job->params.work(job->control, job->params.user);
    if (device) pm_device_control(device, before);
    return status;
}

static void end_job(pm_worker *worker, pm_job *job, pm_status outcome)
{
    if (job->params.ended) job->params.ended(job->params.user, outcome);
    os_monitor_enter(worker->shared->monitor);
    pm_job **at = &worker->jobs;
    while (*at != job) at = &(*at)->next;
    *at = job->next;
    job->outcome = outcome;
    os_atomic_store(&job->ended, 1);
    os_monitor_wake_all(worker->shared->monitor);
    os_monitor_leave(worker->shared->monitor);
}

/* A piece of each job. Returns whether any did something; *device: one that a job waits for, or NULL. Jobs are only taken out by this thread, and added
 * at the end. */
static bool round_of_jobs(pm_worker *worker, pm_device **device)
{
    bool busy = false;
    *device = NULL;
    os_monitor_enter(worker->shared->monitor);
    for (pm_job *job = worker->jobs, *next; job; job = next) {
        os_monitor_leave(worker->shared->monitor);
        pm_status status = PM_WAITING;
        const bool paused = control_paused(job->control);
        if (!paused) {
            status = work_on(job);
            busy |= status != PM_WAITING;
            if (status == PM_WAITING && job->params.device) *device = job->params.device;
        }
        os_monitor_enter(worker->shared->monitor);
        next = job->next;
        if (status == PM_AGAIN || status == PM_WAITING) continue;
        os_monitor_leave(worker->shared->monitor);
        end_job(worker, job, status);
        os_monitor_enter(worker->shared->monitor);
    }
    os_monitor_leave(worker->shared->monitor);
    return busy;
}

/* Blocks while there are no jobs. False at the end. */
static bool wait_for_jobs(pm_worker *worker)
{
    os_monitor_enter(worker->shared->monitor);
    while (!worker->jobs && !worker->closing) os_monitor_wait(worker->shared->monitor);
    const bool more = worker->jobs != NULL;
    os_monitor_leave(worker->shared->monitor);
    return more;
}

static void run(void *user)
{
    pm_worker *worker = user;
    while (wait_for_jobs(worker)) {
        pm_device *device;
        if (round_of_jobs(worker, &device)) continue;
        /* A failure of the device comes to the jobs by their own calls. */
        if (!device || pm_device_wait(device, LOOK_SECONDS) != PM_OK) os_sleep(LOOK_SECONDS);
    }
}

pm_status pm_worker_create(const pm_log *log, pm_worker **out)
{
    pm_worker *worker = calloc(1, sizeof *worker);
    shared *both = calloc(1, sizeof *both);
    const bool monitor = worker && both && os_monitor_create(&both->monitor);
    if (monitor) {
        os_atomic_store(&both->users, 1);
        worker->shared = both;
        if (log) worker->log = *log;
        if (os_thread_start(run, worker, &worker->thread)) {
            *out = worker;
            return PM_OK;
        }
        os_monitor_destroy(&both->monitor);
    }
    free(both);
    free(worker);
    return log_fail(log, PM_NO_HOST_MEMORY, "worker: no memory for a thread");
}

void pm_worker_destroy(pm_worker **handle)
{
    pm_worker *worker = *handle;
    if (!worker) return;
    os_monitor_enter(worker->shared->monitor);
    worker->closing = true;
    for (pm_job *job = worker->jobs; job; job = job->next) pm_control_cancel(job->control);
    os_monitor_wake_all(worker->shared->monitor);
    os_monitor_leave(worker->shared->monitor);
    os_thread_join(&worker->thread);
    leave_shared(worker->shared);
    free(worker);
    *handle = NULL;
}

pm_status pm_job_start_sized(pm_worker *worker, const pm_job_params *given, size_t given_size, pm_job **out)
{
    pm_job_params params;
    pm_status status = sized_read(&worker->log, "pm_job_params", given, given_size, &params, sizeof params);
    if (status != PM_OK) return status;
    if (!params.work) return log_fail(&worker->log, PM_INVALID, "job: it has no work");
    pm_job *job = calloc(1, sizeof *job);
    if (!job || pm_control_create(&job->control) != PM_OK) {
        free(job);
        return log_fail(&worker->log, PM_NO_HOST_MEMORY, "job: no memory");
    }
    job->shared = worker->shared;
    os_atomic_add(&job->shared->users, 1);
    job->params = params;
    os_atomic_store(&job->ended, 0);
    *out = job; /* before its first piece, which may use it */
    os_monitor_enter(worker->shared->monitor);
    pm_job **at = &worker->jobs;
    while (*at) at = &(*at)->next;
    *at = job;
    if (worker->closing) pm_control_cancel(job->control);
    os_monitor_wake_all(worker->shared->monitor);
    os_monitor_leave(worker->shared->monitor);
    return PM_OK;
}

pm_control *pm_job_control(pm_job *job)
{
    return job->control;
}

bool pm_job_ended(const pm_job *job, pm_status *outcome)
{
    const bool ended = os_atomic_load(&job->ended) != 0;
    if (ended && outcome) *outcome = job->outcome;
    return ended;
}

pm_status pm_job_wait(pm_job *job)
{
    if (os_atomic_load(&job->ended)) return job->outcome;
    os_monitor *monitor = job->shared->monitor;
    os_monitor_enter(monitor);
    while (!os_atomic_load(&job->ended)) os_monitor_wait(monitor);
    os_monitor_leave(monitor);
    return job->outcome;
}

void pm_job_release(pm_job **handle)
{
    pm_job *job = *handle;
    if (!job) return;
    pm_control_cancel(job->control);
    (void)pm_job_wait(job);
    pm_control_destroy(&job->control);
    leave_shared(job->shared);
    free(job);
    *handle = NULL;
}
