/* Checkpoints: weights and both moments by parameter name, the step and what a run must not change, in one sealed safetensors file.
 *
 * A run keeps two. A write that is cut short leaves the last one as it was, but a disk may still give back other bytes than it took, or a copy
 * end early; then the run goes on from the one before. Keeping it takes no more room than saving does anyway: its file goes before the
 * next one is written. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "model/safetensors.h"
#include "train/checkpoint.h"

enum { SETS = 3 }; /* weights, first and second moments */
static const char *const set_name[SETS] = {"weight", "m", "v"};

static gpu_buffer *const *set_of(const adamw *a, int set)
{
    return set == 0 ? a->model->weights : set == 1 ? a->m : a->v;
}

/* ---- facts ---- */

void fact_number(facts *f, const char *key, uint64_t value, const char *absent)
{
    fact *to = &f->all[f->count++];
    to->key = key;
    to->absent = absent;
    snprintf(to->value, sizeof to->value, "%llu", (unsigned long long)value);
}

void fact_float(facts *f, const char *key, float value)
{
    fact *to = &f->all[f->count++];
    to->key = key;
    snprintf(to->value, sizeof to->value, "%.9g", (double)value);
}

void fact_text(facts *f, const char *key, const char *value, const char *absent)
{
    fact *to = &f->all[f->count++];
    to->key = key;
    to->absent = absent;
    snprintf(to->value, sizeof to->value, "%s", value);
}

void facts_of_model(facts *f, const pm_gpt_config *c)
{
    fact_text(f, "arch", c->arch == PM_ARCH_GPT1 ? "gpt1" : "gpt2", NULL);
    fact_number(f, "layers", c->layers, NULL);
    fact_number(f, "heads", c->heads, NULL);
    fact_number(f, "embd", c->embd, NULL);
    fact_number(f, "ctx", c->ctx, NULL);
    fact_number(f, "vocab", c->vocab, NULL);
    fact_number(f, "inner", c->inner, NULL);
    fact_number(f, "untied", c->untied, "0");
    fact_number(f, "outputs", c->outputs, "0");
}

/* ---- files ---- */

/* The loss scale's state: the scale, good steps since it changed, skipped ones in all. A checkpoint without it is of before there was one. */
#define SCALE_FORMAT "%.9g %u %u"

static bool read_scale(const char *text, loss_scale *s)
{
    char *end;
    if (!text) return true;
    s->scale = strtof(text, &end);
    if (!isfinite(s->scale) || s->scale <= 0 || *end != ' ') return false;
    s->good = (uint32_t)strtoul(end, &end, 10);
    if (*end != ' ') return false;
    s->skipped = (uint32_t)strtoul(end, &end, 10);
    return *end == 0;
}

typedef struct file_names {
    char *last, *previous;
} file_names;

static void names_fini(file_names *n)
{
    free(n->last);
    free(n->previous);
}

static pm_status names_init(file_names *n, const pm_log *log, const char *dir)
{
    *n = (file_names){file_join(dir, "checkpoint.safetensors"), file_join(dir, "checkpoint.previous.safetensors")};
    if (n->last && n->previous) return PM_OK;
    names_fini(n);
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for the checkpoint's name", dir);
}

static void tensor_name(char out[GPT_NAME_MAX + 16], int set, const char *param)
{
    snprintf(out, GPT_NAME_MAX + 16, "%s.%s", set_name[set], param);
}

/* What is read next, and where it goes. */
typedef struct passing {
    const adamw *a;
    int set;
    file_writer *to;
} passing;

static pm_status read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    const passing *p = user;
    gpu_span span = gpt_span(&p->a->model->layout, set_of(p->a, p->set), param);
    return gpu_read((gpu_span){span.buffer, span.offset + 4 * first, 4 * count}, out);
}

static pm_status put_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    const passing *p = user;
    (void)param;
    (void)first;
    file_writer_put(p->to, values, 4 * (size_t)count);
    return PM_OK;
}

/* The three sets, piece by piece. */
static pm_status write_tensors(const adamw *a, const char *path, const st_meta *meta, size_t meta_count)
{
    const pm_log *log = gpu_log(a->model->device);
    const gpt_layout *l = &a->model->layout;
    uint32_t count = SETS * l->count;
    char(*names)[GPT_NAME_MAX + 16] = calloc(count, sizeof *names);
    st_tensor *tensors = calloc(count, sizeof *tensors);
    pm_status status = names && tensors ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to write it", path);
    for (uint32_t i = 0; i < count && status == PM_OK; i++) {
        pm_param param = l->params[i % l->count];
        tensor_name(names[i], (int)(i / l->count), param.name);
        tensors[i] = (st_tensor){names[i], ST_F32, 2, {param.rows, param.cols}, NULL, 4ull * param.rows * param.cols};
    }
    passing p = {.a = a};
    if (status == PM_OK) status = st_write_begin(log, path, tensors, count, meta, meta_count, &p.to);
    for (p.set = 0; p.set < SETS && status == PM_OK; p.set++)
        status = gpt_copy(log, l, (gpt_source){read_piece, &p}, put_piece, &p);
    if (status == PM_OK) status = file_writer_commit(&p.to);
    if (p.to) file_writer_abandon(&p.to);
    free(names);
    free(tensors);
    return status;
}

pm_status checkpoint_save(adamw *a, const facts *f, uint32_t done, const char *dir, const char *note)
{
    const pm_log *log = gpu_log(a->model->device);
    char step[FACT_MAX], scale[64];
    snprintf(step, sizeof step, "%u", (unsigned)done);
    snprintf(scale, sizeof scale, SCALE_FORMAT, (double)a->scale.scale, a->scale.good, a->scale.skipped);
    st_meta meta[MOST_FACTS + 3];
    size_t meta_count = 0;
    for (int i = 0; i < f->count; i++) meta[meta_count++] = (st_meta){(char *)f->all[i].key, (char *)f->all[i].value};
    meta[meta_count++] = (st_meta){"step", step};
    meta[meta_count++] = (st_meta){"loss_scale", scale};
    if (note) meta[meta_count++] = (st_meta){"note", (char *)note};
    file_names names;
    pm_status status = names_init(&names, log, dir);
    if (status != PM_OK) return status;
    status = file_make_dir(log, dir);
    /* One that may be damaged does not push out the one before it. */
    if (status == PM_OK && a->kept) (void)file_keep(names.last, names.previous);
    if (status == PM_OK) status = write_tensors(a, names.last, meta, meta_count);
    if (status == PM_OK) a->kept = true;
    names_fini(&names);
    return status;
}

/* Everything is as it should be: facts, names, shapes. Nothing on the device has changed yet. */
static pm_status check(const adamw *a, const facts *f, const char *path, const st_file *file, uint32_t *step,
                       loss_scale *scale)
{
    const pm_log *log = gpu_log(a->model->device);
    const gpt_layout *l = &a->model->layout;
    for (const fact *own = f->all; own < f->all + f->count; own++) {
        const char *there = st_meta_find(file, own->key);
        if (!there) there = own->absent;
        if (!there || strcmp(there, own->value) != 0)
            return log_fail(log, PM_FORMAT, "%s: it was made with %s %s, this run has %s", path, own->key,
                            there ? there : "(none)", own->value);
    }
    const char *text = st_meta_find(file, "step");
    char *end = NULL;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (!text || !*text || *end || n > UINT32_MAX)
        return log_fail(log, PM_FORMAT, "%s: its step is missing or no number", path);
    if (!read_scale(st_meta_find(file, "loss_scale"), scale) || scale->skipped > n)
        return log_fail(log, PM_FORMAT, "%s: its loss scale cannot be read", path);
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

static pm_status load(adamw *a, const facts *f, const char *path, const st_file *file, uint32_t *done, char **note)
{
    const gpt_layout *l = &a->model->layout;
    uint32_t step = 0;
    loss_scale scale = a->scale;
    pm_status status = check(a, f, path, file, &step, &scale);
    if (status != PM_OK) return status;
    char *copy = NULL;
    const char *text = st_meta_find(file, "note");
    if (note) {
        size_t size = text ? strlen(text) + 1 : 1;
        copy = malloc(size);
        if (!copy) return log_fail(gpu_log(a->model->device), PM_NO_HOST_MEMORY, "%s: no memory for its note", path);
        memcpy(copy, text ? text : "", size);
    }
    for (uint32_t i = 0; i < SETS * l->count && status == PM_OK; i++) {
        char name[GPT_NAME_MAX + 16];
        uint32_t p = i % l->count;
        int set = (int)(i / l->count);
        tensor_name(name, set, l->params[p].name);
        status = gpu_write(gpt_span(l, set_of(a, set), p), st_find(file, name)->data);
    }
    if (status != PM_OK) {
        free(copy);
        return status;
    }
    *done = step;
    a->scale = scale;
    if (note) *note = copy;
    return PM_OK;
}

/* ---- damage ---- */

typedef struct last_line {
    char text[512];
} last_line;

static void keep_line(void *user, pm_log_level level, const char *line)
{
    (void)level;
    snprintf(((last_line *)user)->text, sizeof((last_line *)user)->text, "%s", line);
}

/* A checkpoint whose every byte is as it was written. What is wrong otherwise goes to *reason, not to the log. */
static pm_status open_whole(const char *path, st_file *file, last_line *reason)
{
    const pm_log log = {keep_line, reason, PM_LOG_ERROR};
    pm_status status = st_open(&log, path, file);
    if (status != PM_OK || file->sealed) return status;
    st_close(file);
    return log_fail(&log, PM_FORMAT, "%s: is damaged, or no checkpoint of this version: it has no checksum", path);
}

pm_status checkpoint_load(adamw *a, const facts *f, const char *dir, uint32_t *step, char **note)
{
    const pm_log *log = gpu_log(a->model->device);
    file_names names;
    st_file file;
    last_line reason = {0}, other;
    pm_status status = names_init(&names, log, dir);
    if (status != PM_OK) return status;
    status = open_whole(names.last, &file, &reason);
    const bool whole = status == PM_OK, spare = status == PM_IO || status == PM_FORMAT;
    if (whole || (spare && open_whole(names.previous, &file, &other) == PM_OK)) {
        status = load(a, f, whole ? names.last : names.previous, &file, step, note);
        st_close(&file);
        if (status == PM_OK) a->kept = whole;
        if (status == PM_OK && !whole)
            log_line(log, PM_LOG_WARN, "%s; going on from %s, which is of step %u", reason.text, names.previous,
                     (unsigned)*step);
    } else {
        log_fail(log, status, "%s", reason.text);
    }
    names_fini(&names);
    return status;
}
