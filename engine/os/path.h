/* The form of paths. */
#ifndef OS_PATH_H
#define OS_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* What stands between the paths of a list, as in PATH. */
#ifdef _WIN32
#define OS_LIST_SEPARATOR ";"
#else
#define OS_LIST_SEPARATOR ":"
#endif

bool os_is_separator(char c);
/* The last separator, or NULL. */
const char *os_last_separator(const char *path);
/* Bytes of the path's root, such as "/", or "C:\" on Windows; 0: it is relative. */
size_t os_path_root(const char *path);
/* The user's cache folder, malloc'd: XDG_CACHE_HOME or HOME/.cache, on macOS HOME/Library/Caches, on Windows LOCALAPPDATA. NULL where none is
 * known. */
char *os_cache_folder(void);

#endif
