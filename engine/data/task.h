/* Internal declarations of tasks and their examples. */
#ifndef DATA_TASK_H
#define DATA_TASK_H

#include <pumice/task.h>

#include "data/rows.h"

/* Special tokens of a task. */
enum { TASK_START, TASK_DELIMITER, TASK_EXTRACT };
static inline uint32_t task_token(const pm_task *task, uint32_t which)
{
    return task->vocab + which;
}

/* How many sequences' hidden values an example adds up. */
static inline uint32_t task_group(const pm_task *task)
{
    return task->kind == PM_TASK_SIMILAR ? 2 : 1;
}

enum { LABEL_MAX = 256, LABELS_MOST = 10000 }; /* bytes of a label with its end; labels of a task */
/* The value of a label that is a whole number of up to ten digits, written without anything else; false for other labels. */
bool task_label_number(const char *label, long long *out);
/* NULL, or what a label must be and is not. Answers give numbered labels without quotes. */
const char *task_label_fault(const char *label, bool numbered);
/* Whether `fields` can be read: PM_INVALID with a line that tells what is wrong. */
pm_status task_fields_check(const pm_log *log, pm_task_kind kind, const char *fields);
/* Whether the present row has the task's texts. */
pm_status task_texts(const row_file *file, pm_task_kind kind);
/* The present row's label as text, and whether it is a whole number. */
pm_status task_label_text(const row_file *file, char out[LABEL_MAX], bool *number);
/* A number of the present row; columns hold it as text. */
pm_status task_number(const row_file *file, const char *key, double *out);
/* The present row's score. */
pm_status task_score(const row_file *file, float *out);

typedef struct task_example {
    size_t first; /* index into the set's sequences */
    uint32_t sequences;
    int32_t label; /* class or option; -1 where there is none */
    float score;   /* standardised */
} task_example;

typedef struct task_sequence {
    size_t first; /* index into the set's tokens */
    uint32_t count;
} task_sequence;

struct pm_taskset {
    pm_task task;
    bool labelled;
    task_example *examples;
    task_sequence *sequences;
    int32_t *tokens;
    size_t *outputs; /* [example_count + 1] where each example's outputs begin */
    size_t example_count, sequence_count, token_count;
    size_t example_capacity, sequence_capacity, token_capacity;
    size_t cut;
    uint32_t longest, most_sequences; /* tokens of a sequence, sequences of an example */
};

/* Of the sequences and their answers. */
uint64_t taskset_hash(const pm_taskset *set);

#endif
