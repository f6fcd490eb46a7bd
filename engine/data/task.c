/* What a task learns from its training file: the labels, or the scores' mean and spread. */
#include "data/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/number.h"
#include "base/utf8.h"

static const char *const names[PM_TASK_COUNT] = {
#define TASK_NAME(id, name) name,
    PM_TASK_LIST(TASK_NAME)
#undef TASK_NAME
};

const char *pm_task_name(pm_task_kind kind)
{
    return kind < PM_TASK_COUNT ? names[kind] : "unknown";
}

bool pm_task_named(const char *name, pm_task_kind *out)
{
    for (int k = 0; k < PM_TASK_COUNT; k++) {
        if (strcmp(name, names[k]) != 0) continue;
        *out = (pm_task_kind)k;
        return true;
    }
    return false;
}

#define NUMBER_MOST 9999999999 /* ten digits: a label of more is a name */
#define NUMBER_WORDS "a whole number of up to ten digits"

bool task_label_number(const char *label, long long *out)
{
    char again[24];
    const long long value = strtoll(label, NULL, 10);
    snprintf(again, sizeof again, "%lld", value);
    if (strcmp(label, again) != 0 || value > NUMBER_MOST || value < -NUMBER_MOST) return false;
    *out = value;
    return true;
}

const char *task_label_fault(const char *label, bool numbered)
{
    long long value;
    const size_t size = strlen(label);
    if (size == 0 || size >= LABEL_MAX) return "must have 1 to 255 bytes";
    for (size_t i = 0; i < size; i++)
        if (log_control(label + i)) return "must be without control characters";
    if (utf8_valid(label, size) < size) return "must be UTF-8";
    if (!numbered) return NULL;
    return task_label_number(label, &value) ? NULL : "must be " NUMBER_WORDS;
}

pm_status task_texts(const row_file *file, pm_task_kind kind)
{
    static const char *const keys[PM_TASK_COUNT][2] = {
        [PM_TASK_CLASSIFY] = {"text"},
        [PM_TASK_ENTAIL] = {"premise", "hypothesis"},
        [PM_TASK_SIMILAR] = {"text_a", "text_b"},
    };
    const char *text;
    pm_status status = PM_OK;
    for (int i = 0; i < 2 && keys[kind][i] && status == PM_OK; i++) status = rows_string(file, keys[kind][i], &text);
    if (kind != PM_TASK_CHOICE) return status;
    if (!rows_get(file, "passage") && !rows_get(file, "question"))
        return rows_missing(file, rows_named(file, "question") ? "question" : "passage");
    return rows_get(file, "choices") ? PM_OK : rows_missing(file, "choices");
}

pm_status task_label_text(const row_file *file, char out[LABEL_MAX], bool *number)
{
    const cJSON *v = rows_get(file, "label");
    if (!v) return rows_missing(file, "label");
    if (cJSON_IsNumber(v)) {
        if (!(fabs(v->valuedouble) <= (double)NUMBER_MOST) || v->valuedouble != floor(v->valuedouble))
            return rows_fail(file, "\"label\" must be a string or " NUMBER_WORDS);
        number_print(out, LABEL_MAX, "%.0f", v->valuedouble + 0.0); /* -0 is 0 */
        *number = true;
        return PM_OK;
    }
    if (!cJSON_IsString(v)) return rows_fail(file, "\"label\" must be a string or " NUMBER_WORDS);
    const char *fault = task_label_fault(v->valuestring, false);
    if (fault) return rows_fail(file, "\"label\" %s", fault);
    strcpy(out, v->valuestring);
    long long value;
    *number = !file->typed && task_label_number(out, &value);
    return PM_OK;
}

pm_status task_number(const row_file *file, const char *key, double *out)
{
    const cJSON *v = rows_get(file, key);
    if (!v) return rows_missing(file, key);
    *out = NAN;
    if (cJSON_IsNumber(v)) *out = v->valuedouble;
    if (!file->typed) {
        char *end = NULL;
        const double value = number_read(v->valuestring, &end);
        const bool decimal = v->valuestring[0] && v->valuestring[strspn(v->valuestring, "0123456789+-.eE")] == 0;
        if (decimal && *end == 0) *out = value;
    }
    return PM_OK;
}

pm_status task_score(const row_file *file, float *out)
{
    double value = 0;
    pm_status status = task_number(file, "score", &value);
    if (status != PM_OK) return status;
    if (!isfinite((float)value)) return rows_fail(file, "\"score\" must be a finite number");
    *out = (float)value;
    return PM_OK;
}

/* ---- learning ---- */

typedef struct learner {
    row_file file;
    pm_task *task;
    uint32_t capacity;
    bool words;          /* some label is not a whole number */
    double sum, squares; /* of scores */
    double low, high;    /* scores as the file has them */
    size_t count;
} learner;

/* Labels stay in their final order. */
static int compare(const learner *l, const char *a, const char *b)
{
    if (!l->task->numbered) return strcmp(a, b);
    const long long x = strtoll(a, NULL, 10), y = strtoll(b, NULL, 10);
    return (x > y) - (x < y);
}

static pm_status add_label(learner *l)
{
    pm_task *t = l->task;
    char text[LABEL_MAX];
    bool number = false;
    pm_status status = task_label_text(&l->file, text, &number);
    if (status != PM_OK) return status;
    if (l->file.typed && l->count == 0) t->numbered = number;
    if (l->file.typed && number != t->numbered)
        return rows_fail(&l->file, "labels are numbers in some lines and strings in others");
    l->words = l->words || !number;
    uint32_t low = 0, high = t->outputs;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = compare(l, t->labels[middle], text);
        if (order == 0) return PM_OK;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (t->outputs == LABELS_MOST) return rows_fail(&l->file, "more than %d different labels", LABELS_MOST);
    if (t->outputs == l->capacity) {
        uint32_t wanted = l->capacity ? 2 * l->capacity : 8;
        char **more = realloc(t->labels, wanted * sizeof *more);
        if (!more) return log_fail(l->file.log, PM_NO_HOST_MEMORY, "%s: out of memory for its labels", l->file.path);
        t->labels = more;
        l->capacity = wanted;
    }
    char *copy = copy_text(text);
    if (!copy) return log_fail(l->file.log, PM_NO_HOST_MEMORY, "%s: out of memory for its labels", l->file.path);
    memmove(t->labels + low + 1, t->labels + low, (t->outputs - low) * sizeof *t->labels);
    t->labels[low] = copy;
    t->outputs++;
    return PM_OK;
}

/* Whether the first line's score counts or its label; a warning where that is not plain. */
static void choose_answer(learner *l)
{
    const bool score = rows_named(&l->file, "score"), label = rows_named(&l->file, "label");
    const bool both = rows_get(&l->file, "score") && rows_get(&l->file, "label");
    l->task->scores = score || !rows_get(&l->file, "label");
    if (both && score == label)
        log_line(
            l->file.log, PM_LOG_WARN,
            "%s:%zu: has a score and a label, and the %s counts; fields score=NAME or label=NAME alone tells which "
            "is meant",
            l->file.path, l->file.line, l->task->scores ? "score" : "label");
}

static pm_status add_score(learner *l)
{
    float score = 0;
    double value = 0;
    pm_status status = task_score(&l->file, &score);
    if (status == PM_OK) status = task_number(&l->file, "score", &value);
    if (status != PM_OK) return status;
    l->sum += (double)score;
    l->squares += (double)score * (double)score;
    l->low = l->count == 0 || value < l->low ? value : l->low;
    l->high = l->count == 0 || value > l->high ? value : l->high;
    return PM_OK;
}

static pm_status add_line(learner *l)
{
    pm_task *t = l->task;
    pm_status status = task_texts(&l->file, t->kind);
    if (status != PM_OK) return status;
    if (l->count == 0 && t->kind == PM_TASK_SIMILAR) choose_answer(l);
    if (t->scores) {
        status = add_score(l);
    } else if (t->kind != PM_TASK_CHOICE) {
        status = add_label(l);
    }
    l->count++;
    return status;
}

/* By value. In a file of columns only the end shows that all labels are numbers. */
static int by_number(const void *a, const void *b)
{
    const long long x = strtoll(*(char *const *)a, NULL, 10), y = strtoll(*(char *const *)b, NULL, 10);
    return (x > y) - (x < y);
}

static pm_status conclude(learner *l)
{
    pm_task *t = l->task;
    if (!l->file.typed && t->labels && !l->words) {
        t->numbered = true;
        qsort(t->labels, t->outputs, sizeof *t->labels, by_number);
    }
    if (t->kind == PM_TASK_CHOICE || t->scores) t->outputs = 1;
    t->spread = 1;
    if (t->scores) {
        double mean = l->sum / (double)l->count, variance = l->squares / (double)l->count - mean * mean;
        const bool close = !(variance > 1e-12 * (1 + mean * mean));
        if (close && l->low < l->high)
            return log_fail(
                l->file.log, PM_FORMAT,
                "%s: the scores differ by %g at most, about %g: less than float32 can hold; scale them up or "
                "move them towards 0",
                l->file.path, l->high - l->low, mean);
        if (close)
            return log_fail(l->file.log, PM_FORMAT, "%s: all scores are %g; there is nothing to learn", l->file.path,
                            mean);
        t->mean = (float)mean;
        t->spread = (float)sqrt(variance);
    } else if (t->labels && t->outputs < 2) {
        return log_fail(l->file.log, PM_FORMAT, "%s: every label is %s; there is nothing to learn", l->file.path,
                        t->labels[0]);
    }
    return PM_OK;
}

pm_status pm_task_learn(const pm_log *log, pm_task_kind kind, const char *path, const char *fields, uint32_t vocab,
                        pm_task *out)
{
    pm_task task = {.kind = kind, .vocab = vocab};
    learner l = {.task = &task};
    pm_status status = rows_open(log, path, kind, false, fields, &l.file);
    if (status == PM_OK && fields && !(task.fields = copy_text(fields)))
        status = log_fail(log, PM_NO_HOST_MEMORY, "task: out of memory for its fields");
    for (bool more = true; status == PM_OK;) {
        status = rows_next(&l.file, &more);
        if (!more) break;
        if (status == PM_OK) status = add_line(&l);
    }
    if (status == PM_OK) status = conclude(&l);
    rows_close(&l.file);
    if (status == PM_OK)
        *out = task;
    else
        pm_task_fini(&task);
    return status;
}

pm_status pm_task_copy(const pm_log *log, const pm_task *from, pm_task *out)
{
    pm_task t = *from;
    bool fine = true;
    t.labels = from->labels ? calloc(from->outputs, sizeof *t.labels) : NULL;
    t.fields = from->fields ? copy_text(from->fields) : NULL;
    if ((from->labels && !t.labels) || (from->fields && !t.fields)) fine = false;
    for (uint32_t i = 0; fine && from->labels && i < from->outputs; i++) {
        t.labels[i] = copy_text(from->labels[i]);
        fine = t.labels[i] != NULL;
    }
    if (!fine) {
        pm_task_fini(&t);
        return log_fail(log, PM_NO_HOST_MEMORY, "task: out of memory for its labels");
    }
    *out = t;
    return PM_OK;
}

void pm_task_fini(pm_task *task)
{
    for (uint32_t i = 0; task->labels && i < task->outputs; i++) free(task->labels[i]);
    free(task->labels);
    free(task->fields);
    *task = (pm_task){0};
}
