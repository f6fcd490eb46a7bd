/* Measures as text and as JSON. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- output ---- */

static void add_value(cJSON *json, const char *name, double value)
{
    if (isnan(value))
        cJSON_AddNullToObject(json, name); /* not defined for these answers */
    else
        cJSON_AddNumberToObject(json, name, value);
}

static void add_classes(cJSON *json, const pm_task *task, const uint32_t *confusion)
{
    const uint32_t K = task->outputs;
    cJSON *labels = cJSON_AddArrayToObject(json, "labels"), *classes = cJSON_AddArrayToObject(json, "classes"),
          *rows = cJSON_AddArrayToObject(json, "confusion");
    for (uint32_t k = 0; k < K; k++) {
        const pm_class_metrics c = pm_task_class_measure(confusion, K, k);
        cJSON *row = cJSON_CreateArray(), *one = cJSON_CreateObject();
        cJSON_AddItemToArray(labels, cJSON_CreateString(task->labels[k]));
        for (uint32_t j = 0; j < K; j++) cJSON_AddItemToArray(row, cJSON_CreateNumber(confusion[(size_t)k * K + j]));
        cJSON_AddItemToArray(rows, row);
        cJSON_AddStringToObject(one, "label", task->labels[k]);
        add_value(one, "precision", c.precision);
        add_value(one, "recall", c.recall);
        add_value(one, "f1", c.f1);
        cJSON_AddNumberToObject(one, "n", (double)c.right);
        cJSON_AddNumberToObject(one, "given", (double)c.given);
        cJSON_AddItemToArray(classes, one);
    }
}

static void print_json(const pm_task *task, const pm_task_metrics *m, const uint32_t *confusion)
{
    pm_measure all[PM_MEASURES_MOST];
    const size_t count = pm_task_measures(task, all);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "task", pm_task_name(task->kind));
    for (size_t i = 0; i < count; i++) add_value(json, all[i].name, pm_measure_value(&all[i], task, m, NULL));
    cJSON_AddNumberToObject(json, "n", (double)m->n);
    if (task->labels) add_classes(json, task, confusion);
    app_print_json(json);
}

void report_print(const char *path, const pm_task *task, const pm_task_metrics *m, const uint32_t *confusion, bool json)
{
    pm_measure all[PM_MEASURES_MOST];
    const size_t count = pm_task_measures(task, all);
    for (size_t i = 0; i < count; i++)
        if (isnan(pm_measure_value(&all[i], task, m, NULL))) {
            app_warn("%s: %s is not defined: %s", path, all[i].name, pm_measure_undefined(NULL, task, m));
            break; /* one reason for all */
        }
    if (json) {
        print_json(task, m, confusion);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const double value = pm_measure_value(&all[i], task, m, NULL);
        if (isnan(value))
            printf("%-9s not defined\n", all[i].name);
        else
            printf("%-9s %.4f\n", all[i].name, value);
    }
    printf("%-9s %zu\n", "n", m->n);
    if (!task->labels) return;
    report_print_classes(task, confusion);
    report_print_confusion(task, confusion);
}

/* ---- models and files ---- */

bool report_task_agrees(const char *dir, const pm_model *model, const char *asked)
{
    const pm_task *task = pm_model_task(model);
    if (!task)
        app_error("%s: the model has no task's head; make one with pumice finetune", dir);
    else if (asked && strcmp(asked, pm_task_name(task->kind)) != 0)
        app_error("--task %s: the model in %s was fine-tuned for %s", asked, dir, pm_task_name(task->kind));
    else
        return true;
    return false;
}

pm_status report_open_set(const pm_log *log, const char *path, const char *fields, const pm_task *task,
                          const pm_tokenizer *tok, uint32_t ctx, bool labelled, pm_taskset **out)
{
    pm_task asked = *task; /* with other names; the rest is the task's own */
    if (fields) asked.fields = (char *)fields;
    const pm_status status = pm_taskset_open(log, path, &asked, tok, ctx, labelled, out);
    if (status == PM_OK && pm_taskset_cut(*out) > 0)
        app_warn("%s: %zu of %zu examples were longer than the context of %u tokens and were cut", path,
                 pm_taskset_cut(*out), pm_taskset_size(*out), (unsigned)ctx);
    return status;
}
