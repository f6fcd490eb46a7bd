/* Files that need no folder: in the program's memory, or read through its functions from an archive, resources or what is encrypted. */
#ifndef PUMICE_SOURCE_H
#define PUMICE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include <pumice/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file in memory. The struct stays as it is. */
typedef struct pm_memory_file {
    const char *name; /* "config.json" */
    const void *data; /* borrowed; may be NULL where size is 0 */
    size_t size;      /* bytes */
} pm_memory_file;

/* Where files come from: those in memory count before those of the functions; it needs some of either. Names are a folder's, such as
 * "model.safetensors", without a path. One model.gguf stands in place of all others.
 * Ownership: all of it is the caller's, and is used only within the call that is given it.
 * Threads: the functions are called on the thread of that call, while Pumice holds no lock, and must not use the device of that call. Several files may be
 * open at once.
 * Errors: where a function fails, so does the call, with the same status and one line that names the file. What was made before stays as it was. */
typedef struct pm_source {
    const char *name; /* what log lines begin with, "NAME: config.json: …"; NULL: "memory", with functions "source" */
    const pm_memory_file *files; /* [file_count] */
    size_t file_count;
    /* Opens a file, and tells its size in bytes. PM_NO_FILE: there is none of that name, which is no failure where Pumice can do without. */
    pm_status (*open)(void *user, const char *name, void **file, uint64_t *size);
    /* Copies bytes [at, at + size), all of them or fails. They are within the size that `open` told. Tensors are read in pieces of at most 8 MiB, so that no
     * weights' file is in memory whole; most bytes are read twice where the file has a checksum. NULL: `view` has every file. */
    pm_status (*read)(void *user, void *file, uint64_t at, void *to, size_t size);
    /* All of an open file, in memory until it is closed: nothing is copied, and `read` is not called for it. NULL, here or as its answer: there is no such
     * memory. */
    const void *(*view)(void *user, void *file);
    void (*close)(void *user, void *file); /* each file that was opened; NULL: there is nothing to do */
    void *user;                            /* the functions' first argument */
} pm_source;

#ifdef __cplusplus
}
#endif
#endif
