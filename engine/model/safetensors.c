/* Reading and writing safetensors files. cJSON parses the header; everything in it is then checked against the file's size. */
#include "model/safetensors.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

enum { MAX_RANK = 8, MAX_HEADER = 100 * 1000 * 1000, PREFIX = 8 };

#define META_NAME "__metadata__"
#define EXACT_LIMIT 9007199254740992.0 /* 2^53: doubles below it are exact integers */

/* Types of whole bytes; those without a name in st_dtype can be read, not written. */
static const struct {
    const char *name;
    st_dtype dtype;
    uint32_t size; /* bytes */
} dtypes[] = {
    {"F32", ST_F32, 4},       {"F16", ST_F16, 2},   {"BF16", ST_BF16, 2},     {"I32", ST_I32, 4},
    {"I64", ST_I64, 8},       {"U8", ST_U8, 1},     {"F64", ST_OTHER, 8},     {"I16", ST_OTHER, 2},
    {"I8", ST_OTHER, 1},      {"U16", ST_OTHER, 2}, {"U32", ST_OTHER, 4},     {"U64", ST_OTHER, 8},
    {"BOOL", ST_OTHER, 1},    {"C64", ST_OTHER, 8}, {"F8_E4M3", ST_OTHER, 1}, {"F8_E5M2", ST_OTHER, 1},
    {"F8_E8M0", ST_OTHER, 1},
};
enum { DTYPE_COUNT = sizeof dtypes / sizeof dtypes[0] };

/* A name as it may stand in a log line: cut, control bytes replaced. */
typedef struct printable {
    char text[84];
} printable;

static printable show(const char *name)
{
    printable p;
    size_t i = 0;
    for (; i + 4 < sizeof p.text && name[i]; i++) {
        unsigned char c = (unsigned char)name[i];
        p.text[i] = c < 0x20 || c == 0x7f ? '?' : name[i];
    }
    if (name[i])
        for (int dots = 0; dots < 3; dots++) p.text[i++] = '.';
    p.text[i] = 0;
    return p;
}

static bool valid_utf8(const unsigned char *s, size_t size)
{
    for (size_t i = 0; i < size;) {
        unsigned char c = s[i++];
        if (c < 0x80) continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || size - i < (size_t)more) return false;
        /* the second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF */
        unsigned char low = c == 0xe0   ? 0xa0
                            : c == 0xf0 ? 0x90
                                        : 0x80,
                      high = c == 0xed   ? 0x9f
                             : c == 0xf4 ? 0x8f
                                         : 0xbf;
        if (s[i] < low || s[i] > high) return false;
        for (int k = 1; k < more; k++)
            if (s[i + (size_t)k] < 0x80 || s[i + (size_t)k] > 0xbf) return false;
        i += (size_t)more;
    }
    return true;
}

/* shape product x element size, or false where it overflows 64 bits */
static bool tensor_size(const uint64_t *shape, uint32_t rank, uint64_t element, uint64_t *size)
{
    uint64_t total = element;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] && total > UINT64_MAX / shape[i]) return false;
        total *= shape[i];
    }
    *size = total;
    return true;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

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
    if (!(v >= 0 && v < EXACT_LIMIT) || v != (double)(uint64_t)v) return false;
    *out = (uint64_t)v;
    return true;
}

static pm_status bad_tensor(const reader *r, const char *name, const char *what)
{
    return log_fail(r->log, PM_FORMAT, "%s: tensor '%s': %s", r->path, show(name).text, what);
}

static pm_status no_memory(const pm_log *log, const char *path)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its header", path);
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

static pm_status read_dtype(const reader *r, const cJSON *item, st_tensor *t, uint32_t *element)
{
    if (!cJSON_IsString(item)) return bad_tensor(r, t->name, "its dtype must be a string");
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].name, item->valuestring) == 0) {
            t->dtype = dtypes[i].dtype;
            *element = dtypes[i].size;
            return PM_OK;
        }
    return log_fail(r->log, PM_FORMAT, "%s: tensor '%s': unknown dtype '%s'; F32 would be right", r->path,
                    show(t->name).text, show(item->valuestring).text);
}

static pm_status read_shape(const reader *r, const cJSON *list, st_tensor *t)
{
    if (!cJSON_IsArray(list)) return bad_tensor(r, t->name, "its shape must be an array");
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (t->rank == MAX_RANK) return bad_tensor(r, t->name, "its shape has more than 8 dimensions");
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
                        r->path, show(t->name).text, (unsigned long long)end, (unsigned long long)r->data_size);
    t->data = r->data + begin;
    t->size = end - begin;
    return PM_OK;
}

static pm_status read_tensor(reader *r, const cJSON *entry)
{
    st_tensor *t = &r->file.tensors[r->used];
    if (!(t->name = copy_text(entry->string))) return no_memory(r->log, r->path);
    r->used++;
    if (!cJSON_IsObject(entry)) return bad_tensor(r, t->name, "must be an object with dtype, shape and data_offsets");
    uint32_t element = 0, seen = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, entry)
    {
        static const char *const keys[] = {"dtype", "shape", "data_offsets"};
        uint32_t key = 0;
        while (key < 3 && strcmp(item->string, keys[key]) != 0) key++;
        if (key == 3 || (seen & 1u << key))
            return bad_tensor(r, t->name,
                              key == 3 ? "has a key beside dtype, shape and data_offsets" : "has a key twice");
        seen |= 1u << key;
        pm_status status = key == 0   ? read_dtype(r, item, t, &element)
                           : key == 1 ? read_shape(r, item, t)
                                      : read_offsets(r, item, t);
        if (status != PM_OK) return status;
    }
    uint64_t size;
    if (seen != 7) return bad_tensor(r, t->name, "needs dtype, shape and data_offsets");
    if (!tensor_size(t->shape, t->rank, element, &size)) return bad_tensor(r, t->name, "its shape overflows 64 bits");
    if (size != t->size)
        return log_fail(r->log, PM_FORMAT,
                        "%s: tensor '%s': shape and dtype need %llu bytes, but data_offsets span %llu", r->path,
                        show(t->name).text, (unsigned long long)size, (unsigned long long)t->size);
    return PM_OK;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names the first text that occurs twice, or NULL; `list` is sorted. */
static const char *find_twin(const char **list, size_t count)
{
    qsort(list, count, sizeof *list, compare_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(list[i - 1], list[i]) == 0) return list[i];
    return NULL;
}

static pm_status read_meta(reader *r, const cJSON *object)
{
    if (!cJSON_IsObject(object))
        return log_fail(r->log, PM_FORMAT, "%s: " META_NAME " must be an object of strings", r->path);
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) count++;
    st_meta *meta = r->file.meta = calloc(count + 1, sizeof *meta);
    const char **keys = malloc((count + 1) * sizeof *keys);
    pm_status status = meta && keys ? PM_OK : no_memory(r->log, r->path);
    if (status != PM_OK) goto done;
    cJSON_ArrayForEach(item, object)
    {
        if (!cJSON_IsString(item)) {
            status = log_fail(r->log, PM_FORMAT, "%s: " META_NAME " '%s' must be a string", r->path,
                              show(item->string).text);
            goto done;
        }
        st_meta *m = &meta[r->file.meta_count];
        keys[r->file.meta_count++] = item->string;
        m->key = copy_text(item->string);
        m->value = copy_text(item->valuestring);
        if (!m->key || !m->value) {
            status = no_memory(r->log, r->path);
            goto done;
        }
    }
    const char *twin = find_twin(keys, count);
    if (twin) status = log_fail(r->log, PM_FORMAT, "%s: " META_NAME " has '%s' twice", r->path, show(twin).text);
done:
    free(keys);
    return status;
}

static pm_status check_names(const reader *r)
{
    const char **names = malloc((r->used + 1) * sizeof *names);
    if (!names) return no_memory(r->log, r->path);
    for (size_t i = 0; i < r->used; i++) names[i] = r->file.tensors[i].name;
    const char *twin = find_twin(names, r->used);
    pm_status status = twin ? bad_tensor(r, twin, "is there twice") : PM_OK;
    free(names);
    return status;
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

/* Brings the tensors into the order of their data and sees that they cover the data without a gap. Headers list them in that
 * order as a rule, and it is the only one that keeps several empty tensors in their places, so it is tried first. */
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

/* U+0000, which would cut a name short in C: as a byte or as an escape. */
static bool has_zero(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == 0) return true;
        if (text[i] != '\\') continue;
        if (size - i >= 6 && memcmp(text + i + 1, "u0000", 5) == 0) return true;
        i++;
    }
    return false;
}

static pm_status read_header(reader *r, const char *text, size_t size)
{
    if (size == 0 || text[0] != '{' || has_zero(text, size) || !valid_utf8((const unsigned char *)text, size))
        return log_fail(r->log, PM_FORMAT, "%s: its header is not a JSON object in UTF-8 without U+0000", r->path);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, size, &end, 0);
    pm_status status = PM_OK;
    size_t count = 0;
    const cJSON *entry;
    while (root && end < text + size && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t')) end++;
    if (!root || end != text + size || !cJSON_IsObject(root)) {
        status = log_fail(r->log, PM_FORMAT, "%s: its header is not well-formed JSON", r->path);
        goto done;
    }
    cJSON_ArrayForEach(entry, root) count++;
    if (!(r->file.tensors = calloc(count + 1, sizeof *r->file.tensors))) {
        status = no_memory(r->log, r->path);
        goto done;
    }
    cJSON_ArrayForEach(entry, root)
    {
        bool meta = strcmp(entry->string, META_NAME) == 0;
        if (meta && r->file.meta)
            status = log_fail(r->log, PM_FORMAT, "%s: " META_NAME " is there twice", r->path);
        else
            status = meta ? read_meta(r, entry) : read_tensor(r, entry);
        if (status != PM_OK) goto done;
    }
    status = check_names(r);
    if (status == PM_OK) status = check_places(r);
done:
    cJSON_Delete(root);
    return status;
}

pm_status st_open(const pm_log *log, const char *path, st_file *out)
{
    reader r = {.log = log, .path = path};
    pm_status status = file_map_open(log, path, &r.file.map);
    if (status != PM_OK) return status;
    const unsigned char *bytes = r.file.map.data;
    size_t file_size = r.file.map.size;
    uint64_t header = 0;
    for (int i = 0; i < PREFIX && file_size >= PREFIX; i++) header |= (uint64_t)bytes[i] << (8 * i);
    if (file_size < PREFIX) {
        status = log_fail(log, PM_FORMAT, "%s: %zu bytes are too few for a safetensors file", path, file_size);
    } else if (header > MAX_HEADER || header > file_size - PREFIX) {
        status = log_fail(log, PM_FORMAT, "%s: header length %llu is beyond %s", path, (unsigned long long)header,
                          header > MAX_HEADER ? "100 MB" : "the file's end");
    } else {
        r.data = bytes + PREFIX + header;
        r.data_size = file_size - PREFIX - header;
        status = read_header(&r, (const char *)bytes + PREFIX, (size_t)header);
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

/* ---- writing -------------------------------------------------------------------------------------------------------- */

/* Growing text; running out of memory sticks. */
typedef struct text {
    char *data;
    size_t size, capacity;
    bool failed;
} text;

static void text_put(text *t, const char *data, size_t size)
{
    if (t->failed || size == 0) return;
    if (size > t->capacity - t->size) {
        size_t capacity = (t->size + size) * 2;
        char *grown = size < SIZE_MAX / 4 && t->size < SIZE_MAX / 4 ? realloc(t->data, capacity) : NULL;
        if (!grown) {
            t->failed = true;
            return;
        }
        t->data = grown;
        t->capacity = capacity;
    }
    memcpy(t->data + t->size, data, size);
    t->size += size;
}

static void text_add(text *t, const char *s)
{
    text_put(t, s, strlen(s));
}

static void text_number(text *t, uint64_t v)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    text_add(t, digits);
}

static void text_string(text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        char escape[8];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else if (c < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", c);
        else
            snprintf(escape, sizeof escape, "%c", c);
        text_add(t, escape);
    }
    text_add(t, "\"");
}

static const char *dtype_name(st_dtype dtype, uint32_t *size)
{
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (dtypes[i].dtype == dtype && dtype != ST_OTHER) {
            *size = dtypes[i].size;
            return dtypes[i].name;
        }
    return NULL;
}

/* What keeps a tensor from being written, or NULL. */
static const char *tensor_fault(const st_tensor *t)
{
    uint32_t element;
    uint64_t size;
    if (strcmp(t->name, META_NAME) == 0) return "the name is reserved";
    if (!valid_utf8((const unsigned char *)t->name, strlen(t->name))) return "the name is not UTF-8";
    if (!dtype_name(t->dtype, &element)) return "only F32, F16, BF16, I32, I64 and U8 can be written";
    if (t->rank > MAX_RANK) return "more than 8 dimensions";
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->shape[i] >= (uint64_t)EXACT_LIMIT) return "a dimension is not below 2^53";
    if (!tensor_size(t->shape, t->rank, element, &size) || size != t->size)
        return "shape and dtype do not give its size";
    if (t->size > SIZE_MAX || (t->size && !t->data)) return "its data are missing";
    return NULL;
}

static pm_status check_written(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                               const st_meta *meta, size_t meta_count)
{
    size_t most = tensor_count > meta_count ? tensor_count : meta_count;
    const char **names = most < SIZE_MAX / sizeof *names ? malloc((most + 1) * sizeof *names) : NULL;
    if (!names) return no_memory(log, path);
    pm_status status = PM_OK;
    const char *fault = NULL, *name = NULL;
    uint64_t total = 0;
    for (size_t i = 0; i < tensor_count && !fault; i++) {
        names[i] = name = tensors[i].name;
        fault = tensor_fault(&tensors[i]);
        total += fault ? 0 : tensors[i].size;
        if (total >= (uint64_t)EXACT_LIMIT || (!fault && tensors[i].size > total))
            fault = "the file would be too large";
    }
    if (!fault && (name = find_twin(names, tensor_count))) fault = "is given twice";
    if (fault) status = log_fail(log, PM_INVALID, "%s: tensor '%s': %s", path, show(name).text, fault);
    for (size_t i = 0; i < meta_count && !fault; i++) {
        names[i] = name = meta[i].key;
        if (!valid_utf8((const unsigned char *)name, strlen(name)) ||
            !valid_utf8((const unsigned char *)meta[i].value, strlen(meta[i].value)))
            fault = "is not UTF-8";
    }
    if (!fault && (name = find_twin(names, meta_count))) fault = "is given twice";
    if (fault && status == PM_OK)
        status = log_fail(log, PM_INVALID, "%s: metadata '%s': %s", path, show(name).text, fault);
    free(names);
    return status;
}

static void write_header(text *t, const st_tensor *tensors, size_t tensor_count, const st_meta *meta, size_t meta_count)
{
    text_add(t, "{");
    if (meta_count > 0) {
        text_add(t, "\"" META_NAME "\":{");
        for (size_t i = 0; i < meta_count; i++) {
            if (i) text_add(t, ",");
            text_string(t, meta[i].key);
            text_add(t, ":");
            text_string(t, meta[i].value);
        }
        text_add(t, tensor_count > 0 ? "}," : "}");
    }
    uint64_t at = 0;
    for (size_t i = 0; i < tensor_count; i++) {
        uint32_t element = 0;
        if (i) text_add(t, ",");
        text_string(t, tensors[i].name);
        text_add(t, ":{\"dtype\":\"");
        text_add(t, dtype_name(tensors[i].dtype, &element));
        text_add(t, "\",\"shape\":[");
        for (uint32_t k = 0; k < tensors[i].rank; k++) {
            if (k) text_add(t, ",");
            text_number(t, tensors[i].shape[k]);
        }
        text_add(t, "],\"data_offsets\":[");
        text_number(t, at);
        text_add(t, ",");
        text_number(t, at += tensors[i].size);
        text_add(t, "]}");
    }
    text_add(t, "}");
    while (t->size % 8 && !t->failed) text_add(t, " ");
}

pm_status st_write(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                   const st_meta *meta, size_t meta_count)
{
    pm_status status = check_written(log, path, tensors, tensor_count, meta, meta_count);
    if (status != PM_OK) return status;
    text header = {0};
    file_writer *writer = NULL;
    write_header(&header, tensors, tensor_count, meta, meta_count);
    if (header.failed)
        status = no_memory(log, path);
    else if (header.size > MAX_HEADER)
        status = log_fail(log, PM_INVALID, "%s: its header would exceed 100 MB", path);
    else
        status = file_writer_open(log, path, &writer);
    if (status == PM_OK) {
        unsigned char prefix[PREFIX];
        for (int i = 0; i < PREFIX; i++) prefix[i] = (unsigned char)((uint64_t)header.size >> (8 * i));
        file_writer_put(writer, prefix, sizeof prefix);
        file_writer_put(writer, header.data, header.size);
        for (size_t i = 0; i < tensor_count; i++)
            if (tensors[i].size) file_writer_put(writer, tensors[i].data, (size_t)tensors[i].size);
        status = file_writer_commit(&writer);
    }
    free(header.data);
    return status;
}
