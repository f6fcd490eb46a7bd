/* The host's locale. A program with a window often sets its user's, which may write a number as "0,25" and have more letters. What the library
 * writes and reads must not depend on it. */
#ifndef OS_LOCALE_H
#define OS_LOCALE_H

typedef struct os_locale {
    void *plain, *before;
} os_locale;

/* Between these two calls this thread alone has the locale "C". They nest. Without memory for it the locale stays; glibc and musl need none. */
void os_locale_plain(os_locale *locale);
void os_locale_restore(os_locale *locale);

/* What an errno value means, in English: os_error(errno).text. It leaves errno as it is. */
typedef struct os_error_text {
    char text[128];
} os_error_text;
os_error_text os_error(int error);

#endif
