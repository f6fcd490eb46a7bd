/* Mojibake: text in UTF-8 that was read in one of seven other character sets is read again, and kept where it costs less (fix_encoding of
 * ftfy 4.4). A text's cost is its number of characters, plus 2 for each rare pair or character, minus 1 for each common one (is_common). */
#include "text/repair.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/utf8.h"

enum { REPLACEMENT = 0xFFFD };

/* ---- cost ---- */

/* A letter whose name in Unicode begins with LATIN: most of the script, but for modifiers, signs, and forms of another width. */
static bool is_latin(const unicode_table *unicode, uint32_t code, utf8proc_category_t category)
{
    static const uint32_t others[] = {0xAA, 0xBA, 0x212A, 0x212B, 0x2132, 0x214E, 0x2183};
    if (!(unicode_kind(unicode, code) & UNICODE_LATIN) || (code >= 0xFF21 && code <= 0xFF5A)) return false;
    if (category == UTF8PROC_CATEGORY_LM) return (code >= 0x2090 && code <= 0x209C) || code == 0x2C7C;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (code == others[i]) return false;
    return true;
}

/* ftfy's classes: L l Latin letters, A a other letters with case, C without, i of phonetics, m modifiers, M marks, N numbers, 1 and 3 symbols,
 * 2 signs such as a diaeresis, X control characters, P private, _ unassigned, a blank for white space, o the rest. */
static char class_of(const unicode_table *unicode, uint32_t code)
{
    static const uint32_t plain[] = {'^', '~', '`', 0xB4, 0x2DD, 0xFF3E, 0xFF40};
    if (code < 0x80) {
        if ((code | 0x20) >= 'a' && (code | 0x20) <= 'z') return code & 0x20 ? 'l' : 'L';
        if (code == 9 || code == 10 || code == 12 || code == 13) return ' ';
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (code == plain[i]) return 'o';
    if (code >= 0x250 && code < 0x300 && code != 0x259) return 'i';
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    const bool upper = category == UTF8PROC_CATEGORY_LU;
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        if (is_latin(unicode, code, category)) return upper ? 'L' : 'l';
        if (category == UTF8PROC_CATEGORY_LO) return 'C';
        if (category == UTF8PROC_CATEGORY_LM) return 'm';
        return category == UTF8PROC_CATEGORY_LL ? 'a' : 'A';
    default: break;
    }
    if ((code >= 0xFE00 && code <= 0xFE0F) || (code >= 0x1F3FB && code <= 0x1F3FF)) return '3';
    switch (category) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return 'M';
    case UTF8PROC_CATEGORY_NO: return 'N';
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC: return '1';
    case UTF8PROC_CATEGORY_SK: return '2';
    case UTF8PROC_CATEGORY_SO: return '3';
    case UTF8PROC_CATEGORY_CC: return 'X';
    case UTF8PROC_CATEGORY_CO: return 'P';
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return ' ';
    default: break;
    }
    if (code >= 0x1F000 && code <= 0x1FFFF) return '3';
    return category == UTF8PROC_CATEGORY_CN ? '_' : 'o';
}

static bool among(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Two characters that seldom meet. */
static bool weird_pair(char a, char b)
{
    return (a == 'l' && b == 'A') || (!among(a, "CM") && b == 'M') || (among(a, "Ll") && among(b, "AaC")) ||
           (among(a, "AaC") && among(b, "Ll")) || (among(a, "LA") && b == 'i') || (a == 'i' && among(b, "LA")) ||
           (a != b && among(a, "MmN13") && among(b, "MmN13"));
}

/* Characters of mojibake that ordinary texts have, too. */
static bool is_common(uint32_t code)
{
    static const uint32_t common[] = {0x2026, 0x2014, 0x2013, 0x2018, 0x201C, 0x2019, 0x201D, 0xA1, 0xBF, 0xB0,  0x2122,
                                      0xAE,   0x2039, 0x203A, 0xAB,   0xBB,   0xA0,   0xB4,   0xD7, 0xDF, 0xFEFF};
    for (size_t i = 0; i < sizeof common / sizeof *common && code >= 0x80; i++)
        if (code == common[i]) return true;
    return false;
}

static bool text_cost(const unicode_table *unicode, const code_row *text, repair_scratch *s, long long *cost)
{
    code_row *composed = &s->rows[0];
    if (!repair_compose(text, composed, s)) return false;
    long long weird = 0, common = 0;
    char next = composed->count ? class_of(unicode, composed->list[0]) : 0;
    bool taken = false; /* as the second of a pair */
    for (size_t i = 0; i < composed->count; i++) {
        const char here = next;
        next = i + 1 < composed->count ? class_of(unicode, composed->list[i + 1]) : 0;
        common += is_common(composed->list[i]);
        if (taken) {
            taken = false;
        } else if (next && weird_pair(here, next)) {
            weird++;
            taken = true;
        } else if (among(here, "2XP_")) {
            weird++;
        }
    }
    *cost = 2 * weird - common + (long long)text->count;
    return true;
}

/* ---- one step ---- */

static bool is_next(unsigned char byte)
{
    return byte >= 0x80 && byte <= 0xBF;
}

/* Bytes at `p` that were UTF-8 before a program made byte 0xA0 a blank; 0: none. */
static size_t altered(const unsigned char *p, size_t left)
{
    if (left < 2) return 0;
    if (memchr("\xC2\xC3\xC5\xCE\xD0", p[0], 5) && p[1] == ' ') return 2;
    const size_t length = p[0] >= 0xE0 && p[0] <= 0xEF ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    if (!length || left < length) return 0;
    size_t blanks = 0;
    for (size_t i = 1; i < length; i++) {
        if (p[i] != ' ' && !is_next(p[i])) return 0;
        blanks += p[i] == ' ';
    }
    return blanks == 1 ? length : 0;
}

/* Puts the bytes 0xA0 back, and adds their cost. True where there was one. */
static bool restore_blanks(unsigned char *bytes, size_t count, int *cost)
{
    bool any = false;
    for (size_t i = 0; i < count;) {
        const size_t length = altered(bytes + i, count - i);
        for (size_t k = 0; k < length; k++)
            if (bytes[i + k] == ' ') bytes[i + k] = 0xA0;
        any = any || length;
        i += length ? length : 1;
    }
    for (size_t i = 0; any && i < count; i++) *cost += 2 * (bytes[i] == 0xA0);
    return any;
}

/* Bytes at `p` of a character in UTF-8, or in two surrogates, some of which became U+FFFD, here 0x1A; 0: none. */
static size_t lossy(const unsigned char *p, size_t left)
{
    if (p[0] >= 0xC2 && p[0] <= 0xDF && left >= 2 && p[1] == SUBSTITUTE) return 2;
    if (left >= 6 && p[0] == 0xED && p[3] == 0xED) {
        const bool high = (p[1] >= 0xA0 && p[1] <= 0xAF), low = p[4] >= 0xB0 && p[4] <= 0xBF;
        const bool lost = p[2] == SUBSTITUTE || p[5] == SUBSTITUTE;
        if (high && low && lost && (p[2] == SUBSTITUTE || is_next(p[2])) && (p[5] == SUBSTITUTE || is_next(p[5])))
            return 6;
    }
    const size_t length = p[0] >= 0xE0 && p[0] <= 0xEF ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    size_t lost = 0;
    for (size_t i = 1; i < length; i++) {
        if (i >= left || (p[i] != SUBSTITUTE && !is_next(p[i]))) return p[0] == SUBSTITUTE;
        lost += p[i] == SUBSTITUTE;
    }
    return lost ? length : p[0] == SUBSTITUTE;
}

/* Copies the bytes with U+FFFD for each such character; `to` has room for three times as many. */
static size_t replace_lossy(const unsigned char *bytes, size_t count, unsigned char *to)
{
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        const size_t length = lossy(bytes + i, count - i);
        if (length) {
            memcpy(to + used, "\xEF\xBF\xBD", 3);
            used += 3;
        } else {
            to[used++] = bytes[i];
        }
        i += length ? length : 1;
    }
    return used;
}

/* A character in two surrogates of three bytes, or U+0000 in two bytes; 0: none. */
static size_t decode_variant(const unsigned char *p, size_t left, uint32_t *code)
{
    if (left >= 2 && p[0] == 0xC0 && p[1] == 0x80) {
        *code = 0;
        return 2;
    }
    if (left < 6 || p[0] != 0xED || p[1] < 0xA0 || p[1] > 0xAF || !is_next(p[2]) || p[3] != 0xED || p[4] < 0xB0 ||
        p[4] > 0xBF || !is_next(p[5]))
        return 0;
    *code = 0x10000 + ((p[1] & 0x0Fu) << 16 | (p[2] & 0x3Fu) << 10 | (p[4] & 0x0Fu) << 6 | (p[5] & 0x3Fu));
    return 6;
}

/* Decodes the bytes. *fits: they are UTF-8. */
static bool decode(const unsigned char *bytes, size_t count, code_row *out, bool *fits)
{
    out->count = 0;
    *fits = true;
    for (size_t i = 0; i < count;) {
        uint32_t code;
        size_t length = utf8_decode((const char *)bytes + i, count - i, &code);
        if (!length) length = decode_variant(bytes + i, count - i, &code);
        *fits = length > 0;
        if (!length) return true;
        if (!code_row_add(out, code)) return false;
        i += length;
    }
    return true;
}

/* Restores U+2000 to U+203F from UTF-8 that was read in windows-1252. */
static bool fix_punctuation(const charset_table *table, const code_row *text, code_row *out, bool *any)
{
    out->count = 0;
    *any = false;
    for (size_t i = 0; i < text->count; i++) {
        const uint32_t *p = text->list + i;
        const int last =
            text->count - i >= 3 && p[0] == 0xE2 && p[1] == 0x20AC ? charset_byte(table, WINDOWS_1252, p[2]) : -1;
        const bool found = last >= 0x80 && last <= 0xBF;
        if (!code_row_add(out, found ? 0x2000u | ((unsigned)last & 0x3F) : p[0])) return false;
        if (found) i += 2;
        *any = *any || found;
    }
    return true;
}

/* Reads Latin-1 as windows-1252. *fits: whether it can be. */
static bool fix_latin_1(const code_row *text, code_row *out, bool *fits)
{
    out->count = 0;
    *fits = true;
    for (size_t i = 0; i < text->count; i++) {
        uint32_t code = text->list[i];
        if (code >= 0x80 && code < 0xA0) {
            code = charset_windows_1252(code);
            *fits = *fits && (code < 0x80 || code >= 0xA0); /* an unchanged byte stands for nothing there */
        }
        if (!code_row_add(out, code)) return false;
    }
    return true;
}

/* Reads the text's bytes in a set as UTF-8. *cost: of this step. */
static bool read_again(const charset_table *table, int set, const code_row *text, code_row *out, repair_scratch *s,
                       int *cost, bool *fits)
{
    size_t count = text->count;
    bool lost = false;
    for (size_t i = 0; i < count; i++) {
        s->bytes[i] = (unsigned char)charset_byte(table, set, text->list[i]);
        lost = lost || s->bytes[i] == SUBSTITUTE;
    }
    *cost = charset_cost(set);
    restore_blanks(s->bytes, count, cost);
    const unsigned char *bytes = s->bytes;
    if (charset_is_sloppy(set) && lost) {
        count = replace_lossy(s->bytes, count, s->more);
        bytes = s->more;
    }
    return decode(bytes, count, out, fits);
}

/* Reads the text again by the first way that fits; *out is the text itself where none does. */
static bool one_step(const charset_table *table, const code_row *text, code_row *out, repair_scratch *s, int *cost)
{
    bool ascii, fits = false;
    const unsigned sets = charset_fits(table, text, &ascii);
    for (int set = 0; set < CHARSETS && !ascii; set++) {
        if (!(sets >> set & 1)) continue;
        if (!read_again(table, set, text, out, s, cost, &fits)) return false;
        if (fits) return true;
    }
    *cost = 1;
    if (!ascii && !fix_punctuation(table, text, out, &fits)) return false;
    if (!ascii && !fits && sets >> LATIN_1 & 1 && !fix_latin_1(text, out, &fits)) return false;
    if (fits) {
        if (out->count == text->count && memcmp(out->list, text->list, out->count * sizeof *out->list) == 0) *cost = 0;
        return true;
    }
    *cost = 0;
    out->count = 0;
    return code_row_put(out, text->list, text->count);
}

static bool same_rows(const code_row *a, const code_row *b)
{
    return a->count == b->count && (a->count == 0 || memcmp(a->list, b->list, a->count * sizeof *a->list) == 0);
}

static bool reserve_bytes(repair_scratch *s, size_t count)
{
    if (count <= s->bytes_room) return true;
    unsigned char *bytes = realloc(s->bytes, count), *more = bytes ? realloc(s->more, 3 * count) : NULL;
    if (bytes) s->bytes = bytes;
    if (!more) return false;
    s->more = more;
    s->bytes_room = count;
    return true;
}

bool repair_mojibake(const unicode_table *unicode, const charset_table *table, code_row *line, repair_scratch *s)
{
    code_row *text = &s->rows[1], *next = &s->rows[2];
    long long best, cost, steps = 0;
    int step = 0;
    text->count = 0;
    if (!reserve_bytes(s, line->count + 1) || !code_row_put(text, line->list, line->count)) return false;
    if (!text_cost(unicode, text, s, &best)) return false;
    for (;;) {
        if (!one_step(table, text, next, s, &step)) return false;
        const bool same = same_rows(text, next);
        steps += step;
        if (!same && !text_cost(unicode, next, s, &cost)) return false;
        code_row_swap(text, next);
        if (same) return true;
        if (cost + steps < best) {
            best = cost + steps;
            line->count = 0;
            if (!code_row_put(line, text->list, text->count)) return false;
        }
    }
}

/* ---- NFC ---- */

bool repair_compose(const code_row *from, code_row *to, repair_scratch *s)
{
    bool plain = true; /* nothing below U+0300 composes */
    for (size_t i = 0; i < from->count && plain; i++) plain = from->list[i] < 0x300;
    to->count = 0;
    if (plain) return code_row_put(to, from->list, from->count);
    if (s->utf8_room < from->count * UTF8_MAX) {
        uint8_t *grown = realloc(s->utf8, from->count * UTF8_MAX);
        if (!grown) return false;
        s->utf8 = grown;
        s->utf8_room = from->count * UTF8_MAX;
    }
    size_t size = 0;
    for (size_t i = 0; i < from->count; i++) {
        const uint32_t code = from->list[i];
        size += utf8_encode(code >= 0xD800 && code <= 0xDFFF ? REPLACEMENT : code, (char *)s->utf8 + size);
    }
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    for (int again = 0; again < 2; again++) { /* the first call may only tell the room */
        const utf8proc_ssize_t count = utf8proc_decompose(s->utf8, (utf8proc_ssize_t)size, (utf8proc_int32_t *)to->list,
                                                          (utf8proc_ssize_t)to->room, options);
        if (count < 0) return false;
        if ((size_t)count > to->room) {
            if (!code_row_reserve(to, (size_t)count)) return false;
            continue;
        }
        const utf8proc_ssize_t composed = utf8proc_normalize_utf32((utf8proc_int32_t *)to->list, count, options);
        if (composed < 0) return false;
        to->count = (size_t)composed;
        return true;
    }
    return false;
}

void repair_scratch_free(repair_scratch *s)
{
    for (size_t i = 0; i < sizeof s->rows / sizeof *s->rows; i++) code_row_free(&s->rows[i]);
    free(s->bytes);
    free(s->more);
    free(s->utf8);
    *s = (repair_scratch){0};
}
