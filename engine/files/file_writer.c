/* Writing goes to a temporary file beside the target, which is synced and then renamed over it. A reader sees the old
 * bytes or the new ones, even after a crash. */
#include "files/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/copy.h"
#include "files/file_temporary.h"
#include "os/file.h"
#include "os/locale.h"

enum { BUFFER_BYTES = 1 << 16 };

struct file_writer {
    pm_log log;
    char *path;      /* as the caller named it */
    char *target;    /* path with links followed */
    char *temporary; /* beside target */
    int file;
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
    os_info info;
    const bool exists = os_stat(path, &info);
    if (exists && info.kind == OS_FOLDER) {
        return log_fail(log, PM_IO, "%s: is a folder; a file is to be written here", path);
    }
    if (exists && info.kind != OS_FILE) { /* a rename would replace the device or pipe */
        return log_fail(log, PM_IO, "%s: is not a regular file and cannot be replaced", path);
    }
    pm_status status = PM_OK;
    file_writer *w = calloc(1, sizeof *w);
    if (!w) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    w->target = exists ? os_real_path(path) : NULL;
    if (!w->target) w->target = copy_text(path);
    w->path = copy_text(path);
    size_t room = w->target ? strlen(w->target) + FILE_TEMPORARY_ROOM : 0;
    w->temporary = room ? malloc(room) : NULL;
    if (!w->path || !w->temporary) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    w->file = file_temporary_open(w->target, w->temporary, room);
    if (w->file < 0) {
        const pm_status why = errno == ENOMEM ? PM_NO_HOST_MEMORY : PM_IO; /* the temporary file's name takes memory */
        status = log_fail(log, why, "%s: cannot write: %s", path, os_error(errno).text);
        goto fail;
    }
    if (exists) os_permit(w->file, info.permissions); /* a file that is replaced keeps them */
    if (log) w->log = *log;
    *out = w;
    return PM_OK;

fail:
    writer_free(w);
    return status;
}

static void write_out(file_writer *w, const unsigned char *data, size_t size)
{
    if (!w->error && os_write(w->file, data, size) < size) w->error = errno;
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
    if (os_write_at(w->file, text, FILE_SEAL_BYTES, w->seal_at) < FILE_SEAL_BYTES) w->error = errno;
}

pm_status file_writer_commit(file_writer **writer)
{
    file_writer *w = *writer;
    *writer = NULL;
    write_out(w, w->buffer, w->used);
    if (w->sealed && !w->error) write_seal(w);
    if (!w->error && !os_sync(w->file)) w->error = errno;
    /* Rename before closing: another writer would take the closed file for a leftover. */
    if (!w->error && !os_rename(w->temporary, w->target)) w->error = errno;
    if (!os_close(w->file) && !w->error) w->error = errno;
    pm_status status = PM_OK;
    if (w->error) {
        (void)os_remove(w->temporary);
        status = log_fail(&w->log, PM_IO, "%s: cannot write: %s", w->path, os_error(w->error).text);
    } else if (!os_sync_folder_of(w->target)) {
        status = log_fail(&w->log, PM_IO, "%s: written, but its folder could not be synced: %s", w->path,
                          os_error(errno).text);
    }
    writer_free(w);
    return status;
}

void file_writer_abandon(file_writer **writer)
{
    file_writer *w = *writer;
    if (!w) return;
    *writer = NULL;
    (void)os_remove(w->temporary);
    os_close(w->file);
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
