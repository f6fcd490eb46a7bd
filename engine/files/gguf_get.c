/* What is in an open GGUF file: values of metadata by key, tensors by name, their data as floats. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/gguf_blocks.h"
#include "files/gguf_internal.h"

enum { PIECE = 1 << 20 /* bytes of a tensor that are read at a time, where the file is not in memory */ };

/* ---- finding ---- */

const gguf_meta *gguf_find_meta(const gguf_file *file, const char *key)
{
    for (size_t i = 0; i < file->meta_count; i++)
        if (strcmp(file->meta[i].key, key) == 0) return &file->meta[i];
    return NULL;
}

static int compare_name(const void *name, const void *row)
{
    return strcmp(name, (*(const gguf_tensor *const *)row)->name);
}

const gguf_tensor *gguf_find(const gguf_file *file, const char *name)
{
    const gguf_tensor **row = NULL;
    if (file->tensor_count) row = bsearch(name, file->by_name, file->tensor_count, sizeof *file->by_name, compare_name);
    return row ? *row : NULL;
}

/* ---- values ---- */

static bool is_integer(gguf_value type)
{
    return type <= GGUF_VALUE_I32 || type == GGUF_VALUE_U64 || type == GGUF_VALUE_I64;
}

static bool is_number(gguf_value type)
{
    return is_integer(type) || type == GGUF_VALUE_F32 || type == GGUF_VALUE_F64;
}

/* The bits of an integer, widened to 64; *below: it is negative, and they are its complement. */
static uint64_t integer_at(const gguf_array *values, size_t i, bool *below)
{
    const unsigned char *b = values->data + i * gguf_value_size(values->type);
    *below = false;
    switch (values->type) {
    case GGUF_VALUE_U8: return b[0];
    case GGUF_VALUE_U16: return gguf_load16(b);
    case GGUF_VALUE_U32: return gguf_load32(b);
    case GGUF_VALUE_U64: return gguf_load64(b);
    default: break;
    }
    const int64_t value = values->type == GGUF_VALUE_I8    ? (int8_t)b[0]
                          : values->type == GGUF_VALUE_I16 ? (int16_t)gguf_load16(b)
                          : values->type == GGUF_VALUE_I32 ? (int32_t)gguf_load32(b)
                                                           : (int64_t)gguf_load64(b);
    *below = value < 0;
    return (uint64_t)value;
}

bool gguf_array_integer(const gguf_array *integers, size_t i, int64_t *out)
{
    bool below;
    const uint64_t bits = integer_at(integers, i, &below);
    if (!below && bits > INT64_MAX) return false;
    *out = (int64_t)bits;
    return true;
}

double gguf_array_number(const gguf_array *numbers, size_t i)
{
    bool below;
    float f;
    double d;
    if (numbers->type == GGUF_VALUE_F32) {
        const uint32_t word = gguf_load32(numbers->data + 4 * i);
        memcpy(&f, &word, 4);
        return (double)f;
    }
    if (numbers->type == GGUF_VALUE_F64) {
        const uint64_t word = gguf_load64(numbers->data + 8 * i);
        memcpy(&d, &word, 8);
        return d;
    }
    const uint64_t bits = integer_at(numbers, i, &below);
    return below ? (double)(int64_t)bits : (double)bits;
}

gguf_text gguf_array_string(const gguf_array *strings, size_t i)
{
    const uint32_t start = strings->starts[i]; /* the next one's length is between */
    return (gguf_text){(const char *)strings->data + start, strings->starts[i + 1] - 8 - start};
}

bool gguf_text_is(gguf_text text, const char *want)
{
    return text.size == strlen(want) && memcmp(text.data, want, text.size) == 0;
}

/* ---- by key ---- */

static pm_status bad_value(const pm_log *log, const gguf_file *file, const char *key, const char *right)
{
    const gguf_meta *m = gguf_find_meta(file, key);
    return log_fail(log, PM_FORMAT, "%s: key '%s': %s would be right, and it has %s%s", file->path, st_show(key).text,
                    right, m->is_array ? "an array of " : "", gguf_value_name(m->values.type));
}

/* *out is NULL where the file need not have the key, and has not. */
static pm_status find(const pm_log *log, const gguf_file *file, const char *key, bool *found, const gguf_meta **out)
{
    *out = gguf_find_meta(file, key);
    if (found) *found = *out != NULL;
    if (*out || found) return PM_OK;
    return log_fail(log, PM_FORMAT, "%s: key '%s': is missing", file->path, st_show(key).text);
}

/* An integer from `least` to `most`. *there: the file has it. */
static pm_status find_integer(const pm_log *log, const gguf_file *file, const char *key, bool *found, int64_t least,
                              uint64_t most, const char *right, bool *there, uint64_t *out)
{
    const gguf_meta *m;
    bool below;
    pm_status status = find(log, file, key, found, &m);
    *there = m != NULL;
    if (status != PM_OK || !m) return status;
    if (m->is_array || !is_integer(m->values.type)) return bad_value(log, file, key, right);
    *out = integer_at(&m->values, 0, &below);
    if (below && (int64_t)*out < least)
        return log_fail(log, PM_FORMAT, "%s: key '%s': %s would be right, and it is %lld", file->path,
                        st_show(key).text, right, (long long)(int64_t)*out);
    if (!below && *out > most)
        return log_fail(log, PM_FORMAT, "%s: key '%s': %s would be right, and it is %llu", file->path,
                        st_show(key).text, right, (unsigned long long)*out);
    return PM_OK;
}

pm_status gguf_u32(const pm_log *log, const gguf_file *file, const char *key, bool *found, uint32_t *out)
{
    bool there;
    uint64_t value;
    pm_status status =
        find_integer(log, file, key, found, 0, UINT32_MAX, "an integer from 0 to 2^32 - 1", &there, &value);
    if (status == PM_OK && there) *out = (uint32_t)value;
    return status;
}

pm_status gguf_u64(const pm_log *log, const gguf_file *file, const char *key, bool *found, uint64_t *out)
{
    bool there;
    uint64_t value;
    pm_status status = find_integer(log, file, key, found, 0, UINT64_MAX, "an integer from 0 on", &there, &value);
    if (status == PM_OK && there) *out = value;
    return status;
}

pm_status gguf_i64(const pm_log *log, const gguf_file *file, const char *key, bool *found, int64_t *out)
{
    bool there;
    uint64_t value;
    pm_status status =
        find_integer(log, file, key, found, INT64_MIN, INT64_MAX, "an integer below 2^63", &there, &value);
    if (status == PM_OK && there) *out = (int64_t)value;
    return status;
}

pm_status gguf_f32(const pm_log *log, const gguf_file *file, const char *key, bool *found, float *out)
{
    const gguf_meta *m;
    pm_status status = find(log, file, key, found, &m);
    if (status != PM_OK || !m) return status;
    if (m->is_array || !is_number(m->values.type)) return bad_value(log, file, key, "a number");
    const double value = gguf_array_number(&m->values, 0);
    if (isfinite(value) && fabs(value) > (double)FLT_MAX)
        return log_fail(log, PM_FORMAT, "%s: key '%s': a number that fp32 has would be right, and it is larger",
                        file->path, st_show(key).text);
    *out = (float)value;
    return PM_OK;
}

pm_status gguf_bool(const pm_log *log, const gguf_file *file, const char *key, bool *found, bool *out)
{
    const gguf_meta *m;
    pm_status status = find(log, file, key, found, &m);
    if (status != PM_OK || !m) return status;
    if (m->is_array || m->values.type != GGUF_VALUE_BOOL) return bad_value(log, file, key, "a BOOL");
    *out = m->values.data[0] != 0;
    return PM_OK;
}

pm_status gguf_string(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_text *out)
{
    const gguf_meta *m;
    pm_status status = find(log, file, key, found, &m);
    if (status != PM_OK || !m) return status;
    if (m->is_array || m->values.type != GGUF_VALUE_STRING) return bad_value(log, file, key, "a STRING");
    *out = gguf_array_string(&m->values, 0);
    return PM_OK;
}

static bool is_string(gguf_value type)
{
    return type == GGUF_VALUE_STRING;
}

static pm_status find_array(const pm_log *log, const gguf_file *file, const char *key, bool *found,
                            bool (*fits)(gguf_value type), const char *right, gguf_array *out)
{
    const gguf_meta *m;
    pm_status status = find(log, file, key, found, &m);
    if (status != PM_OK || !m) return status;
    if (!m->is_array || !fits(m->values.type)) return bad_value(log, file, key, right);
    *out = m->values;
    return PM_OK;
}

pm_status gguf_strings(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_array *out)
{
    return find_array(log, file, key, found, is_string, "an array of STRING", out);
}

pm_status gguf_integers(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_array *out)
{
    return find_array(log, file, key, found, is_integer, "an array of integers", out);
}

pm_status gguf_numbers(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_array *out)
{
    return find_array(log, file, key, found, is_number, "an array of numbers", out);
}

/* ---- tensors ---- */

pm_status gguf_piece(const pm_log *log, const gguf_file *file, const gguf_tensor *tensor, uint64_t at, size_t size,
                     void *room, const unsigned char **out)
{
    return file_view_piece(log, file->path, &file->view, tensor->start + at, size, room, out);
}

/* Elements [skip, skip + count) of the blocks at `bytes`. */
static void expand(gguf_dtype dtype, const unsigned char *bytes, size_t skip, size_t count, float *out)
{
    const size_t block = gguf_dtype_block(dtype), size = gguf_dtype_size(dtype);
    float part[GGUF_BLOCK_MAX];
    while (count) {
        const size_t rest = block - skip, n = count < rest ? count : rest;
        if (n == block) { /* whole ones from here */
            const size_t whole = count / block;
            gguf_expand(dtype, bytes, whole, out);
            bytes += whole * size;
            out += whole * block;
            count -= whole * block;
        } else {
            gguf_expand(dtype, bytes, 1, part);
            memcpy(out, part + skip, n * sizeof *out);
            bytes += size;
            out += n;
            count -= n;
        }
        skip = 0;
    }
}

pm_status gguf_floats(const pm_log *log, const gguf_file *file, const gguf_tensor *tensor, uint64_t first, size_t count,
                      float *out)
{
    const char *name = tensor->name;
    if (!gguf_dtype_readable(tensor->dtype))
        return log_fail(log, PM_FORMAT,
                        "%s: tensor '%s': the type %s is not read; F32, F16, BF16, Q8_0, Q4_0, Q4_K or Q6_K would be "
                        "right",
                        file->path, st_show(name).text, gguf_dtype_name(tensor->dtype));
    if (first > tensor->count || count > tensor->count - first)
        return log_fail(log, PM_INVALID, "%s: tensor '%s': elements beyond its %llu are asked for", file->path,
                        st_show(name).text, (unsigned long long)tensor->count);
    const uint32_t block = gguf_dtype_block(tensor->dtype), size = gguf_dtype_size(tensor->dtype);
    const size_t most = (size_t)(PIECE / size) * block; /* elements at a time, from a block's begin on */
    unsigned char *room = NULL;
    pm_status status = PM_OK;
    if (count && file_view_needs_room(&file->view)) {
        room = malloc(PIECE);
        if (!room) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", file->path);
    }
    while (count && status == PM_OK) {
        const size_t skip = (size_t)(first % block), n = count < most - skip ? count : most - skip;
        const size_t bytes = (skip + n + block - 1) / block * size;
        const unsigned char *piece;
        status = gguf_piece(log, file, tensor, first / block * size, bytes, room, &piece);
        if (status != PM_OK) break;
        expand(tensor->dtype, piece, skip, n, out);
        file_view_drop(&file->view, piece, bytes);
        first += n;
        out += n;
        count -= n;
    }
    free(room);
    return status;
}
