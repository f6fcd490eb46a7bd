/* The walk of tokenizers with merges: a stretch of the text is brought to its normal form; its pieces become rows of symbols, are merged, and come
 * out as tokens. Most pieces of a text repeat, so their tokens are kept in a small table. */
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
    cut_walk *cutter;    /* one of the two */
    gpt1_reader *reader; /* which reads the text itself */
    tok_normal normal;   /* the stretch's normal form */
    size_t at;           /* in it */
    bpe_row row;         /* the present piece; after merging, its tokens */
    size_t given;        /* tokens of it that came out already */
    cache_entry *cache;  /* (CACHE_ENTRIES) by hash; a newer piece takes an older one's place */
};

struct tok_merging *tok_merging_make(const pm_tokenizer *tok)
{
    struct tok_merging *merging = calloc(1, sizeof *merging);
    if (!merging) return NULL;
    merging->cache = calloc(CACHE_ENTRIES, sizeof *merging->cache);
    if (tok->words)
        merging->reader = gpt1_reader_make(tok->words);
    else
        merging->cutter = cut_walk_make(tok->rules);
    if (!merging->cache || (!merging->cutter && !merging->reader)) {
        tok_merging_free(merging);
        return NULL;
    }
    return merging;
}

void tok_merging_free(struct tok_merging *merging)
{
    if (!merging) return;
    cut_walk_free(merging->cutter);
    gpt1_reader_free(merging->reader);
    tok_normal_free(&merging->normal);
    bpe_row_free(&merging->row);
    free(merging->cache);
    free(merging);
}

/* One symbol for each byte. */
static void byte_symbols(const pm_tokenizer *tok, const char *piece, size_t size, bpe_row *row)
{
    for (size_t i = 0; i < size; i++) row->ids[i] = tok->fast[(unsigned char)piece[i]];
    row->count = size;
}

/* One symbol for each character, the last in the form that ends a word; TOK_NONE for characters that the vocabulary lacks. A byte that is not
 * UTF-8 counts as one of these. */
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

/* A byte without a token becomes the unknown one, or is a fault at its place. */
static bool know_bytes(tok_walk *walk, const char *piece, size_t size, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    struct tok_merging *merging = walk->merging;
    bpe_row *row = &merging->row;
    for (size_t i = 0; i < row->count; i++) {
        if (row->ids[i] != TOK_NONE) continue;
        row->ids[i] = tok->unknown;
        if (tok->unknown != TOK_NONE) continue;
        size_t lacks = 0;
        while (lacks + 1 < size && tok->fast[(unsigned char)piece[lacks]] != TOK_NONE) lacks++;
        *fault = (tok_fault){.kind = TOK_FAULT_BYTE, .code = (unsigned char)piece[lacks]};
        walk->at = tok_normal_place(&merging->normal, merging->at - size + lacks); /* `at` is behind the piece */
        return false;
    }
    return true;
}

/* The symbols of a piece, merged. */
static bool make_tokens(tok_walk *walk, const char *piece, size_t size, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    bpe_row *row = &walk->merging->row;
    const bool bytes = tok->form.unit == TOK_UNIT_BYTE;
    (bytes ? byte_symbols : word_symbols)(tok, piece, size, row);
    if (!bpe_row_merge(&tok->merges, row)) return false;
    if (bytes) return know_bytes(walk, piece, size, fault);
    for (size_t i = 0; i < row->count; i++) row->ids[i] = row->ids[i] == TOK_NONE ? tok->unknown : row->ids[i];
    return true;
}

static bool merge_piece(tok_walk *walk, const char *piece, size_t size, tok_fault *fault)
{
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
    if (!make_tokens(walk, piece, size, fault)) return false;
    if (entry && row->count <= CACHE_TOKENS) {
        entry->size = (unsigned char)size;
        entry->count = (unsigned char)row->count;
        memcpy(entry->piece, piece, size);
        memcpy(entry->tokens, row->ids, row->count * sizeof *row->ids);
    }
    return true;
}

/* The next piece of the stretch; size 0 at its end. False when short of memory, or where a pattern is slow. */
static bool next_piece(tok_walk *walk, const char **piece, size_t *size, tok_fault *fault)
{
    struct tok_merging *merging = walk->merging;
    tok_normal *normal = &merging->normal;
    const bool begins = walk->begins && walk->at < walk->end;
    bool slow = false;
    if (begins) walk->begins = false;
    if (merging->reader) {
        if (begins) gpt1_reader_again(merging->reader);
        return gpt1_reader_next(merging->reader, walk->text, walk->end, &walk->at, piece, size);
    }
    *size = 0;
    if (walk->at == walk->end) return true;
    if (begins) {
        if (!tok_normal_make(walk->tok, walk->text, walk->at, walk->end, normal)) return false;
        merging->at = 0;
        cut_walk_again(merging->cutter);
    }
    if (merging->at < normal->size) {
        *piece = normal->text + merging->at;
        *size = cut_walk_next(merging->cutter, normal->text, normal->size, merging->at, &slow);
        if (slow) fault->kind = TOK_FAULT_SLOW;
        if (!*size) return false;
        merging->at += *size;
    }
    walk->at = merging->at == normal->size ? walk->end : tok_normal_place(normal, merging->at);
    return true;
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
            if (!next_piece(walk, &piece, &size, fault)) return false;
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
