/* Checkpoints: weights and both moments by parameter name, the step and what a run must not change, in one safetensors file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "model/safetensors.h"
#include "train/trainer.h"

enum { SETS = 3 }; /* weights, first and second moments */
static const char *const set_name[SETS] = {"weight", "m", "v"};

static gpu_buffer *const *set_of(const pm_trainer *t, int set)
{
    return set == 0 ? t->model->weights : set == 1 ? t->m : t->v;
}

/* What makes a run the same run: key and value as text. Checkpoints from before a fact was kept have none for it. */
enum { FACTS = 13, FACT_MAX = 32 };
typedef struct fact {
    const char *key;
    char value[FACT_MAX];
    const char *absent; /* what a checkpoint without the key means; NULL: nothing */
} fact;

static void facts_of(const pm_trainer *t, fact f[FACTS])
{
    const pm_gpt_config *c = &t->model->config;
    const pm_train_params *p = &t->params;
    const struct {
        const char *key;
        unsigned long long value;
        const char *absent;
    } numbers[] = {{"layers", c->layers, NULL}, {"heads", c->heads, NULL}, {"embd", c->embd, NULL},
                   {"ctx", c->ctx, NULL},       {"vocab", c->vocab, NULL}, {"inner", c->inner, NULL},
                   {"batch", p->batch, NULL},   {"time", p->time, NULL},   {"accum", p->accum, NULL},
                   {"seed", p->seed, NULL},     {"untied", c->untied, "0"}};
    int n = 0;
    f[n++] = (fact){"arch", {0}, NULL};
    snprintf(f[0].value, FACT_MAX, "%s", c->arch == PM_ARCH_GPT1 ? "gpt1" : "gpt2");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        f[n].key = numbers[i].key;
        f[n].absent = numbers[i].absent;
        snprintf(f[n++].value, FACT_MAX, "%llu", numbers[i].value);
    }
    f[n].key = "dropout";
    f[n].absent = NULL;
    snprintf(f[n++].value, FACT_MAX, "%.9g", (double)p->dropout);
}

static char *path_of(const pm_log *log, const char *dir)
{
    char *path = file_join(dir, "checkpoint.safetensors");
    if (!path) log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for the checkpoint's name", dir);
    return path;
}

static void tensor_name(char out[GPT_NAME_MAX + 16], int set, const char *param)
{
    snprintf(out, GPT_NAME_MAX + 16, "%s.%s", set_name[set], param);
}

pm_status pm_trainer_save(const pm_trainer *t, const char *dir, const char *note)
{
    const pm_log *log = gpu_log(t->model->device);
    const gpt_layout *l = &t->model->layout;
    uint32_t count = SETS * l->count;
    uint64_t words = SETS * l->total_words; /* padding included: a little more than needed */
    char *path = path_of(log, dir);
    char(*names)[GPT_NAME_MAX + 16] = calloc(count, sizeof *names);
    st_tensor *tensors = calloc(count, sizeof *tensors);
    float *values = malloc(4 * words);
    pm_status status = path && names && tensors && values ? PM_OK : PM_NO_HOST_MEMORY;
    if (path && status != PM_OK) log_fail(log, status, "%s: no memory for %llu bytes", path, 4ull * words);
    uint64_t at = 0;
    for (uint32_t i = 0; i < count && status == PM_OK; i++) {
        uint32_t p = i % l->count;
        pm_param param = l->params[p];
        uint64_t n = (uint64_t)param.rows * param.cols;
        tensor_name(names[i], (int)(i / l->count), param.name);
        tensors[i] = (st_tensor){names[i], ST_F32, 2, {param.rows, param.cols}, values + at, 4 * n};
        status = gpu_read(gpt_span(l, set_of(t, (int)(i / l->count)), p), values + at);
        at += n;
    }
    fact facts[FACTS];
    facts_of(t, facts);
    char step[FACT_MAX];
    snprintf(step, sizeof step, "%u", t->done);
    st_meta meta[FACTS + 2];
    for (int i = 0; i < FACTS; i++) meta[i] = (st_meta){(char *)facts[i].key, facts[i].value};
    meta[FACTS] = (st_meta){"step", step};
    meta[FACTS + 1] = (st_meta){"note", (char *)note};
    if (status == PM_OK) status = file_make_dir(log, dir);
    if (status == PM_OK) status = st_write(log, path, tensors, count, meta, FACTS + (note ? 2 : 1));
    free(path);
    free(names);
    free(tensors);
    free(values);
    return status;
}

/* Everything is as it should be: facts, names, shapes. Nothing on the device has changed yet. */
static pm_status check(const pm_trainer *t, const char *path, const st_file *file, uint32_t *step)
{
    const pm_log *log = gpu_log(t->model->device);
    const gpt_layout *l = &t->model->layout;
    fact facts[FACTS];
    facts_of(t, facts);
    for (int i = 0; i < FACTS; i++) {
        const char *there = st_meta_find(file, facts[i].key);
        if (!there) there = facts[i].absent;
        if (!there || strcmp(there, facts[i].value) != 0)
            return log_fail(log, PM_FORMAT, "%s: it was made with %s %s, this run has %s", path, facts[i].key,
                            there ? there : "(none)", facts[i].value);
    }
    const char *text = st_meta_find(file, "step");
    char *end = NULL;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (!text || !*text || *end || n > UINT32_MAX)
        return log_fail(log, PM_FORMAT, "%s: its step is missing or no number", path);
    for (uint32_t i = 0; i < SETS * l->count; i++) {
        char name[GPT_NAME_MAX + 16];
        pm_param param = l->params[i % l->count];
        tensor_name(name, (int)(i / l->count), param.name);
        const st_tensor *found = st_find(file, name);
        if (!found || found->dtype != ST_F32 || found->rank != 2 || found->shape[0] != param.rows ||
            found->shape[1] != param.cols)
            return log_fail(log, PM_FORMAT, "%s: %s is missing or has another dtype or shape than F32 [%u, %u]", path,
                            name, param.rows, param.cols);
    }
    *step = (uint32_t)n;
    return PM_OK;
}

static pm_status load(pm_trainer *t, const char *path, const st_file *file, char **note)
{
    const gpt_layout *l = &t->model->layout;
    uint32_t step = 0;
    pm_status status = check(t, path, file, &step);
    if (status != PM_OK) return status;
    char *copy = NULL;
    const char *text = st_meta_find(file, "note");
    if (note) {
        size_t size = text ? strlen(text) + 1 : 1;
        copy = malloc(size);
        if (!copy) return log_fail(gpu_log(t->model->device), PM_NO_HOST_MEMORY, "%s: no memory for its note", path);
        memcpy(copy, text ? text : "", size);
    }
    for (uint32_t i = 0; i < SETS * l->count && status == PM_OK; i++) {
        char name[GPT_NAME_MAX + 16];
        uint32_t p = i % l->count;
        int set = (int)(i / l->count);
        tensor_name(name, set, l->params[p].name);
        status = gpu_write(gpt_span(l, set_of(t, set), p), st_find(file, name)->data);
    }
    if (status != PM_OK) {
        free(copy);
        return status;
    }
    t->done = step;
    if (note) *note = copy;
    return PM_OK;
}

pm_status pm_trainer_load(pm_trainer *t, const char *dir, char **note)
{
    const pm_log *log = gpu_log(t->model->device);
    char *path = path_of(log, dir);
    if (!path) return PM_NO_HOST_MEMORY;
    st_file file;
    pm_status status = st_open(log, path, &file);
    if (status == PM_OK) {
        status = load(t, path, &file, note);
        st_close(&file);
    }
    free(path);
    return status;
}
