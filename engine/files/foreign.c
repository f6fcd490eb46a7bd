#include "files/foreign.h"

#include <stdbool.h>
#include <string.h>

#include <pumice/text.h>

#include "files/file.h"

static bool begins(const char *text, size_t size, const char *with, size_t count)
{
    return size >= count && memcmp(text, with, count) == 0;
}

size_t text_mark(const char *text, size_t size)
{
    return begins(text, size, "\xEF\xBB\xBF", 3) ? 3 : 0;
}

/* Whether it begins with UTF-16's mark, or every second byte is 0, as for ASCII in UTF-16. */
static bool is_utf16(const char *text, size_t size)
{
    if (begins(text, size, "\xFF\xFE", 2) || begins(text, size, "\xFE\xFF", 2)) return true;
    if (size < 8) return false;
    bool high = true, low = true;
    for (size_t i = 0; i < 8; i++) {
        const bool zero = text[i] == 0;
        low = low && zero == (i % 2 == 1);
        high = high && zero == (i % 2 == 0);
    }
    return low || high;
}

static const char *other_utf(const char *text, size_t size)
{
    if (begins(text, size, "\xFF\xFE\0\0", 4) || begins(text, size, "\0\0\xFE\xFF", 4))
        return "is UTF-32; save it as UTF-8";
    return is_utf16(text, size) ? "is UTF-16; save it as UTF-8" : NULL;
}

const char *pm_text_foreign(const char *text, size_t size, bool page)
{
    const char *what = other_utf(text, size);
    if (what) return what;
    return page ? file_binary(text, size) : file_not_text(text, size);
}
