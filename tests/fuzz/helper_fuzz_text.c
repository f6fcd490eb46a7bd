#include "helper_fuzz_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "text/gpt2.h"
#include "text/unicode.h"

enum { FEW = 3 };

/* The linker replaces the functions by these (--wrap): the table is the same for all tokenizers, and making it takes 50 ms. */
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
    const bool keeps = !changes && !tok->same_count && tok->unknown == TOK_NONE;
    char *own = malloc(size ? size : 1); /* it ends where its memory ends, which a sanitizer watches */
    REQUIRE(own);
    if (size) memcpy(own, text, size);
    if (fuzz_done(pm_tokenizer_encode(fuzz_log(), tok, "text", own, size, &tokens, &count))) {
        walk(tok, own, size, tokens, count, false);
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
