/* Paths and folders. Maps and whole reads are in file_map.c, writing in file_writer.c. */
#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/locale.h"

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_named(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool file_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool file_keep(const char *path, const char *as)
{
    (void)unlink(as);
    return linkat(AT_FDCWD, path, AT_FDCWD, as, AT_SYMLINK_FOLLOW) == 0;
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

char *file_cache_dir(void)
{
    const char *own = getenv("PUMICE_CACHE_DIR");
    if (own) return *own ? strdup(own) : NULL;
    const char *xdg = getenv("XDG_CACHE_HOME");
    if (xdg && *xdg == '/') return file_join(xdg, "pumice"); /* the XDG specification ignores relative paths */
    const char *home = getenv("HOME");
    return home && *home ? file_join(home, ".cache/pumice") : NULL;
}

/* EEXIST alone does not tell a folder from a file; EROFS and EACCES may come first for a folder that exists. */
static bool make_one(const char *path)
{
    if (mkdir(path, 0777) == 0) return true;
    int reason = errno;
    if (file_is_dir(path)) return true;
    errno = reason == EEXIST ? ENOTDIR : reason;
    return false;
}

pm_status file_make_dir(const pm_log *log, const char *path)
{
    if (!*path) return log_fail(log, PM_IO, "the name of a folder to make is empty; give a path");
    char *part = strdup(path);
    if (!part) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    pm_status status = PM_OK;
    for (char *p = part + 1; status == PM_OK; p++) {
        char separator = *p;
        if (separator != '/' && separator != 0) continue;
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
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return PM_OK;
    char *dir = strndup(path, (size_t)(slash - path));
    if (!dir) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    pm_status status = file_make_dir(log, dir);
    free(dir);
    return status;
}
