/* Copies of text in malloc'd memory; NULL when short of it. C11 has no strdup. */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include <stddef.h>

char *copy_text(const char *text);
/* The first `size` bytes of a text that has as many, and a 0 behind them. */
char *copy_part(const char *text, size_t size);

#endif
