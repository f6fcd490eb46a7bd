/* How a text becomes tokens, and tokens a text: the description that every tokenizer has. A text is brought to its normal form, cut into
 * pieces, and each piece into units; a table of merges joins these. */
#ifndef TEXT_FORM_H
#define TEXT_FORM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TOK_SPLITS = 8,
    TOK_PATTERN = 1024
}; /* most splits one after the other; bytes of a pattern, with the 0 behind it */

/* What a piece begins as. */
typedef enum tok_unit {
    TOK_UNIT_BYTE, /* a byte each, in GPT-2's spelling in files */
    TOK_UNIT_CHAR, /* a character each */
    TOK_UNIT_WORD, /* a character each, the last of a piece in the form that ends a word: GPT-1's </w> */
} tok_unit;

typedef enum tok_cut {
    TOK_CUT_NONE,   /* the text is one piece */
    TOK_CUT_SPLITS, /* regular expressions */
    TOK_CUT_WORDS,  /* GPT-1's words */
} tok_cut;

/* Which texts get a blank before them. A text that special tokens cut is several. */
typedef enum tok_prefix { TOK_PREFIX_NONE, TOK_PREFIX_FIRST, TOK_PREFIX_EACH } tok_prefix;

typedef struct tok_form {
    /* the normal form */
    bool nfc;
    bool blanks;       /* SentencePiece's way: a blank and U+2581 are the same, and spelled U+2581 in files */
    bool squeeze;      /* no blanks at the ends, one in place of several */
    tok_prefix prefix; /* a blank comes first, */
    bool unless;       /* but where the text has one there */
    /* pieces */
    tok_cut cut;
    char splits[TOK_SPLITS]
               [TOK_PATTERN]; /* as files spell them; "" behind the last. The next one cuts what the one before made */
    bool apart;               /* each blank begins a piece: Metaspace with "split" */
    /* tokens */
    tok_unit unit;
    bool merges; /* else each unit is a token */
    bool
        ordered; /* merges are made one by one, the earliest in rank and then in place first; else all of a rank at once, as GPT-2 */
    bool whole;    /* a piece that is a token is taken whole: "ignore_merges" */
    bool fallback; /* a character without a token becomes its bytes' tokens, <0x00> to <0xFF> */
    bool fuse;     /* unknown symbols side by side become one token */
    bool drops;    /* a text loses a blank at its beginning when it is put together again */
} tok_form;

/* The pattern of GPT-2, as files spell it. Qwen's and Llama 3's differ in how many digits are a piece. */
#define TOK_GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

extern const tok_form tok_form_byte, tok_form_char, tok_form_gpt2, tok_form_gpt1;
extern const tok_form tok_form_qwen2, tok_form_llama3, tok_form_smollm;

/* The name of a description: "byte", "char", "gpt2", "gpt1"; "bpe" for other byte-level ones; "sentencepiece" for those with blanks. */
const char *tok_form_kind(const tok_form *form);
/* One of the first four by its name; NULL: another. */
const tok_form *tok_form_named(const char *kind);

/* Whether the kind's name tells all of the form but its prefix. */
bool tok_form_is_named(const tok_form *form);

/* How many splits there are. */
uint32_t tok_form_splits(const tok_form *form);
/* Whether texts have a normal form other than themselves. */
bool tok_form_changes(const tok_form *form);
/* Goes on with a hash over what the kind's name does not tell. */
uint64_t tok_form_hash(uint64_t hash, const tok_form *form);

#endif
