/* Plans in words, and what would fit in their place. */
#include "plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define MIB (1024.0 * 1024.0)

void plan_sum(plan *p)
{
    p->total = 0;
    for (int i = 0; i < PLAN_PARTS; i++) p->total += p->parts[i].bytes;
}

bool plan_device(const app_common *common, pm_caps *caps)
{
    const pm_log log = app_log(common);
    pm_caps *list = NULL;
    size_t count = 0;
    char why[160];
    if (!app_adapters(&log, &list, &count)) return false;
    const int index = pm_adapter_choose(list, count, common->device, why);
    if (index < 0)
        app_error("--device %s: %s", common->device, why);
    else
        *caps = list[index];
    free(list);
    return index >= 0 && app_lower_caps(caps);
}

bool plan_fits(const plan *p, const pm_caps *caps)
{
    return p->total <= (double)caps->device_memory_free;
}

/* ---- printing ---- */

static void print_json(const pm_caps *caps, const plan *p)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "device", caps->name);
    cJSON_AddNumberToObject(json, "parameters", p->parameters);
    for (int i = 0; i < PLAN_PARTS && p->parts[i].name; i++)
        cJSON_AddNumberToObject(json, p->parts[i].name, p->parts[i].bytes);
    cJSON_AddNumberToObject(json, "total", p->total);
    cJSON_AddNumberToObject(json, "device_memory", (double)caps->device_memory);
    cJSON_AddNumberToObject(json, "device_memory_free", (double)caps->device_memory_free);
    cJSON_AddBoolToObject(json, "fits", plan_fits(p, caps));
    if (p->nodes) {
        cJSON_AddNumberToObject(json, "nodes", p->nodes);
        cJSON_AddNumberToObject(json, "step_flops", p->flops);
    }
    char *text = cJSON_Print(json);
    if (text) puts(text);
    free(text);
    cJSON_Delete(json);
}

static void print_table(const pm_caps *caps, const plan *p)
{
    printf("%s\n", caps->name);
    printf("%-12s %12.2f M\n", "parameters", 1e-6 * p->parameters);
    for (int i = 0; i < PLAN_PARTS && p->parts[i].name; i++)
        printf("%-12s %12.2f MiB%s%s\n", p->parts[i].name, p->parts[i].bytes / MIB, p->parts[i].note ? " " : "",
               p->parts[i].note ? p->parts[i].note : "");
    printf("%-12s %12.2f MiB of the device's %.0f MiB, of which %.0f MiB are free\n", "total", p->total / MIB,
           (double)caps->device_memory / MIB, (double)caps->device_memory_free / MIB);
    if (!p->nodes) return;
    printf("%-12s %12u\n", "operations", (unsigned)p->nodes);
    printf("%-12s %12.3f GFLOP\n", "a step", 1e-9 * p->flops);
}

void plan_print(const app_common *common, const pm_caps *caps, const plan *p)
{
    if (common->json)
        print_json(caps, p);
    else
        print_table(caps, p);
}

/* ---- what does not fit ---- */

void plan_refuse(const plan *p, const pm_caps *caps, const char *advice)
{
    char need[64] = "a tensor larger than any allocation";
    if (isfinite(p->total)) snprintf(need, sizeof need, "%.0f MiB", p->total / MIB);
    app_error("this needs %s, and %.0f MiB are free on %s; %s", need, (double)caps->device_memory_free / MIB,
              caps->name, advice);
}

/* The plan of a training run; total is INFINITY where one tensor is too large: that is not a failure, and gives no line. */
static pm_status make_plan(const app_common *common, const pm_caps *caps, const plan_run *run, plan *out)
{
    const pm_log quiet = {0}, log = app_log(common);
    pm_train_plan made;
    *out = (plan){.total = INFINITY};
    pm_status status = run->make(run->user, &quiet, caps, &made);
    if (status == PM_NO_DEVICE_MEMORY) return PM_OK;
    if (status != PM_OK) return run->make(run->user, &log, caps, &made);
    *out = (plan){.parts = {{"weights", (double)made.weights, NULL},
                            {"gradients", (double)made.gradients, NULL},
                            {"optimizer", (double)made.optimizer, NULL},
                            {"workspace", (double)made.workspace, NULL}},
                  .nodes = made.nodes,
                  .flops = made.step_flops};
    plan_sum(out);
    return PM_OK;
}

/* "--recompute --batch 2 --accum 6 would take 812 MiB", or that nothing helps. */
static void advise(const pm_caps *caps, const plan_run *run, char advice[200])
{
    const pm_log quiet = {0};
    const plan_settings *from = &run->settings;
    plan_settings s;
    pm_train_plan made;
    if (run->fit(run->user, &quiet, caps, &s, &made) != PM_OK) {
        snprintf(advice, 200, "no smaller batch would fit either: the model is too large for it");
        return;
    }
    char batch[32] = "", accum[32] = "", time[32] = "";
    if (s.batch != from->batch) snprintf(batch, sizeof batch, " --batch %u", (unsigned)s.batch);
    if (s.accum != from->accum) snprintf(accum, sizeof accum, " --accum %u", (unsigned)s.accum);
    if (s.time != from->time) snprintf(time, sizeof time, " --ctx %u", (unsigned)s.time);
    snprintf(advice, 200, "--recompute%s%s%s would take %.0f MiB", batch, accum, time,
             (double)(made.weights + made.gradients + made.optimizer + made.workspace) / MIB);
}

int plan_training(const app_common *common, const pm_gpt_config *config, const pm_caps *caps, const plan_run *run,
                  bool print)
{
    plan p;
    const pm_status status = make_plan(common, caps, run, &p);
    if (status != PM_OK) return app_exit_code(status);
    p.parameters = (double)pm_gpt_config_parameters(config);
    if (print && isfinite(p.total)) plan_print(common, caps, &p);
    if (plan_fits(&p, caps)) return EXIT_DONE;
    char advice[200];
    advise(caps, run, advice);
    plan_refuse(&p, caps, advice);
    return EXIT_FAILED;
}
