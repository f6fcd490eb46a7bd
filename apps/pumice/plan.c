/* What a training run will take, known before anything is allocated on a device: `pumice train --plan` prints it, and a run that does not fit is
 * refused with the settings that would. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "train.h"

/* All of it in bytes; INFINITY where one tensor is larger than the device allocates. Errors that do not concern memory are told. */
static pm_status total_of(const train_run *run, const pm_caps *caps, const pm_train_params *params, pm_train_plan *plan,
                          double *total)
{
    const pm_log quiet = {0};
    *total = INFINITY;
    pm_status status = pm_train_plan_make(&quiet, caps, &run->config, params, plan);
    if (status == PM_NO_DEVICE_MEMORY) return PM_OK;
    if (status != PM_OK) return pm_train_plan_make(&run->log, caps, &run->config, params, plan);
    *total = (double)plan->weights + (double)plan->gradients + (double)plan->optimizer + (double)plan->workspace;
    return PM_OK;
}

/* The next smaller way to do the same step: recomputation, then micro batches that are half as large, down to single sequences; then, no longer the
 * same, half the context. False when there is none left. */
static bool smaller(pm_train_params *params)
{
    enum { LEAST_TIME = 16 };
    if (!params->recompute) {
        params->recompute = true;
    } else if (params->batch > 1) {
        const uint32_t factor = params->batch % 2 == 0 ? 2 : params->batch;
        params->batch /= factor;
        params->accum *= factor;
    } else if (params->time >= 2 * LEAST_TIME) {
        params->time /= 2;
    } else {
        return false;
    }
    return true;
}

/* "--recompute --batch 2 --accum 6 would take 812 MiB", or that nothing helps. */
static void advise(const train_run *run, const pm_caps *caps, char advice[160])
{
    pm_train_params params = run->params;
    if (params.accum == 0) params.accum = 1;
    while (smaller(&params)) {
        pm_train_plan plan;
        double total;
        if (total_of(run, caps, &params, &plan, &total) != PM_OK) break;
        if (total > (double)caps->device_memory_free) continue;
        char batch[64] = "", time[32] = "";
        if (params.batch != run->params.batch)
            snprintf(batch, sizeof batch, " --batch %u --accum %u", (unsigned)params.batch, (unsigned)params.accum);
        if (params.time != run->params.time) snprintf(time, sizeof time, " --ctx %u", (unsigned)params.time);
        snprintf(advice, 160, "--recompute%s%s would take %.0f MiB", batch, time, total / (1024 * 1024));
        return;
    }
    snprintf(advice, 160, "no smaller batch or context would fit either: the model is too large for it");
}

static void need_text(double total, char text[64])
{
    if (isfinite(total))
        snprintf(text, 64, "%.0f MiB", total / (1024 * 1024));
    else
        snprintf(text, 64, "a tensor larger than any allocation");
}

int train_check_memory(const train_run *run, const pm_caps *caps)
{
    pm_train_plan plan;
    double total;
    const pm_status status = total_of(run, caps, &run->params, &plan, &total);
    if (status != PM_OK) return app_exit_code(status);
    if (total <= (double)caps->device_memory_free) return EXIT_DONE;
    char advice[160], need[64];
    advise(run, caps, advice);
    need_text(total, need);
    app_error("this run needs %s, and %.0f MiB are free on %s; %s", need,
              (double)caps->device_memory_free / (1024 * 1024), caps->name, advice);
    return EXIT_FAILED;
}

static void print_json(const train_run *run, const pm_caps *caps, const pm_train_plan *plan, double total)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "device", caps->name);
    cJSON_AddNumberToObject(json, "parameters", (double)pm_gpt_config_parameters(&run->config));
    cJSON_AddNumberToObject(json, "weights", (double)plan->weights);
    cJSON_AddNumberToObject(json, "gradients", (double)plan->gradients);
    cJSON_AddNumberToObject(json, "optimizer", (double)plan->optimizer);
    cJSON_AddNumberToObject(json, "workspace", (double)plan->workspace);
    cJSON_AddNumberToObject(json, "total", total);
    cJSON_AddNumberToObject(json, "device_memory", (double)caps->device_memory);
    cJSON_AddNumberToObject(json, "device_memory_free", (double)caps->device_memory_free);
    cJSON_AddBoolToObject(json, "fits", total <= (double)caps->device_memory_free);
    cJSON_AddNumberToObject(json, "nodes", plan->nodes);
    cJSON_AddNumberToObject(json, "step_flops", plan->step_flops);
    char *text = cJSON_Print(json);
    if (text) puts(text);
    free(text);
    cJSON_Delete(json);
}

static void print_table(const train_run *run, const pm_caps *caps, const pm_train_plan *plan, double total)
{
    const double mib = 1.0 / (1024 * 1024);
    printf("%s\n", caps->name);
    printf("%-12s %12.2f M\n", "parameters", 1e-6 * (double)pm_gpt_config_parameters(&run->config));
    printf("%-12s %12.2f MiB\n", "weights", mib * (double)plan->weights);
    printf("%-12s %12.2f MiB\n", "gradients", mib * (double)plan->gradients);
    printf("%-12s %12.2f MiB\n", "optimizer", mib * (double)plan->optimizer);
    printf("%-12s %12.2f MiB\n", "workspace", mib * (double)plan->workspace);
    printf("%-12s %12.2f MiB of the device's %.0f MiB, of which %.0f MiB are free\n", "total", mib * total,
           mib * (double)caps->device_memory, mib * (double)caps->device_memory_free);
    printf("%-12s %12u\n", "operations", (unsigned)plan->nodes);
    printf("%-12s %12.3f GFLOP\n", "a step", 1e-9 * plan->step_flops);
}

int train_plan(const train_run *run)
{
    pm_caps *list = NULL;
    size_t count = 0;
    char why[160];
    pm_train_plan plan;
    if (!app_adapters(&run->log, &list, &count)) return EXIT_FAILED;
    const int index = pm_adapter_choose(list, count, run->options->common.device, why);
    if (index < 0) {
        app_error("--device %s: %s", run->options->common.device, why);
        free(list);
        return EXIT_FAILED;
    }
    pm_caps caps = list[index];
    free(list);
    if (!app_lower_caps(&caps)) return EXIT_USAGE;
    double total;
    const pm_status status = total_of(run, &caps, &run->params, &plan, &total);
    if (status != PM_OK) return app_exit_code(status);
    if (!isfinite(total)) return train_check_memory(run, &caps);
    if (run->options->common.json) {
        print_json(run, &caps, &plan, total);
    } else {
        print_table(run, &caps, &plan, total);
    }
    return train_check_memory(run, &caps);
}
