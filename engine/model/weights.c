/* Tensors to parameters: shapes, and the four floating-point types. */
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/log.h"
#include "model/names.h"

enum {
    PIECE = 1 << 22,                       /* bytes compared at a time */
    ROOM = (int)sizeof(double) * GPT_PIECE /* of one piece of numbers, or of two that are compared */
};
_Static_assert(ROOM >= 2 * PIECE, "two pieces");

/* ---- finding ---- */

/* Bytes of a type that is read as floats; 0: another type. */
static uint32_t float_size(st_dtype dtype)
{
    const bool is_float = dtype == ST_F32 || dtype == ST_F16 || dtype == ST_BF16 || dtype == ST_F64;
    return is_float ? st_dtype_size(dtype) : 0;
}

static pm_status check_tensor(const pm_log *log, const shard_tensor *found, const tensor_row *row)
{
    const st_tensor *t = found->tensor;
    const char *path = found->from->path;
    const bool one = row->rows == 1 && t->rank == 1 && t->shape[0] == row->cols;
    const bool two = t->rank == 2 && t->shape[0] == row->rows && t->shape[1] == row->cols;
    if (!one && !two) {
        const bool transposed = t->rank == 2 && t->shape[0] == row->cols && t->shape[1] == row->rows;
        const uint64_t shape[2] = {row->rows == 1 ? row->cols : row->rows, row->cols};
        return log_fail(log, PM_FORMAT, "%s: %s should have the shape %s, and has %s%s", path, t->name,
                        st_show_shape(shape, row->rows == 1 ? 1 : 2).text, st_show_shape(t->shape, t->rank).text,
                        transposed ? ": it is transposed" : "");
    }
    if (!float_size(t->dtype))
        return log_fail(log, PM_FORMAT, "%s: %s should have the dtype F32, F16, BF16 or F64, and has %s", path, t->name,
                        st_dtype_name(t->dtype));
    return PM_OK;
}

static pm_status read_bytes(const weights *w, const shard_tensor *from, uint64_t at, size_t size, unsigned char *room,
                            const unsigned char **out)
{
    return st_piece(&w->log, from->from->path, &from->from->file, from->tensor, at, size, room, out);
}

static pm_status same_values(const weights *w, const shard_tensor *a, const shard_tensor *b, bool *same)
{
    *same = a->tensor->dtype == b->tensor->dtype && a->tensor->size == b->tensor->size;
    for (uint64_t at = 0; at < a->tensor->size && *same; at += PIECE) {
        const uint64_t rest = a->tensor->size - at;
        const size_t n = rest < PIECE ? (size_t)rest : PIECE;
        const unsigned char *left, *right;
        pm_status status = read_bytes(w, a, at, n, w->room, &left);
        if (status == PM_OK) status = read_bytes(w, b, at, n, w->room ? w->room + PIECE : NULL, &right);
        if (status != PM_OK) return status;
        *same = memcmp(left, right, n) == 0;
        file_view_drop(&a->from->file.view, left, n);
        file_view_drop(&b->from->file.view, right, n);
    }
    return PM_OK;
}

/* A tied model's output layer is the token table, whatever the file has under the other name. */
static pm_status tell_other_head(const weights *w, name_table *names)
{
    named_tensor *head = names_row(names, "lm_head.weight");
    const shard_tensor *table = &w->tensors[0]; /* the first role's */
    bool same;
    if (!head || head->used) return PM_OK;
    head->used = true;
    const pm_status status = same_values(w, head->tensor, table, &same);
    if (status == PM_OK && !same)
        log_line(
            &w->log, PM_LOG_WARN,
            "%s: %s is not the token table, but config.json says that they are one (tie_word_embeddings): %s is taken "
            "for both",
            head->tensor->from->path, head->tensor->tensor->name, table->tensor->name);
    return status;
}

/* A parameter may be there under several names, with and without a wrapper's part. One line tells of those that differ. */
static pm_status tell_twins(const weights *w, name_table *names)
{
    const named_tensor *counts = NULL, *other = NULL;
    size_t differ = 0;
    for (size_t i = 0; i < w->set.tensor_count; i++) {
        const named_tensor *row = &names->rows[i];
        for (named_tensor *twin; row->used && (twin = names_twin(names, row)) != NULL; twin->used = true) {
            bool same;
            const pm_status status = same_values(w, row->tensor, twin->tensor, &same);
            if (status != PM_OK) return status;
            if (same || differ++) continue;
            counts = row;
            other = twin;
        }
    }
    if (!differ) return PM_OK;
    char more[64] = "";
    if (differ > 1) snprintf(more, sizeof more, "; so with %zu tensors in all", differ);
    log_line(&w->log, PM_LOG_WARN,
             "%s: %s and %s are one tensor under two names, with other values; the first counts%s", w->set.origin,
             counts->tensor->tensor->name, other->tensor->tensor->name, more);
    return PM_OK;
}

/* Memory for pieces of files that have none. */
static pm_status make_room(const pm_log *log, weights *w)
{
    bool needed = false;
    for (size_t i = 0; i < w->set.shard_count; i++) needed |= file_view_needs_room(&w->set.shards[i].file.view);
    if (!needed || (w->room = malloc(ROOM)) != NULL) return PM_OK;
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", w->set.origin);
}

static pm_status find_tensors(const pm_log *log, const pm_gpt_config *config, name_table *names, weights *w)
{
    for (uint32_t i = 0; i < w->list.count; i++) {
        const tensor_row *row = &w->list.rows[i];
        const shard_tensor *found = NULL;
        const bool table = row->param == ROLE_TOKENS;
        pm_status status = names_find(log, names, row->name, table && !config->untied, &found);
        if (status == PM_OK) status = check_tensor(log, found, row);
        if (status != PM_OK) return status;
        w->tensors[i] = *found;
    }
    return PM_OK;
}

/* Room for what find_tensors finds. */
static pm_status make_tables(const pm_log *log, const pm_gpt_config *config, weights *w)
{
    const pm_status status = tensors_list(log, config, &arch_of(config)->hf, &w->list);
    if (status != PM_OK) return status;
    w->tensors = calloc(w->list.count, sizeof *w->tensors);
    if (!w->tensors) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", w->set.origin);
    return make_room(log, w);
}

pm_status weights_open_from(const pm_log *log, const file_source *from, const pm_gpt_config *config, weights *out)
{
    weights w = {0};
    name_table names = {0};
    if (log) w.log = *log;
    pm_status status = shards_open_from(log, from, &w.set);
    if (status != PM_OK) return status;
    status = make_tables(log, config, &w);
    if (status == PM_OK) status = names_open(log, &w.set, &names);
    if (status == PM_OK) status = find_tensors(log, config, &names, &w);
    if (status == PM_OK && !config->untied) status = tell_other_head(&w, &names);
    if (status == PM_OK) status = tell_twins(&w, &names);
    if (status == PM_OK) names_tell_unused(log, &names, config);
    names_close(&names);
    if (status == PM_OK)
        *out = w;
    else
        weights_close(&w);
    return status;
}

pm_status weights_open(const pm_log *log, const char *dir, const pm_gpt_config *config, weights *out)
{
    return weights_open_from(log, &(file_source){.dir = dir}, config, out);
}

void weights_close(weights *w)
{
    shards_close(&w->set);
    tensors_free(&w->list);
    free(w->tensors);
    free(w->room);
    w->tensors = NULL;
    w->room = NULL;
}

/* ---- reading ---- */

static void convert(const unsigned char *bytes, st_dtype dtype, uint64_t count, float *out)
{
    if (dtype == ST_F32) {
        memcpy(out, bytes, 4 * count);
        return;
    }
    for (uint64_t i = 0; dtype == ST_F64 && i < count; i++) {
        double d;
        memcpy(&d, bytes + 8 * i, 8);
        out[i] = (float)d; /* the nearest */
    }
    if (dtype == ST_F16) floats_from_halves(bytes, count, out);
    if (dtype == ST_BF16) floats_from_bf16s(bytes, count, out);
}

/* Numbers [first, first + count) of a tensor. */
static pm_status read_tensor(void *user, uint32_t index, uint64_t first, uint64_t count, float *out)
{
    weights *w = user;
    const shard_tensor *from = &w->tensors[index];
    const uint32_t size = float_size(from->tensor->dtype);
    const unsigned char *bytes;
    const pm_status status = read_bytes(w, from, size * first, (size_t)(size * count), w->room, &bytes);
    if (status != PM_OK) return status;
    convert(bytes, from->tensor->dtype, count, out);
    file_view_drop(&from->from->file.view, bytes, (size_t)(size * count));
    tensors_tell(&w->log, from->from->path, from->tensor->name, out, count, &w->told);
    return PM_OK;
}

static pm_status read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    return tensors_read(&((weights *)user)->list, param, first, count, out, read_tensor, user);
}

gpt_source weights_source(weights *w)
{
    return (gpt_source){read_piece, w};
}
