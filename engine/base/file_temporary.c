/* Temporary files are named TARGET.tmp-PID-MARK-NUMBER and locked by their writer. An unlocked one was left by a killed program, and is
 * removed. */
#define _XOPEN_SOURCE 700
#include "base/file_temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/descriptor.h"

enum { NAME_TRIES = 100 };

/* Tells this process from an earlier one with the same PID: containers give the same few again and again. */
static unsigned own_mark(void)
{
    static atomic_uint mark;
    unsigned before = atomic_load(&mark);
    if (before) return before;
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    const unsigned made = ((unsigned)now.tv_nsec ^ (unsigned)now.tv_sec << 12) | 1;
    return atomic_compare_exchange_strong(&mark, &before, made) ? made : before;
}

typedef enum lock { LOCK_OURS, LOCK_ANOTHERS, LOCK_UNKNOWN /* this file system has no locks */ } lock;

/* Record locks work on network file systems, too, and end with their process. */
static lock try_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &whole) == 0) return LOCK_OURS;
    return errno == EACCES || errno == EAGAIN ? LOCK_ANOTHERS : LOCK_UNKNOWN;
}

static void remove_if_left(int folder, const char *name)
{
    struct stat info;
    const int fd = os_open_at(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) return;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && try_lock(fd) == LOCK_OURS) (void)unlinkat(folder, name, 0);
    close(fd);
}

/* All of the target's temporary files begin with `prefix`, those of this process with `own`. These are skipped: a process does not see its own
 * locks, and closing a file drops them. */
static void remove_left(const char *prefix, const char *own)
{
    const char *slash = strrchr(prefix, '/');
    const size_t cut = slash ? (size_t)(slash - prefix) + 1 : 0;
    char *path = cut ? strndup(prefix, cut) : strdup(".");
    DIR *folder = path ? os_open_folder(path) : NULL;
    free(path);
    if (!folder) return;
    const char *any = prefix + cut, *ours = own + cut;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strncmp(entry->d_name, any, strlen(any)) == 0 && strncmp(entry->d_name, ours, strlen(ours)) != 0)
            remove_if_left(dirfd(folder), entry->d_name);
    closedir(folder);
}

/* Makes the file and locks it. EEXIST: try another name. Before the lock, another writer may take the file for a leftover. */
static int open_locked(const char *name)
{
    struct stat info;
    const int fd = os_open(name, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) return -1;
    const bool taken = try_lock(fd) == LOCK_ANOTHERS || (fstat(fd, &info) == 0 && info.st_nlink == 0);
    if (!taken) return fd;
    close(fd);
    errno = EEXIST;
    return -1;
}

int file_temporary_open(const char *target, char *name, size_t room)
{
    static atomic_uint numbers;
    char prefix[FILE_TEMPORARY_ROOM];
    snprintf(prefix, sizeof prefix, ".tmp-%ld-%08x-", (long)getpid(), own_mark());
    char *any = malloc(room);
    if (!any) {
        errno = ENOMEM;
        return -1;
    }
    snprintf(any, room, "%s.tmp-", target);
    snprintf(name, room, "%s%s", target, prefix);
    remove_left(any, name);
    free(any);
    int fd = -1;
    for (int i = 0; i < NAME_TRIES && fd < 0; i++) {
        snprintf(name, room, "%s%s%u", target, prefix, atomic_fetch_add(&numbers, 1));
        fd = open_locked(name);
        if (fd < 0 && errno != EEXIST && errno != EINTR) break;
    }
    return fd;
}
