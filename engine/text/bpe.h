/* Byte-pair encoding (Sennrich, Haddow, Birch: "Neural machine translation of rare words with subword units", ACL 2016): a piece of text
 * starts as a row of small symbols. Again and again, the pair of neighbours that training merged earliest becomes one symbol. Symbols are
 * token ids. bpe_files.c reads and writes its files, bpe_train.c learns merges. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPE_NONE UINT32_MAX

typedef struct bpe_merge {
    uint32_t left, right, made; /* ids */
} bpe_merge;

typedef struct bpe_slot {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank; /* BPE_NONE: an empty slot */
    uint32_t made;
} bpe_slot;

/* Read-only once made, so threads share it. */
typedef struct bpe_table {
    bpe_merge *merges; /* (count) by rank, the earliest first */
    uint32_t count;
    uint32_t mask;   /* slots - 1; the slots are a power of two and at least half empty */
    bpe_slot *slots; /* open addressing */
    uint32_t *ranks; /* (count) or NULL: a merge's place is its rank. Merges of one rank go from left to right */
    bool ordered;    /* merges are made one by one; else all of a rank before the next is looked for, as GPT-2 does */
} bpe_table;

/* Takes over merges (count), which may be NULL for none. On false, when short of memory, the caller keeps it. *twice: the rank of a merge
 * whose pair an earlier merge has, or BPE_NONE. */
bool bpe_table_make(bpe_table *table, bpe_merge *merges, uint32_t count, uint32_t *twice);
void bpe_table_free(bpe_table *table);
/* Makes the merges ordered, if that can change any row: where a merge's token goes into an earlier one, or with ranks (count), which ascend and are
 * taken over; NULL for none. False when short of memory; then the caller keeps them. */
bool bpe_table_order(bpe_table *table, uint32_t *ranks);

/* The slot of a pair, or NULL where it never merges. The id BPE_NONE, an unknown symbol, merges with nothing. */
const bpe_slot *bpe_find(const bpe_table *table, uint32_t left, uint32_t right);

/* A row of symbols and scratch for merging it. Zero it before use. One thread at a time. */
typedef struct bpe_row {
    uint32_t *ids; /* (room) */
    size_t count, room;
    uint32_t *ranks;       /* (room) of the pair that starts here; BPE_NONE: none */
    uint32_t *prev, *next; /* (room) neighbours, only in long rows */
    size_t link_room;
    uint64_t *heap; /* rank << 32 | position */
    size_t heap_count, heap_room;
    uint32_t *batch; /* (batch_room) positions of one rank */
    size_t batch_room;
} bpe_row;

/* Room for `count` symbols; false when there is no memory, or for more than 2^32 - 2. */
bool bpe_row_reserve(bpe_row *row, size_t count);
/* Merges in place until no pair is left, O(n log n) in the row's length. False when short of memory. */
bool bpe_row_merge(const bpe_table *table, bpe_row *row);
void bpe_row_free(bpe_row *row);

#endif
