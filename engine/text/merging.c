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
    size_t end;          /* of the part before the next inner token */
    uint32_t inner;      /* the token that stands there, or TOK_NONE at the form's end */
    size_t inner_size;   /* its bytes */
    bool unknown;        /* the part's last token was the unknown one */
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

/* One symbol for each character; its bytes' where it has none, or TOK_NONE. */
static void char_symbols(const pm_tokenizer *tok, const char *piece, size_t size, bpe_row *row)
{
    size_t count = 0;
    for (size_t i = 0, length; i < size; i += length) {
        uint32_t code = 0, id = tok->fast[(unsigned char)piece[i]];
        length = 1;
        if (id == TOK_NONE) {
            const size_t valid = utf8_decode(piece + i, size - i, &code);
            length = valid ? valid : 1;
            if (valid) id = code_map_get(&tok->codes, code);
        }
        bool bytes = id == TOK_NONE && tok->form.fallback;
        for (size_t b = 0; b < length && bytes; b++) bytes = tok->bytes[(unsigned char)piece[i + b]] != TOK_NONE;
        for (size_t b = 0; b < length && bytes; b++) row->ids[count++] = tok->bytes[(unsigned char)piece[i + b]];
        if (!bytes) row->ids[count++] = id;
    }
    row->count = count;
}

/* Where a piece's first character without a symbol stands. */
static size_t first_unknown(const pm_tokenizer *tok, const char *piece, size_t size, tok_fault *fault)
{
    uint32_t symbols[UTF8_MAX];
    bpe_row row = {.ids = symbols};
    for (size_t i = 0, length; i < size; i += length) {
        uint32_t code = 0;
        const size_t valid = utf8_decode(piece + i, size - i, &code);
        length = valid ? valid : 1;
        char_symbols(tok, piece + i, length, &row);
        if (symbols[0] != TOK_NONE) continue;
        *fault = (tok_fault){.kind = valid ? TOK_FAULT_UNKNOWN : TOK_FAULT_INVALID, .code = code};
        return i;
    }
    return 0;
}

/* A character without a symbol becomes the unknown token, several together where the form says so; or it is a fault at its place. */
static bool know_chars(tok_walk *walk, const char *piece, size_t size, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    struct tok_merging *merging = walk->merging;
    bpe_row *row = &merging->row;
    size_t to = 0;
    for (size_t i = 0; i < row->count; i++) {
        const bool unknown = row->ids[i] == TOK_NONE;
        if (unknown && tok->unknown == TOK_NONE) {
            walk->at = tok_normal_place(&merging->normal, merging->at - size + first_unknown(tok, piece, size, fault));
            return false;
        }
        if (unknown && tok->form.fuse && to > 0 && row->ids[to - 1] == tok->unknown) continue;
        row->ids[to++] = unknown ? tok->unknown : row->ids[i];
    }
    row->count = to;
    return true;
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
    const tok_unit unit = tok->form.unit;
    if (tok->index) {
        row->ids[0] = tok_index_find(tok->index, piece, size);
        row->count = 1;
        if (row->ids[0] != TOK_NONE) return true;
    }
    (unit == TOK_UNIT_BYTE ? byte_symbols : unit == TOK_UNIT_CHAR ? char_symbols : word_symbols)(tok, piece, size, row);
    if (!bpe_row_merge(&tok->merges, row)) return false;
    if (unit == TOK_UNIT_BYTE) return know_bytes(walk, piece, size, fault);
    if (unit == TOK_UNIT_CHAR) return know_chars(walk, piece, size, fault);
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

/* Bytes up to the first place where no merge joins what stands before and behind it, and with `apart` up to a blank. */
static size_t cut_chars(const pm_tokenizer *tok, const char *text, size_t size)
{
    enum { MOST = 1 << 30 };
    size_t at = 1;
    for (; at < size && at < MOST; at++) {
        const unsigned last = (unsigned char)text[at - 1], byte = (unsigned char)text[at];
        if ((byte & 0xC0) == 0x80) continue;
        if (!(tok->joined[last * 32 + byte / 8] >> byte % 8 & 1)) break;
        if (tok->form.apart && byte == ' ') break;
    }
    return at;
}

/* Finds the next inner token, the longest of those that begin first. */
static void look_inside(tok_walk *walk)
{
    const pm_tokenizer *tok = walk->tok;
    struct tok_merging *merging = walk->merging;
    const tok_normal *normal = &merging->normal;
    const unsigned kinds = TOK_ADDED_PLAIN | (walk->special ? TOK_ADDED_SPECIAL : 0);
    merging->end = normal->size;
    merging->inner = TOK_NONE;
    merging->unknown = false;
    if (merging->cutter) cut_walk_again(merging->cutter);
    for (size_t at = merging->at; tok->has_inner && at < normal->size; at++) {
        if (!(tok->inner_first[(unsigned char)normal->text[at]] & kinds)) continue;
        const tok_added *one = tok_added_at(tok, normal->text + at, normal->size - at, kinds, true);
        if (!one) continue;
        merging->end = at;
        merging->inner = tok_entry_id(tok->vocab, tok->same, one->entry);
        merging->inner_size = one->size;
        return;
    }
}

/* The next piece of the stretch's normal form; size 0 at its end. */
static bool next_normal(tok_walk *walk, const char **piece, size_t *size, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    struct tok_merging *merging = walk->merging;
    const tok_normal *normal = &merging->normal;
    bool slow = false;
    *size = 0;
    if (merging->at == merging->end) return true;
    *piece = normal->text + merging->at;
    if (tok->form.unit == TOK_UNIT_CHAR)
        *size = cut_chars(tok, *piece, merging->end - merging->at);
    else
        *size = cut_walk_next(merging->cutter, normal->text, merging->end, merging->at, &slow);
    if (slow) fault->kind = TOK_FAULT_SLOW;
    merging->at += *size;
    return *size > 0;
}

/* The tokens of the stretch's next piece, or an inner token, in the row; none at the stretch's end. */
static bool next_tokens(tok_walk *walk, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    struct tok_merging *merging = walk->merging;
    bpe_row *row = &merging->row;
    const char *piece;
    size_t size;
    row->count = merging->given = 0;
    if (walk->at == walk->end) return true;
    if (walk->begins) {
        walk->begins = false;
        if (!tok_normal_make(tok, walk->text, walk->at, walk->end, &merging->normal)) return false;
        merging->at = 0;
        look_inside(walk);
    }
    if (!next_normal(walk, &piece, &size, fault)) return false;
    if (size) {
        if (!merge_piece(walk, piece, size, fault)) return false;
        /* a piece ends where nothing merges, which may be between unknown symbols */
        if (tok->form.fuse && merging->unknown && row->count && row->ids[0] == tok->unknown) merging->given = 1;
        merging->unknown = row->count && row->ids[row->count - 1] == tok->unknown;
    } else if (merging->inner != TOK_NONE) {
        if (!bpe_row_reserve(row, 1)) return false;
        row->ids[0] = merging->inner;
        row->count = 1;
        merging->at += merging->inner_size;
        look_inside(walk);
    }
    const bool ends = merging->at == merging->end && merging->inner == TOK_NONE;
    walk->at = ends ? walk->end : tok_normal_place(&merging->normal, merging->at);
    return true;
}

/* The same of GPT-1's words. */
static bool next_word(tok_walk *walk, tok_fault *fault)
{
    struct tok_merging *merging = walk->merging;
    const char *word;
    size_t size;
    merging->row.count = merging->given = 0;
    if (walk->begins && walk->at < walk->end) {
        walk->begins = false;
        gpt1_reader_again(merging->reader);
    }
    if (!gpt1_reader_next(merging->reader, walk->text, walk->end, &walk->at, &word, &size)) return false;
    if (!size) walk->at = walk->end;
    return !size || merge_piece(walk, word, size, fault);
}

bool tok_merging_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault)
{
    struct tok_merging *merging = walk->merging;
    bpe_row *row = &merging->row;
    *made = 0;
    *fault = (tok_fault){.kind = TOK_FAULT_MEMORY};
    while (*made < capacity) {
        if (merging->given == row->count) {
            if (!(merging->reader ? next_word : next_tokens)(walk, fault)) return false;
            if (!row->count && walk->at == walk->end) break;
        }
        size_t count = row->count - merging->given, room = capacity - *made;
        if (count > room) count = room;
        memcpy(out + *made, row->ids + merging->given, count * sizeof *out);
        merging->given += count;
        *made += count;
    }
    return true;
}
