/* Properties of characters in Unicode, taken from PCRE2's tables once and kept for fast look-up. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

#include "text/code_map.h"

enum {
    UNICODE_LOWER = 1,  /* the letters that spaCy 2.0 calls lower-case, */
    UNICODE_UPPER = 2,  /* upper-case: those of scripts without case are both */
    UNICODE_WORD = 4,   /* \w of Python's `regex`: letters, marks, digits, connectors, joiners */
    UNICODE_SYMBOL = 8, /* So: emoji, dingbats */
    UNICODE_CASED = 16,
    UNICODE_IGNORABLE = 32, /* Cased and Case_Ignorable, for the final sigma */
    UNICODE_LATIN = 64,     /* of the Latin script */
};
#define UNICODE_ALPHA (UNICODE_LOWER | UNICODE_UPPER)

typedef struct unicode_table unicode_table;

/* NULL when short of memory, or where PCRE2 was built without Unicode. Read-only afterwards: threads share it. */
unicode_table *unicode_table_make(void);
void unicode_table_free(unicode_table *table);

/* The bits above. */
unsigned unicode_kind(const unicode_table *table, uint32_t code);
/* The lower-case form, the code itself where it has none; one code point for one. */
uint32_t unicode_lower(const unicode_table *table, uint32_t code);

/* White_Space and U+001C to U+001F: what Python's str.isspace and its \s mean. */
bool unicode_is_space(uint32_t code);

#endif
