/* The normal form of a stretch of text: the blank before it, and Unicode's form C. */
#include <stdlib.h>
#include <string.h>

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

static bool has_prefix(const tok_form *form, const char *text, size_t begin)
{
    if (form->prefix == TOK_PREFIX_NONE || (form->prefix == TOK_PREFIX_FIRST && begin > 0)) return false;
    return !(form->unless && text[begin] == ' ');
}

bool tok_normal_make(const pm_tokenizer *tok, const char *text, size_t begin, size_t end, tok_normal *out)
{
    const size_t size = end - begin, same = tok->nfc ? nfc_same(tok->nfc, text + begin, size) : size;
    out->begin = begin;
    out->shift = has_prefix(&tok->form, text, begin);
    out->exact = same == size;
    out->text = text + begin;
    out->size = size;
    if (out->exact && !out->shift) return true;
    out->own.used = 0;
    if (out->shift && !nfc_put(&out->own, " ", 1)) return false;
    if (!nfc_put(&out->own, text + begin, same)) return false;
    if (same < size && !nfc_apply(tok->nfc, text + begin + same, size - same, &out->own)) return false;
    out->text = out->own.text;
    out->size = out->own.used;
    return true;
}
