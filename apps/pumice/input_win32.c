/* A shell of Windows gives no command a pipe as the path of a file. */
#include <stdio.h>
#include <string.h>

#include "app.h"

bool app_input(const char *option, const char **path)
{
    (void)option;
    (void)path;
    return true;
}

bool app_input_is_copy(const char *path)
{
    (void)path;
    return false;
}

void app_input_names(const char *text, char *out, size_t size)
{
    snprintf(out, size, "%s", text);
}
