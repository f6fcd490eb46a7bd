/* Measures as text and as JSON. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double report_main(const pm_task *task, const pm_task_metrics *m, const char **name)
{
    *name = task->scores ? "Pearson" : "accuracy";
    return task->scores ? m->pearson : m->accuracy;
}

void report_measures(const pm_task_metrics *m, report_measure out[REPORT_MEASURES])
{
    const report_measure all[REPORT_MEASURES] = {
        {"accuracy", m->accuracy},
        {"macro_f1", m->macro_f1},
        {"matthews", m->matthews},
        {"pearson", m->pearson},
        {"spearman", m->spearman},
        {"loss", m->loss},
        {NULL, NAN},
    };
    memcpy(out, all, sizeof all);
}

/* Right classes in rows, given ones in columns. Long names are cut. */
static void print_confusion(const pm_task *task, const uint32_t *confusion)
{
    enum { WIDTH = 14, MOST = 12 };
    const uint32_t K = task->outputs;
    if (K > MOST) return; /* no terminal is so wide; --json has them */
    printf("\n%*s   given\n%-*s", WIDTH, "", WIDTH, "right");
    for (uint32_t k = 0; k < K; k++) printf(" %*.*s", WIDTH, WIDTH, task->labels[k]);
    for (uint32_t k = 0; k < K; k++) {
        printf("\n%-*.*s", WIDTH, WIDTH, task->labels[k]);
        for (uint32_t j = 0; j < K; j++) printf(" %*u", WIDTH, (unsigned)confusion[k * K + j]);
    }
    printf("\n");
}

static void print_json(const pm_task *task, const pm_task_metrics *m, const uint32_t *confusion)
{
    report_measure all[REPORT_MEASURES];
    report_measures(m, all);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "task", pm_task_name(task->kind));
    for (int i = 0; all[i].name; i++) {
        bool applies = !isnan(all[i].value) || (task->scores ? i == 3 || i == 4 : task->labels && i < 3);
        if (!applies) continue;
        if (isnan(all[i].value))
            cJSON_AddNullToObject(json, all[i].name); /* not defined for these answers */
        else
            cJSON_AddNumberToObject(json, all[i].name, all[i].value);
    }
    cJSON_AddNumberToObject(json, "n", (double)m->n);
    if (task->labels && confusion) {
        cJSON *labels = cJSON_AddArrayToObject(json, "labels"), *rows = cJSON_AddArrayToObject(json, "confusion");
        for (uint32_t k = 0; k < task->outputs; k++) {
            cJSON *row = cJSON_CreateArray();
            cJSON_AddItemToArray(labels, cJSON_CreateString(task->labels[k]));
            for (uint32_t j = 0; j < task->outputs; j++)
                cJSON_AddItemToArray(row, cJSON_CreateNumber(confusion[k * task->outputs + j]));
            cJSON_AddItemToArray(rows, row);
        }
    }
    app_print_json(json);
}

void report_print(const pm_task *task, const pm_task_metrics *m, const uint32_t *confusion, bool json)
{
    if (json) {
        print_json(task, m, confusion);
        return;
    }
    report_measure all[REPORT_MEASURES];
    report_measures(m, all);
    for (int i = 0; all[i].name; i++)
        if (!isnan(all[i].value)) printf("%-9s %.4f\n", all[i].name, all[i].value);
    printf("%-9s %zu\n", "n", m->n);
    if (task->labels && confusion) print_confusion(task, confusion);
}

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

pm_status report_open_set(const pm_log *log, const char *path, const pm_task *task, const pm_tokenizer *tok,
                          uint32_t ctx, bool labelled, pm_taskset **out)
{
    const pm_status status = pm_taskset_open(log, path, task, tok, ctx, labelled, out);
    if (status == PM_OK && pm_taskset_cut(*out) > 0)
        app_say("warning: %s: %zu of %zu examples were longer than the context of %u tokens and were cut", path,
                pm_taskset_cut(*out), pm_taskset_size(*out), (unsigned)ctx);
    return status;
}
