/* What a tokenizer is made of. A "unit" is what one token stands for in both kinds so far: a byte value or a code
 * point. A kind with merges would add its tables to the struct, a case to tok_encode_some and a row to its kinds. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>

#include <pumice/text.h>

#include "base/log.h"
#include "text/utf8.h"

typedef enum tok_kind { TOK_BYTE, TOK_CHAR, TOK_KINDS } tok_kind;

enum { TOK_PAGE = 256, TOK_PAGES = UTF8_CODES / TOK_PAGE };
#define TOK_NONE UINT32_MAX

struct pm_tokenizer {
    tok_kind kind;
    uint32_t vocab;
    uint64_t hash;
    char *pieces;              /* the tokens' bytes, in id order */
    size_t *starts;            /* (vocab + 1) offsets into pieces */
    uint32_t fast[256];        /* id by byte: all of them, or the ASCII characters; TOK_NONE where there is none */
    uint32_t *page[TOK_PAGES]; /* id by code point, 256 to a page; NULL where there is none. Characters only */
};

/* The name that files use, "byte" or "char". */
const char *tok_kind_name(tok_kind kind);

/* A tokenizer whose token i stands for units[i]: all different, count > 0, each a valid unit of its kind. */
pm_status tok_from_units(const pm_log *log, tok_kind kind, const uint32_t *units, uint32_t count, pm_tokenizer **out);

/* Why a text cannot be encoded. */
typedef struct tok_fault {
    bool invalid;  /* not UTF-8; otherwise the character is unknown */
    uint32_t code; /* of the unknown character */
} tok_fault;

/* Encodes from text[*at] until `capacity` tokens are made or the text ends. Moves *at behind what was encoded, to the
 * fault on false. */
bool tok_encode_some(const pm_tokenizer *tok, const char *text, size_t size, size_t *at, uint32_t *out, size_t capacity,
                     size_t *made, tok_fault *fault);

/* Logs the one line about a fault at a byte offset of what `name` names. */
pm_status tok_fault_fail(const pm_log *log, const char *name, size_t offset, const tok_fault *fault);

#endif
