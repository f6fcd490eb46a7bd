/* printf-like lines to the user's log callback. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

#include <pumice/status.h>

/* Does nothing where log is NULL, silent, or of a lower level. Lines longer than 1,000 bytes are cut, ends of lines
 * become blanks and other control characters '?'. */
void log_line(const pm_log *log, pm_log_level level, const char *format, ...) PM_PRINTF(3, 4);

/* Logs an error line and returns the status: `return log_fail(log, PM_IO, "%s: …", path);`. */
pm_status log_fail(const pm_log *log, pm_status status, const char *format, ...) PM_PRINTF(3, 4);

/* Bytes of the control character that a text begins with: U+0001 to U+001F, U+007F to U+009F. 0 where it begins with none. */
size_t log_control(const char *text);

#endif
