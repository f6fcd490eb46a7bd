/* Merging. GPT-2 merges every occurrence of the earliest pair, left to right, before it looks again. SentencePiece and Hugging Face's tokenizers
 * look again after each, which is `ordered` here. Both are done in two ways: short rows are scanned, long ones use a heap and a linked list. */
#include "text/bpe.h"

#include <stdlib.h>

enum { SHORT_ROW = 96 }; /* symbols; scanning a row costs its square, a heap its overhead */

/* ---- the table ---- */

static uint32_t slot_of(uint64_t pair, uint32_t mask)
{
    return (uint32_t)((pair * 0x9E3779B97F4A7C15ull) >> 32) & mask; /* Knuth's multiplicative hash */
}

bool bpe_table_make(bpe_table *table, bpe_merge *merges, uint32_t count, uint32_t *twice)
{
    uint32_t size = 16;
    while (size / 2 < count && size < 1u << 31) size *= 2;
    if (size / 2 < count) return false;
    bpe_slot *slots = malloc(size * sizeof *slots);
    if (!slots) return false;
    for (uint32_t i = 0; i < size; i++) slots[i] = (bpe_slot){.rank = BPE_NONE};
    *twice = BPE_NONE;
    for (uint32_t rank = 0; rank < count; rank++) {
        uint64_t pair = (uint64_t)merges[rank].left << 32 | merges[rank].right;
        uint32_t i = slot_of(pair, size - 1);
        for (; slots[i].rank != BPE_NONE; i = (i + 1) & (size - 1)) {
            if (slots[i].pair == pair) *twice = rank;
        }
        slots[i] = (bpe_slot){.pair = pair, .rank = rank, .made = merges[rank].made};
    }
    *table = (bpe_table){.merges = merges, .count = count, .mask = size - 1, .slots = slots};
    return true;
}

void bpe_table_free(bpe_table *table)
{
    free(table->merges);
    free(table->slots);
    free(table->ranks);
    *table = (bpe_table){0};
}

bool bpe_table_order(bpe_table *table, uint32_t *ranks)
{
    uint32_t ids = 0;
    if (ranks) {
        for (uint32_t i = 0; i <= table->mask; i++)
            if (table->slots[i].rank != BPE_NONE) table->slots[i].rank = ranks[table->slots[i].rank];
        table->ranks = ranks;
        table->ordered = true;
        return true;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const bpe_merge *m = &table->merges[i];
        const uint32_t most = m->left > m->right ? m->left : m->right;
        ids = most >= ids ? most + 1 : ids;
    }
    uint32_t *first = malloc((ids + 1u) * sizeof *first); /* the earliest merge that a token goes into */
    if (!first) return false;
    for (uint32_t i = 0; i < ids; i++) first[i] = BPE_NONE;
    for (uint32_t i = table->count; i-- > 0;) first[table->merges[i].left] = first[table->merges[i].right] = i;
    for (uint32_t i = 0; i < table->count && !table->ordered; i++) {
        const uint32_t made = table->merges[i].made;
        table->ordered = made < ids && first[made] <= i;
    }
    free(first);
    return true;
}

const bpe_slot *bpe_find(const bpe_table *table, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    for (uint32_t i = slot_of(pair, table->mask); table->slots[i].rank != BPE_NONE; i = (i + 1) & table->mask) {
        if (table->slots[i].pair == pair) return &table->slots[i];
    }
    return NULL;
}

static uint32_t rank_of(const bpe_table *table, uint32_t left, uint32_t right)
{
    const bpe_slot *slot = bpe_find(table, left, right);
    return slot ? slot->rank : BPE_NONE;
}

/* ---- rows ---- */

static bool grow(uint32_t **array, size_t count)
{
    uint32_t *grown = realloc(*array, count * sizeof *grown);
    if (grown) *array = grown;
    return grown != NULL;
}

bool bpe_row_reserve(bpe_row *row, size_t count)
{
    if (count <= row->room) return true;
    if (count >= BPE_NONE) return false;
    size_t room = count < 2 * row->room ? 2 * row->room : count;
    if (room < 64) room = 64;
    if (!grow(&row->ids, room) || !grow(&row->ranks, room)) return false;
    row->room = room;
    return true;
}

void bpe_row_free(bpe_row *row)
{
    free(row->ids);
    free(row->ranks);
    free(row->prev);
    free(row->next);
    free(row->heap);
    free(row->batch);
    *row = (bpe_row){0};
}

/* ---- short rows ---- */

/* Merges the pairs of rank `least` left to right, closing the gaps; returns the new count. Ranks beside a new symbol are looked up. */
static size_t merge_pass(const bpe_table *table, uint32_t *ids, uint32_t *ranks, size_t count, uint32_t least)
{
    const uint32_t made = table->merges[least].made;
    size_t to = 0;
    bool stale = false; /* the symbol before `to` is new, so its rank is not known yet */
    for (size_t from = 0; from < count; to++) {
        bool merges = from + 1 < count && ranks[from] == least;
        ids[to] = merges ? made : ids[from];
        ranks[to] = ranks[from];
        if (to > 0 && (stale || merges)) ranks[to - 1] = rank_of(table, ids[to - 1], ids[to]);
        stale = merges;
        from += merges ? 2 : 1;
    }
    ranks[to - 1] = BPE_NONE;
    return to;
}

/* Merges the leftmost pair of the least rank. */
static size_t merge_one(const bpe_table *table, uint32_t *ids, uint32_t *ranks, size_t count, uint32_t least)
{
    size_t at = 0;
    while (ranks[at] != least) at++;
    const bpe_slot *slot = bpe_find(table, ids[at], ids[at + 1]);
    if (slot) ids[at] = slot->made;
    for (size_t i = at + 1; i + 1 < count; i++) {
        ids[i] = ids[i + 1];
        ranks[i] = ranks[i + 1];
    }
    if (at > 0) ranks[at - 1] = rank_of(table, ids[at - 1], ids[at]);
    ranks[at] = at + 2 < count ? rank_of(table, ids[at], ids[at + 1]) : BPE_NONE;
    return count - 1;
}

static void merge_short(const bpe_table *table, bpe_row *row)
{
    size_t (*const merge)(const bpe_table *, uint32_t *, uint32_t *, size_t, uint32_t) =
        table->ordered ? merge_one : merge_pass;
    for (;;) {
        uint32_t least = BPE_NONE;
        for (size_t i = 0; i + 1 < row->count; i++) least = row->ranks[i] < least ? row->ranks[i] : least;
        if (least == BPE_NONE) return;
        row->count = merge(table, row->ids, row->ranks, row->count, least);
    }
}

/* ---- long rows: a binary heap of (rank, position), least first; entries that a merge made stale stay until they come up ---- */

static bool heap_push(bpe_row *row, uint32_t rank, uint32_t position)
{
    if (row->heap_count == row->heap_room) {
        size_t room = row->heap_room ? 2 * row->heap_room : 1024;
        uint64_t *grown = realloc(row->heap, room * sizeof *grown);
        if (!grown) return false;
        row->heap = grown;
        row->heap_room = room;
    }
    uint64_t key = (uint64_t)rank << 32 | position;
    size_t i = row->heap_count++;
    for (; i > 0 && row->heap[(i - 1) / 2] > key; i = (i - 1) / 2) row->heap[i] = row->heap[(i - 1) / 2];
    row->heap[i] = key;
    return true;
}

static uint64_t heap_pop(bpe_row *row)
{
    uint64_t top = row->heap[0], key = row->heap[--row->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < row->heap_count; i = child) {
        if (child + 1 < row->heap_count && row->heap[child + 1] < row->heap[child]) child++;
        if (row->heap[child] >= key) break;
        row->heap[i] = row->heap[child];
    }
    row->heap[i] = key;
    return top;
}

/* Makes room for links, and for a batch, which gathers all positions of one rank. */
static bool links_reserve(bpe_row *row)
{
    if (row->count > row->link_room) {
        if (!grow(&row->prev, row->room) || !grow(&row->next, row->room)) return false;
        row->link_room = row->room;
    }
    if (row->count > row->batch_room) {
        if (!grow(&row->batch, row->room)) return false;
        row->batch_room = row->room;
    }
    return true;
}

/* Updates the rank of the pair that starts at `position`, and puts it into the heap. */
static bool refresh(const bpe_table *table, bpe_row *row, uint32_t position)
{
    uint32_t next = row->next[position];
    row->ranks[position] = next == BPE_NONE ? BPE_NONE : rank_of(table, row->ids[position], row->ids[next]);
    return row->ranks[position] == BPE_NONE || heap_push(row, row->ranks[position], position);
}

static bool merge_at(const bpe_table *table, bpe_row *row, uint32_t position)
{
    uint32_t gone = row->next[position], after = row->next[gone], before = row->prev[position];
    const bpe_slot *slot = bpe_find(table, row->ids[position], row->ids[gone]);
    if (slot) row->ids[position] = slot->made;
    row->next[position] = after;
    row->ranks[gone] = BPE_NONE;
    if (after != BPE_NONE) row->prev[after] = position;
    if (!refresh(table, row, position)) return false;
    return before == BPE_NONE || refresh(table, row, before);
}

static bool merge_long(const bpe_table *table, bpe_row *row)
{
    if (!links_reserve(row)) return false;
    uint32_t count = (uint32_t)row->count;
    row->heap_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        row->prev[i] = i ? i - 1 : BPE_NONE;
        row->next[i] = i + 1 < count ? i + 1 : BPE_NONE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (row->ranks[i] != BPE_NONE && !heap_push(row, row->ranks[i], i)) return false;
    }
    while (row->heap_count) {
        uint32_t rank = (uint32_t)(row->heap[0] >> 32);
        size_t batch = 0;
        const size_t most = table->ordered ? 1 : row->batch_room;
        while (row->heap_count && row->heap[0] >> 32 == rank && batch < most) {
            row->batch[batch++] = (uint32_t)heap_pop(row);
        }
        for (size_t i = 0; i < batch; i++) {
            uint32_t position = row->batch[i];
            if (row->ranks[position] != rank) continue; /* one of the two has gone into another merge */
            if (!merge_at(table, row, position)) return false;
        }
    }
    size_t to = 0;
    for (uint32_t i = 0; i != BPE_NONE; i = row->next[i]) row->ids[to++] = row->ids[i];
    row->count = to;
    return true;
}

bool bpe_row_merge(const bpe_table *table, bpe_row *row)
{
    if (row->count < 2) return true;
    for (size_t i = 0; i + 1 < row->count; i++) row->ranks[i] = rank_of(table, row->ids[i], row->ids[i + 1]);
    row->ranks[row->count - 1] = BPE_NONE;
    if (row->count > SHORT_ROW) return merge_long(table, row);
    merge_short(table, row);
    return true;
}
