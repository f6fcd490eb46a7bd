/* Measures by name: which a task has, what they say, and which of two models is better by one. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "data/task.h"

/* Which tasks have a measure. */
enum { CLASSES = 1, CHOICES = 2, SCORES = 4 };

static const struct {
    const char *name, *shown;
    unsigned of;
    bool lower;
    size_t at; /* in pm_task_metrics */
} measures[PM_MEASURES_MOST] = {
    {"accuracy", "accuracy", CLASSES | CHOICES, false, offsetof(pm_task_metrics, accuracy)},
    {"macro_f1", "macro F1", CLASSES, false, offsetof(pm_task_metrics, macro_f1)},
    {"matthews", "Matthews", CLASSES, false, offsetof(pm_task_metrics, matthews)},
    {"pearson", "Pearson", SCORES, false, offsetof(pm_task_metrics, pearson)},
    {"spearman", "Spearman", SCORES, false, offsetof(pm_task_metrics, spearman)},
    {"loss", "loss", CLASSES | CHOICES | SCORES, true, offsetof(pm_task_metrics, loss)},
};

static unsigned kind_of(const pm_task *task)
{
    return task->scores ? SCORES : task->labels ? CLASSES : CHOICES;
}

static pm_measure row(int i)
{
    return (pm_measure){measures[i].name, measures[i].shown, -1, measures[i].lower};
}

size_t pm_task_measures(const pm_task *task, pm_measure out[PM_MEASURES_MOST])
{
    size_t count = 0;
    for (int i = 0; i < PM_MEASURES_MOST; i++)
        if (measures[i].of & kind_of(task)) out[count++] = row(i);
    return count;
}

static pm_status choose_label(const pm_log *log, const pm_task *task, const char *name, pm_measure *out)
{
    for (uint32_t k = 0; k < task->outputs; k++) {
        if (strcmp(name + strlen("f1:"), task->labels[k]) != 0) continue;
        *out = (pm_measure){name, name, (int32_t)k, false};
        return PM_OK;
    }
    return log_fail(log, PM_INVALID, "%s: no such label; there are %u, the first is %s", name, (unsigned)task->outputs,
                    task->outputs ? task->labels[0] : "none");
}

pm_status pm_task_measure(const pm_log *log, const pm_task *task, const char *name, pm_measure *out)
{
    char there[160] = "";
    if (!name || !*name) name = task->scores ? "pearson" : "accuracy";
    if (task->labels && strncmp(name, "f1:", 3) == 0) return choose_label(log, task, name, out);
    for (int i = 0; i < PM_MEASURES_MOST; i++) {
        if (!(measures[i].of & kind_of(task))) continue;
        if (strcmp(name, measures[i].name) == 0) {
            *out = row(i);
            return PM_OK;
        }
        const size_t used = strlen(there);
        snprintf(there + used, sizeof there - used, "%s%s", used ? ", " : "", measures[i].name);
    }
    return log_fail(log, PM_INVALID, "%s: a task of this kind has %s%s", name, there, task->labels ? ", f1:LABEL" : "");
}

double pm_measure_value(const pm_measure *measure, const pm_task *task, const pm_task_metrics *m,
                        const uint32_t *confusion)
{
    if (measure->label >= 0) return pm_task_class_measure(confusion, task->outputs, (uint32_t)measure->label).f1;
    for (int i = 0; i < PM_MEASURES_MOST; i++)
        if (strcmp(measures[i].name, measure->name) == 0) return *(const double *)((const char *)m + measures[i].at);
    return NAN;
}

bool pm_measure_better(const pm_measure *measure, double value, double best)
{
    if (isnan(value) || isnan(best)) return isnan(best);
    return measure->lower ? value < best : value > best;
}

const char *pm_measure_undefined(const pm_measure *measure, const pm_task *task, const pm_task_metrics *m)
{
    if (measure && measure->label >= 0) return "neither the labels nor the answers have the label";
    if (!task->scores) return "the labels and the answers are all of one class";
    if (m->given_constant && m->right_constant) return "neither the scores nor the answers vary";
    return m->given_constant ? "the answers do not vary" : "the scores do not vary";
}
