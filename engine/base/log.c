#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static void emit(const pm_log *log, pm_log_level level, const char *format, va_list args)
{
    if (!log || !log->fn || level > log->max_level) return;
    char line[1000];
    vsnprintf(line, sizeof line, format, args);
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
