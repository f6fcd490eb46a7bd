/* Files in another format than their reader expects: a byte order mark to skip. pm_text_foreign() names formats. */
#ifndef FILES_FOREIGN_H
#define FILES_FOREIGN_H

#include <stddef.h>

/* Bytes of the UTF-8 byte order mark that the text begins with: 3 or 0. Readers of JSON and of merges skip it. */
size_t text_mark(const char *text, size_t size);

#endif
