/* Messages, signals, files and devices for all subcommands. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "os/atomic.h"
#include "os/clock.h"
#include "os/file.h"
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

/* Whether this warning was said a moment ago: some calls read the same file, each with its warnings. One that comes again later, as of a disk that is
 * full once more, is said again. */
static bool said_just_now(const char *line)
{
    enum { KEPT = 16, SECONDS = 60 };
    static struct {
        os_atomic hash, second;
    } kept[KEPT];
    static os_atomic count;
    const uint32_t second = (uint32_t)os_seconds();
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = line; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (int i = 0; i < KEPT; i++)
        if (os_atomic_load(&kept[i].hash) == hash && second - os_atomic_load(&kept[i].second) < SECONDS) return true;
    const uint32_t at = os_atomic_add(&count, 1) % KEPT;
    os_atomic_store(&kept[at].second, second);
    os_atomic_store(&kept[at].hash, hash);
    return false;
}

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    if (level == PM_LOG_ERROR)
        app_error("%s", line);
    else if (level == PM_LOG_WARN && !said_just_now(line))
        app_warn("%s", line);
    else if (level != PM_LOG_WARN)
        app_say("%s", line);
}

static void print_option_line(void *option, pm_log_level level, const char *line)
{
    if (level == PM_LOG_ERROR) app_error("%s: %s", (const char *)option, line);
}

pm_log app_log_of(const char *option)
{
    return (pm_log){print_option_line, (void *)option, PM_LOG_ERROR};
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
    static double start;
    const double now = os_seconds();
    if (start == 0) start = now;
    return now - start;
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
    os_info info;
    return os_stat(path, &info);
}

char *app_read(const char *path, size_t *size)
{
    char *data = NULL;
    size_t used = 0, room = 0;
    const int file = os_open(path, OS_READ);
    for (int64_t got = file < 0 ? -1 : 1; got > 0;) {
        if (room - used < 2) {
            room = room ? 2 * room : 65536;
            char *grown = realloc(data, room);
            if (!grown) break;
            data = grown;
        }
        got = os_read(file, data + used, room - used - 1);
        if (got > 0) used += (size_t)got;
        if (got != 0) continue;
        os_close(file);
        data[used] = 0;
        *size = used;
        return data;
    }
    const int reason = errno;
    free(data);
    if (file >= 0) os_close(file);
    errno = reason;
    return NULL;
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
    const int file = os_open(temporary, OS_WRITE);
    bool good = file >= 0 && os_write(file, data, size) == size && os_sync(file);
    int reason = errno;
    if (file >= 0 && !os_close(file) && good) {
        good = false;
        reason = errno;
    }
    if (good && !os_rename(temporary, path)) {
        good = false;
        reason = errno;
    }
    if (!good) {
        app_error("%s: cannot be written: %s", path, strerror(reason));
        (void)os_remove(temporary);
    } else if (!os_sync_folder_of(path)) {
        app_error("%s: written, but its folder could not be synced: %s", path, strerror(errno));
        good = false;
    }
    free(temporary);
    return good;
}
