/* Numbers as text, and letters, whatever the host's locale. In the engine, fractions are printed and read only here and, within JSON, by
 * files/json.c; tests/check_layers.sh checks that. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdarg.h>
#include <stddef.h>

#include <pumice/status.h>

/* snprintf and vsnprintf with a point before the decimals. */
int number_print(char *text, size_t size, const char *format, ...) PM_PRINTF(3, 4);
int number_vprint(char *text, size_t size, const char *format, va_list args) PM_PRINTF(3, 0);

/* The fewest digits, 6 to 9, from which number_read_float() reads the same value. */
int number_print_float(char *text, size_t size, float value);

/* strtod and strtof, with a point. */
double number_read(const char *text, char **end);
float number_read_float(const char *text, char **end);

/* The small letter of 'A' to 'Z'; other characters as they are. */
static inline char letter_small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

#endif
