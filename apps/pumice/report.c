/* Measures as text and as JSON. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_measures(const pm_task *task, const pm_task_metrics *m, report_measure out[REPORT_MEASURES])
{
    const bool classes = task->labels != NULL, scores = task->scores;
    const report_measure all[REPORT_MEASURES] = {
        {"accuracy", "accuracy", m->accuracy, !scores},
        {"macro_f1", "macro F1", m->macro_f1, classes},
        {"matthews", "Matthews", m->matthews, classes},
        {"pearson", "Pearson", m->pearson, scores},
        {"spearman", "Spearman", m->spearman, scores},
        {"loss", "loss", m->loss, true},
        {NULL, NULL, NAN, false},
    };
    memcpy(out, all, sizeof all);
}

/* ---- the measure that tells which model is best ---- */

static bool choose_label(const pm_task *task, const char *asked, report_choice *out)
{
    for (uint32_t k = 0; task->labels && k < task->outputs; k++) {
        if (strcmp(asked + strlen("f1:"), task->labels[k]) != 0) continue;
        *out = (report_choice){asked, asked, (int32_t)k, false};
        return true;
    }
    if (task->labels)
        app_error("--measure %s: no such label; there are %u, the first is %s", asked, (unsigned)task->outputs,
                  task->labels[0]);
    return false;
}

bool report_choose(const pm_task *task, const char *asked, report_choice *out)
{
    report_measure all[REPORT_MEASURES];
    const pm_task_metrics none = {0};
    report_measures(task, &none, all);
    if (!asked) asked = task->scores ? "pearson" : "accuracy";
    if (task->labels && strncmp(asked, "f1:", 3) == 0) return choose_label(task, asked, out);
    char there[160] = "";
    for (int i = 0; all[i].name; i++) {
        if (!all[i].applies) continue;
        if (strcmp(asked, all[i].name) == 0) {
            *out = (report_choice){all[i].name, all[i].shown, -1, strcmp(asked, "loss") == 0};
            return true;
        }
        snprintf(there + strlen(there), sizeof there - strlen(there), "%s%s", there[0] ? ", " : "", all[i].name);
    }
    app_error("--measure %s: a task of this kind has %s%s", asked, there, task->labels ? ", f1:LABEL" : "");
    return false;
}

double report_value(const report_choice *choice, const pm_task *task, const pm_task_metrics *m,
                    const uint32_t *confusion)
{
    if (choice->label >= 0) return pm_task_class_measure(confusion, task->outputs, (uint32_t)choice->label).f1;
    report_measure all[REPORT_MEASURES];
    report_measures(task, m, all);
    for (int i = 0; all[i].name; i++)
        if (strcmp(all[i].name, choice->name) == 0) return all[i].value;
    return NAN;
}

bool report_better(const report_choice *choice, double value, double best)
{
    if (isnan(value) || isnan(best)) return isnan(best);
    return choice->lower ? value < best : value > best;
}

const char *report_undefined(const report_choice *choice, const pm_task *task, const pm_task_metrics *m)
{
    if (choice && choice->label >= 0) return "neither the labels nor the answers have the label";
    if (!task->scores) return "the labels and the answers are all of one class";
    if (m->given_constant && m->right_constant) return "neither the scores nor the answers vary";
    return m->given_constant ? "the answers do not vary" : "the scores do not vary";
}

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
    report_measure all[REPORT_MEASURES];
    report_measures(task, m, all);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "task", pm_task_name(task->kind));
    for (int i = 0; all[i].name; i++)
        if (all[i].applies) add_value(json, all[i].name, all[i].value);
    cJSON_AddNumberToObject(json, "n", (double)m->n);
    if (task->labels) add_classes(json, task, confusion);
    app_print_json(json);
}

void report_print(const char *path, const pm_task *task, const pm_task_metrics *m, const uint32_t *confusion, bool json)
{
    report_measure all[REPORT_MEASURES];
    report_measures(task, m, all);
    for (int i = 0; all[i].name; i++)
        if (all[i].applies && isnan(all[i].value)) {
            app_warn("%s: %s is not defined: %s", path, all[i].name, report_undefined(NULL, task, m));
            break; /* one reason for all */
        }
    if (json) {
        print_json(task, m, confusion);
        return;
    }
    for (int i = 0; all[i].name; i++) {
        if (!all[i].applies) continue;
        if (isnan(all[i].value))
            printf("%-9s not defined\n", all[i].name);
        else
            printf("%-9s %.4f\n", all[i].name, all[i].value);
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
