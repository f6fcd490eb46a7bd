/* Opening files by name, and reading the program's. Of these nothing is trusted: a size is believed as far as bytes have come. */
#include "files/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/sized.h"

enum { FIRST_READ = 1 << 20 }; /* bytes of the first piece of a text */

/* ---- sources ---- */

pm_status file_source_given(const pm_log *log, const pm_source *given, size_t given_size, file_source *out)
{
    file_source from = {0};
    pm_source *s = &from.given;
    pm_status status = sized_read(log, "pm_source", given, given_size, s, sizeof *s);
    if (status != PM_OK) return status;
    if (!s->name) s->name = s->open ? "source" : "memory";
    if (!s->open && !(s->files && s->file_count))
        return log_fail(log, PM_INVALID, "pm_source: %s has no files; give files and file_count, or open and read",
                        s->name);
    if (s->open && !s->read && !s->view)
        return log_fail(log, PM_INVALID, "pm_source: %s has open without read or view", s->name);
    if (s->file_count && !s->files)
        return log_fail(log, PM_INVALID, "pm_source: %s has file_count without files", s->name);
    for (size_t i = 0; i < s->file_count; i++)
        if (!s->files[i].name || (s->files[i].size && !s->files[i].data))
            return log_fail(log, PM_INVALID, "pm_source: %s: files[%zu] has no %s", s->name, i,
                            s->files[i].name ? "data" : "name");
    *out = from;
    return PM_OK;
}

const char *file_source_name(const file_source *from)
{
    return from->dir ? from->dir : from->given.name;
}

pm_status file_source_check(const pm_log *log, const file_source *from)
{
    return from->dir ? file_check_folder(log, from->dir) : PM_OK;
}

/* ---- names ---- */

pm_status file_ref_make(const pm_log *log, const file_source *from, const char *name, file_ref *out)
{
    static const char between[] = ": ";
    char *path;
    if (from->dir) {
        path = file_join(from->dir, name);
    } else {
        const size_t first = strlen(from->given.name), rest = strlen(name), blank = sizeof between - 1;
        path = malloc(first + blank + rest + 1);
        if (path) {
            memcpy(path, from->given.name, first);
            memcpy(path + first, between, blank);
            memcpy(path + first + blank, name, rest + 1);
        }
    }
    if (!path) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read its %s", file_source_name(from), name);
    *out = (file_ref){from, name, path};
    return PM_OK;
}

void file_ref_free(file_ref *ref)
{
    free(ref->path);
    *ref = (file_ref){0};
}

static bool is_on_disk(const file_ref *ref)
{
    return !ref->from || ref->from->dir;
}

bool file_ref_named(const file_ref *ref)
{
    bool found = false;
    file_view view;
    if (is_on_disk(ref)) return file_named(ref->path);
    if (file_view_open(NULL, ref, &found, &view) != PM_OK || !found) return false;
    file_view_close(&view);
    return true;
}

bool file_source_has(const file_source *from, const char *name)
{
    file_ref ref;
    if (file_ref_make(NULL, from, name, &ref) != PM_OK) return false;
    const bool there = file_ref_named(&ref);
    file_ref_free(&ref);
    return there;
}

/* ---- the program's files ---- */

/* Fails with what its function answered. */
static pm_status cannot(const pm_log *log, const char *path, const char *what, pm_status answer)
{
    const pm_status status = log_answer(answer);
    return log_fail(log, status, "%s: the program's function could not %s it: %s", path, what, pm_status_text(status));
}

/* *found: by that name there is a file, and it is open. */
static pm_status open_given(const pm_log *log, const file_ref *ref, bool *found, file_view *out)
{
    const pm_source *s = &ref->from->given;
    file_view v = {.map = {NULL, 0, -1}, .given = *s};
    *found = true;
    for (size_t i = 0; i < s->file_count; i++) {
        if (strcmp(s->files[i].name, ref->name) != 0) continue;
        v.data = s->files[i].size ? s->files[i].data : NULL;
        v.size = s->files[i].size;
        *out = v;
        return PM_OK;
    }
    const pm_status status = s->open ? s->open(s->user, ref->name, &v.file, &v.size) : PM_NO_FILE;
    *found = status != PM_NO_FILE;
    if (!*found) return PM_OK;
    if (status != PM_OK) return cannot(log, ref->path, "open", status);
    v.open = true;
    if (s->view && v.size) v.data = s->view(s->user, v.file);
    if (v.size > INT64_MAX || (v.data && v.size > SIZE_MAX)) {
        file_view_close(&v);
        return log_fail(log, PM_IO, "%s: is too large for this machine's address space", ref->path);
    }
    if (v.size && !v.data && !s->read) {
        file_view_close(&v);
        return log_fail(log, PM_IO, "%s: the program's source has neither a view of it nor a function to read it",
                        ref->path);
    }
    *out = v;
    return PM_OK;
}

static pm_status missing(const pm_log *log, const file_ref *ref)
{
    return log_fail(log, PM_IO, "%s: there is no such file", ref->path);
}

/* ---- views ---- */

pm_status file_view_open(const pm_log *log, const file_ref *ref, bool *found, file_view *out)
{
    bool there = true;
    file_view v = {.map = {NULL, 0, -1}};
    pm_status status = PM_OK;
    if (!is_on_disk(ref)) {
        status = open_given(log, ref, &there, &v);
    } else {
        if (found) there = file_named(ref->path);
        if (there) status = file_map_open(log, ref->path, &v.map);
        if (there && status == PM_OK) {
            v.data = v.map.data;
            v.size = v.map.size;
        }
    }
    if (status == PM_OK && !there && !found) return missing(log, ref);
    if (found) *found = there;
    if (status == PM_OK && there) *out = v;
    return status;
}

void file_view_close(file_view *view)
{
    file_map_close(&view->map);
    if (view->open && view->given.close) view->given.close(view->given.user, view->file);
    *view = (file_view){.map = {NULL, 0, -1}};
}

bool file_view_needs_room(const file_view *view)
{
    return !view->data && view->size;
}

pm_status file_view_piece(const pm_log *log, const char *path, const file_view *view, uint64_t at, size_t size,
                          void *room, const unsigned char **out)
{
    if (!file_view_needs_room(view)) {
        *out = view->data ? view->data + at : NULL;
        return PM_OK;
    }
    const pm_status status = size ? view->given.read(view->given.user, view->file, at, room, size) : PM_OK;
    if (status != PM_OK) return cannot(log, path, "read", status);
    *out = room;
    return PM_OK;
}

void file_view_drop(const file_view *view, const void *data, size_t size)
{
    if (view->map.data) file_map_drop(&view->map, data, size);
}

/* ---- whole files ---- */

/* Memory grows with the bytes that come, not with the size that the program tells. */
static pm_status read_view(const pm_log *log, const char *path, const file_view *view, char **data, size_t *size)
{
    char *text = NULL;
    pm_status status = PM_OK;
    for (uint64_t used = 0; status == PM_OK && (!text || used < view->size);) {
        const uint64_t most = used ? used : FIRST_READ, rest = view->size - used;
        const size_t n = (size_t)(view->data || rest < most ? rest : most);
        const unsigned char *piece = NULL;
        char *grown = used + n < SIZE_MAX ? realloc(text, (size_t)(used + n) + 1) : NULL;
        if (!grown) {
            status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory reading it", path);
            break;
        }
        text = grown;
        status = file_view_piece(log, path, view, used, n, text + used, &piece);
        if (status == PM_OK && n && view->data) memcpy(text + used, piece, n);
        used += n;
        text[used] = 0;
    }
    if (status == PM_OK) status = file_check_pointer(log, path, text, (size_t)view->size);
    if (status != PM_OK) {
        free(text);
        return status;
    }
    *data = text;
    *size = (size_t)view->size;
    return PM_OK;
}

pm_status file_ref_read(const pm_log *log, const file_ref *ref, bool *found, char **data, size_t *size)
{
    bool there = true;
    file_view view;
    pm_status status;
    if (is_on_disk(ref)) {
        if (found) there = *found = file_named(ref->path);
        return there ? file_read(log, ref->path, data, size) : PM_OK;
    }
    status = open_given(log, ref, &there, &view);
    if (found) *found = there;
    if (status != PM_OK) return status;
    if (!there) return found ? PM_OK : missing(log, ref);
    status = read_view(log, ref->path, &view, data, size);
    file_view_close(&view);
    return status;
}
