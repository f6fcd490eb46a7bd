/* The order of ftfy's repairs, and the small ones. They are repeated until nothing changes, at most MOST_ROUNDS times. ftfy has no such
 * limit: where characters of HTML are nested, its time grows with the square of the text's length. */
#include "text/repair.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "text/entities.h"

enum { MOST_ROUNDS = 32 };

bool code_row_reserve(code_row *row, size_t count)
{
    if (count <= row->room) return true;
    const size_t room = count < 2 * row->room ? 2 * row->room : count + 64;
    uint32_t *grown = room <= SIZE_MAX / sizeof *grown ? realloc(row->list, room * sizeof *grown) : NULL;
    if (!grown) return false;
    row->list = grown;
    row->room = room;
    return true;
}

bool code_row_put(code_row *row, const uint32_t *codes, size_t count)
{
    if (!code_row_reserve(row, row->count + count)) return false;
    if (count) memcpy(row->list + row->count, codes, count * sizeof *codes);
    row->count += count;
    return true;
}

void code_row_free(code_row *row)
{
    free(row->list);
    *row = (code_row){0};
}

/* ---- sequences ---- */

/* Characters of a terminal's escape sequence, ESC [ 1;2 m, at `p`; 0: none. */
static size_t terminal_escape(const uint32_t *p, size_t left)
{
    size_t i = 2;
    if (left < 3 || p[0] != 0x1B || p[1] != '[') return 0;
    while (i < left && ((p[i] >= '0' && p[i] <= '9') || p[i] == ';')) i++;
    return i < left && (p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z' ? i + 1 : 0;
}

static int digit_of(uint32_t code, uint32_t base)
{
    if (code >= '0' && code <= '9') return (int)code - '0';
    const uint32_t letter = code | 0x20;
    return base == 16 && letter >= 'a' && letter <= 'f' ? (int)(letter - 'a') + 10 : -1;
}

/* The number in &#100; or &#x64;, given without &# and ;, or UINT32_MAX. */
static uint32_t reference(const uint32_t *p, size_t count)
{
    const uint32_t base = count > 0 && p[0] == 'x' ? 16 : 10;
    uint64_t value = 0;
    if (base == 16) p++, count--;
    if (!count) return UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        const int digit = digit_of(p[i], base);
        if (digit < 0) return UINT32_MAX;
        value = value * base + (unsigned)digit;
    }
    return value < 0x110000 ? (uint32_t)value : UINT32_MAX;
}

/* The length of an HTML character, &name; or &#number;, at `p`, and what it stands for. 0: none. */
static size_t html_character(const uint32_t *p, size_t left, uint32_t out[2], size_t *count)
{
    if (left < 3 || p[0] != '&') return 0;
    const bool number = p[1] == '#';
    const size_t first = number ? 2 : 1;
    size_t letters = 0;
    while (letters <= ENTITY_NAME && first + letters < left && p[first + letters] != ';') letters++;
    if (letters > ENTITY_NAME || first + letters >= left) return 0;
    *count = 1;
    if (number) {
        out[0] = reference(p + first, letters);
        if (out[0] == UINT32_MAX) return 0;
        if (out[0] >= 0x80 && out[0] < 0xA0) out[0] = charset_windows_1252(out[0]); /* as browsers do */
        return first + letters + 1;
    }
    char name[ENTITY_NAME + 1] = "";
    for (size_t i = 0; i < letters; i++) {
        if (p[first + i] >= 0x80 || !p[first + i]) return 0;
        name[i] = (char)p[first + i];
    }
    const uint32_t *codes = entity_find(name);
    if (!codes) return 0;
    out[0] = codes[0];
    out[1] = codes[1];
    *count = codes[1] ? 2 : 1;
    return first + letters + 1;
}

static void remove_escapes(code_row *line)
{
    size_t to = 0;
    for (size_t i = 0; i < line->count;) {
        const size_t length = line->list[i] == 0x1B ? terminal_escape(line->list + i, line->count - i) : 0;
        if (!length) line->list[to++] = line->list[i];
        i += length ? length : 1;
    }
    line->count = to;
}

/* Works in place: what HTML's characters stand for is never longer. */
static void read_entities(code_row *line)
{
    size_t to = 0;
    for (size_t i = 0; i < line->count;) {
        uint32_t codes[2];
        size_t count = 0;
        const size_t length = line->list[i] == '&' ? html_character(line->list + i, line->count - i, codes, &count) : 0;
        if (length) {
            memcpy(line->list + to, codes, count * sizeof *codes);
            to += count;
        } else {
            line->list[to++] = line->list[i];
        }
        i += length ? length : 1;
    }
    line->count = to;
}

/* ---- single characters ---- */

/* The letters of a ligature; NULL: it is not one. */
static const char *ligature(uint32_t code)
{
    switch (code) {
    case 0x0132: return "IJ";
    case 0x0133: return "ij";
    case 0xFB00: return "ff";
    case 0xFB01: return "fi";
    case 0xFB02: return "fl";
    case 0xFB03: return "ffi";
    case 0xFB04: return "ffl";
    case 0xFB06: return "st";
    default: return NULL;
    }
}

enum { MOST_WIDE = 4 };

/* The form of usual width, mostly one character. Returns the count. */
static size_t width(uint32_t code, uint32_t out[MOST_WIDE])
{
    out[0] = code == 0x3000 ? ' ' : code;
    if (code <= 0xFF00 || code >= 0xFFF0) return 1;
    utf8proc_int32_t codes[MOST_WIDE];
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        (utf8proc_int32_t)code, codes, MOST_WIDE, UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < count && i < MOST_WIDE; i++) out[i] = (uint32_t)codes[i];
    return count > 0 && count <= MOST_WIDE ? (size_t)count : 1;
}

static bool is_control(uint32_t code)
{
    static const uint32_t ranges[][2] = {{0x00, 0x08},     {0x0B, 0x0B},       {0x0E, 0x1F},
                                         {0x7F, 0x7F},     {0x206A, 0x206F},   {0xFEFF, 0xFEFF},
                                         {0xFFF9, 0xFFFC}, {0x1D173, 0x1D17A}, {0xE0000, 0xE007F}};
    if (code >= ' ' && code < 0x7F) return false;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    }
    return false;
}

static bool is_surrogate(uint32_t code, uint32_t first)
{
    return code >= first && code < first + 0x400;
}

/* Makes quotes straight, and line ends \n. */
static uint32_t plain(uint32_t code)
{
    if (code >= 0x2018 && code <= 0x201B) return '\'';
    if (code >= 0x201C && code <= 0x201F) return '"';
    return code == 0x85 || code == 0x2028 || code == 0x2029 || code == '\r' ? '\n' : code;
}

static bool fix_characters(const code_row *line, code_row *out)
{
    out->count = 0;
    for (size_t i = 0; i < line->count; i++) {
        uint32_t code = line->list[i];
        const uint32_t next = i + 1 < line->count ? line->list[i + 1] : 0;
        const char *letters = ligature(code);
        if (letters || code == 0xFB05) {
            if (code == 0xFB05 && (!code_row_add(out, 0x17F) || !code_row_add(out, 't'))) return false;
            for (; letters && *letters; letters++)
                if (!code_row_add(out, (unsigned char)*letters)) return false;
            continue;
        }
        if (code == '\r' && next == '\n') continue;
        uint32_t wide[MOST_WIDE];
        const size_t count = width(code, wide);
        if (count > 1) {
            if (!code_row_put(out, wide, count)) return false;
            continue;
        }
        code = plain(wide[0]);
        if (is_surrogate(code, 0xD800) && is_surrogate(next, 0xDC00)) {
            code = 0x10000 + ((code & 0x3FF) << 10 | (next & 0x3FF));
            i++;
        } else if (is_surrogate(code, 0xD800) || is_surrogate(code, 0xDC00)) {
            code = 0xFFFD;
        }
        if (!is_control(code) && !code_row_add(out, code)) return false;
    }
    return true;
}

/* ---- a line ---- */

bool repair_line(const unicode_table *unicode, const charset_table *charsets, bool mojibake, bool entities,
                 code_row *line, repair_scratch *s)
{
    code_row *before = &s->rows[3], *other = &s->rows[0];
    for (int round = 0; round < MOST_ROUNDS; round++) {
        before->count = 0;
        if (!code_row_put(before, line->list, line->count)) return false;
        remove_escapes(line);
        if (mojibake && !repair_mojibake(unicode, charsets, line, s)) return false;
        if (entities) read_entities(line);
        if (!fix_characters(line, other)) return false;
        if (!repair_compose(other, line, s)) return false;
        if (line->count == before->count &&
            (!line->count || memcmp(line->list, before->list, line->count * sizeof *line->list) == 0))
            break;
    }
    return true;
}
