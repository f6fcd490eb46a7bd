/* Windows: text of its wide calls, and its errors. */
#ifndef OS_WIDE_H
#define OS_WIDE_H

#include <stddef.h>
#include <wchar.h>

/* A path for Windows's wide calls, malloc'd: from UTF-8, with \ between, and absolute with \\?\ before it where it is too long otherwise. NULL:
 * errno says why (EILSEQ: it is not UTF-8; ENOENT: it is empty). */
wchar_t *os_wide_path(const char *path);
/* UTF-8 in malloc'd memory, or NULL. */
char *os_utf8(const wchar_t *text);
/* Sets errno by GetLastError(). */
void os_take_error(void);

#endif
