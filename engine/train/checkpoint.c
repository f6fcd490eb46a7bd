/* Checkpoints: weights and both moments by parameter name, the step and the run's settings, in one sealed safetensors file.
 *
 * A run keeps two. An interrupted write leaves the last one as it was. But a disk may give back wrong bytes, or a copy may end early: then the
 * run goes on from the one before. Keeping that one takes no more room than saving does anyway: it is removed before the next one is
 * written. */
#include <math.h>
#include <pumice/pumice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/control.h"
#include "base/log.h"
#include "base/number.h"
#include "base/utf8.h"
#include "files/file.h"
#include "files/safetensors.h"
#include "train/checkpoint.h"

enum { SETS = 3 }; /* weights, first and second moments */
static const char *const set_name[SETS] = {"weight", "m", "v"};

static gpu_buffer *const *set_of(const adamw *a, int set)
{
    return set == 0 ? a->model->weights : set == 1 ? a->m : a->v;
}

/* ---- facts ---- */

fact *fact_text(facts *f, const char *key, const char *value, const char *absent)
{
    fact *to = &f->all[f->count++];
    to->key = key;
    to->absent = absent;
    snprintf(to->value, sizeof to->value, "%s", value);
    return to;
}

fact *fact_number(facts *f, const char *key, uint64_t value, const char *absent)
{
    char text[FACT_MAX];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return fact_text(f, key, text, absent);
}

/* Takes the fewest digits that give the number back: 0.0003, not 0.000300000014. */
fact *fact_float(facts *f, const char *key, float value)
{
    char text[FACT_MAX];
    number_print_float(text, sizeof text, value);
    fact *to = fact_text(f, key, text, NULL);
    to->is_float = true;
    return to;
}

void facts_of_model(facts *f, const pm_gpt_config *c)
{
    fact_text(f, "arch", pm_arch_name(c->arch), NULL);
    fact_number(f, "layers", c->layers, NULL);
    fact_number(f, "heads", c->heads, NULL);
    fact_number(f, "embd", c->embd, NULL);
    fact_number(f, "ctx", c->ctx, NULL);
    fact_number(f, "vocab", c->vocab, NULL);
    fact_number(f, "inner", c->inner, NULL);
    fact_number(f, "untied", c->untied, "0");
    fact_number(f, "outputs", c->outputs, "0");
    if (!arch_rotary(arch_of(c))) return;
    fact_number(f, "kv_heads", c->kv_heads, NULL);
    fact_number(f, "head", c->head, NULL);
    fact_float(f, "theta", c->rotary.theta);
    fact_float(f, "local_theta", c->rotary.local_theta);
    fact_number(f, "rotary_columns", c->rotary.columns, NULL);
    fact_number(f, "rotary_scaling", (uint64_t)c->rotary.scaling, NULL);
    fact_float(f, "rotary_factor", c->rotary.factor);
    fact_number(f, "window", c->window, NULL);
    fact_number(f, "window_first", c->window_first, NULL);
    fact_number(f, "window_period", c->window_period, NULL);
}

void facts_of_optimizer(facts *f, const adamw *a)
{
    fact_float(f, "beta1", a->beta1)->kind = FACT_FREE;
    fact_float(f, "beta2", a->beta2)->kind = FACT_FREE;
    fact_float(f, "eps", a->eps)->kind = FACT_FREE;
    fact_float(f, "weight_decay", a->weight_decay)->kind = FACT_FREE;
    fact_float(f, "clip", a->clip)->kind = FACT_FREE;
}

/* What a line calls the fact: as the option of `pumice train` and `finetune` for it. */
static const char *fact_name(const fact *f, char text[FACT_MAX])
{
    snprintf(text, FACT_MAX, "%s", f->option ? f->option : f->key);
    for (char *c = text; *c; c++)
        if (*c == '_') *c = '-';
    return text;
}

/* A checkpoint's value of the fact; NULL: none. */
static const char *value_in(const st_file *file, const fact *own)
{
    const char *there = st_meta_find(file, own->key);
    return there ? there : own->absent;
}

static bool equal(const fact *own, const char *there)
{
    return strcmp(own->value, there) == 0 ||
           (own->is_float && number_read_float(own->value, NULL) == number_read_float(there, NULL));
}

static pm_status check_facts(const pm_log *log, const facts *f, const char *path, const st_file *file)
{
    unsigned long long product = 1, product_there = 1;
    const fact *wrong = NULL, *factor = NULL;
    for (const fact *own = f->all; own < f->all + f->count && !wrong; own++) {
        const char *there = value_in(file, own);
        const bool differs = !there || !equal(own, there);
        if (own->kind == FACT_SAME && differs) wrong = own;
        if (own->kind != FACT_FACTOR) continue;
        product *= strtoull(own->value, NULL, 10);
        product_there *= there ? strtoull(there, NULL, 10) : 0;
        if (differs && !factor) factor = own;
    }
    if (!wrong && product != product_there) wrong = factor;
    if (!wrong) return PM_OK;
    char name[FACT_MAX];
    const char *there = value_in(file, wrong);
    if (wrong->other) return log_fail(log, PM_FORMAT, "%s: it was made with %s", path, wrong->other);
    return log_fail(log, PM_FORMAT, "%s: it was made with %s %s, this run has %s", path, fact_name(wrong, name),
                    there ? there : "(none)", wrong->value);
}

/* A value for a log line; a float gets 6 digits at most. */
static const char *shown(const fact *own, const char *value, char text[FACT_MAX])
{
    snprintf(text, FACT_MAX, "%s", value);
    if (own->is_float) number_print(text, FACT_MAX, "%g", (double)number_read_float(value, NULL));
    return text;
}

/* One line with all settings that differ from the saved run's. */
static void tell_changes(const pm_log *log, const facts *f, const char *path, const st_file *file)
{
    char text[900] = "";
    size_t used = 0;
    for (const fact *own = f->all; own < f->all + f->count; own++) {
        char now[FACT_MAX], before[FACT_MAX], name[FACT_MAX];
        const char *there = own->kind == FACT_SAME ? NULL : value_in(file, own);
        if (!there || equal(own, there) || used >= sizeof text) continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %s (was %s)", used ? ", " : "",
                                 fact_name(own, name), shown(own, own->value, now), shown(own, there, before));
    }
    if (used) log_line(log, PM_LOG_WARN, "%s: the run goes on with other settings: %s", path, text);
}

static void tell_device(const pm_log *log, const pm_caps *caps, const char *path, const st_file *file)
{
    const char *name = st_meta_find(file, "device"), *driver = st_meta_find(file, "driver");
    if (!name || !driver || (strcmp(name, caps->name) == 0 && strcmp(driver, caps->driver) == 0)) return;
    log_line(log, PM_LOG_WARN, "%s: it was made on %.80s (%.80s); on %.80s (%.80s) the bits may differ", path, name,
             driver, caps->name, caps->driver);
}

/* ---- files ---- */

/* The loss scale's state: the scale, good steps since it changed, skipped ones in all. Older checkpoints do not have it. */
#define SCALE_FORMAT "%.9g %u %u"

static bool read_scale(const char *text, loss_scale *s)
{
    char *end;
    if (!text) return true;
    s->scale = number_read_float(text, &end);
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

/* The set being written, and its file. */
typedef struct passing {
    const adamw *a;
    int set;
    uint64_t done; /* numbers of all sets */
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
    passing *p = user;
    (void)param;
    (void)first;
    p->done += count;
    control_report(gpu_control(p->a->model->device), "save", p->done, SETS * p->a->model->layout.total_bytes / 4);
    file_writer_put(p->to, values, 4 * (size_t)count);
    return PM_OK;
}

/* Writes the three sets piece by piece. */
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
    if (note && utf8_valid(note, strlen(note)) < strlen(note))
        return log_fail(log, PM_INVALID, "%s: the checkpoint's note is not UTF-8", dir);
    snprintf(step, sizeof step, "%u", (unsigned)done);
    number_print(scale, sizeof scale, SCALE_FORMAT, (double)a->scale.scale, a->scale.good, a->scale.skipped);
    pm_caps *caps = (pm_caps *)pm_device_caps(a->model->device); /* st_meta is also for reading, and not const */
    st_meta meta[MOST_FACTS + 6];
    size_t meta_count = 0;
    for (int i = 0; i < f->count; i++) meta[meta_count++] = (st_meta){(char *)f->all[i].key, (char *)f->all[i].value};
    meta[meta_count++] = (st_meta){"step", step};
    meta[meta_count++] = (st_meta){"loss_scale", scale};
    meta[meta_count++] = (st_meta){"device", caps->name};
    meta[meta_count++] = (st_meta){"driver", caps->driver};
    meta[meta_count++] = (st_meta){"pumice_version", PM_VERSION};
    if (note) meta[meta_count++] = (st_meta){"note", (char *)note};
    file_names names;
    pm_status status = names_init(&names, log, dir);
    if (status != PM_OK) return status;
    status = file_make_dir(log, dir);
    /* A checkpoint that may be damaged must not replace the previous one. */
    if (status == PM_OK && a->kept) (void)file_keep(names.last, names.previous);
    if (status == PM_OK) status = write_tensors(a, names.last, meta, meta_count);
    if (status == PM_OK) a->kept = true;
    names_fini(&names);
    return status;
}

/* Checks facts, names and shapes. Changes nothing on the device. */
static pm_status check(const adamw *a, const facts *f, const char *path, const st_file *file, uint32_t *step,
                       loss_scale *scale)
{
    const pm_log *log = gpu_log(a->model->device);
    const gpt_layout *l = &a->model->layout;
    const pm_status status = check_facts(log, f, path, file);
    if (status != PM_OK) return status;
    const char *text = st_meta_find(file, "step");
    char *end = NULL;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (!text || !*text || *end || n > UINT32_MAX)
        return log_fail(log, PM_FORMAT, "%s: its step is missing or not a number", path);
    if (!read_scale(st_meta_find(file, "loss_scale"), scale) || scale->skipped > n)
        return log_fail(log, PM_FORMAT, "%s: its loss scale cannot be read", path);
    for (uint32_t i = 0; i < SETS * l->count; i++) {
        char name[GPT_NAME_MAX + 16];
        pm_param param = l->params[i % l->count];
        tensor_name(name, (int)(i / l->count), param.name);
        const st_tensor *found = st_find(file, name);
        if (!found) return log_fail(log, PM_FORMAT, "%s: %s is missing", path, name);
        if (found->dtype != ST_F32 || found->rank != 2 || found->shape[0] != param.rows ||
            found->shape[1] != param.cols)
            return log_fail(log, PM_FORMAT, "%s: %s should be F32 [%u, %u], and is %s %s", path, name, param.rows,
                            param.cols, st_dtype_name(found->dtype), st_show_shape(found->shape, found->rank).text);
    }
    *step = (uint32_t)n;
    return PM_OK;
}

static pm_status copy_note(const pm_log *log, const char *path, const st_file *file, char **note)
{
    const char *text = st_meta_find(file, "note");
    const size_t size = text ? strlen(text) + 1 : 1;
    char *copy = malloc(size);
    if (!copy) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for its note", path);
    memcpy(copy, text ? text : "", size);
    *note = copy;
    return PM_OK;
}

static pm_status load(adamw *a, const facts *f, const char *path, const st_file *file, uint32_t *done, char **note)
{
    const gpt_layout *l = &a->model->layout;
    const pm_log *log = gpu_log(a->model->device);
    uint32_t step = 0;
    loss_scale scale = a->scale;
    char *copy = NULL;
    pm_status status = check(a, f, path, file, &step, &scale);
    if (status == PM_OK && note) status = copy_note(log, path, file, &copy);
    if (status == PM_OK) status = gpu_gate(a->model->device);
    if (status != PM_OK) {
        free(copy);
        return status;
    }
    /* From here on it is neither cancelled nor paused: a part of the weights alone would be of no use. */
    pm_control *const control = gpu_control(a->model->device);
    pm_device_control(a->model->device, NULL);
    for (uint32_t i = 0; i < SETS * l->count && status == PM_OK; i++) {
        char name[GPT_NAME_MAX + 16];
        uint32_t p = i % l->count;
        int set = (int)(i / l->count);
        tensor_name(name, set, l->params[p].name);
        status = gpu_write(gpt_span(l, set_of(a, set), p), st_find(file, name)->data);
    }
    pm_device_control(a->model->device, control);
    if (status != PM_OK) {
        free(copy);
        return status;
    }
    *done = step;
    a->scale = scale;
    if (note) *note = copy;
    tell_changes(log, f, path, file);
    tell_device(log, pm_device_caps(a->model->device), path, file);
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

/* Opens a checkpoint whose checksum is right. Otherwise the error line goes to *reason, not to the log. */
static pm_status open_whole(const char *path, st_file *file, last_line *reason)
{
    const pm_log log = {keep_line, reason, PM_LOG_ERROR};
    pm_status status = st_open(&log, path, file);
    if (status != PM_OK || file->sealed) return status;
    st_close(file);
    return log_fail(&log, PM_FORMAT, "%s: is damaged, or not a checkpoint of this version: it has no checksum", path);
}

/* A folder's checkpoint, opened: the last one, or the one before it where the last is damaged. */
typedef struct found {
    file_names names;
    st_file file;
    const char *path;
    last_line reason; /* the last one's error line */
} found;

static void close_found(found *c)
{
    st_close(&c->file);
    names_fini(&c->names);
}

static pm_status open_either(const pm_log *log, const char *dir, found *out)
{
    last_line other;
    *out = (found){0};
    pm_status status = names_init(&out->names, log, dir);
    if (status != PM_OK) return status;
    out->path = out->names.last;
    status = open_whole(out->path, &out->file, &out->reason);
    if (status == PM_OK) return PM_OK;
    out->path = out->names.previous;
    if ((status == PM_IO || status == PM_FORMAT) && open_whole(out->path, &out->file, &other) == PM_OK) return PM_OK;
    names_fini(&out->names);
    return log_fail(log, status, "%s", out->reason.text);
}

pm_status checkpoint_load(adamw *a, const facts *f, const char *dir, uint32_t *step, char **note)
{
    const pm_log *log = gpu_log(a->model->device);
    found c;
    pm_status status = open_either(log, dir, &c);
    if (status != PM_OK) return status;
    const bool whole = c.path == c.names.last;
    status = load(a, f, c.path, &c.file, step, note);
    if (status == PM_OK) a->kept = whole;
    if (status == PM_OK && !whole)
        log_line(log, PM_LOG_WARN, "%s; going on from %s, which is of step %u", c.reason.text, c.path, (unsigned)*step);
    close_found(&c);
    return status;
}

pm_status pm_checkpoint_note(const pm_log *log, const char *dir, char **note)
{
    found c;
    pm_status status = open_either(log, dir, &c);
    if (status != PM_OK) return status;
    status = copy_note(log, c.path, &c.file, note);
    close_found(&c);
    return status;
}
