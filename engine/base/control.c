#include "base/control.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "os/clock.h"

/* A paused call looks again after so long (s). */
#define LOOK_SECONDS 0.005

struct pm_control {
    atomic_bool cancelled, paused;
    _Atomic(const char *) what;
    atomic_uint_least64_t done, all;
};

pm_status pm_control_create(pm_control **out)
{
    pm_control *control = malloc(sizeof *control);
    if (!control) return PM_NO_HOST_MEMORY;
    atomic_init(&control->cancelled, false);
    atomic_init(&control->paused, false);
    atomic_init(&control->what, NULL);
    atomic_init(&control->done, 0);
    atomic_init(&control->all, 0);
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
    atomic_store(&control->cancelled, true);
}
void pm_control_clear(pm_control *control)
{
    atomic_store(&control->cancelled, false);
}
void pm_control_pause(pm_control *control, bool paused)
{
    atomic_store(&control->paused, paused);
}
bool pm_control_cancelled(const pm_control *control)
{
    return atomic_load(&control->cancelled);
}
bool pm_control_paused(const pm_control *control)
{
    return atomic_load(&control->paused);
}

pm_progress pm_control_progress(const pm_control *control)
{
    return (pm_progress){atomic_load(&control->what), atomic_load(&control->done), atomic_load(&control->all)};
}

void pm_control_report(pm_control *control, const char *what, uint64_t done, uint64_t all)
{
    atomic_store(&control->what, what);
    atomic_store(&control->done, done);
    atomic_store(&control->all, all);
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
