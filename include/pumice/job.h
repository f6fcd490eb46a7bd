/* Long calls on a thread of their own, so that the program's own need not wait. */
#ifndef PUMICE_JOB_H
#define PUMICE_JOB_H

#include <pumice/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A thread that works on jobs, in turn. A device is used by one thread at a time: jobs with one device belong to one worker, and while it has any, the
 * program leaves the device and all that was made from it to them. Threads: any may start jobs. */
typedef struct pm_worker pm_worker;

/* Fails: PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_worker_create(const pm_log *log, pm_worker **out);
/* Cancels the jobs that are left and waits for their end. *worker may be NULL; it becomes NULL. Not from the worker's own thread. */
PM_API void pm_worker_destroy(pm_worker **worker);

/* A piece of a job's work, on the worker's thread, which holds no lock meanwhile. It may call whatever Pumice has. Returns PM_AGAIN where there is more
 * to do, PM_WAITING where what it began on the device goes on (pm_trainer_done and the like say so), or the job's outcome. Between the pieces other jobs
 * have their turn. Calls with the job's device obey `control`; after a cancel they return PM_CANCELLED, which is for the piece to pass on. */
typedef pm_status (*pm_job_work)(pm_control *control, void *user);

typedef struct pm_job_params {
    pm_device *device; /* NULL: none */
    pm_job_work work;
    void (*ended)(void *user, pm_status outcome); /* on the worker's thread, after the last piece; may be NULL */
    void *user;
} pm_job_params;

/* A piece of work that was given to a worker. Threads: any; but pm_job_release may be called once. */
typedef struct pm_job pm_job;

/* Fails: PM_INVALID (there is no work), PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_job_start_sized(pm_worker *worker, const pm_job_params *params, size_t params_size,
                                                 pm_job **out);
PM_NODISCARD static inline pm_status pm_job_start(pm_worker *worker, const pm_job_params *params, pm_job **out)
{
    return pm_job_start_sized(worker, params, sizeof *params, out);
}

/* To pause, cancel and watch it (pumice/control.h). While it is paused no piece of it is begun. Lives as long as the job. */
PM_API pm_control *pm_job_control(pm_job *job);
/* Whether it has ended; then *outcome is what its last piece returned. outcome may be NULL. */
PM_API bool pm_job_ended(const pm_job *job, pm_status *outcome);
/* Blocks until it has ended and returns the outcome. Not from the worker's own thread. */
PM_API pm_status pm_job_wait(pm_job *job);
/* Cancels it, waits for its end, and frees it. *job may be NULL; it becomes NULL. From the worker's own thread it must have ended: not from its
 * pieces, nor from `ended`. pm_worker_destroy may come before, or after. */
PM_API void pm_job_release(pm_job **job);

#ifdef __cplusplus
}
#endif
#endif
