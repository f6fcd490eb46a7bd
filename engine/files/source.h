/* Files by name: of a folder, or of what a program gives in place of one (pumice/source.h). All readers of models and tokenizers open their files here. */
#ifndef FILES_SOURCE_H
#define FILES_SOURCE_H

#include <pumice/source.h>

#include "files/file.h"

typedef struct file_source {
    const char *dir; /* a folder; NULL: what the program gave */
    pm_source given; /* with a name for lines */
    bool headers;    /* of weights only these are read: seals are not checked, which would read everything */
} file_source;

/* The caller's struct (base/sized.h). Fails: PM_INVALID where it has nothing to read from, or a file without a name or bytes. */
pm_status file_source_given(const pm_log *log, const pm_source *given, size_t given_size, file_source *out);
/* What lines call all of it: the folder, or the source's name. */
const char *file_source_name(const file_source *from);
/* Fails where it is a folder that is not there (file_check_folder). */
pm_status file_source_check(const pm_log *log, const file_source *from);

/* One of its files, open or not. */
typedef struct file_ref {
    const file_source *from; /* NULL: path is that of a file on the disk */
    const char *name;
    char *path; /* what lines call it: "DIR/config.json", "memory: config.json" */
} file_ref;

/* Makes the path; `from` and `name` are borrowed. Fails: PM_NO_HOST_MEMORY. */
pm_status file_ref_make(const pm_log *log, const file_source *from, const char *name, file_ref *out);
void file_ref_free(file_ref *ref);
/* Whether such a file is there, for the words of an error line. */
bool file_ref_named(const file_ref *ref);
/* The same of a name. */
bool file_source_has(const file_source *from, const char *name);

/* All of the file in malloc'd memory with a 0 byte behind it, the caller's. *found: whether it is there; only then the rest is written. NULL: it must be.
 * Fails as file_read, or with the program's own status. */
pm_status file_ref_read(const pm_log *log, const file_ref *ref, bool *found, char **data, size_t *size);

/* An open file: all of it in memory, or to be read in pieces. It needs no file_source to be there. */
typedef struct file_view {
    const unsigned char *data; /* NULL: in pieces, or it is empty */
    uint64_t size;
    file_map map;    /* of a file on the disk */
    pm_source given; /* of the program's functions, which have `file` open */
    void *file;
    bool open;
} file_view;

/* `found` as in file_ref_read. Fails as file_map_open. */
pm_status file_view_open(const pm_log *log, const file_ref *ref, bool *found, file_view *out);
void file_view_close(file_view *view);
/* Bytes [at, at + size), which lie within: where they are in memory, else read into `room`, which is only used then. The line of a failure names `path`. */
pm_status file_view_piece(const pm_log *log, const char *path, const file_view *view, uint64_t at, size_t size,
                          void *room, const unsigned char **out);
/* Whether pieces need room. */
bool file_view_needs_room(const file_view *view);
/* The memory of bytes that file_view_piece gave may be had back. A later access reads the file again. */
void file_view_drop(const file_view *view, const void *data, size_t size);

/* Whether a file's seal (file_writer_seal) fits its contents. Reads all of the file. */
pm_status file_seal_check(const pm_log *log, const char *path, const file_view *view, size_t at, bool *fits);

#endif
