/* Messages, signals, files and devices for all subcommands. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "progress.h"

/* ---- messages ---- */

static void put_line(const char *prefix, const char *format, va_list args)
{
    char text[8000], line[8192];
    const size_t before = strlen(prefix);
    vsnprintf(text, sizeof text, format, args);
    memcpy(line, prefix, before);
    app_input_names(text, line + before, sizeof line - before - 1);
    memcpy(line + strlen(line), "\n", 2);
    progress_clear();
    fputs(line, stderr); /* in one call: other programs may write there, too */
}

void app_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("pumice: ", format, args);
    va_end(args);
}

void app_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("", format, args);
    va_end(args);
}

void app_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("pumice: warning: ", format, args);
    va_end(args);
}

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    if (level == PM_LOG_ERROR)
        app_error("%s", line);
    else if (level == PM_LOG_WARN)
        app_warn("%s", line);
    else
        app_say("%s", line);
}

pm_log app_log(const app_common *common)
{
    return (pm_log){print_line, NULL, common->verbose ? PM_LOG_INFO : PM_LOG_WARN};
}

int app_exit_code(pm_status status)
{
    if (status == PM_OK) return EXIT_DONE;
    if (status == PM_DEVICE_LOST) return EXIT_LOST;
    return status == PM_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

/* ---- time ---- */

double app_seconds(void)
{
    static struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (start.tv_sec == 0 && start.tv_nsec == 0) start = now;
    return (double)(now.tv_sec - start.tv_sec) + 1e-9 * (double)(now.tv_nsec - start.tv_nsec);
}

const char *app_duration(double seconds, char text[32])
{
    if (!(seconds >= 0) || seconds > 1e9) seconds = 0;
    const long whole = lround(seconds);
    if (whole < 60) {
        snprintf(text, 32, "%ld s", whole);
    } else if (whole < 3600) {
        snprintf(text, 32, "%ld:%02ld", whole / 60, whole % 60);
    } else {
        snprintf(text, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    }
    return text;
}

/* ---- terminals ---- */

int app_columns(int descriptor)
{
    enum { UNKNOWN = 80, LEAST = 20 };
#ifdef TIOCGWINSZ
    struct winsize size;
    if (isatty(descriptor) && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col < LEAST ? LEAST : size.ws_col;
#else
    (void)descriptor;
#endif
    return UNKNOWN;
}

void app_print_wrapped(const char *text, int column, int indent, int most)
{
    bool first = true;
    while (*text) {
        const int word = (int)strcspn(text, " ");
        if (!first && column + 1 + word > most) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            putchar(' ');
            column++;
        }
        printf("%.*s", word, text);
        column += word;
        text += word;
        while (*text == ' ') text++;
        first = false;
    }
    putchar('\n');
}

/* ---- files ---- */

char *app_join(const char *dir, const char *name)
{
    const size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (!path) {
        app_error("%s/%s: out of host memory", dir, name);
        return NULL;
    }
    snprintf(path, size, "%s/%s", dir, name);
    return path;
}

bool app_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* fopen() of a file that no other program inherits. */
static FILE *open_file(const char *path, int flags, const char *mode)
{
    const int fd = open(path, flags | O_CLOEXEC, 0666);
    FILE *file = fd >= 0 ? fdopen(fd, mode) : NULL;
    if (fd >= 0 && !file) close(fd);
    return file;
}

char *app_read(const char *path, size_t *size)
{
    char *data = NULL;
    size_t used = 0, room = 0;
    FILE *file = open_file(path, O_RDONLY, "rb");
    if (!file) return NULL;
    for (;;) {
        if (room - used < 2) {
            room = room ? 2 * room : 65536;
            char *grown = realloc(data, room);
            if (!grown) break;
            data = grown;
        }
        const size_t got = fread(data + used, 1, room - used - 1, file);
        used += got;
        if (got == 0) {
            if (ferror(file)) break;
            fclose(file);
            data[used] = 0;
            *size = used;
            return data;
        }
    }
    free(data);
    fclose(file);
    return NULL;
}

/* A rename is on the disk once its folder is synced. Some file systems cannot sync a folder (EINVAL): nothing more can be done there. */
static bool sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    const int fd = dir ? open(dir, O_RDONLY | O_CLOEXEC) : -1;
    free(dir);
    if (fd < 0) return errno == EACCES; /* a folder that may be written but not read */
    const bool good = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
    close(fd);
    return good;
}

bool app_replace(const char *path, const void *data, size_t size)
{
    const size_t room = strlen(path) + 8;
    char *temporary = malloc(room);
    if (!temporary) {
        app_error("%s: out of host memory", path);
        return false;
    }
    snprintf(temporary, room, "%s.tmp", path);
    FILE *file = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, "wb");
    bool good = file && fwrite(data, 1, size, file) == size && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    if (file && fclose(file) != 0 && good) {
        good = false;
        reason = errno;
    }
    if (good && rename(temporary, path) != 0) {
        good = false;
        reason = errno;
    }
    if (!good) {
        app_error("%s: cannot be written: %s", path, strerror(reason));
        unlink(temporary);
    } else if (!sync_folder_of(path)) {
        app_error("%s: written, but its folder could not be synced: %s", path, strerror(errno));
        good = false;
    }
    free(temporary);
    return good;
}

/* ---- devices ---- */

bool app_adapters(const pm_log *log, pm_caps **list, size_t *count)
{
    size_t room = 16;
    for (;;) {
        pm_caps *caps = malloc(room * sizeof *caps);
        if (!caps) {
            app_error("out of host memory for a list of %zu devices", room);
            return false;
        }
        if (pm_adapters_list(log, caps, room, count) != PM_OK) {
            free(caps);
            return false;
        }
        if (*count <= room) {
            *list = caps;
            return true;
        }
        room = *count;
        free(caps);
    }
}

bool app_lower_caps(pm_caps *caps)
{
    const pm_log log = {print_line, NULL, PM_LOG_WARN};
    return pm_caps_lower(&log, caps, "PUMICE_DISABLE", getenv("PUMICE_DISABLE")) == PM_OK;
}
