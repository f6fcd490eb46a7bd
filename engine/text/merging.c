/* The walk of the kinds with merges: pieces of the text become rows of symbols, are merged, and come out as tokens. Most pieces of a text
 * were there before, so their tokens are kept in a small table. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "text/tokenizer.h"

/* Longer pieces are rare, and so are pieces of more tokens. */
enum { CACHE_ENTRIES = 16384, CACHE_PIECE = 38, CACHE_TOKENS = 6 };

typedef struct cache_entry {
    unsigned char size, count; /* bytes of the piece, 0: empty; tokens */
    char piece[CACHE_PIECE];
    uint32_t tokens[CACHE_TOKENS];
} cache_entry;
_Static_assert(sizeof(cache_entry) == 64, "a line of most processors' caches");

struct tok_merging {
    gpt2_cutter *cutter; /* one of the two */
    gpt1_reader *reader;
    bpe_row row;        /* the piece at hand; behind merging, its tokens */
    size_t given;       /* of which these came out already */
    cache_entry *cache; /* (CACHE_ENTRIES) by hash; a newer piece takes an older one's place */
};

struct tok_merging *tok_merging_make(const pm_tokenizer *tok)
{
    struct tok_merging *merging = calloc(1, sizeof *merging);
    if (!merging) return NULL;
    merging->cache = calloc(CACHE_ENTRIES, sizeof *merging->cache);
    if (tok->kind == TOK_GPT2) merging->cutter = gpt2_cutter_make(tok->pattern);
    if (tok->kind == TOK_GPT1) merging->reader = gpt1_reader_make(tok->rules);
    if (!merging->cache || (!merging->cutter && !merging->reader)) {
        tok_merging_free(merging);
        return NULL;
    }
    return merging;
}

void tok_merging_free(struct tok_merging *merging)
{
    if (!merging) return;
    gpt2_cutter_free(merging->cutter);
    gpt1_reader_free(merging->reader);
    bpe_row_free(&merging->row);
    free(merging->cache);
    free(merging);
}

/* gpt2: a symbol a byte. */
static void byte_symbols(const pm_tokenizer *tok, const char *piece, size_t size, bpe_row *row)
{
    for (size_t i = 0; i < size; i++) row->ids[i] = tok->fast[(unsigned char)piece[i]];
    row->count = size;
}

/* gpt1: a symbol a character, the last one in the form that ends a word; TOK_NONE for those that the vocabulary lacks. A byte that is not
 * UTF-8 counts as a character that it lacks. */
static void word_symbols(const pm_tokenizer *tok, const char *word, size_t size, bpe_row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < size; count++) {
        uint32_t code = 0;
        size_t length = utf8_decode(word + i, size - i, &code);
        i += length ? length : 1;
        row->ids[count] = !length     ? TOK_NONE
                          : i == size ? code_map_get(&tok->end_codes, code)
                                      : code_map_get(&tok->codes, code);
    }
    row->count = count;
}

static bool merge_piece(const pm_tokenizer *tok, struct tok_merging *merging, const char *piece, size_t size)
{
    bpe_row *row = &merging->row;
    if (!bpe_row_reserve(row, size > CACHE_TOKENS ? size : CACHE_TOKENS)) return false;
    merging->given = 0;
    cache_entry *entry = NULL;
    if (size <= CACHE_PIECE) {
        entry = &merging->cache[(hash_bytes(HASH_INIT, piece, size) >> 16) % CACHE_ENTRIES];
        if (entry->size == size && memcmp(entry->piece, piece, size) == 0) {
            row->count = entry->count;
            memcpy(row->ids, entry->tokens, sizeof entry->tokens);
            return true;
        }
    }
    if (tok->kind == TOK_GPT2)
        byte_symbols(tok, piece, size, row);
    else
        word_symbols(tok, piece, size, row);
    if (!bpe_row_merge(&tok->merges, row)) return false;
    if (tok->kind == TOK_GPT1) {
        for (size_t i = 0; i < row->count; i++) row->ids[i] = row->ids[i] == TOK_NONE ? tok->unknown : row->ids[i];
    }
    if (entry && row->count <= CACHE_TOKENS) {
        entry->size = (unsigned char)size;
        entry->count = (unsigned char)row->count;
        memcpy(entry->piece, piece, size);
        memcpy(entry->tokens, row->ids, row->count * sizeof *row->ids);
    }
    return true;
}

/* The next piece; size 0 at the end. False when short of memory. */
static bool next_piece(tok_walk *walk, const char **piece, size_t *size)
{
    struct tok_merging *merging = walk->merging;
    if (merging->reader) return gpt1_reader_next(merging->reader, walk->text, walk->size, &walk->at, piece, size);
    *piece = walk->text + walk->at;
    *size = walk->at < walk->size ? gpt2_cutter_next(merging->cutter, walk->text, walk->size, walk->at) : 0;
    if (walk->at < walk->size && !*size) return false;
    walk->at += *size;
    return true;
}

bool tok_merging_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made)
{
    struct tok_merging *merging = walk->merging;
    bpe_row *row = &merging->row;
    *made = 0;
    while (*made < capacity) {
        if (merging->given == row->count) {
            const char *piece;
            size_t size;
            if (!next_piece(walk, &piece, &size)) return false;
            if (!size) break;
            if (!merge_piece(walk->tok, merging, piece, size)) return false;
        }
        size_t count = row->count - merging->given, room = capacity - *made;
        if (count > room) count = room;
        memcpy(out + *made, row->ids + merging->given, count * sizeof *out);
        merging->given += count;
        *made += count;
    }
    return true;
}
