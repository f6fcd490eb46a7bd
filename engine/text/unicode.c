/* The tables are filled by running PCRE2 over a text of all characters. This keeps the facts in one place and takes a few
 * milliseconds. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/unicode.h"

#include <stdlib.h>

#include <pcre2.h>

#if PCRE2_MAJOR == 10 && PCRE2_MINOR < 40
#error "PCRE2 10.40 or later is needed: earlier ones do not know \\p{Cased}"
#endif

enum { TABLE_CODES = 0x20000 }; /* planes 0 and 1; above are ideographs and tags */

struct unicode_table {
    unsigned char kind[TABLE_CODES];
    code_map lower;
};

/* spaCy 2.0, lang/char_classes.py: Latin, some letters of Cyrillic and Greek, and scripts without case. */
#define CASELESS "(?=\\p{Bengali}|\\p{Hebrew}|\\p{Arabic}|\\p{Sinhala})\\p{L}"

static const struct {
    const char *pattern; /* of one character */
    unsigned kind;
} kinds[] = {
    {"(?=\\p{Latin})\\p{Ll}|[ёа-яәөүҗңһα-ωάέίόώήύ]|" CASELESS, UNICODE_LOWER},
    {"(?=\\p{Latin})\\p{Lu}|[ЁА-ЯӘӨҮҖҢҺΑ-ΩΆΈΊΌΏΉΎ]|" CASELESS, UNICODE_UPPER},
    {"[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}]", UNICODE_WORD},
    {"\\p{So}", UNICODE_SYMBOL},
    {"\\p{Cased}", UNICODE_CASED},
    {"\\p{Case_Ignorable}", UNICODE_IGNORABLE},
    {"\\p{Latin}", UNICODE_LATIN},
};

/* All characters below TABLE_CODES, in order. */
static char *all_characters(size_t *size)
{
    char *text = malloc((size_t)TABLE_CODES * UTF8_MAX);
    *size = 0;
    for (uint32_t code = 0; text && code < TABLE_CODES; code++) {
        if (code < 0xD800 || code > 0xDFFF) *size += utf8_encode(code, text + *size);
    }
    return text;
}

static pcre2_code *compile(const char *pattern)
{
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &offset, NULL);
    if (code) (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

static bool mark_kind(unicode_table *table, const char *text, size_t size, const char *pattern, unsigned kind)
{
    pcre2_code *code = compile(pattern);
    pcre2_match_data *match = code ? pcre2_match_data_create_from_pattern(code, NULL) : NULL;
    size_t at = 0;
    while (match && pcre2_match(code, (PCRE2_SPTR)text, size, at, PCRE2_NO_UTF_CHECK, match, NULL) > 0) {
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
        uint32_t found;
        utf8_decode(text + span[0], size - span[0], &found);
        table->kind[found] |= (unsigned char)kind;
        at = span[1];
    }
    const bool fine = match != NULL;
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return fine;
}

/* Characters that PCRE2's substitution does not change, or not to lower case. */
static bool put_other_lower(unicode_table *table)
{
    static const uint32_t title[] = {0x1C5, 0x1C8, 0x1CB, 0x1F2}; /* Dž Lj Nj Dz */
    bool fine = true;
    for (size_t i = 0; i < sizeof title / sizeof *title; i++)
        fine = fine && code_map_put(&table->lower, title[i], title[i] + 1);
    for (uint32_t i = 0; i < 16; i++)
        fine = fine && code_map_put(&table->lower, 0x2160 + i, 0x2170 + i); /* Roman numerals */
    for (uint32_t i = 0; i < 26; i++)
        fine = fine && code_map_put(&table->lower, 0x24B6 + i, 0x24D0 + i); /* circled letters */
    return fine;
}

/* After \L, PCRE2's substitution makes its match lower-case, one character for one. */
static bool map_lower(unicode_table *table, const char *text, size_t size)
{
    pcre2_code *code = compile("[\\p{Lu}\\p{Lt}]++");
    PCRE2_SIZE made = 2 * size;
    char *lower = malloc(made);
    bool fine =
        code && lower &&
        pcre2_substitute(code, (PCRE2_SPTR)text, size, 0, PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_EXTENDED, NULL,
                         NULL, (PCRE2_SPTR) "\\L$0", PCRE2_ZERO_TERMINATED, (PCRE2_UCHAR *)lower, &made) > 0;
    for (size_t from = 0, to = 0; fine && from < size && to < made;) {
        uint32_t upper, other;
        from += utf8_decode(text + from, size - from, &upper);
        size_t length = utf8_decode(lower + to, made - to, &other);
        fine = length > 0 && (upper == other || code_map_put(&table->lower, upper, other));
        to += length;
    }
    free(lower);
    pcre2_code_free(code);
    return fine && put_other_lower(table);
}

unicode_table *unicode_table_make(void)
{
    size_t size;
    char *text = all_characters(&size);
    unicode_table *table = calloc(1, sizeof *table);
    bool fine = text && table;
    for (size_t i = 0; fine && i < sizeof kinds / sizeof *kinds; i++) {
        fine = mark_kind(table, text, size, kinds[i].pattern, kinds[i].kind);
    }
    fine = fine && map_lower(table, text, size);
    free(text);
    if (fine) return table;
    unicode_table_free(table);
    return NULL;
}

void unicode_table_free(unicode_table *table)
{
    if (!table) return;
    code_map_free(&table->lower);
    free(table);
}

unsigned unicode_kind(const unicode_table *table, uint32_t code)
{
    return code < TABLE_CODES ? table->kind[code] : code < 0x40000 ? UNICODE_WORD : 0;
}

uint32_t unicode_lower(const unicode_table *table, uint32_t code)
{
    if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
    uint32_t lower = code_map_get(&table->lower, code);
    return lower == CODE_NONE ? code : lower;
}

bool unicode_is_space(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
           code == 0x205F || code == 0x3000;
}
