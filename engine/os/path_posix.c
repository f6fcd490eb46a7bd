#define _POSIX_C_SOURCE 200809L
#include "os/path.h"

#include <stdlib.h>
#include <string.h>

bool os_is_separator(char c)
{
    return c == '/';
}

const char *os_last_separator(const char *path)
{
    return strrchr(path, '/');
}

size_t os_path_root(const char *path)
{
    return path[0] == '/';
}

static char *join(const char *a, const char *b)
{
    const size_t size = strlen(a) + strlen(b) + 1;
    char *joined = malloc(size);
    if (!joined) return NULL;
    memcpy(joined, a, strlen(a));
    memcpy(joined + strlen(a), b, strlen(b) + 1);
    return joined;
}

char *os_cache_folder(void)
{
    const char *home = getenv("HOME");
#ifdef __APPLE__
    return home && *home ? join(home, "/Library/Caches") : NULL;
#else
    const char *xdg = getenv("XDG_CACHE_HOME");
    if (xdg && *xdg == '/') return join(xdg, ""); /* the XDG specification ignores relative paths */
    return home && *home ? join(home, "/.cache") : NULL;
#endif
}
