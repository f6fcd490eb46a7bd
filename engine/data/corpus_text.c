#include "data/corpus_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/text.h>

#include "os/file.h"
#include "os/locale.h"

/* *.txt as in a shell, which leaves out hidden names. */
static bool name_counts(const char *name)
{
    size_t size = strlen(name);
    return name[0] != '.' && size > 4 && strcmp(name + size - 4, ".txt") == 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const text_part *)a)->path, ((const text_part *)b)->path);
}

/* Appends the path of a folder's file; the array doubles at powers of two. */
static bool add_part(corpus_text *text, char *path)
{
    size_t n = text->part_count;
    if ((n & (n - 1)) == 0) {
        text_part *grown = realloc(text->parts, (n ? 2 * n : 1) * sizeof *grown);
        if (!grown) return false;
        text->parts = grown;
    }
    text->parts[n] = (text_part){.path = path};
    text->part_count++;
    return true;
}

/* Adds a file of the folder, by its name there. */
static pm_status add_file(const pm_log *log, const char *path, const char *name, corpus_text *text)
{
    os_info info;
    char *file = file_join(path, name);
    const bool there = file && os_stat(file, &info);
    pm_status status = PM_OK;
    if (there && info.kind == OS_FOLDER) { /* folders in it are skipped, whatever their name */
        free(file);
        return PM_OK;
    }
    if (there && info.kind != OS_FILE) /* a folder is read twice, and a pipe only once */
        status = log_fail(log, PM_IO, "%s: is not a regular file, as the texts of a folder must be", file);
    else if (file && !there && errno == ENOENT) /* it was listed a moment ago */
        status = log_fail(log, PM_IO, "%s: is a link to a file that is not there; remove it or make it whole", file);
    else if (!file || !add_part(text, file))
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    if (status != PM_OK) free(file);
    return status;
}

static pm_status list_folder(const pm_log *log, const char *path, corpus_text *text)
{
    os_folder *folder = os_folder_open(path);
    if (!folder) return log_fail(log, PM_IO, "%s: cannot open this folder: %s", path, os_error(errno).text);
    pm_status status = PM_OK;
    const char *name;
    while (status == PM_OK && (name = os_folder_next(folder)) != NULL)
        if (name_counts(name)) status = add_file(log, path, name, text);
    if (status == PM_OK && errno)
        status = log_fail(log, PM_IO, "%s: cannot list this folder: %s", path, os_error(errno).text);
    os_folder_close(folder);
    if (status == PM_OK && !text->part_count)
        status = log_fail(log, PM_FORMAT, "%s: holds no .txt file; give a text file or a folder with some", path);
    /* all paths begin with the same folder, so their order is that of the names */
    if (status == PM_OK) qsort(text->parts, text->part_count, sizeof *text->parts, by_path);
    return status;
}

static pm_status read_folder(const pm_log *log, const char *path, corpus_text *text)
{
    pm_status status = list_folder(log, path, text);
    for (size_t i = 0; status == PM_OK && i < text->part_count; i++) {
        char *data;
        size_t size;
        status = file_read(log, text->parts[i].path, &data, &size);
        if (status != PM_OK) break;
        text->parts[i].start = text->size;
        char *grown = size < SIZE_MAX - text->size ? realloc(text->memory, text->size + size + 1) : NULL;
        if (grown) {
            memcpy(grown + text->size, data, size + 1);
            text->memory = grown;
            text->size += size;
        } else {
            status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its text", path);
        }
        free(data);
    }
    text->data = text->memory;
    return status;
}

pm_status corpus_text_open(const pm_log *log, const char *path, corpus_text *out)
{
    corpus_text text = {0};
    pm_status status;
    os_info info;
    const bool found = os_stat(path, &info), folder = found && info.kind == OS_FOLDER;
    if (folder) {
        status = read_folder(log, path, &text);
    } else if (found && info.kind == OS_FILE && info.size > 0) {
        status = file_map_open(log, path, &text.map);
        text.data = (const char *)text.map.data;
        text.size = text.map.size;
    } else { /* a pipe or a file of /proc cannot be mapped */
        status = file_read(log, path, &text.memory, &text.size);
        text.data = text.memory;
    }
    if (status == PM_OK && !text.size) {
        status = log_fail(
            log, PM_FORMAT,
            folder ? "%s: its .txt files are empty; give some text" : "%s: is empty; give a file with text", path);
    }
    if (status == PM_OK)
        *out = text;
    else
        corpus_text_close(&text);
    return status;
}

void corpus_text_close(corpus_text *text)
{
    for (size_t i = 0; i < text->part_count; i++) free(text->parts[i].path);
    free(text->parts);
    free(text->memory);
    file_map_close(&text->map);
    *text = (corpus_text){0};
}

const char *corpus_text_where(const corpus_text *text, const char *path, size_t *offset)
{
    if (!text->part_count) return path;
    size_t i = text->part_count - 1;
    while (i > 0 && text->parts[i].start > *offset) i--;
    *offset -= text->parts[i].start;
    return text->parts[i].path;
}

size_t corpus_text_part_end(const corpus_text *text, size_t part)
{
    return part + 1 < text->part_count ? text->parts[part + 1].start : text->size;
}

const char *corpus_text_foreign(const corpus_text *text, const char *path, const char **file)
{
    for (size_t i = 0; i < (text->part_count ? text->part_count : 1); i++) {
        const size_t start = text->part_count ? text->parts[i].start : 0;
        const char *foreign = pm_text_foreign(text->data + start, corpus_text_part_end(text, i) - start, true);
        *file = text->part_count ? text->parts[i].path : path;
        if (foreign) return foreign;
    }
    return NULL;
}

pm_status pm_corpus_text(const pm_log *log, const char *path, char **text, size_t *size)
{
    corpus_text source;
    pm_status status = corpus_text_open(log, path, &source);
    if (status != PM_OK) return status;
    const char *file, *foreign = corpus_text_foreign(&source, path, &file);
    if (foreign) {
        status = log_fail(log, PM_FORMAT, "%s: %s", file, foreign);
        corpus_text_close(&source);
        return status;
    }
    char *copy = source.memory;
    source.memory = NULL;
    if (!copy) {
        copy = source.size < SIZE_MAX ? malloc(source.size + 1) : NULL;
        if (copy) { /* a map that is not empty has data: NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
            memcpy(copy, source.data, source.size);
            copy[source.size] = 0;
        }
    }
    if (copy) {
        *text = copy;
        *size = source.size;
    } else {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its %zu bytes", path, source.size);
    }
    corpus_text_close(&source);
    return status;
}
