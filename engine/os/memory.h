/* How much memory this process may still take. */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

#include <stdint.h>

/* Bytes left of what limits this process alone: its control groups (a container's memory; versions 1 and 2), and the resource limits RLIMIT_AS and
 * RLIMIT_DATA (`ulimit -v` and `-d`). Pages of files that were read and can be dropped count as free. UINT64_MAX where nothing limits it. The
 * machine's own memory is not looked at. Linux; elsewhere only RLIMIT_AS without what is taken already. */
uint64_t os_memory_left(void);

/* The same of control groups alone, with `proc` in the place of /proc/self/cgroup and `root` in that of /sys/fs/cgroup. For tests. */
uint64_t os_cgroup_left(const char *proc, const char *root);

#endif
