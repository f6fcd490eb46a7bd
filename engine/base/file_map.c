/* Reading: memory maps and whole files. */
#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "os/locale.h"

static pm_status cannot(const pm_log *log, const char *path, const char *what)
{
    return log_fail(log, PM_IO, "%s: cannot %s: %s", path, what, os_error(errno).text);
}

/* Opens for reading; refuses folders, which open() itself would accept. */
static pm_status open_file(const pm_log *log, const char *path, int *out, struct stat *info)
{
    const int fd = os_open(path, O_RDONLY, 0);
    if (fd < 0) return cannot(log, path, "open");
    pm_status status = PM_OK;
    if (fstat(fd, info) != 0)
        status = cannot(log, path, "read its size");
    else if (S_ISDIR(info->st_mode))
        status = log_fail(log, PM_IO, "%s: is a folder; a file is needed here", path);
    if (status != PM_OK)
        close(fd);
    else
        *out = fd;
    return status;
}

pm_status file_map_open(const pm_log *log, const char *path, file_map *out)
{
    int fd;
    struct stat info;
    pm_status status = open_file(log, path, &fd, &info);
    if (status != PM_OK) return status;
    file_map map = {NULL, 0, -1};
    if (!S_ISREG(info.st_mode)) {
        status = log_fail(log, PM_IO, "%s: is not a regular file and cannot be mapped", path);
    } else if ((uintmax_t)info.st_size > SIZE_MAX) {
        status = log_fail(log, PM_IO, "%s: is too large for this machine's address space", path);
    } else if (info.st_size > 0) {
        map.size = (size_t)info.st_size;
        void *data = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = cannot(log, path, "map into memory");
        else
            map.data = data;
    }
    if (map.data)
        map.fd = fd;
    else
        close(fd);
    if (status == PM_OK && map.data) {
        status = file_check_pointer(log, path, map.data, map.size);
        if (status != PM_OK) file_map_close(&map);
    }
    if (status == PM_OK) *out = map;
    return status;
}

bool file_peek(const char *path, void *data, size_t room, size_t *size)
{
    int fd;
    struct stat info;
    ssize_t n;
    /* Opening a pipe without a writer would wait for one. */
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || open_file(NULL, path, &fd, &info) != PM_OK) return false;
    do n = read(fd, data, room);
    while (n < 0 && errno == EINTR);
    close(fd);
    if (n < 0) return false;
    *size = (size_t)n;
    return true;
}

void file_map_close(file_map *map)
{
    if (map->data) {
        munmap((void *)map->data, map->size);
        close(map->fd);
    }
    *map = (file_map){NULL, 0, -1};
}

/* No POSIX call does this (glibc's posix_madvise does nothing here), but a new view over the old one has no pages yet. */
void file_map_drop(const file_map *map, const void *data, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), at = (size_t)((const unsigned char *)data - map->data);
    const size_t first = (at + page - 1) / page * page, end = (at + size) / page * page;
    if (first >= end) return;
    /* Where this fails the old view stays, which costs only memory. */
    (void)mmap((void *)(map->data + first), end - first, PROT_READ, MAP_PRIVATE | MAP_FIXED, map->fd, (off_t)first);
}

/* Reads to the end rather than to the size that stat tells: pipes and /proc tell 0. *data grows as needed and is the
 * caller's to free, also on failure. */
static pm_status read_all(const pm_log *log, const char *path, int fd, size_t expected, char **data, size_t *size)
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
        size_t room = capacity - used - 1;
        ssize_t n = read(fd, *data + used, room < ((size_t)1 << 30) ? room : (size_t)1 << 30);
        if (n == 0) break;
        if (n > 0)
            used += (size_t)n;
        else if (errno != EINTR)
            return cannot(log, path, "read");
    }
    (*data)[used] = 0;
    *size = used;
    return PM_OK;
}

pm_status file_read(const pm_log *log, const char *path, char **data, size_t *size)
{
    int fd;
    struct stat info;
    pm_status status = open_file(log, path, &fd, &info);
    if (status != PM_OK) return status;
    if ((uintmax_t)info.st_size > SIZE_MAX - 2) {
        close(fd);
        return log_fail(log, PM_IO, "%s: is too large for this machine's address space", path);
    }
    char *text = NULL;
    size_t length = 0;
    status = read_all(log, path, fd, (size_t)info.st_size, &text, &length);
    close(fd);
    if (status == PM_OK) status = file_check_pointer(log, path, text, length);
    if (status != PM_OK) {
        free(text);
        return status;
    }
    *data = text;
    *size = length;
    return PM_OK;
}
