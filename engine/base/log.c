#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

/* Names out of files of strangers may hold what a terminal acts on: the control characters, U+0000 to U+001F, U+007F to U+009F. */
static void make_plain(char *line)
{
    for (unsigned char *c = (unsigned char *)line; *c; c++) {
        if (*c == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F) c[0] = c[1] = '?';
        if (*c == '\n' || *c == '\t' || *c == '\r')
            *c = ' ';
        else if (*c < 0x20 || *c == 0x7F)
            *c = '?';
    }
}

static void emit(const pm_log *log, pm_log_level level, const char *format, va_list args)
{
    if (!log || !log->fn || level > log->max_level) return;
    char line[1000];
    vsnprintf(line, sizeof line, format, args);
    make_plain(line);
    log->fn(log->user, level, line);
}

void log_line(const pm_log *log, pm_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(log, level, format, args);
    va_end(args);
}

pm_status log_fail(const pm_log *log, pm_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(log, PM_LOG_ERROR, format, args);
    va_end(args);
    return status;
}
