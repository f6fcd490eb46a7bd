/* Descriptions with names. */
#include "text/form.h"

#include <string.h>

#include "base/hash.h"

const tok_form tok_form_byte = {.unit = TOK_UNIT_BYTE};
const tok_form tok_form_char = {.unit = TOK_UNIT_CHAR};
const tok_form tok_form_gpt2 = {
    .cut = TOK_CUT_SPLITS, .splits = {TOK_GPT2_PATTERN}, .unit = TOK_UNIT_BYTE, .merges = true};
const tok_form tok_form_gpt1 = {.cut = TOK_CUT_WORDS, .unit = TOK_UNIT_WORD, .merges = true};

/* Letters with one other character before them, so many digits, others with line ends behind them, white space. */
#define LETTERS_AND(digits)                                                                                            \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                               \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Qwen2 and Qwen3: tokenizer.json, and transformers' Qwen2Tokenizer for vocab.json and merges.txt. */
const tok_form tok_form_qwen2 = {.nfc = true,
                                 .cut = TOK_CUT_SPLITS,
                                 .splits = {LETTERS_AND("\\p{N}")},
                                 .unit = TOK_UNIT_BYTE,
                                 .merges = true,
                                 .ordered = true};
const tok_form tok_form_llama3 = {.cut = TOK_CUT_SPLITS,
                                  .splits = {LETTERS_AND("\\p{N}{1,3}")},
                                  .unit = TOK_UNIT_BYTE,
                                  .merges = true,
                                  .ordered = true,
                                  .whole = true};
/* SmolLM, SmolLM2, StarCoder: each digit by itself. */
const tok_form tok_form_smollm = {.cut = TOK_CUT_SPLITS,
                                  .splits = {"\\p{N}", TOK_GPT2_PATTERN},
                                  .unit = TOK_UNIT_BYTE,
                                  .merges = true,
                                  .ordered = true};

uint32_t tok_form_splits(const tok_form *form)
{
    uint32_t count = 0;
    while (count < TOK_SPLITS && form->splits[count][0]) count++;
    return count;
}

static bool is_gpt2(const tok_form *form)
{
    return !form->nfc && !form->whole && tok_form_splits(form) == 1 && strcmp(form->splits[0], TOK_GPT2_PATTERN) == 0;
}

const char *tok_form_kind(const tok_form *form)
{
    if (!form->merges) return form->unit == TOK_UNIT_BYTE ? "byte" : "char";
    if (form->unit == TOK_UNIT_WORD) return "gpt1";
    if (form->unit == TOK_UNIT_CHAR) return "sentencepiece";
    return is_gpt2(form) ? "gpt2" : "bpe";
}

const tok_form *tok_form_named(const char *kind)
{
    const tok_form *const forms[] = {&tok_form_byte, &tok_form_char, &tok_form_gpt2, &tok_form_gpt1};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(kind, tok_form_kind(forms[i])) == 0) return forms[i];
    return NULL;
}

bool tok_form_is_named(const tok_form *form)
{
    return tok_form_named(tok_form_kind(form)) != NULL;
}

bool tok_form_changes(const tok_form *form)
{
    return form->nfc || form->blanks || form->prefix != TOK_PREFIX_NONE;
}

uint64_t tok_form_hash(uint64_t hash, const tok_form *form)
{
    const unsigned char parts[] = {
        form->nfc,      form->blanks, form->squeeze, (unsigned char)form->prefix,
        form->unless,   form->apart,  form->ordered, form->whole,
        form->fallback, form->fuse,   form->drops,
    };
    hash = hash_bytes(hash, parts, sizeof parts);
    for (uint32_t i = 0; i < tok_form_splits(form); i++)
        hash = hash_bytes(hash, form->splits[i], strlen(form->splits[i]) + 1);
    return hash;
}
