/* What a tokenizer is made of, and the walk over a text that every use of one goes through. Two families: the kinds `byte` and `char` have
 * one token a unit, a byte value or a code point; `gpt2` and `gpt1` merge the symbols of pieces and words (bpe.h). */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>

#include <pumice/text.h>

#include "base/log.h"
#include "text/bpe.h"
#include "text/code_map.h"
#include "text/gpt1.h"
#include "text/gpt2.h"
#include "text/utf8.h"

typedef enum tok_kind { TOK_BYTE, TOK_CHAR, TOK_GPT2, TOK_GPT1, TOK_KINDS } tok_kind;

#define TOK_NONE UINT32_MAX

struct pm_tokenizer {
    tok_kind kind;
    uint32_t vocab;
    uint64_t hash;
    char *pieces;       /* the tokens' bytes, in id order */
    size_t *starts;     /* (vocab + 1) offsets into pieces */
    uint32_t fast[256]; /* id by byte: all of them, or the ASCII characters; TOK_NONE where there is none */
    code_map codes;     /* id by code point: char, and gpt1 within a word */
    code_map end_codes; /* gpt1: id of a code point that ends a word */
    uint32_t unknown;   /* gpt1: the token of symbols that have none */
    bpe_table merges;   /* gpt2, gpt1 */
    gpt2_pattern *pattern;
    gpt1_rules *rules;
};

/* The name that files use, "byte" and so on. */
const char *tok_kind_name(tok_kind kind);
/* Whether the kind has merges. */
bool tok_kind_merges(tok_kind kind);

/* A tokenizer whose token i stands for units[i]: all different, count > 0, each a valid unit of its kind. */
pm_status tok_from_units(const pm_log *log, tok_kind kind, const uint32_t *units, uint32_t count, pm_tokenizer **out);

/* The vocabulary of a kind with merges. Pieces of gpt1 end in a blank where a word ends. */
typedef struct tok_bpe_parts {
    char *pieces;      /* in id order */
    size_t *starts;    /* (vocab + 1) */
    uint32_t vocab;    /* > 0 */
    bpe_merge *merges; /* (merge_count) by rank, of ids below vocab; NULL for none */
    uint32_t merge_count;
} tok_bpe_parts;

/* Takes over the memory of parts, also on failure. gpt2 needs a token for each byte: the caller has checked. Fails: PM_FORMAT where a pair
 * merges twice; the line names `name`. */
pm_status tok_from_bpe(const pm_log *log, const char *name, tok_kind kind, tok_bpe_parts *parts, pm_tokenizer **out);
void tok_bpe_parts_free(tok_bpe_parts *parts);
/* The files of a kind with merges. Reading finds out the kind where it is TOK_KINDS. */
pm_status tok_bpe_read(const pm_log *log, const char *vocab_path, const char *merges_path, tok_kind kind,
                       pm_tokenizer **out);
pm_status tok_bpe_write_merges(const pm_log *log, const pm_tokenizer *tok, const char *path);
/* A token as the files of a kind with merges spell it, malloc'd; NULL when short of memory. */
char *tok_bpe_spell(const pm_tokenizer *tok, uint32_t id);

/* Ids by piece, of (vocab) pieces. */
typedef struct tok_index {
    uint32_t *slots, mask;
    const char *pieces;
    const size_t *starts;
} tok_index;

/* Twice: the id of a piece that another one equals, or TOK_NONE. False when short of memory. */
bool tok_index_make(const char *pieces, const size_t *starts, uint32_t vocab, tok_index *out, uint32_t *twice);
uint32_t tok_index_find(const tok_index *index, const char *piece, size_t size); /* TOK_NONE: not there */
void tok_index_free(tok_index *index);

/* Why a text cannot be encoded. */
typedef struct tok_fault {
    enum { TOK_FAULT_INVALID, TOK_FAULT_UNKNOWN, TOK_FAULT_MEMORY } kind; /* not UTF-8; a character without a token */
    uint32_t code;                                                        /* of the unknown character */
} tok_fault;

/* One walk over a text from its start to its end. One thread at a time; tokenizer and text must outlive it. */
typedef struct tok_walk {
    const pm_tokenizer *tok;
    const char *text;
    size_t size;
    size_t at;                   /* bytes read so far; after a fault, where it is */
    struct tok_merging *merging; /* gpt2, gpt1 */
} tok_walk;

/* Fails only for want of memory, without a line. */
bool tok_walk_begin(const pm_tokenizer *tok, const char *text, size_t size, tok_walk *out);
/* At most `capacity` > 0 further tokens; *made is 0 only at the end. False at a fault. */
bool tok_walk_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault);
void tok_walk_end(tok_walk *walk);

/* The part of tok_walk_next for kinds with merges, in merging.c. */
struct tok_merging *tok_merging_make(const pm_tokenizer *tok);
bool tok_merging_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made);
void tok_merging_free(struct tok_merging *merging);

/* Logs the one line about a fault at a byte offset of what `name` names. */
pm_status tok_fault_fail(const pm_log *log, const char *name, size_t offset, const tok_fault *fault);

#endif
