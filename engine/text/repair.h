/* Repairs text as ftfy 4.4's fix_text does by default (https://github.com/rspeer/python-ftfy), written anew from its behaviour. It covers
 * mojibake, HTML's characters, terminal escapes, ligatures, widths, quotes, line ends, control characters, NFC. */
#ifndef TEXT_REPAIR_H
#define TEXT_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/unicode.h"

/* A growing row of code points. Zero it before use. */
typedef struct code_row {
    uint32_t *list; /* (count) */
    size_t count, room;
} code_row;

/* All false when short of memory. */
bool code_row_reserve(code_row *row, size_t count);
bool code_row_put(code_row *row, const uint32_t *codes, size_t count);
static inline bool code_row_add(code_row *row, uint32_t code)
{
    return code_row_put(row, &code, 1);
}
static inline void code_row_swap(code_row *a, code_row *b)
{
    const code_row one = *a;
    *a = *b;
    *b = one;
}
void code_row_free(code_row *row);

/* ---- charset.c ---- */

/* In the order in which they are tried. */
enum { LATIN_1, WINDOWS_1252, WINDOWS_1250, ISO_8859_2, WINDOWS_1251, MAC_ROMAN, CP437, CHARSETS };
enum { SUBSTITUTE = 0x1A }; /* the byte of U+FFFD in sloppy sets */

/* The bytes of code points in these sets. Read-only once made: threads share it. */
typedef struct charset_table charset_table;
charset_table *charset_table_make(void); /* NULL when short of memory */
void charset_table_free(charset_table *table);

/* The byte of a code point in a set, or -1. */
int charset_byte(const charset_table *table, int set, uint32_t code);
/* A bit for each set that has the whole text. *ascii: it is ASCII only. */
unsigned charset_fits(const charset_table *table, const code_row *text, bool *ascii);
bool charset_is_sloppy(int set);
/* The cost of assuming that a text was read in this set: more for rare sets. */
int charset_cost(int set);
/* What windows-1252 has for a byte from 0x80 to 0x9F; the byte itself where it has nothing. */
uint32_t charset_windows_1252(uint32_t byte);

/* ---- mojibake.c ---- */

/* Scratch of one thread. Zero it before use. */
typedef struct repair_scratch {
    code_row rows[4];
    unsigned char *bytes, *more; /* (bytes_room) each */
    size_t bytes_room;
    uint8_t *utf8;
    size_t utf8_room;
} repair_scratch;
void repair_scratch_free(repair_scratch *scratch);

/* Reads a line as UTF-8 that was read in another character set, where the result is more likely to be text. */
bool repair_mojibake(const unicode_table *unicode, const charset_table *charsets, code_row *line, repair_scratch *s);
/* NFC of `from`. */
bool repair_compose(const code_row *from, code_row *to, repair_scratch *s);

/* ---- repair.c ---- */

/* Repairs one line, with its end if it has one. `mojibake`: whether to check its character set; very long lines are not checked.
 * `entities`: whether to replace HTML's characters. The caller ends that at the first line that may be HTML. */
bool repair_line(const unicode_table *unicode, const charset_table *charsets, bool mojibake, bool entities,
                 code_row *line, repair_scratch *s);

#endif
