/* GPT-1's words: a text is repaired, split as spaCy's English tokenizer did in the original, and lower-cased. README.md of this folder
 * tells how much is covered. */
#ifndef TEXT_GPT1_H
#define TEXT_GPT1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/repair.h"
#include "text/unicode.h"

/* ---- special words: gpt1_words.c ---- */

enum { SPECIAL_BYTES = 15, SPECIAL_PARTS = 3 };

/* A word that the rules for punctuation leave alone, or that is cut at given places: don't, Mr. */
typedef struct gpt1_special {
    char text[SPECIAL_BYTES + 1];           /* UTF-8; "": an empty slot */
    unsigned char parts[SPECIAL_PARTS + 1]; /* characters of each part; 0 behind the last */
} gpt1_special;

typedef struct gpt1_specials {
    gpt1_special *slots; /* open addressing */
    uint32_t mask, count;
} gpt1_specials;

bool gpt1_specials_make(gpt1_specials *out); /* false when short of memory */
/* NULL where the characters are not a special word. */
const gpt1_special *gpt1_special_find(const gpt1_specials *specials, const uint32_t *codes, size_t count);

/* ---- rules: shared by threads ---- */

typedef struct gpt1_rules {
    unicode_table *unicode;
    charset_table *charsets;
    gpt1_specials specials;
} gpt1_rules;

gpt1_rules *gpt1_rules_make(void); /* NULL when short of memory, or where PCRE2 was built without Unicode */
void gpt1_rules_free(gpt1_rules *rules);

/* ---- splitting: gpt1_split.c ---- */

typedef struct gpt1_word {
    size_t start, count; /* characters */
} gpt1_word;

typedef struct gpt1_words {
    gpt1_word *list; /* in the order of the text */
    size_t count, room;
} gpt1_words;

/* The words of `count` > 0 characters without white space; `suffixes` is scratch. False when short of memory. Linear in the count. */
bool gpt1_split(const gpt1_rules *rules, const uint32_t *codes, size_t count, gpt1_words *out, gpt1_words *suffixes);

/* ---- reading: gpt1_text.c ---- */

/* One walk over a text. One thread at a time. */
typedef struct gpt1_reader gpt1_reader;
gpt1_reader *gpt1_reader_make(const gpt1_rules *rules); /* NULL when short of memory; the rules must outlive it */
void gpt1_reader_free(gpt1_reader *reader);

/* Begins another text, or a part of one that is a text of its own. */
void gpt1_reader_again(gpt1_reader *reader);

/* The next word in lower case, "\n" for the end of a line, from text[*at] on; it lives until the next call. *word_size is 0 at the end.
 * False when short of memory. */
bool gpt1_reader_next(gpt1_reader *reader, const char *text, size_t size, size_t *at, const char **word,
                      size_t *word_size);

#endif
