/* File descriptors. A program may run with standard input, output or error closed, as daemons do: then the next file that is opened gets number 0, 1
 * or 2, and what the host prints goes into it. So the library holds no descriptor below 3. POSIX. */
#ifndef OS_DESCRIPTOR_H
#define OS_DESCRIPTOR_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

/* open() and openat() with O_CLOEXEC, repeated after a signal. The descriptor is 3 or more. -1: see errno. */
int os_open(const char *path, int flags, mode_t mode);
int os_open_at(int folder, const char *path, int flags, mode_t mode);
/* opendir() likewise. NULL: see errno. */
DIR *os_open_folder(const char *path);

/* Drivers and the Vulkan loader open files, too, and drivers on threads of their own. Between these two calls each number of 0 to 2 that was closed
 * is /dev/null, so that a driver's files get other numbers. Reading and writing fail there as before. The host may open a file of its own in such a
 * place, which then stays; only not at the very moment of the last release. The calls nest and may come from any thread. */
void os_streams_hold(void);
void os_streams_release(void);

#endif
