#include "helper_fuzz_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "text/gpt2.h"
#include "text/unicode.h"

enum { FEW = 3 };

/* The linker replaces the functions by these (--wrap): the tables are the same for all tokenizers, and making them takes 50 ms. */
unicode_table *__real_unicode_table_make(void);
unicode_table *__wrap_unicode_table_make(void);
void __wrap_unicode_table_free(unicode_table *table);

unicode_table *__wrap_unicode_table_make(void)
{
    static unicode_table *table;
    if (!table) table = __real_unicode_table_make();
    return table;
}

void __wrap_unicode_table_free(unicode_table *table)
{
    (void)table;
}

nfc_table *__real_nfc_table_make(void);
nfc_table *__wrap_nfc_table_make(void);
void __wrap_nfc_table_free(nfc_table *table);

nfc_table *__wrap_nfc_table_make(void)
{
    static nfc_table *table;
    if (!table) table = __real_nfc_table_make();
    return table;
}

void __wrap_nfc_table_free(nfc_table *table)
{
    (void)table;
}

/* Whether an added token takes white space with it. */
static bool strips(const pm_tokenizer *tok)
{
    for (size_t i = 0; i < tok->added_count; i++)
        if (tok->added[i].lstrip || tok->added[i].rstrip) return true;
    return false;
}

/* The tokens' text comes in whole characters, and joined it is their pieces' but for a blank. */
static void put_together(const pm_tokenizer *tok, const uint32_t *tokens, size_t count)
{
    pm_detokenizer *d = NULL;
    size_t all = 0, pieces = 0, size = 0;
    REQUIRE(fuzz_done(pm_detokenizer_create(fuzz_log(), tok, false, &d)));
    for (size_t i = 0; i < count; i++) {
        fuzz_touch(pm_detokenizer_put(d, tokens[i], &size), size);
        all += size;
        pm_tokenizer_piece(tok, tokens[i], &size);
        pieces += size;
    }
    pm_detokenizer_end(d, &size);
    REQUIRE(all + size == pieces || (tok->form.drops && all + size + 1 == pieces));
    pm_detokenizer_destroy(&d);
}

/* Walks over the tokens again, FEW at a time. */
static void walk(const pm_tokenizer *tok, const char *text, size_t size, const uint32_t *tokens, size_t count,
                 bool special)
{
    tok_walk w;
    tok_fault fault;
    size_t at = 0, made = 1;
    uint32_t some[FEW];
    REQUIRE(tok_walk_begin(tok, text, size, &w));
    w.special = special;
    while (made) {
        REQUIRE(tok_walk_next(&w, some, FEW, &made, &fault) && made <= FEW && made <= count - at);
        REQUIRE(memcmp(some, tokens + at, made * sizeof *some) == 0);
        at += made;
    }
    REQUIRE(at == count && w.at == size);
    tok_walk_end(&w);
}

void fuzz_encode(const pm_tokenizer *tok, const char *text, size_t size)
{
    uint32_t *tokens = NULL;
    size_t count = 0, at = 0;
    const bool changes = tok->form.unit == TOK_UNIT_WORD || tok_form_changes(&tok->form);
    const bool keeps = !changes && !tok->same_count && tok->unknown == TOK_NONE && !strips(tok);
    char *own = malloc(size ? size : 1); /* it ends where its memory ends, which a sanitizer watches */
    REQUIRE(own);
    if (size) memcpy(own, text, size);
    if (fuzz_done(pm_tokenizer_encode(fuzz_log(), tok, "text", own, size, &tokens, &count))) {
        walk(tok, own, size, tokens, count, false);
        put_together(tok, tokens, count);
        for (size_t i = 0; i < count; i++) {
            size_t length = 0;
            const char *piece = pm_tokenizer_piece(tok, tokens[i], &length);
            REQUIRE(piece && (!keeps || (length <= size - at && memcmp(piece, own + at, length) == 0)));
            at += length;
        }
        REQUIRE(!keeps || at == size);
    }
    free(tokens);
    if (fuzz_done(pm_tokenizer_encode_special(fuzz_log(), tok, "text", own, size, &tokens, &count))) {
        walk(tok, own, size, tokens, count, true);
        free(tokens);
    }
    free(own);
}

const char *fuzz_gpt2_vocab(const char *name, const char *more, size_t size)
{
    enum { ENTRY = 16 }; /* bytes of one, at most */
    uint32_t codes[256];
    char *text = malloc(256 * ENTRY + size);
    size_t used = 0;
    REQUIRE(text);
    gpt2_spellings(codes);
    for (int b = 0; b < 256; b++) {
        char one[UTF8_MAX + 1] = "";
        utf8_encode(codes[b], one);
        used += (size_t)sprintf(text + used, "%c\"%s%s\":%d", b ? ',' : '{', b == '"' || b == '\\' ? "\\" : "", one, b);
    }
    if (size) memcpy(text + used, more, size);
    const char *path = fuzz_file(name, text, used + size);
    free(text);
    return path;
}
