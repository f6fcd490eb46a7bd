#include "text/foreign.h"

#include <stdbool.h>
#include <string.h>

static bool begins(const char *text, size_t size, const char *with, size_t count)
{
    return size >= count && memcmp(text, with, count) == 0;
}

/* `tag` is in small letters. */
static bool begins_tag(const char *text, size_t size, const char *tag)
{
    size_t i = 0;
    for (; tag[i] && i < size; i++) {
        const char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
        if (c != tag[i]) return false;
    }
    return !tag[i];
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

const char *text_foreign_text(const char *text, size_t size)
{
    static const char pointer[] = "version https://git-lfs.github.com/spec/";
    if (begins(text, size, "\xFF\xFE\0\0", 4) || begins(text, size, "\0\0\xFE\xFF", 4))
        return "is UTF-32; save it as UTF-8";
    if (is_utf16(text, size)) return "is UTF-16; save it as UTF-8";
    if (begins(text, size, pointer, sizeof pointer - 1))
        return "is a Git LFS pointer, not the file itself; fetch that with git lfs pull";
    return NULL;
}

const char *text_foreign(const char *text, size_t size)
{
    const char *what = text_foreign_text(text, size);
    if (what) return what;
    size_t at = text_mark(text, size);
    while (at < size && text[at] && strchr(" \t\r\n", text[at])) at++;
    if (begins_tag(text + at, size - at, "<!doctype html") || begins_tag(text + at, size - at, "<html"))
        return "is an HTML page; download the file itself";
    if (begins(text, size, "\x1F\x8B", 2)) return "is compressed by gzip; unpack it";
    if (begins(text, size, "PK\x03\x04", 4)) return "is a zip archive; unpack it";
    return NULL;
}
