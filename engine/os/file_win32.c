/* Files are descriptors of the C runtime over Windows's handles. Each is opened so that it can be renamed and deleted while it is open, as POSIX allows. */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "os/path.h"
#include "os/wide.h"

enum { MOST = 1 << 30 /* bytes in one call */ };

static HANDLE handle_of(int file)
{
    return (HANDLE)_get_osfhandle(file);
}

/* Turns a result of Windows into ours. */
static bool done(BOOL result)
{
    if (!result) os_take_error();
    return result != 0;
}

/* ---- what is there ---- */

/* `link`: it was opened without following links. */
static bool describe(HANDLE handle, bool link, os_info *out)
{
    BY_HANDLE_FILE_INFORMATION info;
    const DWORD type = GetFileType(handle);
    *out = (os_info){.kind = OS_OTHER};
    if (type == FILE_TYPE_CHAR || type == FILE_TYPE_PIPE) return true;
    if (!done(GetFileInformationByHandle(handle, &info))) return false;
    out->kind = link && (info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) ? OS_LINK
                : info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY             ? OS_FOLDER
                                                                               : OS_FILE;
    out->size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    out->device = info.dwVolumeSerialNumber;
    out->number = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    out->links = info.nNumberOfLinks;
    return true;
}

/* As POSIX does, ENOTDIR where a part of the path is a file. It cuts the path. */
static void take_path_error(wchar_t *path)
{
    const DWORD code = GetLastError();
    bool file = false;
    for (wchar_t *cut; code == ERROR_PATH_NOT_FOUND && !file && (cut = wcsrchr(path, L'\\')) != NULL;) {
        *cut = 0;
        const DWORD attributes = GetFileAttributesW(path);
        file = attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY);
    }
    SetLastError(code);
    os_take_error();
    if (file) errno = ENOTDIR;
}

static bool stat_path(const char *path, DWORD more, os_info *out)
{
    wchar_t *wide = os_wide_path(path);
    if (!wide) return false;
    const HANDLE handle =
        CreateFileW(wide, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                    OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | more, NULL);
    if (handle == INVALID_HANDLE_VALUE) take_path_error(wide);
    free(wide);
    if (handle == INVALID_HANDLE_VALUE) return false;
    const bool good = describe(handle, more != 0, out);
    CloseHandle(handle);
    return good;
}

bool os_stat(const char *path, os_info *out)
{
    return stat_path(path, 0, out);
}

bool os_stat_link(const char *path, os_info *out)
{
    return stat_path(path, FILE_FLAG_OPEN_REPARSE_POINT, out);
}

bool os_stat_file(int file, os_info *out)
{
    return describe(handle_of(file), false, out);
}

/* ---- reading and writing ---- */

int os_open(const char *path, os_mode mode)
{
    static const struct {
        DWORD access, creation, flags;
        int c;
    } how[] = {
        [OS_READ] = {GENERIC_READ, OPEN_EXISTING, 0, _O_RDONLY},
        [OS_WRITE] = {GENERIC_WRITE | DELETE, CREATE_ALWAYS, 0, 0},
        [OS_NEW] = {GENERIC_WRITE | DELETE, CREATE_NEW, 0, 0},
        [OS_APPEND] = {FILE_APPEND_DATA | FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE, OPEN_ALWAYS, 0,
                       _O_APPEND},
        [OS_CHANGE] = {GENERIC_READ | GENERIC_WRITE | DELETE, OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, 0},
    };
    wchar_t *wide = os_wide_path(path);
    if (!wide) return -1;
    const HANDLE handle = CreateFileW(wide, how[mode].access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                      NULL, how[mode].creation, FILE_ATTRIBUTE_NORMAL | how[mode].flags, NULL);
    free(wide);
    if (!done(handle != INVALID_HANDLE_VALUE)) return -1;
    const int file = _open_osfhandle((intptr_t)handle, how[mode].c | _O_BINARY | _O_NOINHERIT);
    if (file < 0) CloseHandle(handle);
    return file;
}

int64_t os_read(int file, void *data, size_t room)
{
    DWORD n = 0;
    if (ReadFile(handle_of(file), data, (DWORD)(room < MOST ? room : MOST), &n, NULL)) return n;
    if (GetLastError() == ERROR_BROKEN_PIPE || GetLastError() == ERROR_HANDLE_EOF) return 0;
    os_take_error();
    return -1;
}

/* `at`: NULL for the file's own position. */
static size_t write_all(int file, const char *data, size_t size, const uint64_t *at)
{
    size_t put = 0;
    while (put < size) {
        const size_t part = size - put < MOST ? size - put : MOST;
        OVERLAPPED place = {0};
        DWORD n = 0;
        if (at) {
            place.Offset = (DWORD)(*at + put);
            place.OffsetHigh = (DWORD)((*at + put) >> 32);
        }
        if (!done(WriteFile(handle_of(file), data + put, (DWORD)part, &n, at ? &place : NULL))) break;
        if (n == 0) {
            errno = ENOSPC;
            break;
        }
        put += n;
    }
    return put;
}

size_t os_write(int file, const void *data, size_t size)
{
    return write_all(file, data, size, NULL);
}

size_t os_write_at(int file, const void *data, size_t size, uint64_t at)
{
    return write_all(file, data, size, &at);
}

bool os_sync(int file)
{
    return GetFileType(handle_of(file)) != FILE_TYPE_DISK || done(FlushFileBuffers(handle_of(file)));
}

bool os_close(int file)
{
    return _close(file) == 0;
}

/* Windows's locks keep others from reading, too. So one byte is locked, behind all that a file can have. */
os_lock os_try_lock(int file)
{
    OVERLAPPED place = {.Offset = 0xFFFFFFFE, .OffsetHigh = 0x7FFFFFFF};
    if (LockFileEx(handle_of(file), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place))
        return OS_LOCKED;
    return GetLastError() == ERROR_LOCK_VIOLATION || GetLastError() == ERROR_IO_PENDING ? OS_LOCK_TAKEN
                                                                                        : OS_LOCK_UNKNOWN;
}

void os_permit(int file, uint32_t permissions)
{
    (void)file;
    (void)permissions;
}

/* ---- views ---- */

void *os_map(int file, size_t size)
{
    (void)size;
    const HANDLE section = CreateFileMappingW(handle_of(file), NULL, PAGE_READONLY, 0, 0, NULL);
    if (!done(section != NULL)) return NULL;
    void *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, size);
    (void)done(view != NULL);
    CloseHandle(section); /* the view keeps it */
    return view;
}

void os_unmap(void *view, size_t size)
{
    (void)size;
    UnmapViewOfFile(view);
}

/* Unlocking pages that are not locked takes them out of the working set. */
void os_map_drop(void *view, int file, size_t at, size_t size)
{
    SYSTEM_INFO system;
    (void)file;
    GetSystemInfo(&system);
    const size_t page = system.dwPageSize, first = (at + page - 1) / page * page, end = (at + size) / page * page;
    if (first < end) (void)VirtualUnlock((char *)view + first, end - first);
}

/* ---- names ---- */

/* As POSIX does it, also over a file that somebody has open: Windows 10 of 2018 and later. */
static bool rename_open(const wchar_t *from, const wchar_t *to)
{
    enum { RENAME_INFO_EX = 22, REPLACE = 1, POSIX_SEMANTICS = 2 };
    struct {
        DWORD flags;
        HANDLE root;
        DWORD length;
        wchar_t name[1];
    } * info;
    const size_t bytes = wcslen(to) * sizeof *to;
    const HANDLE handle =
        CreateFileW(from, DELETE | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                    OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (handle == INVALID_HANDLE_VALUE) return false;
    const size_t size = sizeof *info + bytes;
    info = calloc(1, size);
    bool good = false;
    if (info) {
        info->flags = REPLACE | POSIX_SEMANTICS;
        info->length = (DWORD)bytes;
        memcpy(info->name, to, bytes);
        good = SetFileInformationByHandle(handle, (FILE_INFO_BY_HANDLE_CLASS)RENAME_INFO_EX, info, (DWORD)size) != 0;
    }
    free(info);
    CloseHandle(handle);
    return good;
}

bool os_rename(const char *from, const char *to)
{
    wchar_t *a = os_wide_path(from), *b = a ? os_wide_path(to) : NULL, *full = NULL;
    bool good = false;
    if (b) {
        const DWORD room = GetFullPathNameW(b, 0, NULL, NULL);
        full = room ? malloc(room * sizeof *full) : NULL;
        good = full && GetFullPathNameW(b, room, full, NULL) && rename_open(a, full);
        if (!good) good = done(MoveFileExW(a, b, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH));
    }
    free(full);
    free(a);
    free(b);
    return good;
}

bool os_remove(const char *path)
{
    wchar_t *wide = os_wide_path(path);
    const bool good = wide && done(DeleteFileW(wide));
    free(wide);
    return good;
}

bool os_link(const char *path, const char *as)
{
    wchar_t *a = os_wide_path(path), *b = a ? os_wide_path(as) : NULL;
    const bool good = b && done(CreateHardLinkW(b, a, NULL));
    free(a);
    free(b);
    return good;
}

bool os_sync_folder_of(const char *path)
{
    (void)
        path; /* NTFS keeps its own journal of names, and syncs no folder for a program without administrator's rights */
    return true;
}

char *os_real_path(const char *path)
{
    wchar_t *wide = os_wide_path(path), *full = NULL;
    char *out = NULL;
    const HANDLE handle =
        wide ? CreateFileW(wide, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                           OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL)
             : INVALID_HANDLE_VALUE;
    free(wide);
    if (!wide || !done(handle != INVALID_HANDLE_VALUE)) return NULL;
    const DWORD room = GetFinalPathNameByHandleW(handle, NULL, 0, FILE_NAME_NORMALIZED);
    if (room) full = malloc((room + 1) * sizeof *full);
    if (full && GetFinalPathNameByHandleW(handle, full, room + 1, FILE_NAME_NORMALIZED)) out = os_utf8(full);
    free(full);
    CloseHandle(handle);
    return out;
}

/* ---- folders ---- */

bool os_make_folder(const char *path)
{
    wchar_t *wide = os_wide_path(path);
    const bool good = wide && CreateDirectoryW(wide, NULL);
    if (wide && !good) take_path_error(wide);
    free(wide);
    return good;
}

struct os_folder {
    HANDLE list;
    bool begun;
    WIN32_FIND_DATAW entry;
    char *name;
};

os_folder *os_folder_open(const char *path)
{
    os_folder *folder = calloc(1, sizeof *folder);
    const size_t size = strlen(path);
    char *pattern = folder ? malloc(size + 3) : NULL;
    wchar_t *wide = NULL;
    if (pattern) {
        memcpy(pattern, path, size);
        memcpy(pattern + size, "/*", 3);
        wide = os_wide_path(pattern);
    }
    if (folder) folder->list = wide ? FindFirstFileW(wide, &folder->entry) : INVALID_HANDLE_VALUE;
    const bool good = wide && done(folder->list != INVALID_HANDLE_VALUE);
    free(wide);
    free(pattern);
    if (good) return folder;
    free(folder);
    return NULL;
}

const char *os_folder_next(os_folder *folder)
{
    if (folder->begun && !FindNextFileW(folder->list, &folder->entry)) {
        os_take_error();
        if (GetLastError() == ERROR_NO_MORE_FILES) errno = 0;
        return NULL;
    }
    folder->begun = true;
    free(folder->name);
    folder->name = os_utf8(folder->entry.cFileName);
    if (!folder->name) errno = ENOMEM;
    return folder->name;
}

void os_folder_close(os_folder *folder)
{
    FindClose(folder->list);
    free(folder->name);
    free(folder);
}
