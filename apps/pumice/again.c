/* Opening devices and models, and doing it again. */
#include "again.h"

#include <stdio.h>

#include "terminal.h"

/* ---- devices ---- */

static pm_status open_device(const app_common *common, const pm_caps *lost, pm_device **out)
{
    pm_device_params params = app_device_params(common);
    params.submit_ms = common->submit_ms;
    params.period_ms = common->period_ms;
    params.profile = common->profile != NULL;
    if (!lost) return app_open(&params, out);
    params.control = app_control();
    const pm_status status = pm_device_open_again(&params, lost, out);
    if (status == PM_OK) pm_device_control(*out, NULL); /* it was for the waiting */
    return status;
}

static void say_software_driver(const pm_device *device)
{
    const pm_caps *caps = pm_device_caps(device);
    if (caps->type == PM_DEVICE_CPU)
        app_say("%s is a software driver and slow; `pumice devices` lists what else there is", caps->name);
}

pm_status app_device_open(const app_common *common, const pm_caps *lost, pm_device **out)
{
    const pm_status status = open_device(common, lost, out);
    if (status == PM_OK && !lost) say_software_driver(*out);
    return status;
}

/* ---- models ---- */

/* The lost devices of a command. After the third it ends with advice. */
enum { LOSSES_MOST = 3 };
typedef struct losses {
    uint32_t count;
    pm_caps caps; /* of the device that was opened first; no name: it was lost too early */
} losses;

/* Counts one and says so. False when there have been too many. */
static bool go_on(losses *seen, const pm_device *device)
{
    if (!seen->caps.name[0] && device) seen->caps = *pm_device_caps(device);
    if (++seen->count >= LOSSES_MOST) return false;
    app_warn("%s was lost, for the %s time; opening it again", seen->caps.name[0] ? seen->caps.name : "the device",
             seen->count == 1 ? "first" : "second");
    return true;
}

pm_model_params app_model_params(const app_common *common)
{
    pm_model_params params = {0};
    if (common->weights) (void)pm_weights_named(common->weights, &params.weights); /* one of the option's choices */
    return params;
}

static pm_status open_model(const app_common *common, const char *dir, const pm_caps *lost, app_model *model)
{
    const pm_log log = app_log(common);
    const pm_model_params params = app_model_params(common);
    pm_status status = PM_OK;
    if (!model->tokenizer) status = pm_tokenizer_load(&log, dir, &model->tokenizer);
    if (status == PM_OK) status = open_device(common, lost, &model->device);
    if (status == PM_OK) status = pm_model_load_as(model->device, dir, &params, &model->model);
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
    losses seen = {0};
    app_model model = {0};
    pm_status status;
    for (bool again = true; again;) {
        app_profile profile = {0};
        status = open_model(common, dir, seen.count ? &seen.caps : NULL, &model);
        if (status == PM_OK && !profile_prepare(common)) status = PM_IO;
        if (status == PM_OK) status = profile_open(&profile, common, model.device, 0);
        if (status == PM_OK && seen.count == 0) say_slow(&model, true);
        if (status == PM_OK) status = work(user, &model, &profile);
        if (status == PM_OK) say_slow(&model, false);
        if (status == PM_OK && !profile_close(&profile)) status = PM_IO;
        again = status == PM_DEVICE_LOST && go_on(&seen, model.device);
        pm_model_destroy(&model.model);
        pm_device_close(&model.device);
    }
    pm_tokenizer_destroy(&model.tokenizer);
    if (status == PM_DEVICE_LOST) app_error("the device was lost %u times; " LOSSES_ADVICE, (unsigned)seen.count);
    return app_exit_code(status);
}
