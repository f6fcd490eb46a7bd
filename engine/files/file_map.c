/* Reading: memory maps and whole files. */
#include "files/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/locale.h"

static pm_status cannot(const pm_log *log, const char *path, const char *what)
{
    return log_fail(log, PM_IO, "%s: cannot %s: %s", path, what, os_error(errno).text);
}

/* Opens for reading; refuses folders, which some systems open and others do not. */
static pm_status open_file(const pm_log *log, const char *path, int *out, os_info *info)
{
    if (file_is_dir(path)) return log_fail(log, PM_IO, "%s: is a folder; a file is needed here", path);
    const int file = os_open(path, OS_READ);
    if (file < 0) return cannot(log, path, "open");
    if (os_stat_file(file, info)) {
        *out = file;
        return PM_OK;
    }
    const pm_status status = cannot(log, path, "read its size");
    os_close(file);
    return status;
}

pm_status file_map_open(const pm_log *log, const char *path, file_map *out)
{
    int file;
    os_info info;
    pm_status status = open_file(log, path, &file, &info);
    if (status != PM_OK) return status;
    file_map map = {NULL, 0, -1};
    if (info.kind != OS_FILE) {
        status = log_fail(log, PM_IO, "%s: is not a regular file and cannot be mapped", path);
    } else if (info.size > SIZE_MAX) {
        status = log_fail(log, PM_IO, "%s: is too large for this machine's address space", path);
    } else if (info.size > 0) {
        map.size = (size_t)info.size;
        map.data = os_map(file, map.size);
        if (!map.data) status = cannot(log, path, "map into memory");
    }
    if (map.data)
        map.file = file;
    else
        os_close(file);
    if (status == PM_OK && map.data) {
        status = file_check_pointer(log, path, map.data, map.size);
        if (status != PM_OK) file_map_close(&map);
    }
    if (status == PM_OK) *out = map;
    return status;
}

bool file_peek(const char *path, void *data, size_t room, size_t *size)
{
    int file;
    os_info info;
    /* Opening a pipe without a writer would wait for one. */
    if (!os_stat(path, &info) || info.kind != OS_FILE || open_file(NULL, path, &file, &info) != PM_OK) return false;
    const int64_t n = os_read(file, data, room);
    os_close(file);
    if (n < 0) return false;
    *size = (size_t)n;
    return true;
}

void file_map_close(file_map *map)
{
    if (map->data) {
        os_unmap((void *)map->data, map->size);
        os_close(map->file);
    }
    *map = (file_map){NULL, 0, -1};
}

void file_map_drop(const file_map *map, const void *data, size_t size)
{
    os_map_drop((void *)map->data, map->file, (size_t)((const unsigned char *)data - map->data), size);
}

/* Reads to the end rather than to the size that stat tells: pipes and /proc tell 0. *data grows as needed and is the
 * caller's to free, also on failure. */
static pm_status read_all(const pm_log *log, const char *path, int file, size_t expected, char **data, size_t *size)
{
    size_t used = 0, capacity = expected < SIZE_MAX - 2 ? expected + 2 : SIZE_MAX; /* the 0, and one to see the end */
    for (;;) {
        if (!*data || capacity - used < 2) {
            if (*data && capacity > SIZE_MAX / 2) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
            if (*data) capacity *= 2;
            if (capacity < 4096) capacity = 4096;
            char *grown = realloc(*data, capacity);
            if (!grown) {
                return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory reading it (%zu bytes wanted)", path,
                                capacity);
            }
            *data = grown;
        }
        const int64_t n = os_read(file, *data + used, capacity - used - 1);
        if (n < 0) return cannot(log, path, "read");
        if (n == 0) break;
        used += (size_t)n;
    }
    (*data)[used] = 0;
    *size = used;
    return PM_OK;
}

pm_status file_read(const pm_log *log, const char *path, char **data, size_t *size)
{
    int file;
    os_info info;
    pm_status status = open_file(log, path, &file, &info);
    if (status != PM_OK) return status;
    if (info.size > SIZE_MAX - 2) {
        os_close(file);
        return log_fail(log, PM_IO, "%s: is too large for this machine's address space", path);
    }
    char *text = NULL;
    size_t length = 0;
    status = read_all(log, path, file, (size_t)info.size, &text, &length);
    os_close(file);
    if (status == PM_OK) status = file_check_pointer(log, path, text, length);
    if (status != PM_OK) {
        free(text);
        return status;
    }
    *data = text;
    *size = length;
    return PM_OK;
}
