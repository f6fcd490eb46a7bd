/* How much memory this process may still take. */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

#include <stdint.h>

/* Bytes left under this process's own limits: its control groups (a container's memory; versions 1 and 2), and the resource limits RLIMIT_AS and
 * RLIMIT_DATA (`ulimit -v` and `-d`). Pages of files that were read and can be dropped count as free. UINT64_MAX where nothing limits it. The
 * machine's own memory does not count. Linux; on
 * other POSIX systems only the two resource limits count, and memory in use is not subtracted; on Windows the limits of a job object count. */
uint64_t os_memory_left(void);

/* The same for control groups alone. `proc` replaces /proc/self/cgroup, and `root` replaces /sys/fs/cgroup. For tests. */
uint64_t os_cgroup_left(const char *proc, const char *root);

#endif
