/* SentencePiece's BPE (https://github.com/google/sentencepiece): pieces with scores instead of merges. Two neighbours merge where both joined are a
 * piece, the one of the highest score first and then the leftmost. tokenizer.model has them, and GGUF files. */
#ifndef TEXT_SCORED_H
#define TEXT_SCORED_H

#include "text/tokenizer.h"

enum { SCORED_NORMAL = 1, SCORED_UNKNOWN, SCORED_CONTROL, SCORED_USER, SCORED_UNUSED, SCORED_BYTE };
enum { SCORED_MOST = 1024 }; /* bytes of a piece */

typedef struct scored_piece {
    const char *text; /* (size) as the file spells it */
    uint32_t size;
    float score;
    int type;
} scored_piece;

typedef struct scored_parts {
    scored_piece *list; /* (count) by id */
    uint32_t count;
    bool fallback, prefix, squeeze; /* byte_fallback, add_dummy_prefix, remove_extra_whitespaces */
    bool unused;                    /* pieces of this type are ids without a token; else they are refused */
    int64_t unknown, begin, end;    /* ids, or below 0: none */
} scored_parts;

/* A tokenizer of the parts. The settings' words about them go before. Fails: PM_FORMAT with a line that names `path` and the piece. */
pm_status tok_from_scored(const pm_log *log, const char *path, const scored_parts *parts, tok_settings *settings,
                          pm_tokenizer **out);

/* The merges that make a piece: it cut in two between any characters, where both are pieces. Only counts where `merges` is NULL. */
uint32_t scored_merges(const char *pieces, const size_t *starts, const tok_index *index, uint32_t id,
                       bpe_merge *merges);

/* SentencePiece's tokenizer.model. *found: it is there; else nothing was read. */
pm_status tok_sentencepiece_read(const pm_log *log, const file_ref *ref, tok_settings *settings, bool *found,
                                 pm_tokenizer **out);

#endif
