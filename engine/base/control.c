#include "base/control.h"

#include <stdlib.h>

#include "os/atomic.h"
#include "os/clock.h"

/* A paused call looks again after so long (s). */
#define LOOK_SECONDS 0.005

struct pm_control {
    os_atomic cancelled, paused;
    os_atomic lock; /* of progress */
    pm_progress progress;
};

pm_status pm_control_create(pm_control **out)
{
    pm_control *control = calloc(1, sizeof *control);
    if (!control) return PM_NO_HOST_MEMORY;
    os_atomic_store(&control->cancelled, 0);
    os_atomic_store(&control->paused, 0);
    os_lock_give(&control->lock);
    *out = control;
    return PM_OK;
}

void pm_control_destroy(pm_control **control)
{
    free(*control);
    *control = NULL;
}

void pm_control_cancel(pm_control *control)
{
    os_atomic_store(&control->cancelled, 1);
}
void pm_control_clear(pm_control *control)
{
    os_atomic_store(&control->cancelled, 0);
}
void pm_control_pause(pm_control *control, bool paused)
{
    os_atomic_store(&control->paused, paused);
}
bool pm_control_cancelled(const pm_control *control)
{
    return os_atomic_load(&control->cancelled) != 0;
}
bool pm_control_paused(const pm_control *control)
{
    return os_atomic_load(&control->paused) != 0;
}

pm_progress pm_control_progress(pm_control *control)
{
    os_lock_take(&control->lock);
    const pm_progress progress = control->progress;
    os_lock_give(&control->lock);
    return progress;
}

void pm_control_report(pm_control *control, const char *what, uint64_t done, uint64_t all)
{
    os_lock_take(&control->lock);
    control->progress = (pm_progress){what, done, all};
    os_lock_give(&control->lock);
}

pm_status control_gate(const pm_control *control)
{
    while (control_paused(control)) os_sleep(LOOK_SECONDS);
    return control_cancelled(control) ? PM_CANCELLED : PM_OK;
}

void control_report(pm_control *control, const char *what, uint64_t done, uint64_t all)
{
    if (control) pm_control_report(control, what, done, all);
}
