/* Opening a device that was lost. */
#include <string.h>

#include <pumice/run.h>

#include "base/control.h"
#include "base/log.h"
#include "base/sized.h"
#include "os/clock.h"

/* With 7 seconds of waiting in all: a driver takes less to reset a GPU. */
enum { OPEN_TRIES = 4 };

static bool same_device(const pm_caps *a, const pm_caps *b)
{
    return strcmp(a->name, b->name) == 0 && a->vendor_id == b->vendor_id && a->device_id == b->device_id &&
           a->driver_version == b->driver_version;
}

/* Waits; false where the wait was cancelled. */
static bool rest(const pm_control *control, double seconds)
{
    const double piece = 0.05;
    for (double left = seconds; left > 0 && !control_cancelled(control); left -= piece) os_sleep(piece);
    return !control_cancelled(control);
}

pm_status pm_device_open_again_sized(const pm_device_params *given, size_t given_size, const pm_caps *lost,
                                     pm_device **out)
{
    pm_device_params params;
    pm_device *device = NULL;
    pm_status status =
        sized_read(given ? &given->log : NULL, "pm_device_params", given, given_size, &params, sizeof params);
    if (status == PM_OK) status = pm_device_open(&params, &device);
    for (int i = 0; status != PM_OK && status != PM_CANCELLED && lost && i + 1 < OPEN_TRIES; i++) {
        if (!rest(params.control, (double)(1 << i))) return PM_CANCELLED;
        status = pm_device_open(&params, &device);
    }
    if (status != PM_OK) return status;
    if (lost && lost->name[0] && !same_device(pm_device_caps(device), lost)) {
        log_line(&params.log, PM_LOG_ERROR,
                 "%s did not come back, and %s would give other bits; go on with the run when it is back", lost->name,
                 pm_device_caps(device)->name);
        pm_device_close(&device);
        return PM_NO_DEVICE;
    }
    *out = device;
    return PM_OK;
}
