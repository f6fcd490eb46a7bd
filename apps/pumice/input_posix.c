/* Input files that are pipes. They are copied to a file without a name, which can be read again, mapped and asked for its size. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"

enum { INPUTS = 8, PIECE = 1 << 16 };

typedef struct input {
    char path[24];    /* "/dev/fd/NUMBER" */
    const char *name; /* as the user gave it */
} input;

static input inputs[INPUTS];
static int input_count;

/* -1: errno says why. */
static int open_unnamed(const char *folder)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/pumice-XXXXXX", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int fd = mkstemp(path);
    if (fd < 0) return -1;
    unlink(path);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static bool write_all(int to, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(to, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* False after an error line. */
static bool copy(const char *option, const char *name, int from, int to, const char *folder)
{
    static char piece[PIECE];
    for (;;) {
        const ssize_t n = read(from, piece, sizeof piece);
        if (n == 0) return true;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            app_error("%s %s: cannot read: %s", option, name, strerror(errno));
            return false;
        }
        if (!write_all(to, piece, (size_t)n)) {
            app_error("%s %s: cannot be copied to %s: %s; TMPDIR can name another folder", option, name, folder,
                      strerror(errno));
            return false;
        }
    }
}

bool app_input(const char *option, const char **path)
{
    struct stat info;
    /* A missing file, or a folder, is reported where it is opened. */
    if (!*path || stat(*path, &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || input_count == INPUTS)
        return true;
    const char *folder = getenv("TMPDIR"), *name = *path;
    if (!folder || !*folder) folder = "/tmp";
    const int from = open(name, O_RDONLY | O_CLOEXEC); /* waits for a pipe's writer; a signal ends the program here */
    if (from < 0) {
        app_error("%s %s: cannot open: %s", option, name, strerror(errno));
        return false;
    }
    const int to = open_unnamed(folder);
    bool good = to >= 0;
    if (!good)
        app_error("%s %s: is no regular file, and %s takes no copy of it: %s; TMPDIR can name another folder", option,
                  name, folder, strerror(errno));
    good = good && copy(option, name, from, to, folder);
    close(from);
    if (!good) {
        if (to >= 0) close(to);
        return false;
    }
    input *made = &inputs[input_count++];
    snprintf(made->path, sizeof made->path, "/dev/fd/%d", to);
    made->name = name;
    *path = made->path;
    return true;
}

bool app_input_is_copy(const char *path)
{
    for (int i = 0; i < input_count; i++)
        if (strcmp(path, inputs[i].path) == 0) return true;
    return false;
}

/* The input whose path a text begins with. */
static const input *input_at(const char *text)
{
    for (int i = 0; i < input_count; i++) {
        const size_t size = strlen(inputs[i].path);
        if (strncmp(text, inputs[i].path, size) == 0 && !strchr("0123456789", text[size])) return &inputs[i];
        if (strcmp(text, inputs[i].path) == 0) return &inputs[i];
    }
    return NULL;
}

void app_input_names(const char *text, char *out, size_t size)
{
    size_t used = 0;
    for (const char *c = text; *c && used + 1 < size;) {
        const input *found = *c == '/' ? input_at(c) : NULL;
        const int n =
            snprintf(out + used, size - used, "%.*s", found ? (int)strlen(found->name) : 1, found ? found->name : c);
        used += (size_t)n < size - used ? (size_t)n : size - used - 1;
        c += found ? strlen(found->path) : 1;
    }
    out[used] = 0;
}
