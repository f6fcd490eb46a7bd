#define _GNU_SOURCE 1      /* F_OFD_SETLK */
#define _XOPEN_SOURCE 700  /* POSIX.1-2008 with realpath */
#define _DARWIN_C_SOURCE 1 /* O_NOFOLLOW, F_FULLFSYNC */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/path.h"

enum { STREAMS = 3, MOST = 1 << 30 /* bytes in one call */ };

/* ---- what is there ---- */

static bool describe(int result, const struct stat *info, os_info *out)
{
    if (result != 0) return false;
    *out = (os_info){.kind = S_ISREG(info->st_mode)   ? OS_FILE
                             : S_ISDIR(info->st_mode) ? OS_FOLDER
                             : S_ISLNK(info->st_mode) ? OS_LINK
                                                      : OS_OTHER,
                     .size = (uint64_t)info->st_size,
                     .device = (uint64_t)info->st_dev,
                     .number = (uint64_t)info->st_ino,
                     .links = (uint32_t)info->st_nlink,
                     .permissions = (uint32_t)info->st_mode & 0777};
    return true;
}

bool os_stat(const char *path, os_info *out)
{
    struct stat info;
    return describe(stat(path, &info), &info, out);
}

bool os_stat_link(const char *path, os_info *out)
{
    struct stat info;
    return describe(lstat(path, &info), &info, out);
}

bool os_stat_file(int file, os_info *out)
{
    struct stat info;
    return describe(fstat(file, &info), &info, out);
}

/* ---- reading and writing ---- */

/* Moves the descriptor above those of the standard streams. */
static int lifted(int fd)
{
    if (fd < 0 || fd >= STREAMS) return fd;
    const int high = fcntl(fd, F_DUPFD_CLOEXEC, STREAMS), error = errno;
    close(fd);
    errno = error;
    return high;
}

static int open_with(const char *path, int flags)
{
    int fd;
    do fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return lifted(fd);
}

int os_open(const char *path, os_mode mode)
{
    static const int flags[] = {
        [OS_READ] = O_RDONLY,
        [OS_WRITE] = O_WRONLY | O_CREAT | O_TRUNC,
        [OS_NEW] = O_WRONLY | O_CREAT | O_EXCL,
        [OS_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
        [OS_CHANGE] = O_RDWR | O_NOFOLLOW | O_NONBLOCK,
    };
    return open_with(path, flags[mode]);
}

int64_t os_read(int file, void *data, size_t room)
{
    ssize_t n;
    do n = read(file, data, room < MOST ? room : MOST);
    while (n < 0 && errno == EINTR);
    return n;
}

/* `at`: NULL for the file's own position. */
static size_t write_all(int file, const char *data, size_t size, const uint64_t *at)
{
    size_t done = 0;
    while (done < size) {
        const size_t part = size - done < MOST ? size - done : MOST;
        const ssize_t n = at ? pwrite(file, data + done, part, (off_t)(*at + done)) : write(file, data + done, part);
        if (n == 0) errno = ENOSPC;
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    return done;
}

size_t os_write(int file, const void *data, size_t size)
{
    return write_all(file, data, size, NULL);
}

size_t os_write_at(int file, const void *data, size_t size, uint64_t at)
{
    return write_all(file, data, size, &at);
}

bool os_sync(int file)
{
#ifdef F_FULLFSYNC /* macOS: fsync alone leaves the bytes in the disk's own cache */
    if (fcntl(file, F_FULLFSYNC) == 0) return true;
#endif
    return fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP;
}

bool os_close(int file)
{
    return close(file) == 0;
}

/* Record locks work on network file systems, too, and end with their process. Where there are such that belong to the open file, they also keep other
 * descriptors of this process out. */
os_lock os_try_lock(int file)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
#ifdef F_OFD_SETLK
    if (fcntl(file, F_OFD_SETLK, &whole) == 0) return OS_LOCKED;
    if (errno != EINVAL) return errno == EACCES || errno == EAGAIN ? OS_LOCK_TAKEN : OS_LOCK_UNKNOWN;
#endif
    if (fcntl(file, F_SETLK, &whole) == 0) return OS_LOCKED;
    return errno == EACCES || errno == EAGAIN ? OS_LOCK_TAKEN : OS_LOCK_UNKNOWN;
}

void os_permit(int file, uint32_t permissions)
{
    (void)fchmod(file, (mode_t)permissions);
}

/* ---- views ---- */

void *os_map(int file, size_t size)
{
    void *view = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    return view == MAP_FAILED ? NULL : view;
}

void os_unmap(void *view, size_t size)
{
    munmap(view, size);
}

/* No POSIX call does this (glibc's posix_madvise does nothing here), but a new view over the old one has no pages yet. */
void os_map_drop(void *view, int file, size_t at, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = (at + page - 1) / page * page, end = (at + size) / page * page;
    if (first >= end) return;
    /* Where this fails the old view stays, which costs only memory. */
    (void)mmap((char *)view + first, end - first, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, (off_t)first);
}

/* ---- names ---- */

bool os_rename(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

bool os_remove(const char *path)
{
    return unlink(path) == 0;
}

bool os_link(const char *path, const char *as)
{
    return linkat(AT_FDCWD, path, AT_FDCWD, as, AT_SYMLINK_FOLLOW) == 0;
}

bool os_sync_folder_of(const char *path)
{
    const char *slash = os_last_separator(path);
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder) return false;
    const int fd = open_with(folder, O_RDONLY);
    const bool good = fd < 0 ? errno == EACCES : fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
    const int error = errno;
    if (fd >= 0) close(fd);
    free(folder);
    errno = error;
    return good;
}

char *os_real_path(const char *path)
{
    return realpath(path, NULL);
}

/* ---- folders ---- */

struct os_folder {
    DIR *list;
};

bool os_make_folder(const char *path)
{
    return mkdir(path, 0777) == 0;
}

os_folder *os_folder_open(const char *path)
{
    os_folder *folder = malloc(sizeof *folder);
    const int fd = folder ? open_with(path, O_RDONLY | O_DIRECTORY) : -1;
    if (folder) folder->list = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder && folder->list) return folder;
    const int error = errno;
    if (fd >= 0) close(fd);
    free(folder);
    errno = error;
    return NULL;
}

const char *os_folder_next(os_folder *folder)
{
    errno = 0;
    const struct dirent *entry = readdir(folder->list);
    return entry ? entry->d_name : NULL;
}

void os_folder_close(os_folder *folder)
{
    closedir(folder->list);
    free(folder);
}
