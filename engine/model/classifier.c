/* Converts a transformers classifier's keys in config.json to a plain task, and back. */
#include "model/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/log.h"
#include "base/number.h"
#include "data/task.h"
#include "files/safetensors.h"

static bool is_classifier(const cJSON *root)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "architectures"), *item;
    cJSON_ArrayForEach(item, list) if (cJSON_IsString(item) && arch_by_class(item->valuestring)) return true;
    return false;
}

/* How many labels: as many as id2label has, else num_labels, else transformers' 2. */
static int count_labels(const cJSON *root)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(root, "id2label"),
                *count = cJSON_GetObjectItemCaseSensitive(root, "num_labels");
    if (cJSON_IsObject(names)) return cJSON_GetArraySize(names);
    if (!cJSON_IsNumber(count)) return 2;
    const double v = count->valuedouble;
    return v >= 1 && v <= LABELS_MOST && v == floor(v) ? (int)v : 0;
}

/* Label k's name: id2label's "k", which may be a number, or LABEL_k. malloc'd; NULL after an error line. */
static char *label_name(const pm_log *log, const char *path, const cJSON *root, uint32_t k, pm_status *status)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(root, "id2label");
    char key[24], text[32];
    snprintf(key, sizeof key, "%u", (unsigned)k);
    snprintf(text, sizeof text, "LABEL_%u", (unsigned)k);
    const char *name = text, *fault = NULL;
    if (cJSON_IsObject(names)) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(names, key);
        if (cJSON_IsNumber(item)) number_print(text, sizeof text, "%.15g", item->valuedouble);
        name = cJSON_IsNumber(item) ? text : cJSON_GetStringValue(item);
    }
    fault = name ? task_label_fault(name, false) : "must be there and be a string";
    if (fault) {
        *status = log_fail(log, PM_FORMAT, "%s: id2label: the label of \"%s\" %s", path, key, fault);
        return NULL;
    }
    char *copy = copy_text(name);
    if (!copy) *status = log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for its labels", path);
    return copy;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two classes of one name could not be told apart in an answer. */
static pm_status check_different(const pm_log *log, const char *path, const pm_task *t)
{
    pm_status status = PM_OK;
    char **sorted = malloc(t->outputs * sizeof *sorted);
    if (!sorted) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for its labels", path);
    memcpy(sorted, t->labels, t->outputs * sizeof *sorted);
    qsort(sorted, t->outputs, sizeof *sorted, by_text);
    for (uint32_t k = 1; k < t->outputs && status == PM_OK; k++)
        if (strcmp(sorted[k - 1], sorted[k]) == 0)
            status = log_fail(log, PM_FORMAT, "%s: id2label has '%s' twice", path, sorted[k]);
    free(sorted);
    return status;
}

pm_status classifier_read(const pm_log *log, const char *path, const cJSON *root, const pm_gpt_config *config,
                          pm_task *out)
{
    if (!is_classifier(root)) return PM_OK;
    const char *problem = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "problem_type"));
    const int count = count_labels(root);
    const bool score = problem ? strcmp(problem, "regression") == 0 : count == 1;
    if (count < 1 || count > LABELS_MOST)
        return log_fail(log, PM_FORMAT, "%s: id2label must have 1 to %d labels", path, LABELS_MOST);
    if ((score && count > 1) || (problem && !score && strcmp(problem, "single_label_classification") != 0)) {
        log_line(log, PM_LOG_WARN, "%s: the head is left out: of problem_type \"%s\" Pumice takes %s", path,
                 st_show(problem).text,
                 score ? "one score, not several" : "\"single_label_classification\" and \"regression\" only");
        return PM_OK;
    }
    pm_task t = {.kind = PM_TASK_CLASSIFY,
                 .scores = score,
                 .outputs = (uint32_t)count,
                 .spread = 1,
                 .vocab = config->vocab,
                 .plain = true,
                 .plain_pad = config->special.has_pad ? (int32_t)config->special.pad : -1};
    pm_status status = PM_OK;
    if (!score) t.labels = calloc(t.outputs, sizeof *t.labels);
    if (!score && !t.labels) status = log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for its labels", path);
    for (uint32_t k = 0; t.labels && k < t.outputs && status == PM_OK; k++)
        t.labels[k] = label_name(log, path, root, k, &status);
    if (t.labels && status == PM_OK) status = check_different(log, path, &t);
    if (status == PM_OK)
        *out = t;
    else
        pm_task_fini(&t);
    return status;
}

void classifier_write(cJSON *root, const pm_task *task)
{
    cJSON *names = cJSON_AddObjectToObject(root, "id2label"), *ids = cJSON_AddObjectToObject(root, "label2id");
    for (uint32_t k = 0; k < task->outputs; k++) {
        char id[16];
        const char *label = task->labels ? task->labels[k] : "LABEL_0";
        snprintf(id, sizeof id, "%u", (unsigned)k);
        cJSON_AddStringToObject(names, id, label);
        cJSON_AddNumberToObject(ids, label, k);
    }
    cJSON_AddStringToObject(root, "problem_type", task->scores ? "regression" : "single_label_classification");
}
