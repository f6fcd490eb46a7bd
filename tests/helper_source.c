#include "helper_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/copy.h"
#include "helper_dir.h"
#include "os/file.h"

static bool fails(archive *a)
{
    return ++a->calls == a->fail_at;
}

static pm_status open_file(void *user, const char *name, void **file, uint64_t *size)
{
    archive *a = user;
    if (fails(a)) return a->answer;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->files[i].name, name) != 0) continue;
        *file = &a->files[i];
        *size = a->lied && strcmp(a->lied, name) == 0 ? a->told : a->files[i].size;
        a->opened++;
        return PM_OK;
    }
    return PM_NO_FILE;
}

static pm_status read_file(void *user, void *file, uint64_t at, void *to, size_t size)
{
    archive *a = user;
    const pm_memory_file *f = file;
    if (fails(a)) return a->answer;
    const size_t there = at >= f->size ? 0 : f->size - (size_t)at, n = there < size ? there : size;
    if (n < size && !a->endless) return PM_IO;
    if (n) memcpy(to, (const char *)f->data + at, n);
    if (n < size) memset((char *)to + n, 0, size - n);
    a->copied += size;
    if (size > a->largest) a->largest = size;
    return PM_OK;
}

static const void *view_file(void *user, void *file)
{
    archive *a = user;
    return a->with_view ? ((pm_memory_file *)file)->data : NULL;
}

static void close_file(void *user, void *file)
{
    archive *a = user;
    assert_true((pm_memory_file *)file >= a->files && (pm_memory_file *)file < a->files + a->count);
    a->opened--;
}

void archive_make(archive *a, const char *dir)
{
    *a = (archive){.answer = PM_IO};
    os_folder *folder = os_folder_open(dir);
    assert_non_null(folder);
    for (const char *name; (name = os_folder_next(folder)) != NULL;) {
        if (name[0] == '.') continue;
        assert_true(a->count < ARCHIVE_MOST);
        pm_memory_file *f = &a->files[a->count++];
        f->name = copy_text(name);
        f->data = test_read(test_path(dir, name), &f->size);
    }
    os_folder_close(folder);
    a->by_functions = (pm_source){
        .name = "archive", .open = open_file, .read = read_file, .view = view_file, .close = close_file, .user = a};
    a->in_memory = (pm_source){.files = a->files, .file_count = a->count};
}

void archive_free(archive *a)
{
    assert_int_equal(a->opened, 0);
    for (size_t i = 0; i < a->count; i++) {
        free((void *)a->files[i].name);
        free((void *)a->files[i].data);
    }
    *a = (archive){0};
}

pm_memory_file *archive_file(archive *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->files[i].name, name) == 0) return &a->files[i];
    fail_msg("no file %s", name);
    return NULL;
}

void archive_drop(archive *a, const char *name)
{
    pm_memory_file *f = archive_file(a, name);
    free((void *)f->name);
    free((void *)f->data);
    *f = a->files[--a->count];
    a->in_memory.file_count = a->count;
}

void archive_count(archive *a, size_t fail_at, pm_status answer)
{
    a->calls = a->largest = a->copied = 0;
    a->fail_at = fail_at;
    a->answer = answer;
}
