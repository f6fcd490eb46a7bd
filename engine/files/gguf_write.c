/* Writing GGUF files: the header is made in memory while keys and tensors are declared; the tensors' data follow in the order declared. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/copy.h"
#include "base/number.h"
#include "base/utf8.h"
#include "files/gguf_blocks.h"
#include "files/gguf_internal.h"

enum {
    CHUNK = 1 << 14,              /* elements that are rounded at a time */
    NAME_MOST = GGUF_NAME_MAX - 1 /* bytes: ggml keeps a name with a 0 */
};

typedef struct declared {
    gguf_dtype dtype;
    uint64_t count, size; /* elements, bytes */
} declared;

struct gguf_writer {
    pm_log log;
    char *path;
    pm_status status; /* the first failure of a function without one, and its line */
    char line[300];
    buffer meta, infos; /* the header's parts */
    buffer keys, names; /* char *, one for each */
    buffer tensors;     /* declared */
    uint64_t next;      /* where the next tensor's data begin */
    file_writer *file;  /* NULL: not begun */
    size_t at;          /* the tensor at hand */
    uint64_t done;      /* its elements so far, without `rest` */
    size_t rest_count;  /* of a block that is not complete */
    float rest[GGUF_BLOCK_MAX];
    unsigned char bytes[4 * CHUNK];
};

static size_t key_count(const gguf_writer *w)
{
    return w->keys.size / sizeof(char *);
}

static size_t tensor_count(const gguf_writer *w)
{
    return w->tensors.size / sizeof(declared);
}

static declared tensor_at(const gguf_writer *w, size_t i)
{
    return ((const declared *)(const void *)w->tensors.data)[i];
}

static const char *name_at(const buffer *names, size_t i)
{
    return ((char *const *)(const void *)names->data)[i];
}

/* ---- failures ---- */

static void keep(gguf_writer *w, pm_status status, const char *format, ...) PM_PRINTF(3, 4);
static void keep(gguf_writer *w, pm_status status, const char *format, ...)
{
    va_list args;
    if (w->status != PM_OK) return;
    w->status = status;
    va_start(args, format);
    (void)number_vprint(w->line, sizeof w->line, format, args);
    va_end(args);
}

static pm_status kept(const gguf_writer *w)
{
    return w->status == PM_OK ? PM_OK : log_fail(&w->log, w->status, "%s: %s", w->path, w->line);
}

static void no_memory(gguf_writer *w)
{
    keep(w, PM_NO_HOST_MEMORY, "out of memory for its header");
}

pm_status gguf_writer_make(const pm_log *log, const char *path, gguf_writer **out)
{
    gguf_writer *w = calloc(1, sizeof *w);
    if (w) w->path = copy_text(path);
    if (!w || !w->path) {
        free(w);
        return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    }
    if (log) w->log = *log;
    *out = w;
    return PM_OK;
}

static void free_names(buffer *names)
{
    for (size_t i = 0; i < names->size / sizeof(char *); i++) free((char *)name_at(names, i));
    free(names->data);
}

void gguf_write_abandon(gguf_writer **writer)
{
    gguf_writer *w = *writer;
    if (!w) return;
    *writer = NULL;
    file_writer_abandon(&w->file);
    free_names(&w->keys);
    free_names(&w->names);
    free(w->meta.data);
    free(w->infos.data);
    free(w->tensors.data);
    free(w->path);
    free(w);
}

/* ---- declaring ---- */

static void put_number(buffer *b, uint64_t value, int bytes)
{
    unsigned char out[8];
    gguf_store(out, value, bytes);
    buffer_put(b, out, (size_t)bytes);
}

static void put_string(buffer *b, const char *data, size_t size)
{
    put_number(b, size, 8);
    buffer_put(b, data, size);
}

/* Keeps a copy of a key or name, for check_once. False where it is not right, or something else failed before. */
static bool add_name(gguf_writer *w, buffer *names, const char *kind, const char *name, size_t most)
{
    const size_t size = strlen(name);
    const char *fault = NULL;
    if (w->status != PM_OK) return false;
    if (size == 0 || size > most) fault = "its name is empty or too long";
    if (utf8_valid(name, size) < size) fault = "its name is not UTF-8";
    if (names == &w->keys && strcmp(name, GGUF_ALIGNMENT_KEY) == 0) fault = "the name is reserved";
    if (w->file) fault = "comes after the file was begun";
    if (names->size / sizeof name >= GGUF_MOST) fault = "is one too many";
    if (fault) {
        keep(w, PM_INVALID, "%s '%s': %s", kind, st_show(name).text, fault);
        return false;
    }
    char *copy = copy_part(name, size);
    if (copy) buffer_put(names, &copy, sizeof copy);
    if (copy && !names->failed) return true;
    free(copy);
    no_memory(w);
    return false;
}

/* Begins a pair: its key and type. */
static bool add_key(gguf_writer *w, const char *key, gguf_value type)
{
    if (!add_name(w, &w->keys, "key", key, GGUF_KEY_MAX)) return false;
    put_string(&w->meta, key, strlen(key));
    put_number(&w->meta, type, 4);
    return true;
}

static bool add_array(gguf_writer *w, const char *key, gguf_value type, size_t count)
{
    if (!add_key(w, key, GGUF_VALUE_ARRAY)) return false;
    put_number(&w->meta, type, 4);
    put_number(&w->meta, count, 8);
    return true;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

void gguf_put_u32(gguf_writer *w, const char *key, uint32_t value)
{
    if (add_key(w, key, GGUF_VALUE_U32)) put_number(&w->meta, value, 4);
}

void gguf_put_u64(gguf_writer *w, const char *key, uint64_t value)
{
    if (add_key(w, key, GGUF_VALUE_U64)) put_number(&w->meta, value, 8);
}

void gguf_put_i32(gguf_writer *w, const char *key, int32_t value)
{
    if (add_key(w, key, GGUF_VALUE_I32)) put_number(&w->meta, (uint32_t)value, 4);
}

void gguf_put_f32(gguf_writer *w, const char *key, float value)
{
    if (add_key(w, key, GGUF_VALUE_F32)) put_number(&w->meta, float_bits(value), 4);
}

void gguf_put_bool(gguf_writer *w, const char *key, bool value)
{
    if (add_key(w, key, GGUF_VALUE_BOOL)) put_number(&w->meta, value, 1);
}

void gguf_put_string(gguf_writer *w, const char *key, gguf_text value)
{
    if (add_key(w, key, GGUF_VALUE_STRING)) put_string(&w->meta, value.data, value.size);
}

void gguf_put_text(gguf_writer *w, const char *key, const char *value)
{
    gguf_put_string(w, key, (gguf_text){value, strlen(value)});
}

void gguf_put_strings(gguf_writer *w, const char *key, const gguf_text *values, size_t count)
{
    if (!add_array(w, key, GGUF_VALUE_STRING, count)) return;
    for (size_t i = 0; i < count; i++) put_string(&w->meta, values[i].data, values[i].size);
}

void gguf_put_f32s(gguf_writer *w, const char *key, const float *values, size_t count)
{
    if (!add_array(w, key, GGUF_VALUE_F32, count)) return;
    for (size_t i = 0; i < count; i++) put_number(&w->meta, float_bits(values[i]), 4);
}

void gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *values, size_t count)
{
    if (!add_array(w, key, GGUF_VALUE_I32, count)) return;
    for (size_t i = 0; i < count; i++) put_number(&w->meta, (uint32_t)values[i], 4);
}

void gguf_put_meta(gguf_writer *w, const gguf_meta *meta)
{
    const gguf_array *values = &meta->values;
    if (strcmp(meta->key, GGUF_ALIGNMENT_KEY) == 0) return;
    const bool added =
        meta->is_array ? add_array(w, meta->key, values->type, values->count) : add_key(w, meta->key, values->type);
    if (!added) return;
    for (size_t i = 0; values->type == GGUF_VALUE_STRING && i < values->count; i++) {
        const gguf_text text = gguf_array_string(values, i);
        put_string(&w->meta, text.data, text.size);
    }
    buffer_put(&w->meta, values->data, values->count * gguf_value_size(values->type)); /* strings: nothing */
}

void gguf_put_tensor(gguf_writer *w, const char *name, gguf_dtype dtype, uint32_t rank, const uint64_t *dims)
{
    declared t = {.dtype = dtype};
    if (!add_name(w, &w->names, "tensor", name, NAME_MOST)) return;
    const char *fault = NULL;
    if (!gguf_dtype_written(dtype))
        fault = "only F32, F16, BF16, Q8_0 and Q4_0 can be written";
    else if (!gguf_tensor_extent(dtype, rank, dims, &t.count, &t.size))
        fault = "its dimensions are more than 4, too large, or no whole blocks of its type";
    else if (t.size > INT64_MAX / 2 - w->next)
        fault = "the file would be too large";
    if (fault) {
        keep(w, PM_INVALID, "tensor '%s': %s", st_show(name).text, fault);
        return;
    }
    put_string(&w->infos, name, strlen(name));
    put_number(&w->infos, rank, 4);
    for (uint32_t i = 0; i < rank; i++) put_number(&w->infos, dims[i], 8);
    put_number(&w->infos, dtype, 4);
    put_number(&w->infos, w->next, 8);
    buffer_put(&w->tensors, &t, sizeof t);
    w->next = gguf_align(w->next + t.size, GGUF_ALIGNMENT);
}

/* ---- beginning ---- */

static pm_status check_once(const gguf_writer *w, const buffer *names, const char *kind)
{
    const size_t count = names->size / sizeof(char *);
    const char **list = malloc(names->size + sizeof *list);
    if (!list) return log_fail(&w->log, PM_NO_HOST_MEMORY, "%s: out of memory for its header", w->path);
    for (size_t i = 0; i < count; i++) list[i] = name_at(names, i);
    const char *twin = count ? st_find_twin(list, count) : NULL;
    free(list);
    if (!twin) return PM_OK;
    return log_fail(&w->log, PM_INVALID, "%s: %s '%s': is given twice", w->path, kind, st_show(twin).text);
}

static void put_zeros(gguf_writer *w, uint64_t at)
{
    static const unsigned char zeros[GGUF_ALIGNMENT];
    file_writer_put(w->file, zeros, (size_t)(gguf_align(at, GGUF_ALIGNMENT) - at));
}

/* Goes past tensors without elements. */
static void go_on(gguf_writer *w)
{
    while (w->at < tensor_count(w) && w->done == tensor_at(w, w->at).count) {
        put_zeros(w, tensor_at(w, w->at).size);
        w->at++;
        w->done = 0;
    }
}

pm_status gguf_write_begin(gguf_writer *w)
{
    if (w->meta.failed || w->infos.failed || w->tensors.failed) no_memory(w);
    if (w->meta.size > GGUF_HEADER_MAX - w->infos.size) keep(w, PM_INVALID, "its header would exceed 1 GB");
    pm_status status = kept(w);
    if (status == PM_OK) status = check_once(w, &w->keys, "key");
    if (status == PM_OK) status = check_once(w, &w->names, "tensor");
    if (status == PM_OK) status = file_writer_open(&w->log, w->path, &w->file);
    if (status != PM_OK) return status;
    unsigned char fixed[24] = GGUF_MAGIC;
    gguf_store(fixed + 4, 3, 4);
    gguf_store(fixed + 8, tensor_count(w), 8);
    gguf_store(fixed + 16, key_count(w), 8);
    file_writer_put(w->file, fixed, sizeof fixed);
    file_writer_put(w->file, w->meta.data, w->meta.size);
    file_writer_put(w->file, w->infos.data, w->infos.size);
    put_zeros(w, sizeof fixed + w->meta.size + w->infos.size);
    go_on(w);
    return PM_OK;
}

/* ---- data ---- */

/* Whole blocks of the tensor at hand. */
static void put_blocks(gguf_writer *w, gguf_dtype dtype, const float *values, size_t count)
{
    const uint32_t block = gguf_dtype_block(dtype), size = gguf_dtype_size(dtype);
    while (count && w->status == PM_OK) {
        const size_t n = count < CHUNK ? count : CHUNK;
        if (!gguf_shrink(dtype, values, n / block, w->bytes))
            keep(w, PM_UNSUPPORTED, "tensor '%s': has values that are not finite, or too large for %s; F32 holds them",
                 st_show(name_at(&w->names, w->at)).text, gguf_dtype_name(dtype));
        else
            file_writer_put(w->file, w->bytes, n / block * size);
        values += n;
        count -= n;
        w->done += n;
    }
}

void gguf_put_floats(gguf_writer *w, const float *values, size_t count)
{
    if (w->status != PM_OK || !count) return;
    if (!w->file || w->at == tensor_count(w)) {
        keep(w, PM_INVALID, w->file ? "floats come after its last tensor" : "floats come before the file was begun");
        return;
    }
    const declared t = tensor_at(w, w->at);
    const size_t block = gguf_dtype_block(t.dtype);
    if (count > t.count - w->done - w->rest_count) {
        keep(w, PM_INVALID, "tensor '%s': more than its %llu floats come", st_show(name_at(&w->names, w->at)).text,
             (unsigned long long)t.count);
        return;
    }
    if (w->rest_count) { /* complete a block */
        const size_t missing = block - w->rest_count, n = count < missing ? count : missing;
        memcpy(w->rest + w->rest_count, values, n * sizeof *values);
        w->rest_count += n;
        if (w->rest_count < block) return;
        w->rest_count = 0;
        put_blocks(w, t.dtype, w->rest, block);
        values += n;
        count -= n;
    }
    const size_t whole = count / block * block;
    put_blocks(w, t.dtype, values, whole);
    w->rest_count = count - whole;
    if (w->rest_count) memcpy(w->rest, values + whole, w->rest_count * sizeof *values);
    go_on(w);
}

pm_status gguf_write_commit(gguf_writer **writer)
{
    gguf_writer *w = *writer;
    if (!w->file) keep(w, PM_INVALID, "was not begun");
    if (w->at < tensor_count(w))
        keep(w, PM_INVALID, "tensor '%s': %llu of its %llu floats are missing", st_show(name_at(&w->names, w->at)).text,
             (unsigned long long)(tensor_at(w, w->at).count - w->done - w->rest_count),
             (unsigned long long)tensor_at(w, w->at).count);
    pm_status status = kept(w);
    if (status == PM_OK) status = file_writer_commit(&w->file);
    gguf_write_abandon(writer);
    return status;
}
