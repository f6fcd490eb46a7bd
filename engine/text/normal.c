/* The normal form of a stretch of text: the blank before it, blanks for their signs, Unicode's form C. */
#include <stdlib.h>
#include <string.h>

#include "text/spelling.h"
#include "text/tokenizer.h"

void tok_normal_free(tok_normal *normal)
{
    free(normal->own.text);
    *normal = (tok_normal){0};
}

size_t tok_normal_place(const tok_normal *normal, size_t at)
{
    if (!normal->exact) return normal->begin;
    return normal->begin + (at > normal->shift ? at - normal->shift : 0);
}

/* The sign of a blank at the text's beginning: its bytes, or 0. */
static size_t sign_at(const char *text, size_t size)
{
    return size >= SPELLING_BLANK_BYTES && memcmp(text, SPELLING_BLANK, SPELLING_BLANK_BYTES) == 0
               ? SPELLING_BLANK_BYTES
               : 0;
}

static bool has_prefix(const tok_form *form, const char *text, size_t begin, size_t end)
{
    if (form->prefix == TOK_PREFIX_NONE || (form->prefix == TOK_PREFIX_FIRST && begin > 0)) return false;
    return !(form->unless && (text[begin] == ' ' || (form->blanks && sign_at(text + begin, end - begin))));
}

/* Bytes before the first sign of a blank that is not a blank. */
static size_t before_signs(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        const char *found = memchr(text + at, SPELLING_BLANK[0], size - at);
        if (!found) return size;
        at = (size_t)(found - text);
        if (sign_at(found, size - at)) return at;
    }
    return size;
}

/* Appends the text with blanks for their signs. With `squeeze`, SentencePiece's remove_extra_whitespaces: no blank behind a blank. */
static bool put_blanks(const char *text, size_t size, bool squeeze, nfc_out *out)
{
    bool blank = squeeze;
    for (size_t at = 0, from = 0; at <= size; at++) {
        const size_t sign = sign_at(text + at, size - at);
        const bool gone = squeeze && blank && at < size && text[at] == ' ';
        if (at < size && !sign && !gone) {
            blank = text[at] == ' ';
            continue;
        }
        if (!nfc_put(out, text + from, at - from) || (sign && !nfc_put(out, " ", 1))) return false;
        if (sign) blank = false;
        at += sign ? sign - 1 : 0;
        from = at + 1;
    }
    return true;
}

bool tok_normal_make(const pm_tokenizer *tok, const char *text, size_t begin, size_t end, tok_normal *out)
{
    const tok_form *form = &tok->form;
    const bool squeeze = form->squeeze;
    while (squeeze && begin < end && text[begin] == ' ') begin++;
    const size_t size = end - begin;
    const size_t same = squeeze        ? 0
                        : tok->nfc     ? nfc_same(tok->nfc, text + begin, size)
                        : form->blanks ? before_signs(text + begin, size)
                                       : size;
    out->begin = begin;
    out->shift = size > 0 && has_prefix(form, text, begin, end);
    out->exact = same == size;
    out->text = text + begin;
    out->size = size;
    if (out->exact && !out->shift) return true;
    out->own.used = 0;
    if (out->shift && !nfc_put(&out->own, " ", 1)) return false;
    if (!nfc_put(&out->own, text + begin, same)) return false;
    const char *rest = text + begin + same;
    if (same < size && !(form->blanks ? put_blanks(rest, size - same, squeeze, &out->own)
                                      : nfc_apply(tok->nfc, rest, size - same, &out->own)))
        return false;
    while (squeeze && out->own.used && out->own.text[out->own.used - 1] == ' ') out->own.used--;
    out->text = out->own.text;
    out->size = out->own.used;
    return true;
}
