/* Models with a task's head: what config.json says of the task, and making one from a language model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/log.h"
#include "data/task.h"
#include "files/json.h"
#include "model/classifier.h"
#include "model/gpt.h"
#include "model/task_head.h"

/* ---- config.json ----
 * "pumice_task" holds what Pumice needs. With one sequence an example, the head is Hugging Face's ForSequenceClassification: score.weight on
 * the last token. "architectures" and the labels say so, too. */

static bool one_sequence(const pm_task *task)
{
    return task->kind == PM_TASK_CLASSIFY || task->kind == PM_TASK_ENTAIL;
}

const char *gpt_task_class(const pm_task *task, const arch_info *family)
{
    return one_sequence(task) ? family->classifier_class : NULL;
}

void gpt_task_write(cJSON *root, const pm_task *task)
{
    cJSON *o = cJSON_AddObjectToObject(root, "pumice_task");
    cJSON_AddStringToObject(o, "kind", pm_task_name(task->kind));
    cJSON_AddNumberToObject(o, "text_vocab", task->vocab);
    if (task->fields) cJSON_AddStringToObject(o, "fields", task->fields);
    if (task->scores) {
        cJSON_AddBoolToObject(o, "scores", 1);
        gpt_config_add_float(o, "mean", task->mean);
        gpt_config_add_float(o, "spread", task->spread);
    }
    if (!task->labels) return;
    cJSON_AddBoolToObject(o, "numbered", task->numbered);
    cJSON *labels = cJSON_AddArrayToObject(o, "labels");
    for (uint32_t k = 0; k < task->outputs; k++) cJSON_AddItemToArray(labels, cJSON_CreateString(task->labels[k]));
    classifier_write(root, task);
}

static pm_status wrong(const pm_log *log, const char *path, const char *what)
{
    return log_fail(log, PM_FORMAT, "%s: \"pumice_task\": %s", path, what);
}

static pm_status read_labels(const pm_log *log, const char *path, const cJSON *labels, pm_task *t)
{
    int count = cJSON_GetArraySize(labels);
    if (!cJSON_IsArray(labels) || count < 2 || count > LABELS_MOST)
        return log_fail(log, PM_FORMAT, "%s: \"pumice_task\": \"labels\" must be an array of 2 to %d names", path,
                        LABELS_MOST);
    pm_task view = *t;
    view.outputs = (uint32_t)count;
    view.labels = calloc((size_t)count, sizeof *view.labels);
    if (!view.labels) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for its labels", path);
    const cJSON *label;
    uint32_t k = 0;
    const char *fault = NULL;
    cJSON_ArrayForEach(label, labels)
    {
        char *text = view.labels[k++] = cJSON_GetStringValue(label);
        if (!fault) fault = text ? task_label_fault(text, t->numbered) : "must be a string";
    }
    pm_status status = PM_OK;
    if (fault)
        status = log_fail(log, PM_FORMAT, "%s: \"pumice_task\": each of \"labels\" %s", path, fault);
    else
        status = pm_task_copy(log, &view, t);
    free(view.labels); /* the strings are the JSON's */
    return status;
}

static pm_status read_fields(const pm_log *log, const char *path, const cJSON *fields, pm_task *t)
{
    const char *text = cJSON_GetStringValue(fields);
    if (!text || task_fields_check(NULL, t->kind, text) != PM_OK)
        return wrong(log, path, "\"fields\" is not KEY=NAME,… of the task's fields");
    t->fields = copy_text(text);
    return t->fields ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for its fields", path);
}

pm_status gpt_task_read(const pm_log *log, const char *path, const cJSON *root, pm_task *out)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "pumice_task");
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "kind"));
    const cJSON *vocab = cJSON_GetObjectItemCaseSensitive(o, "text_vocab");
    pm_task t = {.spread = 1, .outputs = 1};
    if (!kind || !pm_task_named(kind, &t.kind))
        return wrong(log, path, "\"kind\" is none of classify, entail, similar, choice");
    if (!cJSON_IsNumber(vocab) || !(vocab->valuedouble >= 1 && vocab->valuedouble < 1 << 24) ||
        vocab->valuedouble != floor(vocab->valuedouble))
        return wrong(log, path, "\"text_vocab\" must be a number of tokens");
    t.vocab = (uint32_t)vocab->valuedouble;
    if (!json_flag(o, "scores", &t.scores)) return wrong(log, path, "\"scores\" is not true or false");
    if (!json_flag(o, "numbered", &t.numbered)) return wrong(log, path, "\"numbered\" is not true or false");
    if (t.scores) {
        const cJSON *mean = cJSON_GetObjectItemCaseSensitive(o, "mean"),
                    *spread = cJSON_GetObjectItemCaseSensitive(o, "spread");
        if (t.kind != PM_TASK_SIMILAR || !cJSON_IsNumber(mean) || !cJSON_IsNumber(spread) ||
            !isfinite((float)mean->valuedouble) || !isfinite((float)spread->valuedouble) ||
            !((float)spread->valuedouble > 0))
            return wrong(log, path, "\"scores\" needs the kind similar, a finite \"mean\" and a \"spread\" above 0");
        t.mean = (float)mean->valuedouble;
        t.spread = (float)spread->valuedouble;
    } else if (t.kind != PM_TASK_CHOICE) {
        pm_status status = read_labels(log, path, cJSON_GetObjectItemCaseSensitive(o, "labels"), &t);
        if (status != PM_OK) return status;
    }
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(o, "fields");
    if (fields) {
        pm_status status = read_fields(log, path, fields, &t);
        if (status != PM_OK) {
            pm_task_fini(&t);
            return status;
        }
    }
    *out = t;
    return PM_OK;
}

/* ---- making one ---- */

typedef struct adapting {
    const pm_model *from, *to;
    uint64_t seed;
} adapting;

/* The source's parameter of this name. A head with another number of classes does not count. */
static bool find_source(const adapting *a, uint32_t p, uint32_t *out)
{
    pm_param wanted = a->to->layout.params[p];
    for (uint32_t q = 0; q < a->from->layout.count; q++) {
        pm_param there = a->from->layout.params[q];
        if (strcmp(there.name, wanted.name) != 0) continue;
        *out = q;
        return a->from->layout.roles[q] != ROLE_SCORE || there.rows == wanted.rows;
    }
    return false;
}

/* Old values where the source has rows, new ones below. Rows have multiples of 4 numbers, as gpt_normal wants. */
static pm_status adapt(void *user, uint32_t p, uint64_t first, uint64_t count, float *out)
{
    const adapting *a = user;
    uint32_t q;
    uint64_t old = 0;
    if (find_source(a, p, &q)) {
        pm_param there = a->from->layout.params[q];
        uint64_t all = (uint64_t)there.rows * there.cols;
        old = first >= all ? 0 : all - first < count ? all - first : count;
        pm_status status = old ? gpt_read_piece((void *)a->from, q, first, old, out) : PM_OK;
        if (status != PM_OK) return status;
    }
    gpt_normal(out + old, first + old, count - old, gpt_deviation(&a->to->config), a->seed, p, 1);
    return PM_OK;
}

pm_gpt_config gpt_config_for_task(const pm_gpt_config *config, const pm_task *task)
{
    pm_gpt_config filled = gpt_config_filled(config);
    filled.vocab = task->vocab + PM_TASK_SPECIALS;
    filled.outputs = task->outputs;
    filled.task_tokens = PM_TASK_SPECIALS;
    return filled;
}

pm_status pm_model_for_task(const pm_model *from, const pm_task *task, uint64_t seed, pm_model **out)
{
    const pm_log *log = gpu_log(from->device);
    const pm_gpt_config config = gpt_config_for_task(&from->config, task);
    uint32_t text = from->config.vocab - from->config.task_tokens;
    if (text != task->vocab)
        return log_fail(log, PM_INVALID, "task: its special tokens follow token %u, the model's last one is %u",
                        task->vocab - 1, text - 1);
    pm_model *m = NULL;
    pm_status status = gpt_model_allocate(from->device, &config, NULL, &m);
    if (status != PM_OK) return status;
    adapting a = {from, m, seed};
    status = gpt_model_set_task(m, task);
    if (status == PM_OK) status = gpt_model_fill(m, "model", (gpt_source){adapt, &a});
    if (status == PM_OK)
        *out = m;
    else
        pm_model_destroy(&m);
    return status;
}

pm_status gpt_model_set_task(pm_model *m, const pm_task *task)
{
    pm_task *copy = calloc(1, sizeof *copy);
    if (!copy) return log_fail(gpu_log(m->device), PM_NO_HOST_MEMORY, "task: no memory");
    pm_status status = pm_task_copy(gpu_log(m->device), task, copy);
    if (status == PM_OK)
        m->task = copy;
    else
        free(copy);
    return status;
}

const pm_task *pm_model_task(const pm_model *model)
{
    return model->task;
}
