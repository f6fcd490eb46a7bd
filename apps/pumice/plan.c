/* `pumice train --plan`: what a run would take, known before anything is allocated on a device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "train.h"

/* A whole number of the document in [low, 2^32); false, with an error line, if it is absent or something else. */
static bool read_size(const cJSON *json, const char *path, const char *key, uint32_t *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > 4294967295.0) {
        app_error("%s: %s must be a whole number above 0", path, key);
        return false;
    }
    *out = (uint32_t)item->valuedouble;
    return true;
}

bool train_read_config(const char *dir, pm_gpt_config *out)
{
    size_t size = 0;
    bool good = false;
    cJSON *json = NULL;
    char *path = app_join(dir, "config.json");
    char *text = path ? app_read(path, &size) : NULL;
    if (!path) return false;
    if (!text) {
        app_error("%s: cannot be read: %s", path, strerror(errno));
        goto end;
    }
    json = cJSON_ParseWithLength(text, size);
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "model_type");
    if (!cJSON_IsString(type) ||
        (strcmp(type->valuestring, "gpt2") != 0 && strcmp(type->valuestring, "openai-gpt") != 0)) {
        app_error("%s: model_type must be gpt2 or openai-gpt", path);
        goto end;
    }
    pm_gpt_config config = {.arch = strcmp(type->valuestring, "gpt2") == 0 ? PM_ARCH_GPT2 : PM_ARCH_GPT1};
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(json, "n_inner");
    good = read_size(json, path, "vocab_size", &config.vocab) && read_size(json, path, "n_positions", &config.ctx) &&
           read_size(json, path, "n_embd", &config.embd) && read_size(json, path, "n_head", &config.heads) &&
           read_size(json, path, "n_layer", &config.layers) &&
           (!cJSON_IsNumber(inner) || read_size(json, path, "n_inner", &config.inner));
    if (good) *out = config;
end:
    cJSON_Delete(json);
    free(text);
    free(path);
    return good;
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
