#include "os/path.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "os/wide.h"

bool os_is_separator(char c)
{
    return c == '/' || c == '\\';
}

const char *os_last_separator(const char *path)
{
    const char *found = NULL;
    for (const char *c = path; *c; c++)
        if (os_is_separator(*c) || (*c == ':' && c == path + 1)) found = c;
    return found;
}

/* "C:\", "C:", "\\server\share\", "\" */
size_t os_path_root(const char *path)
{
    const bool letter = (path[0] >= 'A' && path[0] <= 'Z') || (path[0] >= 'a' && path[0] <= 'z');
    if (letter && path[1] == ':') return 2 + os_is_separator(path[2]);
    if (!os_is_separator(path[0]) || !os_is_separator(path[1])) return os_is_separator(path[0]);
    size_t at = 2;
    for (int part = 0; part < 2 && path[at]; part++) {
        while (path[at] && !os_is_separator(path[at])) at++;
        at += path[at] != 0;
    }
    return at;
}

char *os_cache_folder(void)
{
    const wchar_t *local = _wgetenv(L"LOCALAPPDATA");
    return local && *local ? os_utf8(local) : NULL;
}
