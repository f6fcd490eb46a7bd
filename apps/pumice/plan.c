/* `pumice train --plan`: what a run would take, known before anything is allocated on a device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "train.h"

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
    printf("%-12s %12.2f MiB of the device's %.0f MiB\n", "total", mib * total, mib * (double)caps->device_memory);
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
    const pm_status status = pm_train_plan_make(&run->log, &caps, &run->config, &run->params, &plan);
    if (status != PM_OK) return app_exit_code(status);
    const double total =
        (double)plan.weights + (double)plan.gradients + (double)plan.optimizer + (double)plan.workspace;
    if (run->options->common.json) {
        print_json(run, &caps, &plan, total);
    } else {
        print_table(run, &caps, &plan, total);
    }
    return EXIT_DONE;
}
