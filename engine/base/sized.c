#include "base/sized.h"

#include <string.h>

#include <pumice/pumice.h>

#include "base/log.h"

/* Whether bytes [begin, end) are all 0. */
static int is_zero(const void *bytes, size_t begin, size_t end)
{
    const unsigned char *byte = bytes;
    while (begin < end && !byte[begin]) begin++;
    return begin >= end;
}

static void copy_sized(const void *from, size_t from_size, void *to, size_t to_size)
{
    const size_t both = from_size < to_size ? from_size : to_size;
    memcpy(to, from, both);
    memset((char *)to + both, 0, to_size - both);
}

pm_status sized_read(const pm_log *log, const char *type, const void *from, size_t from_size, void *to, size_t to_size)
{
    if (!from) {
        memset(to, 0, to_size);
        return PM_OK;
    }
    copy_sized(from, from_size, to, to_size);
    if (is_zero(from, to_size, from_size)) return PM_OK;
    return log_fail(log, PM_INVALID,
                    "%s: the program sets a field that Pumice " PM_VERSION
                    " does not have; give it the later Pumice that it was built for",
                    type);
}

pm_status sized_write(const pm_log *log, const char *type, const void *from, size_t from_size, void *to, size_t to_size)
{
    if (!is_zero(from, to_size, from_size))
        return log_fail(
            log, PM_UNSUPPORTED,
            "%s: the program has no room for a field that is set here; build it with the headers of Pumice " PM_VERSION,
            type);
    copy_sized(from, from_size, to, to_size);
    return PM_OK;
}
