#define _POSIX_C_SOURCE 200809L
#include "os/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/atomic.h"

enum { STREAMS = 3 };

static os_atomic lock;
static unsigned holders;
static bool ours[STREAMS];

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

/* /dev/null the wrong way round: reading and writing fail as on a closed stream, so what the host prints does not get lost unnoticed. And no host
 * has such a stream, so ours can be told from its own. */
static const int wrong_way[STREAMS] = {O_WRONLY, O_RDONLY, O_RDONLY};

/* The host may have opened a file of its own in our place, even /dev/null. */
static bool is_ours(int fd)
{
    struct stat here, null;
    return ours[fd] && (fcntl(fd, F_GETFL) & O_ACCMODE) == wrong_way[fd] && (fcntl(fd, F_GETFD) & FD_CLOEXEC) &&
           fstat(fd, &here) == 0 && stat("/dev/null", &null) == 0 && S_ISCHR(here.st_mode) &&
           here.st_rdev == null.st_rdev;
}

void os_streams_hold(void)
{
    const int error = errno;
    os_lock_take(&lock);
    holders++;
    for (int fd = 0; fd < STREAMS; fd++) {
        if (is_open(fd)) continue;
        const int null = open("/dev/null", wrong_way[fd] | O_CLOEXEC);
        if (null == fd)
            ours[fd] = true;
        else if (null >= 0) /* another thread was quicker */
            close(null);
    }
    os_lock_give(&lock);
    errno = error;
}

void os_streams_release(void)
{
    const int error = errno;
    os_lock_take(&lock);
    holders--;
    for (int fd = 0; fd < STREAMS && holders == 0; fd++) {
        if (is_ours(fd)) close(fd);
        ours[fd] = false;
    }
    os_lock_give(&lock);
    errno = error;
}
