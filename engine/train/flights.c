#include "train/flights.h"

#include "base/log.h"

pm_status flights_room(const flights *f, const pm_log *log, const char *who, uint32_t most)
{
    if (f->count < most) return PM_OK;
    return log_fail(log, PM_INVALID, "%s: %s still to end; see pumice/train.h", who,
                    f->count > 1 ? "two steps have" : "a step has");
}

static void signal_unsubmitted(const flight *f, pm_device *device)
{
    if (!f->submitted && f->failed == PM_OK) gpu_signal(device, f->sync.signals);
}

void flights_fini(flights *f, pm_device *device)
{
    for (uint32_t i = 0; i < f->count; i++) signal_unsubmitted(&f->all[(f->oldest + i) % MOST_FLIGHTS], device);
    f->count = 0;
}

/* Whether the newest has failed, as far as is seen: then one behind it does so, too. */
static bool newest_failed(const flights *f)
{
    if (f->count == 0) return false;
    const flight *newest = &f->all[(f->oldest + f->count - 1) % MOST_FLIGHTS];
    return newest->submitted ? pass_failed(newest->pass, newest->side) : newest->failed != PM_OK;
}

bool flights_add(flights *f, flight *next, pm_device *device, bool half)
{
    const bool failed = newest_failed(f), waits = half && f->count > 0;
    pm_profile_span(gpu_profile(device), "batch", next->started);
    next->sync = gpu_take_sync(device);
    f->count++;
    if (!failed) return !waits;
    next->failed = PM_CANCELLED;
    gpu_signal(device, next->sync.signals);
    return false;
}

pm_status flight_submit(flight *f)
{
    f->failed = pass_submit(f->pass, f->side, &f->sync);
    f->submitted = f->failed == PM_OK;
    return f->failed;
}

bool flights_done(flights *f, pm_device *device)
{
    const flight *oldest = flights_oldest(f);
    if (!oldest) return true;
    if (gpu_poll(device) != PM_OK) return true; /* flights_end says why */
    return !oldest->submitted || pass_done(oldest->pass, oldest->side);
}

pm_status flights_end(flights *f, pm_device *device, const char *who, flight *out)
{
    const flight *oldest = flights_oldest(f);
    if (!oldest) return log_fail(gpu_log(device), PM_INVALID, "%s: no step has begun", who);
    *out = *oldest;
    const pm_status status = out->submitted ? pass_wait(out->pass, out->side) : out->failed;
    f->oldest = (f->oldest + 1) % MOST_FLIGHTS;
    f->count--;
    out->pass->box.side = out->side;
    if (status == PM_OK) return PM_OK;
    const flight *later = flights_oldest(f);
    if (later && later->submitted) pass_forget(later->pass, later->side);
    if (later) signal_unsubmitted(later, device);
    f->count = 0;
    return status;
}
