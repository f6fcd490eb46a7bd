/* Reading safetensors files. cJSON parses the header; everything in it is then checked against the file's size. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/copy.h"
#include "base/utf8.h"
#include "files/json.h"
#include "files/safetensors_internal.h"

enum { BEGINNING = 1025 }; /* bytes by which file_kind and file_check_pointer know a file */

/* A tensor, and where its data begin, from the header's end. */
typedef struct placed {
    st_tensor tensor;
    uint64_t begin;
} placed;

typedef struct reader {
    const pm_log *log;
    const char *path;
    st_file file;
    placed *tensors; /* [used] */
    size_t used;
    uint64_t data_at, data_size; /* of the tensors' data in the file */
    bool unsealed;               /* the seal is not checked */
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

static pm_status read_offsets(const reader *r, const cJSON *list, placed *p)
{
    const cJSON *first = cJSON_IsArray(list) ? list->child : NULL;
    st_tensor *t = &p->tensor;
    uint64_t begin, end;
    if (!first || !first->next || first->next->next || !exact_integer(first, &begin) ||
        !exact_integer(first->next, &end))
        return bad_tensor(r, t->name, "data_offsets must be two integers from 0 to 2^53 - 1");
    if (begin > end) return bad_tensor(r, t->name, "data_offsets end before they begin");
    if (end > r->data_size)
        return log_fail(r->log, PM_FORMAT,
                        "%s: tensor '%s': data_offsets end at %llu, but only %llu bytes of data follow the header",
                        r->path, st_show(t->name).text, (unsigned long long)end, (unsigned long long)r->data_size);
    p->begin = begin;
    t->data = r->file.view.data ? r->file.view.data + r->data_at + begin : NULL;
    t->size = end - begin;
    return PM_OK;
}

static pm_status read_tensor(reader *r, const cJSON *entry)
{
    placed *p = &r->tensors[r->used];
    st_tensor *t = &p->tensor;
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
                                      : read_offsets(r, item, p);
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
    const placed *s = a, *t = b;
    if (s->begin != t->begin) return s->begin < t->begin ? -1 : 1;
    if (s->tensor.size != t->tensor.size) return s->tensor.size < t->tensor.size ? -1 : 1;
    return strcmp(s->tensor.name, t->tensor.name); /* names differ: the order is total */
}

/* Sorts the tensors by the place of their data, and checks that they cover the data without a gap. The header's own order is
 * tried first: it is usually right, and sorting moves empty tensors that share a place. */
static pm_status check_places(const reader *r)
{
    uint64_t at = 0;
    size_t ordered = 0;
    for (; ordered < r->used && r->tensors[ordered].begin == at; ordered++) at += r->tensors[ordered].tensor.size;
    if (ordered < r->used) qsort(r->tensors, r->used, sizeof *r->tensors, compare_place);
    at = 0;
    for (size_t i = 0; i < r->used; i++) {
        const st_tensor *t = &r->tensors[i].tensor;
        const uint64_t begin = r->tensors[i].begin;
        if (begin < at) return bad_tensor(r, t->name, "its data overlap those of another");
        if (begin > at) return bad_tensor(r, t->name, "there is a hole in the data before it");
        at += t->size;
    }
    if (at != r->data_size)
        return log_fail(r->log, PM_FORMAT, "%s: %llu bytes at the end belong to no tensor", r->path,
                        (unsigned long long)(r->data_size - at));
    return PM_OK;
}

/* `text` has a 0 byte behind it. */
static pm_status read_header(reader *r, char *text, size_t size)
{
    while (size && memchr(" \n\r\t", text[size - 1], 4)) size--;
    if (size < 2 || text[0] != '{' || text[size - 1] != '}' || utf8_valid(text, size) < size)
        return log_fail(r->log, PM_FORMAT, "%s: its header is not a JSON object in UTF-8", r->path);
    cJSON *root;
    const cJSON *entry;
    size_t count = 0;
    text[size] = 0;
    pm_status status = json_read(r->log, &(json_place){.path = r->path, .part = "its header"}, text, size, &root);
    if (status != PM_OK) return status;
    cJSON_ArrayForEach(entry, root) count++;
    r->tensors = calloc(count + 1, sizeof *r->tensors);
    r->file.tensors = calloc(count + 1, sizeof *r->file.tensors);
    r->file.starts = calloc(count + 1, sizeof *r->file.starts);
    if (!r->tensors || !r->file.tensors || !r->file.starts) {
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
    if (r->unsealed || size < begin || memcmp(header, ST_SEAL_BEGIN, begin) != 0) return PM_OK;
    const pm_status status = file_seal_check(r->log, r->path, &r->file.view, ST_SEAL_AT, &r->file.sealed);
    if (status != PM_OK || r->file.sealed) return status;
    return log_fail(r->log, PM_FORMAT,
                    "%s: is damaged: its contents do not fit its checksum (if another program changed it on purpose, "
                    "take " ST_SEAL_NAME " out of its " ST_META_NAME ")",
                    r->path);
}

/* What the first bytes tell: the header's length. */
static pm_status read_prefix(const reader *r, size_t *header)
{
    unsigned char head[BEGINNING];
    const unsigned char *bytes;
    const uint64_t file_size = r->file.view.size;
    const size_t size = file_size < sizeof head ? (size_t)file_size : sizeof head;
    uint64_t length = 0;
    pm_status status = file_view_piece(r->log, r->path, &r->file.view, 0, size, head, &bytes);
    if (status == PM_OK) status = file_check_pointer(r->log, r->path, bytes, size);
    if (status != PM_OK) return status;
    for (int i = 0; i < ST_PREFIX && size >= ST_PREFIX; i++) length |= (uint64_t)bytes[i] << (8 * i);
    const char *kind = file_kind(bytes, size);
    if (kind && (size < ST_PREFIX || length > ST_MAX_HEADER))
        return log_fail(r->log, PM_FORMAT, "%s: is %s, not a safetensors file", r->path, kind);
    if (size < ST_PREFIX)
        return log_fail(r->log, PM_FORMAT, "%s: %zu bytes are too few for a safetensors file", r->path, size);
    if (length > ST_MAX_HEADER || length > file_size - ST_PREFIX)
        return log_fail(r->log, PM_FORMAT, "%s: header length %llu is beyond %s", r->path, (unsigned long long)length,
                        length > ST_MAX_HEADER ? "100 MB" : "the file's end");
    *header = (size_t)length;
    return PM_OK;
}

static pm_status read_file(reader *r)
{
    size_t size = 0;
    const unsigned char *bytes;
    pm_status status = read_prefix(r, &size);
    if (status != PM_OK) return status;
    r->data_at = ST_PREFIX + size;
    r->data_size = r->file.view.size - r->data_at;
    char *text = malloc(size + 1);
    if (!text) return st_no_memory(r->log, r->path);
    status = file_view_piece(r->log, r->path, &r->file.view, ST_PREFIX, size, text, &bytes);
    if (status == PM_OK && bytes != (const unsigned char *)text) memcpy(text, bytes, size);
    if (status == PM_OK) status = check_seal(r, text, size);
    if (status == PM_OK) status = read_header(r, text, size);
    free(text);
    for (size_t i = 0; i < r->used && r->file.starts; i++) {
        r->file.tensors[i] = r->tensors[i].tensor;
        r->file.starts[i] = r->data_at + r->tensors[i].begin;
    }
    r->file.tensor_count = r->used;
    free(r->tensors);
    return status;
}

pm_status st_open_ref(const pm_log *log, const file_ref *ref, bool *found, st_file *out)
{
    bool there = true;
    reader r = {.log = log, .path = ref->path, .unsealed = ref->from && ref->from->headers};
    pm_status status = file_view_open(log, ref, found ? &there : NULL, &r.file.view);
    if (found) *found = there;
    if (status != PM_OK || !there) return status;
    status = read_file(&r);
    if (status == PM_OK)
        *out = r.file;
    else
        st_close(&r.file);
    return status;
}

pm_status st_open(const pm_log *log, const char *path, st_file *out)
{
    const file_ref ref = {.path = (char *)path};
    return st_open_ref(log, &ref, NULL, out);
}

pm_status st_piece(const pm_log *log, const char *path, const st_file *file, const st_tensor *tensor, uint64_t at,
                   size_t size, void *room, const unsigned char **out)
{
    return file_view_piece(log, path, &file->view, file->starts[tensor - file->tensors] + at, size, room, out);
}

void st_close(st_file *file)
{
    for (size_t i = 0; i < file->tensor_count; i++) free(file->tensors[i].name);
    for (size_t i = 0; i < file->meta_count; i++) {
        free(file->meta[i].key);
        free(file->meta[i].value);
    }
    free(file->tensors);
    free(file->starts);
    free(file->meta);
    file_view_close(&file->view);
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
