/* The runs of a device's programs: what waits, what is in flight. Part of gpu_internal.h. */
#ifndef GPU_RUN_H
#define GPU_RUN_H

/* A run in the device's list. */
typedef struct gpu_run {
    gpu_program *program;
    pm_control *control; /* NULL: none */
    gpu_moment after;    /* its first submission waits for this */
    gpu_moment signals;  /* its last one signals it; where the run is dropped, nothing but that is submitted */
    uint64_t served;     /* when its last submission was queued, by device->serving */
} gpu_run;

/* A submission in flight. */
typedef struct gpu_flight {
    gpu_program *program; /* NULL: a transfer */
    uint32_t index;       /* in the program's recording */
    bool last;            /* of its run */
    double ms;            /* expected */
    double submitted;     /* by os_seconds() */
} gpu_flight;

/* In debug builds: whether no other thread is in a call with the device. Otherwise PM_INVALID, with a line. A true answer needs a gpu_leave. */
#ifdef NDEBUG
static inline bool gpu_enter(pm_device *device)
{
    (void)device;
    return true;
}
static inline void gpu_leave(pm_device *device)
{
    (void)device;
}
#else
bool gpu_enter(pm_device *device);
void gpu_leave(pm_device *device);
#endif

/* Blocks until one submission has ended, or for so long where none is in flight, and submits what is due. */
pm_status gpu_wait_next(pm_device *device, double seconds);
/* Waits for all that is in flight. What waits in the list stays there. */
pm_status gpu_settle(pm_device *device);
/* Submits one command buffer and waits for it. */
pm_status gpu_run_now(pm_device *device, VkCommandBuffer commands);
/* Drops the program's runs, and waits for what is in flight. */
void gpu_program_stop(gpu_program *program);

/* ---- run.c ---------------------------------------------------------------------------------------------------------- */

/* The first failure since the last time. */
pm_status gpu_take_outcome(gpu_program *program);
/* Takes a run out of the list before its end; all runs; those whose control is cancelled, with what needs them. */
void gpu_run_drop(pm_device *device, uint32_t index, pm_status status);
void gpu_runs_drop(pm_device *device, pm_status status);
void gpu_runs_drop_cancelled(pm_device *device);
/* What has ended by the queue's tickets. `awaited`: the host waited for what is done now, so that its clock tells when that was. */
void gpu_runs_retire(pm_device *device, bool awaited);
/* Submits what is due. */
void gpu_runs_feed(pm_device *device);

#endif
