/* Files and folders of the operating system. Paths are UTF-8. A function that fails leaves the reason in errno, for os_error. A file is a descriptor,
 * 3 or more (streams.h says why), and no other program inherits it. Calls are repeated after a signal. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what is there ---- */

typedef enum os_kind { OS_FILE, OS_FOLDER, OS_LINK, OS_OTHER /* a device, a pipe */ } os_kind;

typedef struct os_info {
    os_kind kind;
    uint64_t size;           /* bytes of a file */
    uint64_t device, number; /* the same two for all names of one file */
    uint32_t links;          /* names that the file has */
    uint32_t permissions;    /* POSIX's bits; 0 where the system has none */
} os_info;

bool os_stat(const char *path, os_info *out);      /* follows links */
bool os_stat_link(const char *path, os_info *out); /* of a link itself */
bool os_stat_file(int file, os_info *out);

/* ---- reading and writing ---- */

typedef enum os_mode {
    OS_READ,
    OS_WRITE,  /* the file is made, or emptied */
    OS_NEW,    /* writing; EEXIST where it is there */
    OS_APPEND, /* the file may be made; each write goes to the end */
    OS_CHANGE, /* reading and writing of what is there. Follows no link and waits for no pipe */
} os_mode;

int os_open(const char *path, os_mode mode);        /* -1 on failure */
int64_t os_read(int file, void *data, size_t room); /* bytes, 0 at the end, -1 on failure */
/* Bytes written: fewer than `size` on failure. */
size_t os_write(int file, const void *data, size_t size);
size_t os_write_at(int file, const void *data, size_t size, uint64_t at);
/* The bytes are on the disk, or the file is none that could be (a pipe). */
bool os_sync(int file);
bool os_close(int file);

typedef enum os_lock { OS_LOCKED, OS_LOCK_TAKEN, OS_LOCK_UNKNOWN /* this file system has no locks */ } os_lock;
/* Locks the whole file, without waiting, until it is closed: against other descriptors, also this process's. On systems without such locks
 * against other processes alone, until this one closes any of its descriptors of the file. */
os_lock os_try_lock(int file);
/* Gives the file these permission bits, where the file system has them. */
void os_permit(int file, uint32_t permissions);

/* ---- views ---- */

/* A read-only view of a file's first `size` > 0 bytes, or NULL. The file must stay open. */
void *os_map(int file, size_t size);
void os_unmap(void *view, size_t size);
/* Gives back the memory of the whole pages in [at, at + size). A later access reads the file again. */
void os_map_drop(void *view, int file, size_t at, size_t size);

/* ---- names ---- */

bool os_rename(const char *from, const char *to); /* in place of a file there */
bool os_remove(const char *path);                 /* a file or a link */
bool os_link(const char *path, const char *as);   /* a second name for the file; fails where the file system has none */
/* Makes renames and new names in the folder of `path` last. True where the folder may not be read, or its file system cannot do it. */
bool os_sync_folder_of(const char *path);
char *os_real_path(const char *path); /* links followed, malloc'd; NULL on failure */

/* ---- folders ---- */

bool os_make_folder(const char *path);
typedef struct os_folder os_folder;
os_folder *os_folder_open(const char *path);   /* NULL on failure */
const char *os_folder_next(os_folder *folder); /* NULL at the end, with errno 0, or on failure. Until the next call */
void os_folder_close(os_folder *folder);

#endif
