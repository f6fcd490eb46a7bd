#include "os/locale.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* `plain`: what _configthreadlocale was; `before`: the thread's locale by name, malloc'd. */
void os_locale_plain(os_locale *locale)
{
    const int error = errno;
    const int was = _configthreadlocale(_ENABLE_PER_THREAD_LOCALE);
    const char *name = setlocale(LC_ALL, NULL);
    locale->plain = was == _ENABLE_PER_THREAD_LOCALE ? locale : NULL;
    locale->before = name ? _strdup(name) : NULL;
    if (locale->before) setlocale(LC_ALL, "C");
    errno = error;
}

void os_locale_restore(os_locale *locale)
{
    const int error = errno;
    if (locale->before) setlocale(LC_ALL, locale->before);
    free(locale->before);
    if (!locale->plain) _configthreadlocale(_DISABLE_PER_THREAD_LOCALE);
    errno = error;
}

os_error_text os_error(int error)
{
    const int before = errno;
    os_error_text out = {"unknown error"};
    (void)strerror_s(out.text, sizeof out.text, error); /* English, whatever the locale */
    errno = before;
    return out;
}
