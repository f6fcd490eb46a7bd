#include "os/wide.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

enum { SHORT_PATH = 240 /* of MAX_PATH's 260, with room for a temporary file's name within a folder */ };

static wchar_t *widen(const char *text)
{
    const int size = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = size > 0 ? malloc((size_t)size * sizeof *wide) : NULL;
    if (size <= 0) errno = EILSEQ;
    if (wide && MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, size) <= 0) {
        free(wide);
        errno = EILSEQ;
        return NULL;
    }
    return wide;
}

/* The absolute path with \\?\ before it, or \\?\UNC\ for \\server\share. */
static wchar_t *lengthen(wchar_t *wide)
{
    const DWORD room = GetFullPathNameW(wide, 0, NULL, NULL);
    wchar_t *full = room ? malloc((room + 8) * sizeof *full) : NULL;
    if (!full) return wide;
    wchar_t *at = full + 8;
    if (GetFullPathNameW(wide, room, at, NULL) == 0) {
        free(full);
        return wide;
    }
    const bool share = at[0] == L'\\' && at[1] == L'\\';
    const wchar_t *prefix = share ? L"\\\\?\\UNC" : L"\\\\?\\";
    const size_t skip = share ? 1 : 0, length = wcslen(at + skip);
    memmove(full + wcslen(prefix), at + skip, (length + 1) * sizeof *full);
    memcpy(full, prefix, wcslen(prefix) * sizeof *full);
    free(wide);
    return full;
}

wchar_t *os_wide_path(const char *path)
{
    if (!*path) {
        errno = ENOENT;
        return NULL;
    }
    wchar_t *wide = widen(path);
    if (!wide) return NULL;
    wchar_t *to = wide;
    for (const wchar_t *c = wide; *c; c++) { /* behind \\?\ Windows takes neither / nor two separators for one */
        const wchar_t letter = *c == L'/' ? L'\\' : *c;
        if (letter != L'\\' || to < wide + 2 || to[-1] != L'\\') *to++ = letter;
    }
    *to = 0;
    const bool ready = wcsncmp(wide, L"\\\\?\\", 4) == 0 || wcsncmp(wide, L"\\\\.\\", 4) == 0;
    return ready || GetFullPathNameW(wide, 0, NULL, NULL) < SHORT_PATH ? wide : lengthen(wide);
}

char *os_utf8(const wchar_t *text)
{
    const int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *out = size > 0 ? malloc((size_t)size) : NULL;
    if (out && WideCharToMultiByte(CP_UTF8, 0, text, -1, out, size, NULL, NULL) <= 0) {
        free(out);
        return NULL;
    }
    return out;
}

void os_take_error(void)
{
    static const struct {
        DWORD code;
        int error;
    } known[] = {
        {ERROR_FILE_NOT_FOUND, ENOENT},    {ERROR_PATH_NOT_FOUND, ENOENT},
        {ERROR_INVALID_NAME, ENOENT},      {ERROR_BAD_NETPATH, ENOENT},
        {ERROR_BAD_PATHNAME, ENOENT},      {ERROR_INVALID_DRIVE, ENOENT},
        {ERROR_ACCESS_DENIED, EACCES},     {ERROR_SHARING_VIOLATION, EACCES},
        {ERROR_LOCK_VIOLATION, EACCES},    {ERROR_WRITE_PROTECT, EROFS},
        {ERROR_FILE_EXISTS, EEXIST},       {ERROR_ALREADY_EXISTS, EEXIST},
        {ERROR_DIRECTORY, ENOTDIR},        {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},
        {ERROR_DISK_FULL, ENOSPC},         {ERROR_HANDLE_DISK_FULL, ENOSPC},
        {ERROR_NOT_ENOUGH_MEMORY, ENOMEM}, {ERROR_OUTOFMEMORY, ENOMEM},
        {ERROR_COMMITMENT_LIMIT, ENOMEM},  {ERROR_TOO_MANY_OPEN_FILES, EMFILE},
        {ERROR_INVALID_HANDLE, EBADF},     {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
        {ERROR_NOT_SAME_DEVICE, EXDEV},    {ERROR_NOT_SUPPORTED, ENOTSUP},
        {ERROR_INVALID_FUNCTION, ENOTSUP}, {ERROR_INVALID_PARAMETER, EINVAL},
    };
    const DWORD code = GetLastError();
    errno = EIO;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code) errno = known[i].error;
}
