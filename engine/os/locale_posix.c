#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE 1 /* locale_t */
#include "os/locale.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

void os_locale_plain(os_locale *locale)
{
    const int error = errno;
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale->plain = (void *)plain;
    locale->before = plain ? (void *)uselocale(plain) : (void *)0;
    errno = error;
}

void os_locale_restore(os_locale *locale)
{
    const int error = errno;
    if (locale->plain) {
        uselocale((locale_t)locale->before);
        freelocale((locale_t)locale->plain);
    }
    errno = error;
}

os_error_text os_error(int error)
{
    const int before = errno;
    os_error_text out = {"unknown error"};
    os_locale locale;
    os_locale_plain(&locale);
    (void)strerror_r(error, out.text, sizeof out.text); /* POSIX's; it writes what fits */
    os_locale_restore(&locale);
    errno = before;
    return out;
}
