/* Tensors to parameters: names, shapes, and the three floating-point types. */
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/log.h"

enum { PIECE = 1 << 22 }; /* bytes compared at a time */

/* ---- finding ---- */

static const shard_tensor *find_parameter(const shard_set *set, const char *name)
{
    static const char prefix[] = "transformer.";
    const size_t n = sizeof prefix - 1;
    const shard_tensor *t = shards_find(set, name);
    return t || strncmp(name, prefix, n) ? t : shards_find(set, name + n);
}

static uint32_t float_size(st_dtype dtype)
{
    return dtype == ST_F32 ? 4 : dtype == ST_F16 || dtype == ST_BF16 ? 2 : 0;
}

static pm_status check_tensor(const pm_log *log, const shard_tensor *found, pm_param param)
{
    const st_tensor *t = found->tensor;
    const char *path = found->from->path;
    bool vector = param.rows == 1 && t->rank == 1 && t->shape[0] == param.cols;
    bool matrix = t->rank == 2 && t->shape[0] == param.rows && t->shape[1] == param.cols;
    if (!vector && !matrix && param.rows == 1)
        return log_fail(log, PM_FORMAT, "%s: %s should have the shape [%u]", path, t->name, param.cols);
    if (!vector && !matrix)
        return log_fail(log, PM_FORMAT, "%s: %s should have the shape [%u, %u]", path, t->name, param.rows, param.cols);
    if (!float_size(t->dtype))
        return log_fail(log, PM_FORMAT, "%s: %s should have the dtype F32, F16 or BF16", path, t->name);
    return PM_OK;
}

static bool same_values(const shard_tensor *a, const shard_tensor *b)
{
    if (a->tensor->dtype != b->tensor->dtype || a->tensor->size != b->tensor->size) return false;
    bool same = true;
    for (uint64_t at = 0; at < a->tensor->size && same; at += PIECE) {
        const char *left = (const char *)a->tensor->data + at, *right = (const char *)b->tensor->data + at;
        const uint64_t rest = a->tensor->size - at, n = rest < PIECE ? rest : PIECE;
        same = memcmp(left, right, n) == 0;
        file_map_drop(&a->from->file.map, left, n);
        file_map_drop(&b->from->file.map, right, n);
    }
    return same;
}

/* What the folder has beside the parameters. */
static void tell_unused(const weights *w, const pm_gpt_config *config, const gpt_layout *layout)
{
    const shard_tensor *head = config->untied ? NULL : shards_find(&w->set, "lm_head.weight"),
                       *table = &w->params[PARAM_TOKENS];
    if (head && !same_values(head, table))
        log_line(
            &w->log, PM_LOG_WARN,
            "%s: lm_head.weight is not the token table, but config.json says that they are one (tie_word_embeddings): "
            "%s is taken for both",
            head->from->path, table->tensor->name);
    const size_t used = layout->count + (head ? 1 : 0);
    if (w->set.tensor_count > used)
        log_line(&w->log, PM_LOG_INFO,
                 "%s: %zu of its %zu tensors are not used: a GPT language model has no such parameters", w->set.origin,
                 w->set.tensor_count - used, w->set.tensor_count);
}

pm_status weights_open(const pm_log *log, const char *dir, const pm_gpt_config *config, const gpt_layout *layout,
                       weights *out)
{
    weights w = {0};
    if (log) w.log = *log;
    pm_status status = shards_open(log, dir, &w.set);
    if (status != PM_OK) return status;
    w.params = calloc(layout->count, sizeof *w.params);
    if (!w.params) status = log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", dir);
    for (uint32_t p = 0; status == PM_OK && p < layout->count; p++) {
        const shard_tensor *found = find_parameter(&w.set, layout->params[p].name);
        if (!found)
            status = log_fail(log, PM_FORMAT, "%s: %s is missing", w.set.origin, layout->params[p].name);
        else if ((status = check_tensor(log, found, layout->params[p])) == PM_OK)
            w.params[p] = *found;
    }
    if (status == PM_OK) {
        tell_unused(&w, config, layout);
        *out = w;
    } else {
        weights_close(&w);
    }
    return status;
}

void weights_close(weights *w)
{
    shards_close(&w->set);
    free(w->params);
    w->params = NULL;
}

/* ---- reading ---- */

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static void convert(const unsigned char *bytes, st_dtype dtype, uint64_t count, float *out)
{
    if (dtype == ST_F32) {
        memcpy(out, bytes, 4 * count);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint16_t h;
        memcpy(&h, bytes + 2 * i, 2);
        out[i] = dtype == ST_F16 ? half_to_float(h) : from_bits((uint32_t)h << 16);
    }
}

static bool all_finite(const float *values, uint64_t count)
{
    uint32_t bad = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !bad;
}

static pm_status read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    weights *w = user;
    const shard_tensor *from = &w->params[param];
    const uint32_t size = float_size(from->tensor->dtype);
    const unsigned char *bytes = (const unsigned char *)from->tensor->data + size * first;
    convert(bytes, from->tensor->dtype, count, out);
    file_map_drop(&from->from->file.map, bytes, size * count);
    if (!w->told && !all_finite(out, count)) {
        log_line(&w->log, PM_LOG_WARN, "%s: %s has values that are not finite; so will be what the model computes",
                 from->from->path, from->tensor->name);
        w->told = true;
    }
    return PM_OK;
}

gpt_source weights_source(weights *w)
{
    return (gpt_source){read_piece, w};
}
