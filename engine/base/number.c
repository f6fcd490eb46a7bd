#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/locale.h"

int number_vprint(char *text, size_t size, const char *format, va_list args)
{
    os_locale locale;
    os_locale_plain(&locale);
    const int length = vsnprintf(text, size, format, args);
    os_locale_restore(&locale);
    return length;
}

int number_print(char *text, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = number_vprint(text, size, format, args);
    va_end(args);
    return length;
}

int number_print_float(char *text, size_t size, float value)
{
    int length = 0;
    for (int digits = 6; digits <= 9; digits++) {
        length = number_print(text, size, "%.*g", digits, (double)value);
        if (number_read_float(text, NULL) == value) break;
    }
    return length;
}

double number_read(const char *text, char **end)
{
    os_locale locale;
    os_locale_plain(&locale);
    const double value = strtod(text, end);
    os_locale_restore(&locale);
    return value;
}

float number_read_float(const char *text, char **end)
{
    os_locale locale;
    os_locale_plain(&locale);
    const float value = strtof(text, end);
    os_locale_restore(&locale);
    return value;
}
