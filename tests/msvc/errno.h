/* What of <errno.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_ERRNO_H
#define MSVC_ERRNO_H

int *_errno(void);
#define errno (*_errno())

enum {
    EPERM = 1,
    ENOENT = 2,
    EINTR = 4,
    EIO = 5,
    EBADF = 9,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EEXIST = 17,
    EXDEV = 18,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    EMFILE = 24,
    EFBIG = 27,
    ENOSPC = 28,
    EROFS = 30,
    EPIPE = 32,
    ERANGE = 34,
    ENAMETOOLONG = 38,
    ENOSYS = 40,
    ENOTEMPTY = 41,
    EILSEQ = 42,
    ELOOP = 114,
    ENOTSUP = 129,
};

#endif
