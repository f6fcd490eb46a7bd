/* Text in columns of a terminal. */
#ifndef APPS_COLUMNS_H
#define APPS_COLUMNS_H

/* Columns that a UTF-8 text takes: two for a wide character, none for a combining one. */
int columns_width(const char *text);
/* Prints a text, and blanks up to `width` columns: behind it, or before it where `right`. */
void columns_print(const char *text, int width, int right);

#endif
