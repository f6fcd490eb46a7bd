/* Ids by piece: open addressing over hashes of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "text/tokenizer.h"

/* The slot that holds the piece or, where none does, the empty one that would. */
static uint32_t *slot_of(const tok_index *index, const char *piece, size_t size)
{
    uint64_t hash = hash_bytes(HASH_INIT, piece, size);
    for (uint32_t i = (uint32_t)(hash ^ hash >> 32) & index->mask;; i = (i + 1) & index->mask) {
        uint32_t entry = index->slots[i];
        if (entry == TOK_NONE) return &index->slots[i];
        size_t start = index->starts[entry];
        if (index->starts[entry + 1] - start == size && memcmp(index->pieces + start, piece, size) == 0)
            return &index->slots[i];
    }
}

bool tok_index_make(const tok_bpe_parts *parts, tok_index *out, uint32_t *twice)
{
    const uint32_t count = parts->vocab + parts->same_count;
    uint32_t size = 16, pieces = 0;
    for (uint32_t e = 0; e < count; e++) pieces += parts->starts[e + 1] > parts->starts[e];
    while (size / 2 < pieces && size < 1u << 31) size *= 2;
    if (size / 2 < pieces) return false;
    tok_index index = {.slots = malloc(size * sizeof *index.slots),
                       .mask = size - 1,
                       .pieces = parts->pieces,
                       .starts = parts->starts,
                       .same = parts->same,
                       .vocab = parts->vocab};
    if (!index.slots) return false;
    memset(index.slots, 0xFF, size * sizeof *index.slots); /* TOK_NONE */
    *twice = TOK_NONE;
    for (uint32_t e = 0, only = 0; e < count; e++) {
        if (tok_is_only(parts->only, parts->only_count, &only, e)) continue;
        const size_t start = parts->starts[e], length = parts->starts[e + 1] - start;
        if (!length) continue; /* an id that no token has */
        uint32_t *slot = slot_of(&index, parts->pieces + start, length);
        if (*slot != TOK_NONE && *twice == TOK_NONE) *twice = tok_entry_id(parts->vocab, parts->same, e);
        *slot = *slot == TOK_NONE ? e : *slot;
    }
    *out = index;
    return true;
}

uint32_t tok_index_entry(const tok_index *index, const char *piece, size_t size)
{
    return *slot_of(index, piece, size);
}

uint32_t tok_index_find(const tok_index *index, const char *piece, size_t size)
{
    const uint32_t entry = tok_index_entry(index, piece, size);
    return entry == TOK_NONE ? TOK_NONE : tok_entry_id(index->vocab, index->same, entry);
}

void tok_index_free(tok_index *index)
{
    free(index->slots);
    *index = (tok_index){0};
}
