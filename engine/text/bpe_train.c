/* Learning merges from a text: the commonest pair of neighbours becomes a token, again and again (Sennrich, Haddow, Birch 2016). Pairs lie
 * within GPT-2's pieces, so each different piece is kept once, with its count as its weight. Each pair knows its places, and a merge
 * touches only those: the work grows with the places that change, not with the text.
 *
 * Of pairs that are equally common the one with the smaller left id is merged first, then the one with the smaller right id. The ids are
 * GPT-2's: 256 bytes, the merges in their order, <|endoftext|> last. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "text/tokenizer.h"

#define END_OF_TEXT "<|endoftext|>"

enum { BYTES = 256, LEAST_COUNT = 2 }; /* merging what is there once gains nothing */

/* ---- the different pieces ---- */

typedef struct piece {
    size_t start, size; /* in the text */
    uint64_t count;
} piece;

typedef struct piece_set {
    piece *list; /* (count) by first place */
    uint32_t count, room;
    uint32_t *slots, mask; /* index into list, TOK_NONE: empty */
    size_t bytes;          /* of all pieces in the list */
} piece_set;

/* An empty table of twice the slots, at least 1024; NULL when short of memory or of 32-bit numbers. */
static uint32_t *more_slots(uint32_t mask, uint32_t *new_mask)
{
    uint32_t size = mask ? (mask + 1) * 2 : 1024;
    uint32_t *slots = size ? malloc(size * sizeof *slots) : NULL;
    if (slots) memset(slots, 0xFF, size * sizeof *slots); /* TOK_NONE */
    *new_mask = size - 1;
    return slots;
}

static uint32_t *piece_slot(const piece_set *set, const char *text, size_t start, size_t size)
{
    uint64_t hash = hash_bytes(HASH_INIT, text + start, size);
    for (uint32_t i = (uint32_t)(hash ^ hash >> 32) & set->mask;; i = (i + 1) & set->mask) {
        if (set->slots[i] == TOK_NONE) return &set->slots[i];
        const piece *one = &set->list[set->slots[i]];
        if (one->size == size && memcmp(text + one->start, text + start, size) == 0) return &set->slots[i];
    }
}

static bool pieces_grow(piece_set *set, const char *text)
{
    uint32_t room = set->room ? 2 * set->room : 512, mask;
    piece *list = room > set->room ? realloc(set->list, room * sizeof *list) : NULL;
    if (!list) return false;
    set->list = list;
    uint32_t *slots = more_slots(set->mask, &mask);
    if (!slots) return false;
    free(set->slots);
    set->slots = slots;
    set->mask = mask;
    set->room = room;
    for (uint32_t i = 0; i < set->count; i++) *piece_slot(set, text, list[i].start, list[i].size) = i;
    return true;
}

static bool count_pieces(const char *text, size_t size, piece_set *set)
{
    gpt2_pattern *pattern = gpt2_pattern_make();
    gpt2_cutter *cutter = pattern ? gpt2_cutter_make(pattern) : NULL;
    bool fine = cutter != NULL;
    for (size_t at = 0, length; fine && at < size; at += length) {
        length = gpt2_cutter_next(cutter, text, size, at);
        fine = length > 0 && (set->count < set->room || pieces_grow(set, text));
        if (!fine) break;
        uint32_t *slot = piece_slot(set, text, at, length);
        if (*slot == TOK_NONE) {
            *slot = set->count;
            set->list[set->count++] = (piece){.start = at, .size = length};
            set->bytes += length;
        }
        set->list[*slot].count++;
    }
    gpt2_cutter_free(cutter);
    gpt2_pattern_free(pattern);
    return fine;
}

/* ---- pairs ---- */

typedef struct pair {
    uint32_t left, right;
    uint64_t count;   /* weighted */
    uint32_t *places; /* (place_count) all that it ever had; ascending */
    uint32_t place_count, place_room;
    bool touched; /* waits for its new count to be put into the heap */
} pair;

typedef struct candidate {
    uint64_t count; /* as it was when this was put into the heap: never too small */
    uint32_t pair;
} candidate;

typedef struct trainer {
    /* every different piece, one behind the other */
    uint32_t *symbols; /* (places) ids; TOK_NONE: merged into the symbol before */
    uint32_t *prev, *next;
    uint64_t *weights; /* of the piece that the place is in */
    pair *pairs;       /* (pair_count) */
    uint32_t pair_count, pair_room;
    uint32_t *slots, mask;
    candidate *heap;
    size_t heap_count, heap_room;
    uint32_t *touched; /* (touched_count) pairs that a merge made or made commoner */
    size_t touched_count, touched_room;
} trainer;

static uint32_t *pair_slot(const trainer *t, uint32_t left, uint32_t right)
{
    uint64_t key = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15ull;
    for (uint32_t i = (uint32_t)(key >> 32) & t->mask;; i = (i + 1) & t->mask) {
        if (t->slots[i] == TOK_NONE) return &t->slots[i];
        const pair *one = &t->pairs[t->slots[i]];
        if (one->left == left && one->right == right) return &t->slots[i];
    }
}

static bool pairs_grow(trainer *t)
{
    uint32_t room = t->pair_room ? 2 * t->pair_room : 512, mask;
    pair *pairs = room > t->pair_room ? realloc(t->pairs, room * sizeof *pairs) : NULL;
    if (!pairs) return false;
    t->pairs = pairs;
    uint32_t *slots = more_slots(t->mask, &mask);
    if (!slots) return false;
    free(t->slots);
    t->slots = slots;
    t->mask = mask;
    t->pair_room = room;
    for (uint32_t i = 0; i < t->pair_count; i++) *pair_slot(t, pairs[i].left, pairs[i].right) = i;
    return true;
}

/* Room for one more in an array that doubles; the array, or NULL when short of memory. */
static void *one_more(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room) return array;
    size_t wanted = *room ? 2 * *room : 64;
    void *grown = wanted <= SIZE_MAX / size ? realloc(array, wanted * size) : NULL;
    if (grown) *room = wanted;
    return grown;
}

/* Counts the pair that now starts at `place`. */
static bool pair_add(trainer *t, uint32_t place)
{
    if (t->pair_count == t->pair_room && !pairs_grow(t)) return false;
    uint32_t left = t->symbols[place], right = t->symbols[t->next[place]];
    uint32_t *slot = pair_slot(t, left, right);
    if (*slot == TOK_NONE) {
        *slot = t->pair_count;
        t->pairs[t->pair_count++] = (pair){.left = left, .right = right};
    }
    pair *one = &t->pairs[*slot];
    size_t room = one->place_room;
    uint32_t *places = one_more(one->places, one->place_count, &room, sizeof *places);
    if (!places) return false;
    one->places = places;
    one->place_room = (uint32_t)room;
    one->places[one->place_count++] = place;
    one->count += t->weights[place];
    if (one->touched) return true;
    uint32_t *touched = one_more(t->touched, t->touched_count, &t->touched_room, sizeof *touched);
    if (!touched) return false;
    t->touched = touched;
    t->touched[t->touched_count++] = *slot;
    one->touched = true;
    return true;
}

/* Uncounts the pair at `place`, which is about to change. */
static void pair_remove(trainer *t, uint32_t place)
{
    t->pairs[*pair_slot(t, t->symbols[place], t->symbols[t->next[place]])].count -= t->weights[place];
}

/* ---- a heap of candidates, the commonest first ---- */

static bool goes_first(const trainer *t, const candidate *a, const candidate *b)
{
    if (a->count != b->count) return a->count > b->count;
    const pair *p = &t->pairs[a->pair], *q = &t->pairs[b->pair];
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static bool heap_push(trainer *t, candidate one)
{
    candidate *heap = one_more(t->heap, t->heap_count, &t->heap_room, sizeof *heap);
    if (!heap) return false;
    t->heap = heap;
    size_t i = t->heap_count++;
    for (; i > 0 && goes_first(t, &one, &heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = one;
    return true;
}

static candidate heap_pop(trainer *t)
{
    candidate top = t->heap[0], last = t->heap[--t->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < t->heap_count; i = child) {
        if (child + 1 < t->heap_count && goes_first(t, &t->heap[child + 1], &t->heap[child])) child++;
        if (!goes_first(t, &t->heap[child], &last)) break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = last;
    return top;
}

static bool push_touched(trainer *t)
{
    for (size_t i = 0; i < t->touched_count; i++) {
        pair *one = &t->pairs[t->touched[i]];
        one->touched = false;
        if (one->count >= LEAST_COUNT && !heap_push(t, (candidate){one->count, t->touched[i]})) return false;
    }
    t->touched_count = 0;
    return true;
}

/* The commonest pair, or TOK_NONE. Candidates whose pair has become rarer go back in with the present count. False when short of memory. */
static bool take_commonest(trainer *t, uint32_t *out)
{
    *out = TOK_NONE;
    while (t->heap_count) {
        candidate top = heap_pop(t);
        uint64_t count = t->pairs[top.pair].count;
        if (count == top.count) {
            *out = top.pair;
            return true;
        }
        if (count >= LEAST_COUNT && !heap_push(t, (candidate){count, top.pair})) return false;
    }
    return true;
}

/* ---- learning ---- */

static bool lay_out(trainer *t, const char *text, const piece_set *set)
{
    unsigned char order[BYTES];
    uint32_t ids[BYTES], place = 0;
    gpt2_byte_order(order);
    for (uint32_t i = 0; i < BYTES; i++) ids[order[i]] = i;
    if (set->bytes >= TOK_NONE) return false;
    t->symbols = malloc(set->bytes * sizeof *t->symbols);
    t->prev = malloc(set->bytes * sizeof *t->prev);
    t->next = malloc(set->bytes * sizeof *t->next);
    t->weights = malloc(set->bytes * sizeof *t->weights);
    if (!t->symbols || !t->prev || !t->next || !t->weights || !pairs_grow(t)) return false;
    for (uint32_t i = 0; i < set->count; i++) {
        const piece *one = &set->list[i];
        for (size_t j = 0; j < one->size; j++, place++) {
            t->symbols[place] = ids[(unsigned char)text[one->start + j]];
            t->weights[place] = one->count;
            t->prev[place] = j ? place - 1 : TOK_NONE;
            t->next[place] = j + 1 < one->size ? place + 1 : TOK_NONE;
        }
    }
    for (uint32_t i = 0; i < place; i++) {
        if (t->next[i] != TOK_NONE && !pair_add(t, i)) return false;
    }
    return push_touched(t);
}

static bool merge_place(trainer *t, uint32_t place, uint32_t made)
{
    const uint32_t gone = t->next[place], before = t->prev[place], after = t->next[gone];
    if (before != TOK_NONE) pair_remove(t, before);
    if (after != TOK_NONE) pair_remove(t, gone);
    pair_remove(t, place);
    t->symbols[place] = made;
    t->symbols[gone] = TOK_NONE;
    t->next[place] = after;
    if (after != TOK_NONE) t->prev[after] = place;
    if (before != TOK_NONE && !pair_add(t, before)) return false;
    return after == TOK_NONE || pair_add(t, place);
}

static bool merge_pair(trainer *t, uint32_t index, uint32_t made)
{
    const uint32_t left = t->pairs[index].left, right = t->pairs[index].right, count = t->pairs[index].place_count;
    uint32_t *places = t->pairs[index].places;
    bool fine = true;
    t->pairs[index].places = NULL; /* the array of pairs may move meanwhile */
    t->pairs[index].place_count = t->pairs[index].place_room = 0;
    for (uint32_t i = 0; fine && i < count; i++) {
        const uint32_t place = places[i], next = t->next[place];
        if (t->symbols[place] != left || next == TOK_NONE || t->symbols[next] != right) continue;
        fine = merge_place(t, place, made);
    }
    free(places);
    return fine && push_touched(t);
}

static void trainer_free(trainer *t)
{
    for (uint32_t i = 0; i < t->pair_count; i++) free(t->pairs[i].places);
    free(t->symbols);
    free(t->prev);
    free(t->next);
    free(t->weights);
    free(t->pairs);
    free(t->slots);
    free(t->heap);
    free(t->touched);
}

/* Learns up to parts->merge_count merges; fewer where the text has no more. */
static bool learn(const char *text, size_t size, tok_bpe_parts *parts)
{
    trainer t = {0};
    piece_set set = {0};
    const uint32_t wanted = parts->merge_count;
    bool fine = count_pieces(text, size, &set) && lay_out(&t, text, &set);
    parts->merge_count = 0;
    while (fine && parts->merge_count < wanted) {
        uint32_t index, made = BYTES + parts->merge_count;
        fine = take_commonest(&t, &index);
        if (!fine || index == TOK_NONE) break;
        parts->merges[parts->merge_count++] = (bpe_merge){t.pairs[index].left, t.pairs[index].right, made};
        fine = merge_pair(&t, index, made);
    }
    trainer_free(&t);
    free(set.list);
    free(set.slots);
    return fine;
}

/* Makes the bytes of all tokens from the merges. */
static bool fill_pieces(tok_bpe_parts *parts)
{
    unsigned char order[BYTES];
    gpt2_byte_order(order);
    size_t *starts = malloc(((size_t)parts->vocab + 1) * sizeof *starts), end = strlen(END_OF_TEXT), used = BYTES;
    parts->starts = starts;
    if (!starts) return false;
    for (uint32_t i = 0; i <= BYTES; i++) starts[i] = i;
    for (uint32_t i = 0; i < parts->merge_count; i++) {
        const bpe_merge *m = &parts->merges[i];
        used += starts[m->left + 1] - starts[m->left] + starts[m->right + 1] - starts[m->right];
        starts[BYTES + i + 1] = used;
    }
    starts[parts->vocab] = used + end;
    char *pieces = malloc(used + end);
    parts->pieces = pieces;
    if (!pieces) return false;
    memcpy(pieces, order, BYTES);
    for (uint32_t i = 0; i < parts->merge_count; i++) {
        const bpe_merge *m = &parts->merges[i];
        const size_t left = starts[m->left + 1] - starts[m->left], right = starts[m->right + 1] - starts[m->right];
        memcpy(pieces + starts[BYTES + i], pieces + starts[m->left], left);
        memcpy(pieces + starts[BYTES + i] + left, pieces + starts[m->right], right);
    }
    memcpy(pieces + used, END_OF_TEXT, end);
    return true;
}

pm_status pm_tokenizer_train(const pm_log *log, const char *name, const char *text, size_t size, uint32_t vocab,
                             pm_tokenizer **out)
{
    if (vocab < PM_TOKENIZER_TRAIN_MIN) {
        return log_fail(log, PM_INVALID,
                        "tokenizer: a vocabulary of %u tokens: it needs at least %d, 256 bytes and " END_OF_TEXT,
                        (unsigned)vocab, PM_TOKENIZER_TRAIN_MIN);
    }
    const uint32_t wanted = vocab - PM_TOKENIZER_TRAIN_MIN;
    tok_bpe_parts parts = {.vocab = vocab, .merge_count = wanted};
    pm_status status = PM_OK;
    parts.merges = malloc(((size_t)wanted + 1) * sizeof *parts.merges);
    if (!parts.merges || (size && !learn(text, size, &parts))) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for learning from its %zu bytes", name, size);
    } else if (!size || parts.merge_count < wanted) {
        const uint32_t most = PM_TOKENIZER_TRAIN_MIN + (size ? parts.merge_count : 0);
        status = log_fail(log, PM_FORMAT, "%s: gives at most %u tokens, not %u; give more text or ask for fewer", name,
                          (unsigned)most, (unsigned)vocab);
    } else if (!fill_pieces(&parts)) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %u tokens", name, (unsigned)vocab);
    }
    if (status == PM_OK) status = tok_from_bpe(log, name, &tok_form_gpt2, &parts, NULL, out);
    tok_bpe_parts_free(&parts);
    return status;
}
