#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *files_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t used = 0, room = 0;
    while (file) {
        if (used + 1 >= room) {
            room = room ? 2 * room : 4096;
            char *grown = realloc(text, room);
            if (!grown) break;
            text = grown;
        }
        const size_t got = fread(text + used, 1, room - used - 1, file);
        used += got;
        text[used] = 0;
        if (got == 0) {
            const bool good = !ferror(file);
            fclose(file);
            if (good) {
                *size = used;
                return text;
            }
            file = NULL;
        }
    }
    if (file) fclose(file);
    free(text);
    return NULL;
}

static bool write_to(const char *path, const char *mode, const void *data, size_t size, bool sync)
{
    FILE *file = fopen(path, mode);
    if (!file) return false;
    bool good = fwrite(data, 1, size, file) == size;
    good = fflush(file) == 0 && (!sync || fsync(fileno(file)) == 0) && good;
    return fclose(file) == 0 && good;
}

bool files_write(const char *path, const void *data, size_t size)
{
    char *other = malloc(strlen(path) + 5);
    if (!other) return false;
    strcat(strcpy(other, path), ".tmp");
    const bool good = write_to(other, "wb", data, size, true) && rename(other, path) == 0;
    if (!good) (void)remove(other);
    free(other);
    return good;
}

bool files_remove(const char *path)
{
    return remove(path) == 0;
}

bool files_exist(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool files_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool files_make_folder(const char *path)
{
    char *copy = malloc(strlen(path) + 1);
    if (!copy || !*path) {
        free(copy);
        return false;
    }
    strcpy(copy, path);
    for (char *c = copy + 1; *c; c++) {
        if (*c != '/') continue;
        *c = 0;
        (void)mkdir(copy, 0777);
        *c = '/';
    }
    (void)mkdir(copy, 0777);
    free(copy);
    return files_is_folder(path);
}

bool files_list_make(const char *dir, files_list *out)
{
    *out = (files_list){0};
    DIR *folder = opendir(dir);
    if (!folder) return false;
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char *path = files_join(dir, entry->d_name);
        good = path && files_list_add(out, entry->d_name, files_is_folder(path));
        free(path);
    }
    closedir(folder);
    files_list_sort(out);
    return true;
}

char *files_config_folder(void)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && config[0] == '/') return files_join(config, "pumice");
    if (!home || home[0] != '/') return NULL;
#ifdef __APPLE__
    return files_join(home, "Library/Application Support/pumice");
#else
    return files_join(home, ".config/pumice");
#endif
}

char *files_here(void)
{
    char *path = malloc(4096);
    if (path && getcwd(path, 4096)) return path;
    free(path);
    return NULL;
}

char *files_variable(const char *name)
{
    const char *value = getenv(name);
    return value ? files_join("", value) : NULL;
}

void files_arguments(int *argc, char ***argv)
{
    (void)argc, (void)argv;
}
