/* Files that are not what their reader expects: a byte order mark to skip, and other formats to name. */
#ifndef TEXT_FOREIGN_H
#define TEXT_FOREIGN_H

#include <stddef.h>

/* Bytes of the UTF-8 byte order mark that the text begins with: 3 or 0. Readers of JSON and of merges skip it. */
size_t text_mark(const char *text, size_t size);

/* What a file is that can be no UTF-8 text of its kind, and what to do about it, as the end of an error line "PATH: …"; NULL for others:
 * UTF-16 and UTF-32, a Git LFS pointer, an HTML page, a gzip or zip archive. */
const char *text_foreign(const char *text, size_t size);
/* The part of it for texts to train on, which may well be HTML: UTF-16 and UTF-32, a Git LFS pointer. */
const char *text_foreign_text(const char *text, size_t size);

#endif
