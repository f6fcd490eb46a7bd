/* The walk of the kinds with merges: pieces of the text become rows of symbols, are merged, and come out as tokens. Most pieces of a text
 * repeat, so their tokens are kept in a small table. */
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
    bpe_row row;  /* the present piece; after merging, its tokens */
    size_t given; /* tokens of it that came out already */
    char *first;  /* (first_room) a stretch's beginning behind a blank */
    size_t first_room;
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
    free(merging->first);
    free(merging->cache);
    free(merging);
}

/* gpt2: one symbol for each byte. */
static void byte_symbols(const pm_tokenizer *tok, const char *piece, size_t size, bpe_row *row)
{
    for (size_t i = 0; i < size; i++) row->ids[i] = tok->fast[(unsigned char)piece[i]];
    row->count = size;
}

/* gpt1: one symbol for each character, the last in the form that ends a word; TOK_NONE for characters that the vocabulary lacks. A byte that
 * is not UTF-8 counts as one of these. */
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

/* gpt2: a byte without a token becomes the unknown one, or is a fault at its place. */
static bool know_bytes(tok_walk *walk, const char *piece, size_t size, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    bpe_row *row = &walk->merging->row;
    for (size_t i = 0; i < row->count; i++) {
        if (row->ids[i] != TOK_NONE) continue;
        row->ids[i] = tok->unknown;
        if (tok->unknown != TOK_NONE) continue;
        size_t lacks = 0;
        while (lacks + 1 < size && tok->fast[(unsigned char)piece[lacks]] != TOK_NONE) lacks++;
        *fault = (tok_fault){.kind = TOK_FAULT_BYTE, .code = (unsigned char)piece[lacks]};
        const size_t blank = piece == walk->merging->first; /* the text's own bytes follow it */
        walk->at -= size - (lacks > blank ? lacks : blank); /* `at` is behind the piece */
        return false;
    }
    return true;
}

static bool merge_piece(tok_walk *walk, const char *piece, size_t size, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    struct tok_merging *merging = walk->merging;
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
    if (tok->kind == TOK_GPT2 && !know_bytes(walk, piece, size, fault)) return false;
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

/* The first piece of a stretch, as if a blank stood before it. It is cut from a copy of the stretch's beginning, which grows while the piece
 * goes on. */
static bool first_piece(tok_walk *walk, const char **piece, size_t *size)
{
    struct tok_merging *merging = walk->merging;
    const size_t left = walk->end - walk->at;
    for (size_t take = 64, margin = 8;; take *= 4) { /* a character that is cut off is no longer than the margin */
        if (take > left) take = left;
        if (merging->first_room <= take) {
            char *grown = realloc(merging->first, take + 1);
            if (!grown) return false;
            merging->first = grown;
            merging->first_room = take + 1;
        }
        merging->first[0] = ' ';
        memcpy(merging->first + 1, walk->text + walk->at, take);
        gpt2_cutter_again(merging->cutter);
        *size = gpt2_cutter_next(merging->cutter, merging->first, take + 1, 0);
        if (!*size) return false;
        if (take == left || *size + margin < take) break;
    }
    gpt2_cutter_again(merging->cutter);
    *piece = merging->first;
    walk->at += *size - 1;
    return true;
}

/* The next piece of the stretch; size 0 at its end. False when short of memory. */
static bool next_piece(tok_walk *walk, const char **piece, size_t *size)
{
    struct tok_merging *merging = walk->merging;
    const bool begins = walk->begins && walk->at < walk->end;
    if (begins) walk->begins = false;
    if (merging->reader) {
        if (begins) gpt1_reader_again(merging->reader);
        return gpt1_reader_next(merging->reader, walk->text, walk->end, &walk->at, piece, size);
    }
    *size = 0;
    if (walk->at == walk->end) return true;
    if (begins && walk->tok->prefix && walk->text[walk->at] != ' ') return first_piece(walk, piece, size);
    *piece = walk->text + walk->at;
    *size = gpt2_cutter_next(merging->cutter, walk->text, walk->end, walk->at);
    walk->at += *size;
    return *size > 0;
}

bool tok_merging_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault)
{
    struct tok_merging *merging = walk->merging;
    bpe_row *row = &merging->row;
    *made = 0;
    *fault = (tok_fault){.kind = TOK_FAULT_MEMORY};
    while (*made < capacity) {
        if (merging->given == row->count) {
            const char *piece;
            size_t size;
            if (!next_piece(walk, &piece, &size)) return false;
            if (!size) break;
            if (!merge_piece(walk, piece, size, fault)) return false;
        }
        size_t count = row->count - merging->given, room = capacity - *made;
        if (count > room) count = room;
        memcpy(out + *made, row->ids + merging->given, count * sizeof *out);
        merging->given += count;
        *made += count;
    }
    return true;
}
