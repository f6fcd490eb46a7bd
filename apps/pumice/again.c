/* Opening devices again. */
#include "again.h"

#include <stdio.h>
#include <string.h>

#include "process.h"
#include "terminal.h"

/* With 7 seconds of waiting in all: a driver takes less to reset a GPU. */
enum { OPEN_TRIES = 4 };

static bool same_device(const pm_caps *a, const pm_caps *b)
{
    return strcmp(a->name, b->name) == 0 && a->vendor_id == b->vendor_id && a->device_id == b->device_id &&
           a->driver_version == b->driver_version;
}

/* ---- devices ---- */

static pm_status open_device(const app_common *common, const app_losses *losses, pm_device **out)
{
    pm_device_params params = app_device_params(common);
    params.submit_ms = common->submit_ms;
    params.period_ms = common->period_ms;
    params.profile = common->profile != NULL;
    pm_device *device = NULL;
    pm_status status = app_open(&params, &device);
    for (unsigned i = 0; status != PM_OK && losses->count > 0 && i + 1 < OPEN_TRIES && !app_interrupted(); i++) {
        process_sleep(1u << i);
        status = pm_device_open(&params, &device);
    }
    if (status != PM_OK) return status;
    if (losses->count > 0 && losses->caps.name[0] && !same_device(pm_device_caps(device), &losses->caps)) {
        app_error("%s did not come back, and %s would give other bits; start again with --resume when it is back",
                  losses->caps.name, pm_device_caps(device)->name);
        pm_device_close(&device);
        return PM_NO_DEVICE;
    }
    *out = device;
    return PM_OK;
}

static void say_software_driver(const pm_device *device)
{
    const pm_caps *caps = pm_device_caps(device);
    if (caps->type == PM_DEVICE_CPU)
        app_say("%s is a software driver and slow; `pumice devices` lists what else there is", caps->name);
}

pm_status app_device_open(const app_common *common, const app_losses *losses, pm_device **out)
{
    const pm_status status = open_device(common, losses, out);
    if (status == PM_OK && losses->count == 0) say_software_driver(*out);
    return status;
}

bool app_losses_go_on(app_losses *losses, const pm_caps *caps)
{
    if (!losses->caps.name[0] && caps) losses->caps = *caps;
    app_has_work(false); /* what is left of the work is in the checkpoint */
    if (++losses->count >= LOSSES_MOST) return false;
    app_warn("%s was lost, for the %s time; opening it again", losses->caps.name[0] ? losses->caps.name : "the device",
             losses->count == 1 ? "first" : "second");
    return true;
}

/* ---- models ---- */

static pm_status open_model(const app_common *common, const char *dir, const app_losses *losses, app_model *model)
{
    const pm_log log = app_log(common);
    pm_status status = PM_OK;
    if (!model->tokenizer) status = pm_tokenizer_load(&log, dir, &model->tokenizer);
    if (status == PM_OK) status = open_device(common, losses, &model->device);
    if (status == PM_OK) status = pm_model_load(model->device, dir, &model->model);
    if (status != PM_OK) return status;
    const uint32_t words = pm_tokenizer_vocab(model->tokenizer), vocab = pm_model_config(model->model)->vocab;
    if (words <= vocab) return PM_OK;
    app_error("%s: the tokenizer has %u tokens, the model only %u", dir, words, vocab);
    return PM_FORMAT;
}

/* Says that the device is slow: on a terminal at once, because a person waits; in a file or a pipe after the answer. */
static void say_slow(const app_model *model, bool before)
{
    if (before != terminal_is(TERMINAL_STDERR)) return;
    if (!before) (void)fflush(stdout); /* main() reports a failure */
    say_software_driver(model->device);
}

int app_with_model(const app_common *common, const char *dir, app_work work, void *user)
{
    app_losses losses = {0};
    app_model model = {0};
    pm_status status;
    for (bool again = true; again;) {
        app_profile profile = {0};
        status = open_model(common, dir, &losses, &model);
        if (status == PM_OK && !profile_prepare(common)) status = PM_IO;
        if (status == PM_OK) status = profile_open(&profile, common, model.device, 0);
        if (status == PM_OK && losses.count == 0) say_slow(&model, true);
        if (status == PM_OK) status = work(user, &model, &profile);
        if (status == PM_OK) say_slow(&model, false);
        if (status == PM_OK && !profile_close(&profile)) status = PM_IO;
        again =
            status == PM_DEVICE_LOST && app_losses_go_on(&losses, model.device ? pm_device_caps(model.device) : NULL);
        pm_model_destroy(&model.model);
        pm_device_close(&model.device);
    }
    pm_tokenizer_destroy(&model.tokenizer);
    if (status == PM_DEVICE_LOST) app_error("the device was lost %u times; " LOSSES_ADVICE, (unsigned)losses.count);
    return app_exit_code(status);
}
