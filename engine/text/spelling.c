#include "text/spelling.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/gpt2.h"

void speller_make(const tok_form *form, speller *out)
{
    *out = (speller){.form = *form};
    gpt2_spellings(out->codes);
    for (uint32_t b = 0; b < 256; b++) {
        out->bytes[out->codes[b]] = (unsigned char)b;
        out->known[out->codes[b]] = true;
    }
}

char *spelling_of(const speller *spell, const char *piece, size_t size)
{
    const bool bytes = spell->form.unit == TOK_UNIT_BYTE;
    const char *blank = spell->form.blanks ? SPELLING_BLANK : SPELLING_END;
    size_t used = 0;
    char *out = size < SIZE_MAX / UTF8_MAX ? malloc(size * UTF8_MAX + 1) : NULL; /* </w> has four bytes too */
    if (!out) return NULL;
    for (size_t i = 0; i < size; i++) {
        if (bytes) {
            used += utf8_encode(spell->codes[(unsigned char)piece[i]], out + used);
        } else if (piece[i] == ' ') {
            memcpy(out + used, blank, strlen(blank));
            used += strlen(blank);
        } else {
            out[used++] = piece[i];
        }
    }
    out[used] = 0;
    return out;
}

/* The same of SentencePiece's, where only the blank differs. */
static size_t unspell_blanks(const char *text, size_t size, char *out)
{
    size_t used = 0;
    if (utf8_valid(text, size) < size) return SIZE_MAX;
    for (size_t i = 0; i < size;) {
        if (size - i >= SPELLING_BLANK_BYTES && memcmp(text + i, SPELLING_BLANK, SPELLING_BLANK_BYTES) == 0) {
            out[used++] = ' ';
            i += SPELLING_BLANK_BYTES;
        } else {
            out[used++] = text[i++];
        }
    }
    return used;
}

size_t unspell(const speller *spell, const char *text, size_t size, char *out)
{
    size_t used = 0;
    if (!size) return SIZE_MAX;
    if (spell->form.blanks) return unspell_blanks(text, size, out);
    for (size_t i = 0; i < size;) {
        uint32_t code;
        size_t length = utf8_decode(text + i, size - i, &code);
        if (!length) return SIZE_MAX;
        if (spell->form.unit == TOK_UNIT_BYTE) {
            if (code >= SPELLING_CODES || !spell->known[code]) return SIZE_MAX;
            out[used++] = (char)spell->bytes[code];
        } else if (code == ' ') {
            return SIZE_MAX;
        } else if (size - i >= SPELLING_END_BYTES && memcmp(text + i, SPELLING_END, SPELLING_END_BYTES) == 0) {
            out[used++] = ' ';
            length = SPELLING_END_BYTES;
        } else {
            memmove(out + used, text + i, length);
            used += length;
        }
        i += length;
    }
    return used;
}

size_t spelling_named(const tok_form *form, const char *text, char *out)
{
    const size_t size = strlen(text), blanks = form->blanks ? unspell_blanks(text, size, out) : SIZE_MAX;
    if (blanks != SIZE_MAX) return blanks;
    memmove(out, text, size);
    return size;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int spelling_byte(const char *text, size_t size)
{
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    const int high = hex_digit(text[3]), low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}
