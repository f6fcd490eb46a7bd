/* Pause, cancel and watch a long call from another thread. */
#ifndef PUMICE_CONTROL_H
#define PUMICE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <pumice/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a long call looks at while it works: pm_device_control and some structs of parameters take one. Threads: any, at any time. Lives: longer than
 * the calls that look at it.
 *
 * A cancelled call returns PM_CANCELLED, without a line to the log, once the submissions in flight have ended: about submit_ms of the device
 * (pm_device_params). What it worked on is as before the call, and can be used again after pm_control_clear. A call that is past the point of no
 * return, such as an optimiser's update, ends as usual. */
typedef struct pm_control pm_control;

/* Fails: PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_control_create(pm_control **out);
/* *control may be NULL; it becomes NULL. */
PM_API void pm_control_destroy(pm_control **control);

/* Cancels the call that looks at it, and those that follow. A signal handler may call it. */
PM_API void pm_control_cancel(pm_control *control);
/* Pauses, or goes on. A paused call stays where it is, and holds what it holds. Cancelling ends it, too. */
PM_API void pm_control_pause(pm_control *control, bool paused);
/* Takes a cancel back, for the calls that follow. */
PM_API void pm_control_clear(pm_control *control);
PM_API bool pm_control_cancelled(const pm_control *control);
PM_API bool pm_control_paused(const pm_control *control);

/* How far the call is. */
typedef struct pm_progress {
    const char *
        what; /* "load", "save", "evaluate", "predict", "read", "encode", "doctor", or what pm_control_report was told; NULL: nothing was begun */
    uint64_t done, all; /* in parts of it, such as parameters or batches; all is 0 where it is not known */
} pm_progress;
PM_API pm_progress pm_control_progress(pm_control *control);
/* For a program's own work. `what` is not copied. */
PM_API void pm_control_report(pm_control *control, const char *what, uint64_t done, uint64_t all);

#ifdef __cplusplus
}
#endif
#endif
