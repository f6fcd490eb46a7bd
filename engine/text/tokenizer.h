/* The parts of a tokenizer, and the walk over a text with which all encoding is done. A description says how (form.h): without merges each unit of
 * a text is a token, else the symbols of its pieces are merged (bpe.h). */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>

#include <pumice/text.h>

#include "base/log.h"
#include "base/utf8.h"
#include "files/source.h"
#include "text/bpe.h"
#include "text/code_map.h"
#include "text/cut.h"
#include "text/form.h"
#include "text/gpt1.h"
#include "text/gpt2.h"
#include "text/nfc.h"

#define TOK_NONE UINT32_MAX
enum {
    TOK_MOST = 1 << 24,
    TOK_MOST_NAMED = 1 << 14,
    TOK_NAME = 1024
}; /* most tokens of a vocabulary; most tokens that files name: each is compared with each; bytes of a name that begins or ends a text */

/* A token that stands for its bytes wherever a text spells them, before the text is cut. Special ones do so only if the caller asks for it. */
enum { TOK_ADDED_PLAIN = 1, TOK_ADDED_SPECIAL = 2 };
typedef struct tok_added {
    uint32_t entry; /* an id or, from vocab on, a second name */
    unsigned char kind;
    bool lstrip, rstrip; /* the white space before it, and behind it, belongs to it */
    bool inner;          /* it is looked for in the normal form, and no text of its own begins behind it */
    size_t start, size;  /* what a text spells, in added_texts */
} tok_added;

struct pm_tokenizer {
    tok_form form;
    uint32_t vocab; /* the largest id + 1 */
    uint64_t hash;
    char *pieces;   /* the tokens' bytes, in id order, then the second names'; an id that no token has is empty */
    size_t *starts; /* (vocab + same_count + 1) offsets into pieces */
    uint32_t *same; /* (same_count) the ids of second names: vocab.json may give a token two names */
    uint32_t same_count;
    uint32_t *
        only; /* (only_count) ascending ids that no merge makes: added tokens with another token's bytes, bytes' tokens */
    uint32_t only_count;
    tok_added *added;      /* (added_count) longer ones first */
    uint32_t *added_order; /* (added_count) by their texts' bytes */
    char *added_texts;
    size_t added_count;
    unsigned char added_first[256]; /* kinds of added tokens by the byte they begin with, */
    unsigned char inner_first[256]; /* and of inner ones */
    bool has_inner;
    uint32_t begin, end;       /* the tokens around a text, or TOK_NONE */
    bool puts_begin, puts_end; /* the files say that they stand around each text */
    uint32_t fast[256];        /* id by byte: all of them, or the ASCII characters; TOK_NONE where there is none */
    code_map codes;            /* characters: id by code point, within a word where the unit is a word's */
    code_map end_codes;        /* words: id of a code point that ends one */
    uint32_t unknown;          /* the token of symbols that have none, or TOK_NONE */
    uint32_t bytes[256];       /* the tokens of bytes that a character without one becomes, or TOK_NONE */
    bpe_table merges;
    unsigned char *joined;   /* characters: a bit for two bytes that some merge joins. No token lies across others */
    struct tok_index *index; /* "whole": ids by piece */
    cut_rules *rules;        /* splits */
    gpt1_rules *words;
    nfc_table *nfc;
    char *chat; /* the Jinja template of a conversation, which files keep; NULL: none */
};

/* The id of an entry, which is a token's or a second name's. */
static inline uint32_t tok_entry_id(uint32_t vocab, const uint32_t *same, uint32_t entry)
{
    return entry < vocab ? entry : same[entry - vocab];
}

/* Whether the ascending ids `only` have this entry. The caller goes through the entries in order, with *at 0 at first. */
static inline bool tok_is_only(const uint32_t *only, uint32_t count, uint32_t *at, uint32_t entry)
{
    const bool is = *at < count && only[*at] == entry;
    *at += is;
    return is;
}

/* Bytes of an entry. */
static inline size_t tok_entry_size(const pm_tokenizer *tok, uint32_t entry)
{
    return tok->starts[entry + 1] - tok->starts[entry];
}

/* A tokenizer whose token i stands for units[i]: all different, count > 0, each a valid unit of the form, which has no merges. */
pm_status tok_from_units(const pm_log *log, const tok_form *form, const uint32_t *units, uint32_t count,
                         pm_tokenizer **out);

/* What a folder's files say beside the vocabulary: tokenizer_config.json, special_tokens_map.json, added_tokens.json, and a part of
 * tokenizer.json. All zeros at first. */
typedef struct tok_named {
    const char *text;
    uint32_t id; /* TOK_NONE: the vocabulary's */
    bool special, lstrip, rstrip, inner;
    bool users; /* inner: a piece of SentencePiece's user, which Pumice's own files say */
    bool blank; /* inner: it is looked for with a blank before it, as Hugging Face's normalizer Prepend makes it */
} tok_named;

typedef enum tok_said { TOK_UNSAID, TOK_NO, TOK_YES } tok_said;

typedef struct tok_settings {
    tok_form form;                 /* as far as they say, */
    bool known;                    /* which is all of it but the prefix */
    bool own;                      /* by Pumice's own key */
    char *other_class;             /* a class that Pumice does not know, or NULL */
    char *begin, *end, *unknown;   /* names of tokens, or NULL */
    char *chat;                    /* chat_template, or NULL */
    tok_said prefix;               /* add_prefix_space */
    tok_said puts_begin, puts_end; /* whether they stand around each text: add_bos_token, add_eos_token */
    uint32_t *ranks;               /* (rank_count) how many merges have each rank; NULL: one */
    uint32_t rank_count;
    tok_named *named; /* (named_count) */
    size_t named_count, named_room;
} tok_settings;

/* Reads those of the files that are there. */
pm_status tok_settings_read(const pm_log *log, const file_source *from, tok_settings *out);
/* Whether a folder has any file of a tokenizer, also of one that is not read. */
bool tok_is_there(const file_source *from);
/* Adds a token, with a copy of its text. False when short of memory. */
bool tok_settings_name(tok_settings *settings, const tok_named *named);
void tok_settings_free(tok_settings *settings);
/* Adds a tokenizer's settings to tokenizer_config.json. False when short of memory. */
struct cJSON;
bool tok_settings_write(const pm_tokenizer *tok, struct cJSON *config);
/* json_flag, with an error line. */
pm_status tok_flag(const pm_log *log, const char *path, const struct cJSON *object, const char *key, bool *value);
/* The flags of an added token's object, into a token with its text: fails where Pumice does not support one. */
pm_status tok_added_flags(const pm_log *log, const char *path, const struct cJSON *token, tok_named *out);

/* Sets the added tokens and those at a text's ends: the settings', else <|endoftext|> where a vocabulary of bytes has it. *usual: no settings and no
 * second names change the ids. False when short of memory. In added.c, as the next three. */
typedef struct tok_index tok_index;
bool tok_add_named(pm_tokenizer *tok, const tok_index *index, const tok_settings *settings, bool *usual);
/* The id of a token that files name, or TOK_NONE. */
uint32_t tok_named_id(const pm_tokenizer *tok, const tok_index *index, const char *name);
/* Whether it is a piece of SentencePiece's user: inner, and looked for without a blank that other inner ones have. */
bool tok_is_users(const pm_tokenizer *tok, const tok_added *added);
/* What files write for it, and for the token of an id: an added one's, else its first name. malloc'd; NULL when short of memory. */
char *tok_added_content(const pm_tokenizer *tok, const tok_added *added);
char *tok_name_of(const pm_tokenizer *tok, uint32_t id);
/* Whether the id is one that a byte without a character becomes. */
bool tok_is_byte(const pm_tokenizer *tok, uint32_t id);
/* Its kind and flags as one number. */
uint32_t tok_added_bits(const tok_added *added);
/* The longest added token of these kinds that the text begins with, or NULL. */
const tok_added *tok_added_at(const pm_tokenizer *tok, const char *text, size_t size, unsigned kinds, bool inner);

/* A vocabulary with merges. Pieces of words end in a blank where a word ends. */
typedef struct tok_bpe_parts {
    char *pieces;   /* in id order, then second names */
    size_t *starts; /* (vocab + same_count + 1) */
    uint32_t vocab; /* > 0 */
    uint32_t *same; /* (same_count) */
    uint32_t same_count;
    uint32_t *only; /* (only_count) as in the tokenizer; the index leaves them out */
    uint32_t only_count;
    bpe_merge *merges; /* (merge_count) by rank, of ids below vocab; NULL for none */
    uint32_t merge_count;
    uint32_t *ranks; /* (merge_count) as in bpe_table_order, or NULL */
    uint32_t *bytes; /* (256) as in the tokenizer, or NULL */
} tok_bpe_parts;

/* Takes over the memory of parts, also on failure; settings may be NULL. Fails: PM_FORMAT where a pair merges twice; the line names `name`. */
pm_status tok_from_bpe(const pm_log *log, const char *name, const tok_form *form, tok_bpe_parts *parts,
                       const tok_settings *settings, pm_tokenizer **out);
void tok_bpe_parts_free(tok_bpe_parts *parts);
/* The two files of a tokenizer with merges. Where settings do not say the form, the vocabulary tells GPT-1's from GPT-2's. *found: both are
 * there; else nothing was read. */
pm_status tok_bpe_read(const pm_log *log, const file_ref *vocab, const file_ref *merges, const tok_settings *settings,
                       bool *found, pm_tokenizer **out);
/* The same from tokenizer.json alone, of the settings' form: vocab is {"spelling": id}; merges are lines or pairs of spellings; NULL: none. */
pm_status tok_bpe_read_json(const pm_log *log, const char *path, const struct cJSON *vocab, const struct cJSON *merges,
                            const tok_settings *settings, pm_tokenizer **out);
pm_status tok_bpe_write_merges(const pm_log *log, const pm_tokenizer *tok, const char *path);
/* The names to write a merge with. Joined, they are a name of the token that it makes, where there are such: so it can be read again. */
void tok_merge_names(const pm_tokenizer *tok, const bpe_merge *merge, uint32_t *left, uint32_t *right);
/* A token, or a second name, as the files of a tokenizer with merges spell it, malloc'd; NULL when short of memory. */
char *tok_bpe_spell(const pm_tokenizer *tok, uint32_t name);

/* Hugging Face's tokenizer.json, which has all of a tokenizer. What Pumice does not do is refused with a line that names it. *other: the file is of
 * GPT-1's kind, or is not there, and nothing was read. */
pm_status tok_hf_read(const pm_log *log, const file_ref *ref, tok_settings *settings, bool *other, pm_tokenizer **out);

/* Writes tokenizer.json into the folder, which Hugging Face's library reads to the same ids. */
pm_status tok_hf_write(const pm_log *log, const pm_tokenizer *tok, const char *dir);
/* Whether it can be written: not for GPT-1's words, and not without merges. */
bool tok_hf_can_write(const pm_tokenizer *tok);

/* Ids by piece, of vocab pieces and same_count second names. */
struct tok_index {
    uint32_t *slots, mask;
    const char *pieces;
    const size_t *starts;
    const uint32_t *same;
    uint32_t vocab;
};

/* *twice: the id of a piece that is there twice, or TOK_NONE. False when short of memory. */
bool tok_index_make(const tok_bpe_parts *parts, tok_index *out, uint32_t *twice);
uint32_t tok_index_entry(const tok_index *index, const char *piece, size_t size); /* TOK_NONE: not there */
uint32_t tok_index_find(const tok_index *index, const char *piece, size_t size);  /* its id */
void tok_index_free(tok_index *index);

/* Why a text cannot be encoded. */
typedef struct tok_fault {
    enum {
        TOK_FAULT_INVALID, /* not UTF-8 */
        TOK_FAULT_UNKNOWN, /* a character without a token */
        TOK_FAULT_BYTE,    /* a byte without a token */
        TOK_FAULT_SLOW,    /* the tokenizer's pattern takes too many steps */
        TOK_FAULT_MEMORY
    } kind;
    uint32_t code; /* of the unknown character or byte */
} tok_fault;

/* One walk over a text from its start to its end. One thread at a time; tokenizer and text must outlive it. */
typedef struct tok_walk {
    const pm_tokenizer *tok;
    const char *text;
    size_t size;
    size_t at;                   /* bytes read so far; after a fault, where it is */
    bool special;                /* whether text that spells a special token is that token; set before the first step */
    bool looked;                 /* the next three are known */
    size_t end;                  /* of the stretch that is encoded as a text of its own */
    uint32_t whole;              /* the added token that stands there, or TOK_NONE at the text's end */
    size_t whole_size;           /* its bytes */
    bool begins;                 /* nothing of the stretch was read yet */
    struct tok_merging *merging; /* where there are merges */
} tok_walk;

/* Fails only when short of memory, without a line. */
bool tok_walk_begin(const pm_tokenizer *tok, const char *text, size_t size, tok_walk *out);
/* At most `capacity` > 0 further tokens; *made is 0 only at the end. False at a fault. */
bool tok_walk_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault);
void tok_walk_end(tok_walk *walk);

/* The normal form of a stretch of text: normal.c. Zero it before use. */
typedef struct tok_normal {
    const char *text; /* (size) the text itself, or `own`'s */
    size_t size;
    size_t begin; /* where the stretch begins in the text */
    size_t shift; /* the blank that was put before it */
    bool exact;   /* nothing but this blank differs */
    nfc_out own;
} tok_normal;

/* Of text[begin, end), which is not empty. False when short of memory. */
bool tok_normal_make(const pm_tokenizer *tok, const char *text, size_t begin, size_t end, tok_normal *out);
/* Where a byte of it stands in the text; the stretch's beginning where that is not known. */
size_t tok_normal_place(const tok_normal *normal, size_t at);
void tok_normal_free(tok_normal *normal);

/* The part of tok_walk_next for tokenizers with merges, in merging.c. */
struct tok_merging *tok_merging_make(const pm_tokenizer *tok);
bool tok_merging_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault);
void tok_merging_free(struct tok_merging *merging);

/* Logs one line about a fault at a byte offset of the text `name`. */
pm_status tok_fault_fail(const pm_log *log, const char *name, size_t offset, const tok_fault *fault);

#endif
