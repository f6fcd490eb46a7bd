/* The host's locale. A program with a window has often taken its user's, in which a number is "0,25" and a letter is what the language has. What the
 * library writes and reads must not depend on it. */
#ifndef OS_LOCALE_H
#define OS_LOCALE_H

typedef struct os_locale {
    void *plain, *before;
} os_locale;

/* Between these two, this thread alone has the locale "C". They nest. Where there is no memory for it (not with glibc and musl, which keep it), the
 * locale stays. */
void os_locale_plain(os_locale *locale);
void os_locale_restore(os_locale *locale);

#endif
