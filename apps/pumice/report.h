/* A task's measures, for people and for programs. */
#ifndef APPS_REPORT_H
#define APPS_REPORT_H

#include <cjson/cJSON.h>

#include "app.h"

/* What each measure is called: name and value pairs, NaN where the task has none or it is not defined; the last name is NULL. */
enum { REPORT_MEASURES = 7 };
typedef struct report_measure {
    const char *name, *shown; /* in JSON and on the command line; in sentences */
    double value;
    bool applies; /* the task has this measure */
} report_measure;
void report_measures(const pm_task *task, const pm_task_metrics *m, report_measure out[REPORT_MEASURES]);

/* ---- the measure that tells which model is best ---- */

#define REPORT_CHOICES "accuracy|macro_f1|f1:LABEL|matthews|pearson|spearman|loss"
typedef struct report_choice {
    const char *name;  /* as --measure has it */
    const char *shown; /* in sentences */
    int32_t label;     /* of f1:LABEL the class; else -1 */
    bool lower;        /* the lowest is best */
} report_choice;

/* asked: what --measure says; NULL: accuracy, or Pearson's correlation of scores. False after an error line. */
bool report_choose(const pm_task *task, const char *asked, report_choice *out);
/* NaN where it is not defined. */
double report_value(const report_choice *choice, const pm_task *task, const pm_task_metrics *m,
                    const uint32_t *confusion);
/* Whether a model of this value is to be kept in place of the one with `best`, NaN: none yet. An undefined value never counts as the best; a later
 * model replaces it. */
bool report_better(const report_choice *choice, double value, double best);
/* Why a measure is not defined; choice NULL: the task's own one, which is not f1:LABEL. */
const char *report_undefined(const report_choice *choice, const pm_task *task, const pm_task_metrics *m);

/* ---- output ---- */

/* Prints on stdout the measures, a table of each class's measures and one of right and given classes, or one JSON document. Warns on stderr of a
 * measure that is not defined. `path`: the examples. */
void report_print(const char *path, const pm_task *task, const pm_task_metrics *m, const uint32_t *confusion,
                  bool json);
/* The tables. report_table.c */
void report_print_classes(const pm_task *task, const uint32_t *confusion);
void report_print_confusion(const pm_task *task, const uint32_t *confusion);

/* ---- models and files ---- */

/* Whether --task, if given (`asked`), agrees with the model's task; false after an error line. */
bool report_task_agrees(const char *dir, const pm_model *model, const char *asked);

/* Opens a set's examples, and warns of those that were cut. fields: what --fields says; NULL: as the task has it. */
pm_status report_open_set(const pm_log *log, const char *path, const char *fields, const pm_task *task,
                          const pm_tokenizer *tok, uint32_t ctx, bool labelled, pm_taskset **out);

#define REPORT_OPTION_FIELDS(target, more)                                                                             \
    {                                                                                                                  \
        ARG_TEXT, "--fields", "KEY=NAME,…", &(target), NULL, 0, 0,                                                     \
            "what FILE calls the task's fields, such as text=sentence,label=gold; choices=A+B joins several; #2 is "   \
            "column 2 of a file without a header" more,                                                                \
            false, false                                                                                               \
    }

#endif
