/* Paths and folders. Maps and whole reads are in file_map.c, writing in file_writer.c. */
#include "files/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "os/file.h"
#include "os/locale.h"
#include "os/path.h"

bool file_exists(const char *path)
{
    os_info info;
    return os_stat(path, &info);
}

bool file_named(const char *path)
{
    os_info info;
    return os_stat_link(path, &info) || (errno != ENOENT && errno != ENOTDIR);
}

bool file_is_dir(const char *path)
{
    os_info info;
    return os_stat(path, &info) && info.kind == OS_FOLDER;
}

bool file_keep(const char *path, const char *as)
{
    (void)os_remove(as);
    return os_link(path, as);
}

char *file_join(const char *dir, const char *name)
{
    size_t a = strlen(dir), b = strlen(name);
    char *joined = malloc(a + b + 2);
    if (!joined) return NULL;
    memcpy(joined, dir, a);
    joined[a] = '/';
    memcpy(joined + a + 1, name, b + 1);
    return joined;
}

char *file_cache_dir(const char *own)
{
    if (own) return *own ? copy_text(own) : NULL;
    char *folder = os_cache_folder(), *dir = folder ? file_join(folder, "pumice") : NULL;
    free(folder);
    return dir;
}

/* EEXIST alone does not tell a folder from a file; EROFS and EACCES may come first for a folder that exists. */
static bool make_one(const char *path)
{
    if (os_make_folder(path)) return true;
    int reason = errno;
    if (file_is_dir(path)) return true;
    errno = reason == EEXIST ? ENOTDIR : reason;
    return false;
}

pm_status file_make_dir(const pm_log *log, const char *path)
{
    if (!*path) return log_fail(log, PM_IO, "the name of a folder to make is empty; give a path");
    char *part = copy_text(path);
    if (!part) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    pm_status status = PM_OK;
    const size_t root = os_path_root(path);
    for (char *p = part + (root ? root : 1); status == PM_OK; p++) {
        char separator = *p;
        if (separator != 0 && !os_is_separator(separator)) continue;
        *p = 0;
        if (!make_one(part)) {
            if (separator)
                status =
                    log_fail(log, PM_IO, "%s: cannot make this folder, at %s: %s", path, part, os_error(errno).text);
            else
                status = log_fail(log, PM_IO, "%s: cannot make this folder: %s", path, os_error(errno).text);
        }
        if (!separator) break;
        *p = separator;
    }
    free(part);
    return status;
}

pm_status file_make_dir_of(const pm_log *log, const char *path)
{
    const char *slash = os_last_separator(path);
    if (!slash || slash < path + os_path_root(path)) return PM_OK;
    char *dir = copy_part(path, (size_t)(slash - path));
    if (!dir) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    pm_status status = file_make_dir(log, dir);
    free(dir);
    return status;
}
