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
        uint32_t id = index->slots[i];
        if (id == TOK_NONE) return &index->slots[i];
        size_t start = index->starts[id];
        if (index->starts[id + 1] - start == size && memcmp(index->pieces + start, piece, size) == 0)
            return &index->slots[i];
    }
}

bool tok_index_make(const char *pieces, const size_t *starts, uint32_t vocab, tok_index *out, uint32_t *twice)
{
    uint32_t size = 16;
    while (size / 2 < vocab && size < 1u << 31) size *= 2;
    if (size / 2 < vocab) return false;
    tok_index index = {malloc(size * sizeof *index.slots), size - 1, pieces, starts};
    if (!index.slots) return false;
    memset(index.slots, 0xFF, size * sizeof *index.slots); /* TOK_NONE */
    *twice = TOK_NONE;
    for (uint32_t id = 0; id < vocab; id++) {
        uint32_t *slot = slot_of(&index, pieces + starts[id], starts[id + 1] - starts[id]);
        if (*slot != TOK_NONE && *twice == TOK_NONE) *twice = id;
        *slot = *slot == TOK_NONE ? id : *slot;
    }
    *out = index;
    return true;
}

uint32_t tok_index_find(const tok_index *index, const char *piece, size_t size)
{
    return *slot_of(index, piece, size);
}

void tok_index_free(tok_index *index)
{
    free(index->slots);
    *index = (tok_index){0};
}
