/* Files in another format than their reader expects: a byte order mark to skip, and formats to name. */
#ifndef TEXT_FOREIGN_H
#define TEXT_FOREIGN_H

#include <stddef.h>

/* Bytes of the UTF-8 byte order mark that the text begins with: 3 or 0. Readers of JSON and of merges skip it. */
size_t text_mark(const char *text, size_t size);

/* The end of an error line "PATH: …" for a file in a foreign format, with what to do about it: UTF-16 and UTF-32, and what
 * file_not_text() knows. NULL for other files. */
const char *text_foreign(const char *text, size_t size);
/* pm_text_foreign() does the same for texts that may be HTML. */

#endif
