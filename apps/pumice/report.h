/* A task's measures, for people and for programs. */
#ifndef APPS_REPORT_H
#define APPS_REPORT_H

#include <cjson/cJSON.h>

#include "app.h"

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
