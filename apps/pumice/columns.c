#include "columns.h"

#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

int columns_width(const char *text)
{
    int width = 0;
    for (size_t left = strlen(text); left > 0;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, &code);
        width += size > 0 ? utf8proc_charwidth(code) : 1;
        if (size <= 0) size = 1; /* a byte that is not UTF-8 */
        text += size;
        left -= (size_t)size;
    }
    return width;
}

void columns_print(const char *text, int width, int right)
{
    const int blanks = width - columns_width(text), pad = blanks > 0 ? blanks : 0;
    printf("%*s%s%*s", right ? pad : 0, "", text, right ? 0 : pad, "");
}
