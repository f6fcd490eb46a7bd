/* Opening GGUF files. The header has no length of its own: it is read as far as its counts and lengths tell, each checked against the file's size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/utf8.h"
#include "files/gguf_internal.h"

enum {
    BEGINNING = 1025,      /* bytes by which file_kind and file_check_pointer know a file */
    KEY_LEAST = 8 + 1 + 5, /* bytes of a key of one byte with its type and a value of one byte */
    TENSOR_LEAST = 8 + 1 + 16,
    FIRST_READ = 1 << 20, /* bytes of a header's pieces */
    MOST_READ = 8 << 20,
    FIRST_STARTS = 1 << 10
};

typedef struct reader {
    const pm_log *log;
    gguf_file file;
    uint64_t at;           /* in the header */
    size_t have, capacity; /* bytes of file.room */
    size_t *places;        /* where each key's value begins, as long as the header may move */
    uint64_t *offsets;     /* of each tensor, from the data's start */
    char what[120];        /* what is being read: "key 'x'" */
} reader;

/* The text of a failure begins with the path, and with what is being read. */
#define BAD(r, ...) log_fail((r)->log, PM_FORMAT, "%s: " __VA_ARGS__)

static pm_status no_memory(const reader *r)
{
    return log_fail(r->log, PM_NO_HOST_MEMORY, "%s: out of memory for its header", r->file.path);
}

/* ---- bytes ---- */

static const unsigned char *bytes_at(const reader *r, uint64_t at)
{
    return (r->file.view.data ? r->file.view.data : r->file.room) + at;
}

/* Reads the header on to `end`, which is within the size that the file tells. Memory grows with the bytes that come. */
static pm_status read_on(reader *r, uint64_t end)
{
    while (r->have < end) {
        const uint64_t rest = r->file.view.size - r->have;
        size_t n = r->have < FIRST_READ ? FIRST_READ : r->have < MOST_READ ? r->have : MOST_READ;
        const unsigned char *piece;
        if (n > rest) n = (size_t)rest;
        if (n > r->capacity - r->have) {
            const size_t capacity = 2 * r->capacity > r->have + n ? 2 * r->capacity : r->have + n;
            unsigned char *grown = realloc(r->file.room, capacity);
            if (!grown) return no_memory(r);
            r->file.room = grown;
            r->capacity = capacity;
        }
        pm_status status =
            file_view_piece(r->log, r->file.path, &r->file.view, r->have, n, r->file.room + r->have, &piece);
        if (status != PM_OK) return status;
        r->have += n;
    }
    return PM_OK;
}

/* The next `size` bytes are there. */
static pm_status need(reader *r, uint64_t size)
{
    const uint64_t rest = r->file.view.size - r->at;
    if (size > rest)
        return BAD(r, "%s: needs %llu bytes, but only %llu follow to the file's end; is the file whole?", r->file.path,
                   r->what, (unsigned long long)size, (unsigned long long)rest);
    if (size > GGUF_HEADER_MAX - r->at)
        return BAD(r, "%s: the header is larger than 1 GB there", r->file.path, r->what);
    return r->file.view.data ? PM_OK : read_on(r, r->at + size);
}

static pm_status take(reader *r, uint32_t bytes, uint64_t *out)
{
    pm_status status = need(r, bytes);
    if (status != PM_OK) return status;
    const unsigned char *b = bytes_at(r, r->at);
    *out = bytes == 8 ? gguf_load64(b) : gguf_load32(b);
    r->at += bytes;
    return PM_OK;
}

/* A key or a tensor's name. Then r->what names it. */
static pm_status take_name(reader *r, const char *kind, size_t most, char **out)
{
    uint64_t size;
    pm_status status = take(r, 8, &size);
    if (status != PM_OK) return status;
    if (size == 0 || size > most)
        return BAD(r, "%s: its name has %llu bytes; 1 to %zu would be right", r->file.path, r->what,
                   (unsigned long long)size, most);
    status = need(r, size);
    if (status != PM_OK) return status;
    const char *name = (const char *)bytes_at(r, r->at);
    if (utf8_valid(name, (size_t)size) < size || memchr(name, 0, (size_t)size))
        return BAD(r, "%s: its name is not text in UTF-8", r->file.path, r->what);
    if (!(*out = copy_part(name, (size_t)size))) return no_memory(r);
    r->at += size;
    snprintf(r->what, sizeof r->what, "%s '%s'", kind, st_show(*out).text);
    return PM_OK;
}

/* ---- metadata ---- */

static pm_status take_type(reader *r, gguf_value *out)
{
    uint64_t number;
    pm_status status = take(r, 4, &number);
    if (status != PM_OK) return status;
    if (number >= GGUF_VALUES)
        return BAD(r, "%s: its type is %llu; 0 to %d are known", r->file.path, r->what, (unsigned long long)number,
                   GGUF_VALUES - 1);
    *out = (gguf_value)number;
    return PM_OK;
}

/* Strings are not copied: only where each begins is kept. */
static pm_status take_strings(reader *r, gguf_array *values, uint64_t count)
{
    uint32_t *starts = NULL;
    size_t room = 0;
    pm_status status = PM_OK;
    for (uint64_t i = 0; i <= count; i++) {
        uint64_t size = 0;
        if (i == room) {
            const uint64_t wanted = room ? 2 * (uint64_t)room : FIRST_STARTS, most = count + 1;
            room = (size_t)(wanted < most ? wanted : most);
            uint32_t *grown = room <= SIZE_MAX / sizeof *starts ? realloc(starts, room * sizeof *starts) : NULL;
            if (!grown) return no_memory(r);
            values->starts = starts = grown; /* closing the file frees it */
        }
        if (i < count) status = take(r, 8, &size);
        if (i < count && status == PM_OK) status = need(r, size);
        if (status != PM_OK) return status;
        starts[i] = (uint32_t)(i < count ? r->at : r->at + 8);
        r->at += size;
    }
    values->count = (size_t)count;
    return PM_OK;
}

static pm_status take_values(reader *r, gguf_array *values, uint64_t count)
{
    const uint32_t size = gguf_value_size(values->type);
    const uint64_t rest = r->file.view.size - r->at;
    if (count > rest / (size ? size : 8))
        return BAD(
            r, "%s: has %llu values of type %s, but only %llu bytes follow to the file's end; is the file whole?",
            r->file.path, r->what, (unsigned long long)count, gguf_value_name(values->type), (unsigned long long)rest);
    if (values->type == GGUF_VALUE_STRING) return take_strings(r, values, count);
    pm_status status = need(r, count * size);
    if (status != PM_OK) return status;
    const unsigned char *b = bytes_at(r, r->at);
    for (uint64_t i = 0; values->type == GGUF_VALUE_BOOL && i < count; i++)
        if (b[i] > 1)
            return BAD(r, "%s: has a BOOL of value %d; 0 or 1 would be right", r->file.path, r->what, (int)b[i]);
    values->count = (size_t)count;
    r->at += count * size;
    return PM_OK;
}

static pm_status take_meta(reader *r, size_t index)
{
    gguf_meta *m = &r->file.meta[index];
    uint64_t count = 1;
    pm_status status = take_name(r, "key", GGUF_KEY_MAX, &m->key);
    if (status == PM_OK) status = take_type(r, &m->values.type);
    if (status != PM_OK) return status;
    m->is_array = m->values.type == GGUF_VALUE_ARRAY;
    if (m->is_array) status = take_type(r, &m->values.type);
    if (m->is_array && status == PM_OK) status = take(r, 8, &count);
    if (status != PM_OK) return status;
    if (m->values.type == GGUF_VALUE_ARRAY)
        return BAD(r, "%s: is an array of arrays; an array of strings or numbers would be right", r->file.path,
                   r->what);
    r->places[index] = (size_t)r->at;
    return take_values(r, &m->values, count);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether each of these names is there once; sorts them. */
static pm_status check_once(const reader *r, const char *kind, const char **names, size_t count)
{
    if (count) qsort(names, count, sizeof *names, compare_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return BAD(r, "%s '%s': is there twice", r->file.path, kind, st_show(names[i]).text);
    return PM_OK;
}

static pm_status read_alignment(reader *r)
{
    uint32_t alignment = GGUF_ALIGNMENT;
    bool found;
    pm_status status = gguf_u32(r->log, &r->file, GGUF_ALIGNMENT_KEY, &found, &alignment);
    if (status != PM_OK) return status;
    if (alignment < 8 || alignment & (alignment - 1))
        return BAD(r, "key '" GGUF_ALIGNMENT_KEY "': is %u; 32 or another power of two from 8 on would be right",
                   r->file.path, (unsigned)alignment);
    r->file.alignment = alignment;
    return PM_OK;
}

static pm_status read_all_meta(reader *r, size_t count)
{
    gguf_file *f = &r->file;
    f->meta = calloc(count + 1, sizeof *f->meta);
    r->places = calloc(count + 1, sizeof *r->places);
    const char **keys = calloc(count + 1, sizeof *keys);
    pm_status status = f->meta && r->places && keys ? PM_OK : no_memory(r);
    while (status == PM_OK && f->meta_count < count) {
        snprintf(r->what, sizeof r->what, "key %zu of %zu", f->meta_count + 1, count);
        status = take_meta(r, f->meta_count++);
    }
    for (size_t i = 0; status == PM_OK && i < count; i++) keys[i] = f->meta[i].key;
    if (status == PM_OK) status = check_once(r, "key", keys, count);
    free(keys);
    return status;
}

/* The header does not move any more. */
static void place_values(reader *r)
{
    for (size_t i = 0; i < r->file.meta_count; i++) {
        gguf_array *values = &r->file.meta[i].values;
        values->data = bytes_at(r, values->starts ? 0 : r->places[i]);
    }
}

/* ---- tensors ---- */

static pm_status take_tensor(reader *r, size_t index)
{
    gguf_tensor *t = &r->file.tensors[index];
    uint64_t rank, number;
    pm_status status = take_name(r, "tensor", GGUF_NAME_MAX, &t->name);
    if (status == PM_OK) status = take(r, 4, &rank);
    if (status != PM_OK) return status;
    if (rank > GGUF_MAX_RANK)
        return BAD(r, "%s: has %llu dimensions; at most 4 would be right", r->file.path, r->what,
                   (unsigned long long)rank);
    t->rank = (uint32_t)rank;
    for (uint32_t i = 0; i < GGUF_MAX_RANK; i++) {
        t->dims[i] = 1;
        if (i < t->rank) status = take(r, 8, &t->dims[i]);
        if (status != PM_OK) return status;
    }
    status = take(r, 4, &number);
    if (status == PM_OK) status = take(r, 8, &r->offsets[index]);
    if (status != PM_OK) return status;
    t->dtype = number < INT32_MAX ? (gguf_dtype)number : (gguf_dtype)INT32_MAX;
    if (!gguf_dtype_name(t->dtype))
        return BAD(r, "%s: its type is %llu, which is not known; 0 (F32) would be right", r->file.path, r->what,
                   (unsigned long long)number);
    if (t->dims[0] % gguf_dtype_block(t->dtype))
        return BAD(r, "%s: its first dimension is %llu; a multiple of %u would be right for %s", r->file.path, r->what,
                   (unsigned long long)t->dims[0], (unsigned)gguf_dtype_block(t->dtype), gguf_dtype_name(t->dtype));
    if (!gguf_tensor_extent(t->dtype, t->rank, t->dims, &t->count, &t->size))
        return BAD(r, "%s: its dimensions %s have more bytes than 63 bits count", r->file.path, r->what,
                   st_show_shape(t->dims, t->rank).text);
    return PM_OK;
}

static pm_status read_all_tensors(reader *r, size_t count)
{
    gguf_file *f = &r->file;
    f->tensors = calloc(count + 1, sizeof *f->tensors);
    f->by_name = calloc(count + 1, sizeof *f->by_name);
    r->offsets = calloc(count + 1, sizeof *r->offsets);
    if (!f->tensors || !f->by_name || !r->offsets) return no_memory(r);
    pm_status status = PM_OK;
    while (status == PM_OK && f->tensor_count < count) {
        snprintf(r->what, sizeof r->what, "tensor %zu of %zu", f->tensor_count + 1, count);
        status = take_tensor(r, f->tensor_count++);
    }
    return status;
}

static int compare_tensors(const void *a, const void *b)
{
    return strcmp((*(const gguf_tensor *const *)a)->name, (*(const gguf_tensor *const *)b)->name);
}

static int compare_places(const void *a, const void *b)
{
    const gguf_tensor *s = *(const gguf_tensor *const *)a, *t = *(const gguf_tensor *const *)b;
    if (s->start != t->start) return s->start < t->start ? -1 : 1;
    if (s->size != t->size) return s->size < t->size ? -1 : 1;
    return strcmp(s->name, t->name); /* names differ: the order is total */
}

/* Where each tensor's data are: aligned and within the file. */
static pm_status place_tensors(reader *r)
{
    const uint64_t begin = gguf_align(r->at, r->file.alignment), end = r->file.view.size;
    const uint64_t all = end > begin ? end - begin : 0;
    for (size_t i = 0; i < r->file.tensor_count; i++) {
        gguf_tensor *t = &r->file.tensors[i];
        const uint64_t offset = r->offsets[i];
        if (offset % r->file.alignment)
            return BAD(r, "tensor '%s': its offset %llu is no multiple of the alignment %u", r->file.path,
                       st_show(t->name).text, (unsigned long long)offset, (unsigned)r->file.alignment);
        if (offset > all || t->size > all - offset)
            return BAD(
                r,
                "tensor '%s': has %llu bytes from %llu on, but only %llu bytes of data follow the header; is the "
                "file whole?",
                r->file.path, st_show(t->name).text, (unsigned long long)t->size, (unsigned long long)offset,
                (unsigned long long)all);
        t->start = begin + offset;
    }
    return PM_OK;
}

/* Warns of bytes behind the last tensor, which ends at `end`: with another alignment all data lie elsewhere. */
static void tell_spare(reader *r, uint64_t end)
{
    const uint64_t size = r->file.view.size;
    if (!end || size <= gguf_align(end, r->file.alignment)) return;
    log_line(r->log, PM_LOG_WARN, "%s: %llu bytes behind the last tensor are not read; is its alignment %u?",
             r->file.path, (unsigned long long)(size - end), (unsigned)r->file.alignment);
}

/* Sorts by_name on the way: by place, then by name. */
static pm_status check_tensors(reader *r)
{
    const gguf_tensor **sorted = r->file.by_name, *last = NULL;
    const size_t count = r->file.tensor_count;
    for (size_t i = 0; i < count; i++) sorted[i] = &r->file.tensors[i];
    if (count) qsort(sorted, count, sizeof *sorted, compare_tensors);
    for (size_t i = 1; i < count; i++)
        if (compare_tensors(&sorted[i - 1], &sorted[i]) == 0)
            return BAD(r, "tensor '%s': is there twice", r->file.path, st_show(sorted[i]->name).text);
    pm_status status = place_tensors(r);
    if (status != PM_OK) return status;
    if (count) qsort(sorted, count, sizeof *sorted, compare_places);
    for (size_t i = 0; i < count; i++) {
        if (!sorted[i]->size) continue;
        if (last && sorted[i]->start < last->start + last->size)
            return BAD(r, "tensor '%s': its data overlap those of '%s'", r->file.path, st_show(sorted[i]->name).text,
                       st_show(last->name).text);
        last = sorted[i];
    }
    if (count) qsort(sorted, count, sizeof *sorted, compare_tensors);
    tell_spare(r, last ? last->start + last->size : 0);
    return PM_OK;
}

/* ---- files ---- */

/* Whether the file begins as GGUF, in a version that is read. */
static pm_status read_begin(reader *r)
{
    uint64_t version;
    const uint64_t size = r->file.view.size;
    const size_t head = size < BEGINNING ? (size_t)size : BEGINNING;
    if (!head) return BAD(r, "is empty, not a GGUF file", r->file.path);
    pm_status status = need(r, head);
    if (status != PM_OK) return status;
    const unsigned char *b = bytes_at(r, 0);
    status = file_check_pointer(r->log, r->file.path, b, head);
    if (status != PM_OK) return status;
    if (head < 4 || memcmp(b, GGUF_MAGIC, 4) != 0) {
        const char *kind = file_kind(b, head);
        return BAD(r, "is %s, not a GGUF file", r->file.path, kind ? kind : "another file");
    }
    r->at = 4;
    status = take(r, 4, &version);
    if (status != PM_OK) return status;
    if (version && version % 65536 == 0)
        return BAD(r, "is in big-endian order; the same model in little-endian order would be right", r->file.path);
    if (version != 2 && version != 3)
        return BAD(r, "has version %llu of GGUF; versions 2 and 3 are read", r->file.path, (unsigned long long)version);
    r->file.version = (uint32_t)version;
    return PM_OK;
}

/* A count of keys or tensors, each of which takes `least` bytes. */
static pm_status take_count(reader *r, const char *kind, uint32_t least, uint64_t *out)
{
    pm_status status = take(r, 8, out);
    if (status != PM_OK) return status;
    if (*out <= GGUF_MOST && *out <= r->file.view.size / least) return PM_OK;
    return BAD(r, "has %llu %s by its header, more than %s; is the file whole?", r->file.path, (unsigned long long)*out,
               kind, *out > GGUF_MOST ? "1048576" : "fit into its bytes");
}

static pm_status read_file(reader *r)
{
    uint64_t tensors = 0, keys = 0;
    snprintf(r->what, sizeof r->what, "its header");
    pm_status status = read_begin(r);
    if (status == PM_OK) status = take_count(r, "tensors", TENSOR_LEAST, &tensors);
    if (status == PM_OK) status = take_count(r, "keys", KEY_LEAST, &keys);
    if (status == PM_OK) status = read_all_meta(r, (size_t)keys);
    if (status == PM_OK) status = read_all_tensors(r, (size_t)tensors);
    if (status != PM_OK) return status;
    place_values(r);
    status = read_alignment(r);
    return status == PM_OK ? check_tensors(r) : status;
}

pm_status gguf_open_ref(const pm_log *log, const file_ref *ref, bool *found, gguf_file *out)
{
    bool there = true;
    reader r = {.log = log};
    r.file.view = (file_view){.map = {NULL, 0, -1}};
    r.file.path = copy_text(ref->path);
    if (!r.file.path) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its header", ref->path);
    pm_status status = file_view_open(log, ref, found ? &there : NULL, &r.file.view);
    if (found) *found = there;
    const bool is_read = status == PM_OK && there;
    if (is_read) status = read_file(&r);
    free(r.places);
    free(r.offsets);
    if (is_read && status == PM_OK)
        *out = r.file;
    else
        gguf_close(&r.file);
    return status;
}

pm_status gguf_open(const pm_log *log, const char *path, gguf_file *out)
{
    const file_ref ref = {.path = (char *)path};
    return gguf_open_ref(log, &ref, NULL, out);
}

void gguf_close(gguf_file *file)
{
    for (size_t i = 0; i < file->meta_count; i++) {
        free(file->meta[i].key);
        free((void *)file->meta[i].values.starts);
    }
    for (size_t i = 0; i < file->tensor_count; i++) free(file->tensors[i].name);
    free(file->meta);
    free(file->tensors);
    free((void *)file->by_name);
    free(file->room);
    free(file->path);
    file_view_close(&file->view);
    *file = (gguf_file){.view = {.map = {NULL, 0, -1}}};
}

/* ---- in place of a folder -------------------------------------------------------------------------------------------- */

#define SOURCE_NAME "model.gguf"

pm_status gguf_is_source(const pm_log *log, const file_source *from, bool *out)
{
    char magic[4];
    size_t size;
    file_ref ref;
    file_view view;
    if (from->dir) {
        *out =
            file_peek(from->dir, magic, sizeof magic, &size) && size == sizeof magic && memcmp(magic, "GGUF", 4) == 0;
        return PM_OK;
    }
    pm_status status = file_ref_make(log, from, SOURCE_NAME, &ref);
    if (status != PM_OK) return status;
    bool found = false;
    status = file_view_open(log, &ref, &found, &view);
    if (status == PM_OK && found) file_view_close(&view);
    if (status == PM_OK) *out = found;
    file_ref_free(&ref);
    return status;
}

pm_status gguf_open_source(const pm_log *log, const file_source *from, gguf_file *out)
{
    file_ref ref;
    if (from->dir) return gguf_open(log, from->dir, out);
    pm_status status = file_ref_make(log, from, SOURCE_NAME, &ref);
    if (status != PM_OK) return status;
    status = gguf_open_ref(log, &ref, NULL, out);
    file_ref_free(&ref);
    return status;
}
