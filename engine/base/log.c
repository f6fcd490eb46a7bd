#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/number.h"

size_t log_control(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    if (*c == 0xC2) return c[1] >= 0x80 && c[1] <= 0x9F ? 2 : 0;
    return (*c && *c < 0x20) || *c == 0x7F;
}

/* Names from untrusted files may hold control sequences for a terminal. */
static void make_plain(char *line)
{
    for (; *line; line++) {
        const bool blank = *line == '\n' || *line == '\t' || *line == '\r';
        memset(line, blank ? ' ' : '?', log_control(line));
    }
}

void log_line(const pm_log *log, pm_log_level level, const char *format, ...)
{
    if (!log || !log->fn || level > log->max_level) return;
    char line[1000];
    va_list args;
    va_start(args, format);
    number_vprint(line, sizeof line, format, args);
    va_end(args);
    make_plain(line);
    log->fn(log->user, level, line);
}
