/* What of <time.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_TIME_H
#define MSVC_TIME_H

#include <stddef.h>

typedef long long time_t;
typedef long clock_t;
struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
};
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
#define TIME_UTC 1
time_t time(time_t *out);
clock_t clock(void);
struct tm *gmtime(const time_t *time);
struct tm *localtime(const time_t *time);
size_t strftime(char *out, size_t room, const char *format, const struct tm *time);
int timespec_get(struct timespec *out, int base);

#endif
