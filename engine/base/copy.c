#include "base/copy.h"

#include <stdlib.h>
#include <string.h>

char *copy_part(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *copy_text(const char *text)
{
    return copy_part(text, strlen(text));
}
