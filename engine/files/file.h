/* Files: whole reads, memory maps, and writes that appear whole or not at all. All log lines name the path. */
#ifndef FILES_FILE_H
#define FILES_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

/* A read-only view of a whole file. An empty file has size 0 and data NULL. */
typedef struct file_map {
    const unsigned char *data;
    size_t size;
    int file; /* open as long as the view; -1 where it is empty */
} file_map;

/* Fails: PM_IO with a line that names the path; PM_FORMAT (a Git LFS pointer). */
pm_status file_map_open(const pm_log *log, const char *path, file_map *out);
void file_map_close(file_map *map);
/* Gives back the memory of the whole pages among these bytes of the view. A later access reads the file again. */
void file_map_drop(const file_map *map, const void *data, size_t size);

/* Reads all of a file into malloc'd memory with a 0 byte behind it; the caller frees. Fails as file_map_open. */
pm_status file_read(const pm_log *log, const char *path, char **data, size_t *size);

/* A file being written beside its final name; it appears under that name, synced, at commit. */
typedef struct file_writer file_writer;
pm_status file_writer_open(const pm_log *log, const char *path, file_writer **out);
/* Failures stick and come out at commit, so that writes need no check of their own. */
void file_writer_put(file_writer *writer, const void *data, size_t size);
/* Sync, rename, sync the folder. On failure the old file stays and the temporary one is gone. *writer becomes NULL. */
pm_status file_writer_commit(file_writer **writer);
void file_writer_abandon(file_writer **writer);

/* Seals the file with its own checksum. The caller puts FILE_SEAL_BYTES '0's at `at`; at commit they become the XXH64 of
 * all bytes put, in hexadecimal digits. Call it before the first put. */
enum { FILE_SEAL_BYTES = 16 };
void file_writer_seal(file_writer *writer, size_t at);
/* A seal's digits. */
struct checksum;
void file_seal_text(const struct checksum *sum, char out[FILE_SEAL_BYTES + 1]);

/* open, put, commit in one. */
pm_status file_write(const pm_log *log, const char *path, const void *data, size_t size);

/* Make a folder and those above it; one that exists is fine. */
pm_status file_make_dir(const pm_log *log, const char *path);
/* Likewise the folder of this file. */
pm_status file_make_dir_of(const pm_log *log, const char *path);

/* Makes `as` a hard link to the file at `path`, in place of any file there. It keeps these bytes when `path` is replaced.
 * False where there is no such file, or its file system has no hard links; then nothing has the name `as`. */
bool file_keep(const char *path, const char *as);

/* A file's kind by its first bytes (all, or a few hundred), such as "a GGUF file". NULL: a kind that it does not know. */
const char *file_kind(const void *data, size_t size);
/* What it is and what to do about it, "is a gzip file; unpack it", where no text begins like this file. NULL: it may be a text. */
const char *file_not_text(const void *data, size_t size);
/* The same for texts that may be web pages. */
const char *file_binary(const void *data, size_t size);
/* The first bytes of a file that is not a folder; false where it cannot be read. */
bool file_peek(const char *path, void *data, size_t room, size_t *size);
/* PM_FORMAT where the file is a Git LFS pointer, a clone's stand-in for a large file. file_read and file_map_open check this. */
pm_status file_check_pointer(const pm_log *log, const char *path, const void *data, size_t size);
/* Fails where the path is not a folder: PM_IO where nothing is there, PM_FORMAT with a line that tells what is. */
pm_status file_check_folder(const pm_log *log, const char *path);

bool file_exists(const char *path);
/* For files that may be absent: false only where nothing has this name. What cannot be looked at, such as a link to nothing, counts as there, so that
 * its reader tells the reason. */
bool file_named(const char *path);
bool file_is_dir(const char *path);

/* dir + "/" + name in malloc'd memory, or NULL. */
char *file_join(const char *dir, const char *name);

/* The folder of caches in malloc'd memory: `own`, or where that is NULL pumice/ in os_cache_folder(). NULL: there is none, or `own` is empty. */
char *file_cache_dir(const char *own);

#endif
