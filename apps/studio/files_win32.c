#include "files.h"

#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include <shellapi.h>

/* ---- UTF-8 and back ---- */

/* malloc'd; NULL: not UTF-8, or no memory. */
static wchar_t *wide(const char *text)
{
    const int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *out = count > 0 ? malloc((size_t)count * sizeof *out) : NULL;
    if (out) MultiByteToWideChar(CP_UTF8, 0, text, -1, out, count);
    return out;
}

static char *narrow(const wchar_t *text)
{
    const int count = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *out = count > 0 ? malloc((size_t)count) : NULL;
    if (out) WideCharToMultiByte(CP_UTF8, 0, text, -1, out, count, NULL, NULL);
    return out;
}

/* ---- files ---- */

static FILE *open_file(const char *path, const wchar_t *mode)
{
    wchar_t *name = wide(path);
    FILE *file = name ? _wfopen(name, mode) : NULL;
    free(name);
    return file;
}

char *files_read(const char *path, size_t *size)
{
    FILE *file = open_file(path, L"rb");
    char *text = NULL;
    if (!file) return NULL;
    const bool sized = fseek(file, 0, SEEK_END) == 0;
    const long length = sized ? ftell(file) : -1;
    if (length >= 0 && fseek(file, 0, SEEK_SET) == 0) text = malloc((size_t)length + 1);
    if (text) {
        *size = fread(text, 1, (size_t)length, file);
        text[*size] = 0;
    }
    fclose(file);
    return text;
}

static bool write_to(const char *path, const wchar_t *mode, const void *data, size_t size, bool sync)
{
    FILE *file = open_file(path, mode);
    if (!file) return false;
    bool good = fwrite(data, 1, size, file) == size;
    good = fflush(file) == 0 && (!sync || _commit(_fileno(file)) == 0) && good;
    return fclose(file) == 0 && good;
}

bool files_write(const char *path, const void *data, size_t size)
{
    char *other = malloc(strlen(path) + 5);
    if (!other) return false;
    strcat(strcpy(other, path), ".tmp");
    wchar_t *from = wide(other), *to = wide(path);
    const bool good = from && to && write_to(other, L"wb", data, size, true) &&
                      MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
    if (!good && from) (void)DeleteFileW(from);
    free(from);
    free(to);
    free(other);
    return good;
}

bool files_remove(const char *path)
{
    wchar_t *name = wide(path);
    const bool good = name && DeleteFileW(name);
    free(name);
    return good;
}

static DWORD attributes(const char *path)
{
    wchar_t *name = wide(path);
    const DWORD found = name ? GetFileAttributesW(name) : INVALID_FILE_ATTRIBUTES;
    free(name);
    return found;
}

bool files_exist(const char *path)
{
    return attributes(path) != INVALID_FILE_ATTRIBUTES;
}

/* ---- folders ---- */

bool files_is_folder(const char *path)
{
    const DWORD found = attributes(path);
    return found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_DIRECTORY);
}

bool files_make_folder(const char *path)
{
    wchar_t *name = wide(path);
    if (!name || !*name) {
        free(name);
        return false;
    }
    for (wchar_t *c = name + 1; *c; c++) {
        if (*c != L'/' && *c != L'\\') continue;
        const wchar_t kept = *c;
        *c = 0;
        (void)CreateDirectoryW(name, NULL);
        *c = kept;
    }
    (void)CreateDirectoryW(name, NULL);
    free(name);
    return files_is_folder(path);
}

bool files_list_make(const char *dir, files_list *out)
{
    WIN32_FIND_DATAW entry;
    *out = (files_list){0};
    char *pattern = files_join(dir, "*");
    wchar_t *name = pattern ? wide(pattern) : NULL;
    free(pattern);
    HANDLE search = name ? FindFirstFileW(name, &entry) : INVALID_HANDLE_VALUE;
    free(name);
    if (search == INVALID_HANDLE_VALUE) return false;
    bool good = true;
    do {
        if (entry.cFileName[0] == L'.' || (entry.dwFileAttributes & FILE_ATTRIBUTE_HIDDEN)) continue;
        char *text = narrow(entry.cFileName);
        good = text && files_list_add(out, text, entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
        free(text);
    } while (good && FindNextFileW(search, &entry));
    FindClose(search);
    files_list_sort(out);
    return true;
}

/* With / between, as the rest of the studio has it. */
static char *slashes(char *path)
{
    for (char *c = path; c && *c; c++)
        if (*c == '\\') *c = '/';
    return path;
}

char *files_config_folder(void)
{
    const wchar_t *folder = _wgetenv(L"APPDATA");
    char *base = folder && *folder ? slashes(narrow(folder)) : NULL, *out = base ? files_join(base, "pumice") : NULL;
    free(base);
    return out;
}

char *files_here(void)
{
    wchar_t *folder = _wgetcwd(NULL, 0);
    char *out = folder ? slashes(narrow(folder)) : NULL;
    free(folder);
    return out;
}

char *files_variable(const char *name)
{
    wchar_t *key = wide(name);
    const wchar_t *value = key ? _wgetenv(key) : NULL;
    free(key);
    return value ? narrow(value) : NULL;
}

void files_arguments(int *argc, char ***argv)
{
    int count = 0;
    wchar_t **texts = CommandLineToArgvW(GetCommandLineW(), &count);
    char **out = texts ? calloc((size_t)count + 1, sizeof *out) : NULL;
    bool good = out != NULL;
    for (int i = 0; good && i < count; i++) good = (out[i] = narrow(texts[i])) != NULL;
    LocalFree(texts);
    if (!good) return;
    *argc = count;
    *argv = out;
}
