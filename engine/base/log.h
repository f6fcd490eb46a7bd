/* printf-like lines to the user's log callback. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

#include <pumice/status.h>

/* Does nothing where log is NULL, silent, or of a lower level. Lines longer than 1,000 bytes are cut, ends of lines
 * become blanks and other control characters '?'. */
void log_line(const pm_log *log, pm_log_level level, const char *format, ...) PM_PRINTF(3, 4);

/* Logs an error line and yields the status: `return log_fail(log, PM_IO, "%s: …", path);`. It is a macro, so that static analysis sees that
 * the status is not PM_OK. */
#define log_fail(log, status, ...) log_status((log_line(log, PM_LOG_ERROR, __VA_ARGS__), (status)))
static inline pm_status log_status(pm_status status)
{
    return status;
}

/* What a program's own function answered in place of PM_OK, as a status that the library may return. */
static inline pm_status log_answer(pm_status answer)
{
    return answer > PM_OK && answer <= PM_INTERNAL && answer != PM_NO_FILE ? answer : PM_IO;
}

/* Bytes of the control character that a text begins with: U+0001 to U+001F, U+007F to U+009F. 0 where it begins with none. */
size_t log_control(const char *text);

#endif
