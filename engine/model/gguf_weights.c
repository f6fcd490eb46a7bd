/* A model's tensors in GGUF, read and written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/gguf_model.h"

gguf_form gguf_form_of(const pm_gpt_config *config, const tensor_row *row, param_role role)
{
    const arch_info *family = arch_of(config);
    const bool qkv = role == ROLE_QKV_WEIGHT || role == ROLE_QKV_BIAS;
    const bool is_v =
        row->at == (uint64_t)(config->heads + config->kv_heads) * config->head * (row->vector ? 1 : row->cols);
    return (gguf_form){.pairs = family->gguf_pairs && qkv && !is_v,
                       .plus_one = family->norm == NORM_RMS_ONE && role_table[role].start == START_GAIN,
                       .turned = role_table[role].product && !family->out_in};
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static pm_status check_tensor(const gguf_weights *w, const tensor_row *row, const gguf_tensor *t)
{
    const char *path = w->file->path;
    const bool turned = gguf_form_of(&w->config, row, row->role).turned;
    const uint64_t cols = turned ? row->rows : row->cols, rows = turned ? row->cols : row->rows;
    if (!t) return log_fail(&w->log, PM_FORMAT, "%s: %s is missing", path, row->name);
    if (t->dims[0] != cols || t->dims[1] != rows || t->count != cols * rows)
        return log_fail(&w->log, PM_FORMAT, "%s: %s should have the shape [%llu, %llu], and has [%llu, %llu]", path,
                        row->name, (unsigned long long)cols, (unsigned long long)rows, (unsigned long long)t->dims[0],
                        (unsigned long long)t->dims[1]);
    if (!gguf_dtype_readable(t->dtype))
        return log_fail(&w->log, PM_FORMAT, "%s: %s has the type %s, which Pumice does not read", path, row->name,
                        gguf_dtype_name(t->dtype));
    return PM_OK;
}

/* One line for tensors that the model does not have. */
static void tell_unused(const gguf_weights *w)
{
    size_t unused = 0;
    const char *first = NULL;
    for (size_t i = 0; i < w->file->tensor_count; i++) {
        const gguf_tensor *t = &w->file->tensors[i];
        bool used = strcmp(t->name, "rope_freqs.weight") == 0;
        for (uint32_t k = 0; k < w->list.count && !used; k++) used = w->tensors[k] == t;
        if (!used && unused++ == 0) first = t->name;
    }
    if (unused)
        log_line(&w->log, PM_LOG_WARN, "%s: %zu of its %zu tensors are not used: %s%s", w->file->path, unused,
                 w->file->tensor_count, first, unused > 1 ? ", …" : "");
}

pm_status gguf_weights_open(const pm_log *log, const gguf_file *file, const pm_gpt_config *config, gguf_weights *out)
{
    gguf_weights w = {.file = file, .config = *config, .turned_index = UINT32_MAX};
    if (log) w.log = *log;
    pm_status status = tensors_list(log, config, &arch_of(config)->gguf, &w.list);
    if (status != PM_OK) return status;
    w.tensors = calloc(w.list.count, sizeof *w.tensors);
    if (!w.tensors) status = log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", file->path);
    for (uint32_t i = 0; i < w.list.count && status == PM_OK; i++) {
        const tensor_row *row = &w.list.rows[i];
        w.tensors[i] = gguf_find(file, row->name);
        status = check_tensor(&w, row, w.tensors[i]);
    }
    if (status == PM_OK) {
        tell_unused(&w);
        *out = w;
    } else {
        gguf_weights_close(&w);
    }
    return status;
}

void gguf_weights_close(gguf_weights *w)
{
    tensors_free(&w->list);
    free(w->tensors);
    free(w->turned);
    *w = (gguf_weights){0};
}

/* Numbers of a tensor whose rows are in another order, row by row. */
static pm_status read_pairs(const gguf_weights *w, uint32_t index, uint64_t first, uint64_t count, float *out)
{
    const tensor_row *row = &w->list.rows[index];
    const uint32_t cols = row->vector ? 1 : row->cols;
    pm_status status = PM_OK;
    while (count > 0 && status == PM_OK) {
        const uint32_t r = (uint32_t)(first / cols), c = (uint32_t)(first % cols);
        const uint64_t n = cols - c < count ? cols - c : count;
        const uint64_t at = (uint64_t)gguf_pair_row(r, w->config.head) * cols + c;
        status = gguf_floats(&w->log, w->file, w->tensors[index], at, (size_t)n, out);
        first += n;
        out += n;
        count -= n;
    }
    return status;
}

/* Numbers of a tensor that is turned round: all of it is read at once, and kept until another is wanted. */
static pm_status read_turned(gguf_weights *w, uint32_t index, uint64_t first, uint64_t count, float *out)
{
    const tensor_row *row = &w->list.rows[index];
    const size_t all = (size_t)row->rows * row->cols;
    if (w->turned_index != index) {
        w->turned_index = UINT32_MAX;
        free(w->turned);
        w->turned = malloc(all * sizeof *w->turned);
        if (!w->turned) return log_fail(&w->log, PM_NO_HOST_MEMORY, "%s: no memory for %s", w->file->path, row->name);
        const pm_status status = gguf_floats(&w->log, w->file, w->tensors[index], 0, all, w->turned);
        if (status != PM_OK) return status;
        w->turned_index = index;
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t r = (first + i) / row->cols, c = (first + i) % row->cols;
        out[i] = w->turned[c * row->rows + r];
    }
    return PM_OK;
}

static pm_status read_plain(gguf_weights *w, uint32_t index, bool plus_one, uint64_t first, uint64_t count, float *out)
{
    const pm_status status = gguf_floats(&w->log, w->file, w->tensors[index], first, (size_t)count, out);
    for (uint64_t i = 0; plus_one && status == PM_OK && i < count; i++) out[i] -= 1;
    return status;
}

static pm_status read_tensor(void *user, uint32_t index, uint64_t first, uint64_t count, float *out)
{
    gguf_weights *w = user;
    const tensor_row *row = &w->list.rows[index];
    const gguf_form form = gguf_form_of(&w->config, row, row->role);
    const pm_status status = form.pairs    ? read_pairs(w, index, first, count, out)
                             : form.turned ? read_turned(w, index, first, count, out)
                                           : read_plain(w, index, form.plus_one, first, count, out);
    if (status == PM_OK) tensors_tell(&w->log, w->file->path, row->name, out, count, &w->told);
    return status;
}

static pm_status read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    return tensors_read(&((gguf_weights *)user)->list, param, first, count, out, read_tensor, user);
}

gpt_source gguf_weights_source(gguf_weights *w)
{
    return (gpt_source){read_piece, w};
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

typedef struct output {
    const pm_log *log;
    gguf_writer *w;
    const pm_gpt_config *config;
    gpt_source from;
    float *values; /* [GPT_PIECE] */
} output;

/* Numbers [first, first + count) of a tensor in the model's form; first a multiple of 4, as sources want. */
static pm_status put_plain(output *o, const tensor_row *row, bool plus_one)
{
    const uint64_t all = (uint64_t)row->rows * row->cols;
    pm_status status = PM_OK;
    for (uint64_t at = 0; at < all && status == PM_OK; at += GPT_PIECE) {
        const uint64_t n = all - at < GPT_PIECE ? all - at : GPT_PIECE;
        status = o->from.read(o->from.user, row->param, row->at + at, n, o->values);
        for (uint64_t i = 0; plus_one && i < n; i++) o->values[i] += 1;
        if (status == PM_OK) gguf_put_floats(o->w, o->values, (size_t)n);
    }
    return status;
}

/* `count` numbers in pieces that a source gives. */
static pm_status read_all(const output *o, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    pm_status status = PM_OK;
    for (uint64_t at = 0; at < count && status == PM_OK; at += GPT_PIECE)
        status =
            o->from.read(o->from.user, param, first + at, count - at < GPT_PIECE ? count - at : GPT_PIECE, out + at);
    return status;
}

/* Whole tensors, or heads, that change their order. */
static pm_status put_ordered(output *o, const tensor_row *row, gguf_form form)
{
    const uint32_t cols = row->vector ? 1 : row->cols, rows = row->vector ? row->cols : row->rows;
    const uint32_t step = form.pairs ? o->config->head : rows;
    const size_t size = (size_t)step * cols;
    float *in = malloc(2 * size * sizeof *in), *out = in ? in + size : NULL;
    pm_status status = in ? PM_OK : log_fail(o->log, PM_NO_HOST_MEMORY, "GGUF: no memory for %s", row->name);
    for (uint32_t first = 0; first < rows && status == PM_OK; first += step) {
        status = read_all(o, row->param, row->at + (uint64_t)first * cols, size, in);
        if (status != PM_OK) break;
        for (uint32_t r = 0; r < step; r++)
            for (uint32_t c = 0; c < cols; c++) {
                const size_t to = form.pairs ? (size_t)gguf_pair_row(r, step) * cols + c : (size_t)c * rows + r;
                out[to] = in[(size_t)r * cols + c];
            }
        gguf_put_floats(o->w, out, size);
    }
    free(in);
    return status;
}

static pm_status put_divisors(output *o)
{
    if (o->config->rotary.scaling != PM_ROTARY_LLAMA3) return PM_OK;
    gguf_rope_divisors(o->config, o->values);
    gguf_put_floats(o->w, o->values, o->config->rotary.columns / 2);
    return PM_OK;
}

pm_status gguf_model_write(const pm_log *log, gguf_writer *w, const pm_gpt_config *config, gpt_source from)
{
    output o = {log, w, config, from, malloc(sizeof(float) * GPT_PIECE)};
    tensor_list list = {0};
    pm_status status = o.values ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "GGUF: no memory for %d numbers", GPT_PIECE);
    if (status == PM_OK) status = tensors_list(log, config, &arch_of(config)->gguf, &list);
    if (status == PM_OK) status = put_divisors(&o);
    for (uint32_t i = 0; i < list.count && status == PM_OK; i++) {
        const tensor_row *row = &list.rows[i];
        const gguf_form form = gguf_form_of(config, row, row->role);
        status = form.pairs || form.turned ? put_ordered(&o, row, form) : put_plain(&o, row, form.plus_one);
    }
    tensors_free(&list);
    free(o.values);
    return status;
}
