/* A text is cut before each character that no other one changes: neither its own form differs, nor does it combine with what stands before it. Such
 * parts are normalised by themselves. utf8proc sorts marks in quadratic time, so that is done here. */
#include "text/nfc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/utf8.h"

enum { FIRST = 0x300, MOST_PARTS = 8, CLASSES = 256 }; /* nothing below U+0300 changes or combines backwards */

struct nfc_table {
    unsigned char bits[UTF8_CODES / 8]; /* 1: may change, or combine with what stands before it */
};

static void mark(nfc_table *table, uint32_t code)
{
    table->bits[code / 8] |= (unsigned char)(1u << code % 8);
}

static bool is_marked(const nfc_table *table, uint32_t code)
{
    return code >= FIRST && (table->bits[code / 8] >> code % 8 & 1);
}

static int class_of(utf8proc_int32_t code)
{
    return utf8proc_get_property(code)->combining_class;
}

/* A character's canonical parts; returns how many. */
static size_t parts_of(uint32_t code, utf8proc_int32_t out[MOST_PARTS])
{
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code, out, MOST_PARTS,
                                                           UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    return count > 0 && count <= MOST_PARTS ? (size_t)count : 0;
}

nfc_table *nfc_table_make(void)
{
    nfc_table *table = calloc(1, sizeof *table);
    if (!table) return NULL;
    for (uint32_t code = 0xC0; code < UTF8_CODES; code++) {
        utf8proc_int32_t parts[MOST_PARTS];
        if (code == 0xAC00) code = 0xD7A4; /* Hangul's syllables are whole; their vowels and finals are below */
        if (code == 0xD800) code = 0xE000; /* surrogates */
        if (class_of((utf8proc_int32_t)code)) mark(table, code);
        size_t count = parts_of(code, parts);
        if (count == 0 || (count == 1 && parts[0] == (utf8proc_int32_t)code)) continue;
        for (size_t i = 1; i < count; i++) mark(table, (uint32_t)parts[i]);
        const utf8proc_ssize_t left =
            utf8proc_normalize_utf32(parts, (utf8proc_ssize_t)count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (left != 1 || parts[0] != (utf8proc_int32_t)code) mark(table, code);
    }
    for (uint32_t code = 0x1161; code <= 0x11C2; code++) mark(table, code);
    return table;
}

void nfc_table_free(nfc_table *table)
{
    free(table);
}

size_t nfc_same(const nfc_table *table, const char *text, size_t size)
{
    size_t at = 0, safe = 0;
    while (at < size) {
        uint32_t code;
        const unsigned char byte = (unsigned char)text[at];
        if (byte < 0xCC) { /* below U+0300, or in the middle of a character */
            if (byte < 0x80 || byte >= 0xC0) safe = at;
            at++;
            continue;
        }
        const size_t length = utf8_decode(text + at, size - at, &code);
        if (length && is_marked(table, code)) return safe;
        safe = at;
        at += length ? length : 1;
    }
    return size;
}

bool nfc_put(nfc_out *out, const char *bytes, size_t size)
{
    if (size > SIZE_MAX / 2 - out->used) return false;
    if (out->used + size > out->room) {
        const size_t room = out->used + size + out->room / 2 + 64;
        char *grown = realloc(out->text, room);
        if (!grown) return false;
        out->text = grown;
        out->room = room;
    }
    if (size) memcpy(out->text + out->used, bytes, size);
    out->used += size;
    return true;
}

/* ---- one part ---- */

/* Sorts each run of marks by their classes; marks of one class keep their order. `from` has the same room. */
static void sort_marks(utf8proc_int32_t *codes, size_t count, utf8proc_int32_t *from)
{
    for (size_t begin = 0, end; begin < count; begin = end) {
        size_t places[CLASSES + 1] = {0};
        bool sorted = true;
        int last = 0;
        for (end = begin; end < count; end++) {
            const int class = class_of(codes[end]);
            if (class == 0) break;
            sorted = sorted && class >= last;
            last = class;
            places[class + 1]++;
        }
        if (!sorted) {
            for (size_t c = 1; c <= CLASSES; c++) places[c] += places[c - 1];
            memcpy(from, codes + begin, (end - begin) * sizeof *from);
            for (size_t i = 0; i < end - begin; i++) codes[begin + places[class_of(from[i])]++] = from[i];
        }
        end += end < count; /* the character without a class */
    }
}

static bool apply_part(const char *text, size_t size, nfc_out *out)
{
    size_t count = 0;
    utf8proc_int32_t *codes = malloc((size * MOST_PARTS + 1) * sizeof *codes), *scratch = NULL;
    bool fine = size < SIZE_MAX / 64 && codes != NULL;
    for (size_t at = 0; fine && at < size;) {
        uint32_t code;
        at += utf8_decode(text + at, size - at, &code);
        const size_t parts = parts_of(code, codes + count);
        if (!parts) codes[count] = (utf8proc_int32_t)code;
        count += parts ? parts : 1;
    }
    if (fine) fine = (scratch = malloc((count + 1) * sizeof *scratch)) != NULL;
    if (fine) {
        sort_marks(codes, count, scratch);
        const utf8proc_ssize_t left =
            utf8proc_normalize_utf32(codes, (utf8proc_ssize_t)count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        fine = left >= 0;
        for (utf8proc_ssize_t i = 0; fine && i < left; i++) {
            char one[UTF8_MAX];
            fine = nfc_put(out, one, utf8_encode((uint32_t)codes[i], one));
        }
    }
    free(codes);
    free(scratch);
    return fine;
}

bool nfc_apply(const nfc_table *table, const char *text, size_t size, nfc_out *out)
{
    for (size_t at = 0; at < size;) {
        const size_t same = nfc_same(table, text + at, size - at);
        if (!nfc_put(out, text + at, same)) return false;
        at += same;
        size_t end = at; /* from a character that may begin a combination to the next that does not combine */
        while (end < size) {
            uint32_t code;
            const size_t length = utf8_decode(text + end, size - end, &code);
            if (!length || (end > at && !is_marked(table, code))) break;
            end += length;
        }
        if (end == at && at < size && !nfc_put(out, text + at++, 1)) return false; /* not UTF-8 */
        if (end > at && !apply_part(text + at, end - at, out)) return false;
        at = end > at ? end : at;
    }
    return true;
}
