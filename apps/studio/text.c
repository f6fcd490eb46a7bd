/* Numbers and times as text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app.h"

const char *text_count(double value, char text[32])
{
    char plain[32];
    snprintf(plain, sizeof plain, "%.0f", fabs(value));
    const size_t length = strlen(plain);
    size_t used = 0;
    if (value < -0.5) text[used++] = '-';
    for (size_t i = 0; i < length && used + 2 < 32; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[used++] = ',';
        text[used++] = plain[i];
    }
    text[used] = 0;
    return text;
}

const char *text_short(double value, char text[32])
{
    static const char *const units[] = {"", " K", " M", " G", " T"};
    int unit = 0;
    while (value >= 1000 && unit < 4) value /= 1000, unit++;
    snprintf(text, 32, unit == 0 ? "%.0f%s" : "%.2f%s", value, units[unit]);
    return text;
}

const char *text_bytes(double bytes, char text[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    while (bytes >= 1000 && unit < 4) bytes /= 1024, unit++;
    snprintf(text, 32, bytes < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

const char *text_time(double seconds, char text[32])
{
    const double s = floor(seconds + 0.5);
    if (!isfinite(seconds) || seconds < 0) {
        snprintf(text, 32, "\xe2\x80\x93");
    } else if (s < 60) {
        snprintf(text, 32, "%.0f s", s);
    } else if (s < 3600) {
        snprintf(text, 32, "%d min %02d s", (int)s / 60, (int)s % 60);
    } else {
        snprintf(text, 32, "%d h %02d min", (int)(s / 3600), (int)(s / 60) % 60);
    }
    return text;
}

const char *text_number(double value, char text[32])
{
    if (isfinite(value)) {
        snprintf(text, 32, "%.4f", value);
    } else {
        snprintf(text, 32, "\xe2\x80\x93"); /* a dash */
    }
    return text;
}
