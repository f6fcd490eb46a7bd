/* Reading safetensors files. cJSON parses the header; everything in it is then checked against the file's size. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/copy.h"
#include "base/utf8.h"
#include "files/safetensors_internal.h"
#include "files/json.h"

typedef struct reader {
    const pm_log *log;
    const char *path;
    st_file file;
    const unsigned char *data; /* where tensors start */
    uint64_t data_size;
    size_t used; /* tensors filled in */
} reader;

static bool exact_integer(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item)) return false;
    double v = item->valuedouble;
    if (!(v >= 0 && v < ST_EXACT_LIMIT) || v != (double)(uint64_t)v) return false;
    *out = (uint64_t)v;
    return true;
}

static pm_status bad_tensor(const reader *r, const char *name, const char *what)
{
    return log_fail(r->log, PM_FORMAT, "%s: tensor '%s': %s", r->path, st_show(name).text, what);
}

static pm_status read_dtype(const reader *r, const cJSON *item, st_tensor *t)
{
    if (!cJSON_IsString(item)) return bad_tensor(r, t->name, "its dtype must be a string");
    if (st_dtype_find(item->valuestring, &t->dtype)) return PM_OK;
    return log_fail(r->log, PM_FORMAT, "%s: tensor '%s': unknown dtype '%s'; F32 would be right", r->path,
                    st_show(t->name).text, st_show(item->valuestring).text);
}

static pm_status read_shape(const reader *r, const cJSON *list, st_tensor *t)
{
    if (!cJSON_IsArray(list)) return bad_tensor(r, t->name, "its shape must be an array");
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (t->rank == ST_MAX_RANK) return bad_tensor(r, t->name, "its shape has more than 8 dimensions");
        if (!exact_integer(item, &t->shape[t->rank++]))
            return bad_tensor(r, t->name, "its shape must be integers from 0 to 2^53 - 1");
    }
    return PM_OK;
}

static pm_status read_offsets(const reader *r, const cJSON *list, st_tensor *t)
{
    const cJSON *first = cJSON_IsArray(list) ? list->child : NULL;
    uint64_t begin, end;
    if (!first || !first->next || first->next->next || !exact_integer(first, &begin) ||
        !exact_integer(first->next, &end))
        return bad_tensor(r, t->name, "data_offsets must be two integers from 0 to 2^53 - 1");
    if (begin > end) return bad_tensor(r, t->name, "data_offsets end before they begin");
    if (end > r->data_size)
        return log_fail(r->log, PM_FORMAT,
                        "%s: tensor '%s': data_offsets end at %llu, but only %llu bytes of data follow the header",
                        r->path, st_show(t->name).text, (unsigned long long)end, (unsigned long long)r->data_size);
    t->data = r->data + begin;
    t->size = end - begin;
    return PM_OK;
}

static pm_status read_tensor(reader *r, const cJSON *entry)
{
    st_tensor *t = &r->file.tensors[r->used];
    if (!(t->name = copy_text(entry->string))) return st_no_memory(r->log, r->path);
    r->used++;
    if (!cJSON_IsObject(entry)) return bad_tensor(r, t->name, "must be an object with dtype, shape and data_offsets");
    uint32_t seen = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, entry)
    {
        static const char *const keys[] = {"dtype", "shape", "data_offsets"};
        uint32_t key = 0;
        while (key < 3 && strcmp(item->string, keys[key]) != 0) key++;
        if (key == 3) return bad_tensor(r, t->name, "has a key beside dtype, shape and data_offsets");
        seen |= 1u << key;
        pm_status status = key == 0   ? read_dtype(r, item, t)
                           : key == 1 ? read_shape(r, item, t)
                                      : read_offsets(r, item, t);
        if (status != PM_OK) return status;
    }
    uint64_t size;
    if (seen != 7) return bad_tensor(r, t->name, "needs dtype, shape and data_offsets");
    if (!st_tensor_size(t->shape, t->rank, st_dtype_size(t->dtype), &size))
        return bad_tensor(r, t->name, "its shape overflows 64 bits");
    if (size != t->size)
        return log_fail(r->log, PM_FORMAT,
                        "%s: tensor '%s': shape and dtype need %llu bytes, but data_offsets span %llu", r->path,
                        st_show(t->name).text, (unsigned long long)size, (unsigned long long)t->size);
    return PM_OK;
}

static pm_status read_meta(reader *r, const cJSON *object)
{
    if (!cJSON_IsObject(object))
        return log_fail(r->log, PM_FORMAT, "%s: " ST_META_NAME " must be an object of strings", r->path);
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) count++;
    st_meta *meta = r->file.meta = calloc(count + 1, sizeof *meta);
    if (!meta) return st_no_memory(r->log, r->path);
    cJSON_ArrayForEach(item, object)
    {
        if (!cJSON_IsString(item))
            return log_fail(r->log, PM_FORMAT, "%s: " ST_META_NAME " '%s' must be a string", r->path,
                            st_show(item->string).text);
        if (strcmp(item->string, ST_SEAL_NAME) == 0) continue;
        st_meta *m = &meta[r->file.meta_count++];
        m->key = copy_text(item->string);
        m->value = copy_text(item->valuestring);
        if (!m->key || !m->value) return st_no_memory(r->log, r->path);
    }
    return PM_OK;
}

/* By where the data lie; an empty tensor comes before one that starts in the same place. */
static int compare_place(const void *a, const void *b)
{
    const st_tensor *s = a, *t = b;
    uintptr_t s_at = (uintptr_t)s->data, t_at = (uintptr_t)t->data;
    if (s_at != t_at) return s_at < t_at ? -1 : 1;
    if (s->size != t->size) return s->size < t->size ? -1 : 1;
    return strcmp(s->name, t->name); /* names differ: the order is total */
}

static uint64_t begin_of(const reader *r, const st_tensor *t)
{
    return (uint64_t)((const unsigned char *)t->data - r->data);
}

/* Sorts the tensors by the place of their data, and checks that they cover the data without a gap. The header's own order is
 * tried first: it is usually right, and sorting moves empty tensors that share a place. */
static pm_status check_places(const reader *r)
{
    uint64_t at = 0;
    size_t ordered = 0;
    for (; ordered < r->used && begin_of(r, &r->file.tensors[ordered]) == at; ordered++)
        at += r->file.tensors[ordered].size;
    if (ordered < r->used) qsort(r->file.tensors, r->used, sizeof *r->file.tensors, compare_place);
    at = 0;
    for (size_t i = 0; i < r->used; i++) {
        const st_tensor *t = &r->file.tensors[i];
        uint64_t begin = begin_of(r, t);
        if (begin < at) return bad_tensor(r, t->name, "its data overlap those of another");
        if (begin > at) return bad_tensor(r, t->name, "there is a hole in the data before it");
        at += t->size;
    }
    if (at != r->data_size)
        return log_fail(r->log, PM_FORMAT, "%s: %llu bytes at the end belong to no tensor", r->path,
                        (unsigned long long)(r->data_size - at));
    return PM_OK;
}

static pm_status read_header(reader *r, const char *text, size_t size)
{
    while (size && memchr(" \n\r\t", text[size - 1], 4)) size--;
    if (size < 2 || text[0] != '{' || text[size - 1] != '}' || utf8_valid(text, size) < size)
        return log_fail(r->log, PM_FORMAT, "%s: its header is not a JSON object in UTF-8", r->path);
    cJSON *root;
    const cJSON *entry;
    size_t count = 0;
    char *copy = malloc(size + 1); /* with a 0 byte behind it */
    if (!copy) return st_no_memory(r->log, r->path);
    memcpy(copy, text, size);
    copy[size] = 0;
    pm_status status = json_read(r->log, &(json_place){.path = r->path, .part = "its header"}, copy, size, &root);
    free(copy);
    if (status != PM_OK) return status;
    cJSON_ArrayForEach(entry, root) count++;
    if (!(r->file.tensors = calloc(count + 1, sizeof *r->file.tensors))) {
        status = st_no_memory(r->log, r->path);
        goto done;
    }
    cJSON_ArrayForEach(entry, root)
    {
        status = strcmp(entry->string, ST_META_NAME) == 0 ? read_meta(r, entry) : read_tensor(r, entry);
        if (status != PM_OK) goto done;
    }
    if (status == PM_OK) status = check_places(r);
done:
    cJSON_Delete(root);
    return status;
}

/* Checks the seal. One in another place was copied by another program that rewrote the file: it is ignored. */
static pm_status check_seal(reader *r, const char *header, size_t size)
{
    const size_t begin = sizeof ST_SEAL_BEGIN - 1;
    if (size < begin || memcmp(header, ST_SEAL_BEGIN, begin) != 0) return PM_OK;
    r->file.sealed = file_seal_fits(&r->file.map, ST_SEAL_AT);
    if (r->file.sealed) return PM_OK;
    return log_fail(r->log, PM_FORMAT,
                    "%s: is damaged: its contents do not fit its checksum (if another program changed it on purpose, "
                    "take " ST_SEAL_NAME " out of its " ST_META_NAME ")",
                    r->path);
}

pm_status st_open(const pm_log *log, const char *path, st_file *out)
{
    reader r = {.log = log, .path = path};
    pm_status status = file_map_open(log, path, &r.file.map);
    if (status != PM_OK) return status;
    const unsigned char *bytes = r.file.map.data;
    size_t file_size = r.file.map.size;
    uint64_t header = 0;
    for (int i = 0; i < ST_PREFIX && file_size >= ST_PREFIX; i++) header |= (uint64_t)bytes[i] << (8 * i);
    const char *kind = file_kind(bytes, file_size);
    if (kind && (file_size < ST_PREFIX || header > ST_MAX_HEADER)) {
        status = log_fail(log, PM_FORMAT, "%s: is %s, not a safetensors file", path, kind);
    } else if (file_size < ST_PREFIX) {
        status = log_fail(log, PM_FORMAT, "%s: %zu bytes are too few for a safetensors file", path, file_size);
    } else if (header > ST_MAX_HEADER || header > file_size - ST_PREFIX) {
        status = log_fail(log, PM_FORMAT, "%s: header length %llu is beyond %s", path, (unsigned long long)header,
                          header > ST_MAX_HEADER ? "100 MB" : "the file's end");
    } else {
        r.data = bytes + ST_PREFIX + header;
        r.data_size = file_size - ST_PREFIX - header;
        status = check_seal(&r, (const char *)bytes + ST_PREFIX, (size_t)header);
        if (status == PM_OK) status = read_header(&r, (const char *)bytes + ST_PREFIX, (size_t)header);
    }
    r.file.tensor_count = r.used;
    if (status == PM_OK)
        *out = r.file;
    else
        st_close(&r.file);
    return status;
}

void st_close(st_file *file)
{
    for (size_t i = 0; i < file->tensor_count; i++) free(file->tensors[i].name);
    for (size_t i = 0; i < file->meta_count; i++) {
        free(file->meta[i].key);
        free(file->meta[i].value);
    }
    free(file->tensors);
    free(file->meta);
    file_map_close(&file->map);
    *file = (st_file){0};
}

const st_tensor *st_find(const st_file *file, const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

const char *st_meta_find(const st_file *file, const char *key)
{
    for (size_t i = 0; i < file->meta_count; i++)
        if (strcmp(file->meta[i].key, key) == 0) return file->meta[i].value;
    return NULL;
}
