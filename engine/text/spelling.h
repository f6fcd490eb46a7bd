/* How files spell the tokens of a tokenizer with merges.
 *
 * Bytes: each is one character, as GPT-2 has it (gpt2.h). Words: characters are themselves, and the end of a word is </w>; a piece has a blank in
 * its place, which no spelling can hold. SentencePiece's: a blank is U+2581, and a byte without a character is <0x00> to <0xFF>. */
#ifndef TEXT_SPELLING_H
#define TEXT_SPELLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/form.h"

#define SPELLING_END "</w>"
#define SPELLING_BLANK "\xE2\x96\x81" /* U+2581 */

enum {
    SPELLING_END_BYTES = sizeof SPELLING_END - 1,
    SPELLING_BLANK_BYTES = sizeof SPELLING_BLANK - 1,
    SPELLING_CODES = 0x144 /* bytes are spelled below this code */
};

typedef struct speller {
    tok_form form;
    uint32_t codes[256];                 /* bytes: code point by byte */
    unsigned char bytes[SPELLING_CODES]; /* byte by code point, */
    bool known[SPELLING_CODES];          /* where there is one */
} speller;

void speller_make(const tok_form *form, speller *out);

/* A piece's spelling with a 0 behind it, malloc'd; NULL when short of memory. */
char *spelling_of(const speller *spell, const char *piece, size_t size);

/* Writes a spelling's piece to `out`, which has room for `size` bytes. SIZE_MAX: it is not a spelling. */
size_t unspell(const speller *spell, const char *text, size_t size, char *out);

/* The piece of a token that files name as a text reads it, into room for strlen(text) bytes, which may be the text's; returns its size. */
size_t spelling_named(const tok_form *form, const char *text, char *out);

/* The byte of <0x00> to <0xFF>, or -1. */
int spelling_byte(const char *text, size_t size);

#endif
