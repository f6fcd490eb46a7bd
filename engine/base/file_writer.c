/* Writing goes to a temporary file beside the target, which is synced and then renamed over it. A reader sees the old
 * bytes or the new ones, even after a crash. */
#define _XOPEN_SOURCE 700 /* POSIX.1-2008 with realpath */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/file_temporary.h"
#include "os/descriptor.h"
#include "os/locale.h"

enum { BUFFER_BYTES = 1 << 16 };

struct file_writer {
    pm_log log;
    char *path;      /* as the caller named it */
    char *target;    /* path with links followed */
    char *temporary; /* beside target */
    int fd;
    int error;   /* errno of the first failed write; 0: none */
    bool sealed; /* `sum` is of all bytes so far, and goes to `seal_at` */
    size_t seal_at;
    checksum sum;
    size_t used;
    unsigned char buffer[BUFFER_BYTES];
};

static void writer_free(file_writer *w)
{
    if (!w) return;
    free(w->path);
    free(w->target);
    free(w->temporary);
    free(w);
}

pm_status file_writer_open(const pm_log *log, const char *path, file_writer **out)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode)) {
        return log_fail(log, PM_IO, "%s: is a folder; a file is to be written here", path);
    }
    if (exists && !S_ISREG(info.st_mode)) { /* a rename would replace the device or pipe */
        return log_fail(log, PM_IO, "%s: is not a regular file and cannot be replaced", path);
    }
    pm_status status = PM_OK;
    file_writer *w = calloc(1, sizeof *w);
    if (!w) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    w->target = exists ? realpath(path, NULL) : NULL;
    if (!w->target) w->target = strdup(path);
    w->path = strdup(path);
    size_t room = w->target ? strlen(w->target) + FILE_TEMPORARY_ROOM : 0;
    w->temporary = room ? malloc(room) : NULL;
    if (!w->path || !w->temporary) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    w->fd = file_temporary_open(w->target, w->temporary, room);
    if (w->fd < 0) {
        const pm_status why = errno == ENOMEM ? PM_NO_HOST_MEMORY : PM_IO; /* the temporary file's name takes memory */
        status = log_fail(log, why, "%s: cannot write: %s", path, os_error(errno).text);
        goto fail;
    }
    /* A file that is replaced keeps its permission bits; a file system without them is no reason to fail. */
    if (exists) (void)fchmod(w->fd, info.st_mode & 0777);
    if (log) w->log = *log;
    *out = w;
    return PM_OK;

fail:
    writer_free(w);
    return status;
}

static void write_out(file_writer *w, const unsigned char *data, size_t size)
{
    while (size && !w->error) {
        ssize_t n = write(w->fd, data, size < ((size_t)1 << 30) ? size : (size_t)1 << 30);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (n == 0) {
            w->error = ENOSPC;
        } else if (errno != EINTR) {
            w->error = errno;
        }
    }
}

void file_writer_seal(file_writer *w, size_t at)
{
    w->sealed = true;
    w->seal_at = at;
    checksum_begin(&w->sum);
}

void file_writer_put(file_writer *w, const void *data, size_t size)
{
    if (!size || w->error) return;
    if (w->sealed) checksum_put(&w->sum, data, size);
    if (size > BUFFER_BYTES - w->used) {
        write_out(w, w->buffer, w->used);
        w->used = 0;
        if (size >= BUFFER_BYTES) {
            write_out(w, data, size);
            return;
        }
    }
    memcpy(w->buffer + w->used, data, size);
    w->used += size;
}

static void write_seal(file_writer *w)
{
    char text[FILE_SEAL_BYTES + 1];
    file_seal_text(&w->sum, text);
    for (size_t done = 0; done < FILE_SEAL_BYTES && !w->error;) {
        const ssize_t n = pwrite(w->fd, text + done, FILE_SEAL_BYTES - done, (off_t)(w->seal_at + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            w->error = n == 0 ? ENOSPC : errno;
    }
}

/* The rename is durable only once its folder is. Some file systems cannot sync a folder (EINVAL): nothing more can be
 * done there. Cuts `path` to the folder. */
static int sync_folder_of(char *path)
{
    char *slash = strrchr(path, '/');
    const char *dir = slash ? path : ".";
    if (slash) slash[slash == path] = 0;
    int error = 0, fd = os_open(dir, O_RDONLY, 0);
    if (fd < 0) return errno == EACCES ? 0 : errno; /* a folder that may be written but not read */
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) error = errno;
    close(fd);
    return error;
}

pm_status file_writer_commit(file_writer **writer)
{
    file_writer *w = *writer;
    *writer = NULL;
    write_out(w, w->buffer, w->used);
    if (w->sealed && !w->error) write_seal(w);
    if (!w->error && fsync(w->fd) != 0 && errno != EINVAL) w->error = errno;
    /* Rename before closing: another writer would take the closed file for a leftover. */
    if (!w->error && rename(w->temporary, w->target) != 0) w->error = errno;
    if (close(w->fd) != 0 && !w->error) w->error = errno;
    pm_status status = PM_OK;
    if (w->error) {
        (void)unlink(w->temporary);
        status = log_fail(&w->log, PM_IO, "%s: cannot write: %s", w->path, os_error(w->error).text);
    } else if ((w->error = sync_folder_of(w->target)) != 0) {
        status = log_fail(&w->log, PM_IO, "%s: written, but its folder could not be synced: %s", w->path,
                          os_error(w->error).text);
    }
    writer_free(w);
    return status;
}

void file_writer_abandon(file_writer **writer)
{
    file_writer *w = *writer;
    if (!w) return;
    *writer = NULL;
    (void)unlink(w->temporary);
    close(w->fd);
    writer_free(w);
}

pm_status file_write(const pm_log *log, const char *path, const void *data, size_t size)
{
    file_writer *w;
    pm_status status = file_writer_open(log, path, &w);
    if (status != PM_OK) return status;
    file_writer_put(w, data, size);
    return file_writer_commit(&w);
}
