/* A task's measures, for people and for programs. */
#ifndef APPS_REPORT_H
#define APPS_REPORT_H

#include <cjson/cJSON.h>

#include "app.h"

/* The measure that tells which model is best: accuracy, or Pearson's correlation. *name is what it is called. */
double report_main(const pm_task *task, const pm_task_metrics *m, const char **name);

/* What each measure is called: name and value pairs, NaN where the task has none; the last name is NULL. */
enum { REPORT_MEASURES = 7 };
typedef struct report_measure {
    const char *name;
    double value;
} report_measure;
void report_measures(const pm_task_metrics *m, report_measure out[REPORT_MEASURES]);

/* On stdout: lines with the measures and a table of right and given classes, or one JSON document. */
void report_print(const pm_task *task, const pm_task_metrics *m, const uint32_t *confusion, bool json);

/* --task may be left out where the model says it; true if the two agree, else false after an error line. */
bool report_task_agrees(const char *dir, const pm_model *model, const char *asked);

/* A set's examples, warning of those that were cut. */
pm_status report_open_set(const pm_log *log, const char *path, const pm_task *task, const pm_tokenizer *tok,
                          uint32_t ctx, bool labelled, pm_taskset **out);

#endif
