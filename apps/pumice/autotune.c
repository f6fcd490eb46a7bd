/* `pumice tune`: measures which kernels and tiles make a model's products and attention fastest here, and keeps the choices for later runs. */
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "app.h"

static app_common common;
static const char *model;
static uint32_t batch, ctx;
static bool quick, forget;

static arg_option table[] = {
    APP_HEAD("what"),
    {ARG_TEXT, "--model", "DIR|FILE.gguf", &model, NULL, 0, 0,
     "a model's folder or GGUF file; without one, what pumice train makes by default", false, false},
    {ARG_U32, "--batch", "N", &batch, "12", 1, 65536, "sequences of a training step", false, false},
    {ARG_U32, "--ctx", "N", &ctx, "0", 0, 1048576, "tokens of each; 0: the model's context", false, false},
    {ARG_FLAG, "--quick", NULL, &quick, NULL, 0, 0, "three runs each are enough", false, false},
    {ARG_FLAG, "--forget", NULL, &forget, NULL, 0, 0,
     "no measurement: forget the choices for this device; what pumice doctor switched off stays off", false, false},
    APP_HEAD("general"),
    APP_OPTION_DEVICE(common),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON object a choice"),
};

arg_command autotune_command = {
    "tune",
    "[--model DIR|FILE.gguf] [options]",
    "Measures which kernels are fastest on this device for a model's products and attention; later runs take them",
    "The choices are kept in the user's cache folder, by device, driver, build and capabilities. A run under "
    "PUMICE_DISABLE has its own.",
    table,
    sizeof table / sizeof *table,
};

typedef struct counts {
    unsigned choices, stored;
    double usual, best; /* ms */
} counts;

static void print_row(void *user, const pm_autotune_row *row)
{
    counts *c = user;
    c->choices++;
    c->stored += row->stored;
    c->usual += row->usual_ms;
    c->best += row->stored ? row->best_ms : row->usual_ms;
    if (!common.json) {
        if (c->choices == 1)
            printf("%-36s %8s %-14s %9s  %-14s %9s  %s\n", "choice", "variants", "usual", "ms", "fastest", "ms", "");
        printf("%-36s %8u %-14s %9.4g  %-14s %9.4g  %s\n", row->product, (unsigned)row->variants, row->usual,
               row->usual_ms, row->best, row->best_ms, row->stored ? "kept" : "");
        fflush(stdout);
        return;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "product", row->product);
    cJSON_AddNumberToObject(json, "variants", row->variants);
    cJSON_AddStringToObject(json, "usual", row->usual);
    cJSON_AddNumberToObject(json, "usual_ms", row->usual_ms);
    cJSON_AddStringToObject(json, "best", row->best);
    cJSON_AddNumberToObject(json, "best_ms", row->best_ms);
    cJSON_AddBoolToObject(json, "kept", row->stored);
    app_print_json(json);
}

int autotune_main(int argc, char **argv)
{
    switch (args_parse(&autotune_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_log log = app_log(&common);
    pm_gpt_config config = {.arch = PM_ARCH_GPT2, .vocab = 65, .ctx = 64, .embd = 128, .heads = 4, .layers = 4};
    pm_status status = model ? pm_gpt_config_load(&log, model, &config) : PM_OK;
    if (status == PM_OK && ctx > config.ctx) {
        app_error("--ctx %u: the model has a context of %u", (unsigned)ctx, (unsigned)config.ctx);
        return EXIT_USAGE;
    }
    const pm_device_params device_params = app_device_params(&common);
    const pm_autotune_params params = {.batch = batch, .time = ctx, .quick = quick};
    pm_device *device = NULL;
    counts c = {0};
    if (status == PM_OK) status = app_open(&device_params, &device);
    if (status == PM_OK)
        status =
            forget ? pm_device_forget_choices(device) : pm_device_autotune(device, &config, &params, print_row, &c);
    if (status == PM_OK && forget) app_say("forgotten: %s takes its usual kernels", pm_device_caps(device)->name);
    if (status == PM_OK && !forget)
        app_say("%s: %u of %u choices have a faster variant, which is kept; one of each takes %.4g ms instead of %.4g",
                pm_device_caps(device)->name, c.stored, c.choices, c.best, c.usual);
    pm_device_close(&device);
    return app_exit_code(status);
}
