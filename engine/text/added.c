/* Added tokens: what files name beside the vocabulary, and where a text spells them. */
#include <stdlib.h>
#include <string.h>

#include "text/spelling.h"
#include "text/tokenizer.h"

uint32_t tok_added_bits(const tok_added *added)
{
    return added->kind | (uint32_t)added->lstrip << 2 | (uint32_t)added->rstrip << 3 | (uint32_t)added->inner << 4;
}

/* ---- making ---- */

bool tok_is_byte(const pm_tokenizer *tok, uint32_t id)
{
    return tok->form.fallback && tok_entry_size(tok, id) == 1 &&
           tok->bytes[(unsigned char)tok->pieces[tok->starts[id]]] == id;
}

typedef struct adding {
    pm_tokenizer *tok;
    const tok_index *index;
    size_t room;
    nfc_out texts;
    char *piece; /* room for the longest name */
} adding;

/* The entry that files mean by this text: an added token before the vocabulary's. `piece` has room for the name. */
static uint32_t named_entry(const pm_tokenizer *tok, const tok_index *index, const char *name, char *piece)
{
    const size_t size = spelling_named(&tok->form, name, piece);
    for (uint32_t i = 0; i < tok->only_count; i++) {
        const uint32_t id = tok->only[i];
        if (tok_is_byte(tok, id)) continue;
        if (tok_entry_size(tok, id) == size && memcmp(tok->pieces + tok->starts[id], piece, size) == 0) return id;
    }
    return tok_index_entry(index, piece, size);
}

uint32_t tok_named_id(const pm_tokenizer *tok, const tok_index *index, const char *name)
{
    char piece[TOK_NAME];
    if (!name || strlen(name) >= sizeof piece) return TOK_NONE;
    const uint32_t entry = named_entry(tok, index, name, piece);
    return entry == TOK_NONE ? TOK_NONE : tok_entry_id(tok->vocab, tok->same, entry);
}

/* What a text must have for the token: the name, for inner ones in its normal form. */
static bool put_text(adding *a, const tok_named *named, tok_added *out)
{
    const tok_form *form = &a->tok->form;
    bool fine = true;
    out->start = a->texts.used;
    if (!named->inner) {
        fine = nfc_put(&a->texts, named->text, strlen(named->text));
    } else {
        const size_t size = spelling_named(form, named->text, a->piece);
        if (named->blank) fine = nfc_put(&a->texts, " ", 1);
        if (fine)
            fine = a->tok->nfc ? nfc_apply(a->tok->nfc, a->piece, size, &a->texts) : nfc_put(&a->texts, a->piece, size);
    }
    out->size = a->texts.used - out->start;
    return fine;
}

bool tok_is_users(const pm_tokenizer *tok, const tok_added *added)
{
    const tok_form *form = &tok->form;
    if (!added->inner || !form->blanks) return false;
    return form->unless || form->prefix == TOK_PREFIX_NONE || added->size == tok_entry_size(tok, added->entry);
}

char *tok_added_content(const pm_tokenizer *tok, const tok_added *added)
{
    speller spell;
    const char *piece = tok->pieces + tok->starts[added->entry];
    if (added->inner && tok->form.blanks) {
        speller_make(&tok->form, &spell);
        return spelling_of(&spell, piece, tok_entry_size(tok, added->entry));
    }
    const size_t size = added->inner ? tok_entry_size(tok, added->entry) : added->size;
    char *text = malloc(size + 1);
    if (!text) return NULL;
    memcpy(text, added->inner ? piece : tok->added_texts + added->start, size);
    text[size] = 0;
    return text;
}

char *tok_name_of(const pm_tokenizer *tok, uint32_t id)
{
    const tok_added *found = NULL; /* an added token, since the id's first name may be a byte's */
    for (size_t i = tok->added_count; i-- > 0;) {
        const tok_added *one = &tok->added[i];
        if (one->entry == id) return tok_added_content(tok, one);
        if (tok_entry_id(tok->vocab, tok->same, one->entry) == id) found = one;
    }
    if (found) return tok_added_content(tok, found);
    if (tok->form.blanks) return tok_bpe_spell(tok, id);
    const size_t size = tok_entry_size(tok, id);
    char *text = malloc(size + 1);
    if (!text) return NULL;
    memcpy(text, tok->pieces + tok->starts[id], size);
    text[size] = 0;
    return text;
}

/* Puts a name of the vocabulary among the added tokens. It is special where any file says so, and so is every second name. */
static bool add_token(adding *a, uint32_t entry, const tok_named *named)
{
    pm_tokenizer *tok = a->tok;
    const unsigned char kind = named->special || entry >= tok->vocab ? TOK_ADDED_SPECIAL : TOK_ADDED_PLAIN;
    for (size_t i = 0; i < tok->added_count; i++) {
        tok_added *one = &tok->added[i];
        if (one->entry != entry) continue;
        if (kind == TOK_ADDED_SPECIAL) one->kind = kind;
        one->lstrip = one->lstrip || named->lstrip;
        one->rstrip = one->rstrip || named->rstrip;
        return true;
    }
    if (tok->added_count == a->room) {
        a->room = 2 * a->room + 8;
        tok_added *grown = realloc(tok->added, a->room * sizeof *grown);
        if (!grown) return false;
        tok->added = grown;
    }
    tok_added *one = &tok->added[tok->added_count++];
    *one = (tok_added){
        .entry = entry, .kind = kind, .lstrip = named->lstrip, .rstrip = named->rstrip, .inner = named->inner};
    return put_text(a, named, one);
}

/* Longer ones first, so that the first that fits is the longest. */
static void sort_added(pm_tokenizer *tok)
{
    for (size_t i = 1; i < tok->added_count; i++) {
        const tok_added one = tok->added[i];
        const size_t size = tok_entry_size(tok, one.entry);
        size_t to = i;
        for (; to > 0; to--) {
            const size_t before = tok_entry_size(tok, tok->added[to - 1].entry);
            if (before > size || (before == size && tok->added[to - 1].entry < one.entry)) break;
            tok->added[to] = tok->added[to - 1];
        }
        tok->added[to] = one;
    }
}

static int compare_texts(const pm_tokenizer *tok, uint32_t a, uint32_t b)
{
    const tok_added *one = &tok->added[a], *other = &tok->added[b];
    const size_t least = one->size < other->size ? one->size : other->size;
    const int order = memcmp(tok->added_texts + one->start, tok->added_texts + other->start, least);
    if (order) return order;
    if (one->size != other->size) return one->size < other->size ? -1 : 1;
    return a < b ? -1 : 1;
}

/* Merge sort: qsort has no room for the tokenizer. `scratch` (count). */
static void sort_order(const pm_tokenizer *tok, uint32_t *order, uint32_t *scratch, size_t count)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            const size_t middle = begin + width < count ? begin + width : count;
            const size_t end = begin + 2 * width < count ? begin + 2 * width : count;
            size_t left = begin, right = middle;
            for (size_t to = begin; to < end; to++) {
                const bool first = right == end || (left < middle && compare_texts(tok, order[left], order[right]) < 0);
                scratch[to] = order[first ? left++ : right++];
            }
        }
        memcpy(order, scratch, count * sizeof *order);
    }
}

static bool make_order(adding *a)
{
    pm_tokenizer *tok = a->tok;
    const size_t count = tok->added_count;
    tok->added_texts = a->texts.text;
    a->texts.text = NULL;
    if (!count) return true;
    uint32_t *scratch = malloc(count * sizeof *scratch);
    tok->added_order = malloc(count * sizeof *tok->added_order);
    const bool fine = scratch && tok->added_order;
    for (size_t i = 0; fine && i < count; i++) {
        const tok_added *one = &tok->added[i];
        tok->added_order[i] = (uint32_t)i;
        tok->has_inner = tok->has_inner || one->inner;
        (one->inner ? tok->inner_first : tok->added_first)[(unsigned char)tok->added_texts[one->start]] |= one->kind;
    }
    if (fine) sort_order(tok, tok->added_order, scratch, count);
    free(scratch);
    return fine;
}

/* The added tokens; *stop: the entry of <|endoftext|>, or TOK_NONE. */
static bool add_all(adding *a, const tok_settings *s, uint32_t *stop)
{
    static const tok_named end_of_text = {.text = "<|endoftext|>", .id = TOK_NONE, .special = true};
    size_t most = strlen(end_of_text.text);
    for (size_t i = 0; i < s->named_count; i++)
        most = strlen(s->named[i].text) > most ? strlen(s->named[i].text) : most;
    a->piece = malloc(most + 1);
    if (!a->piece) return false;
    *stop = a->tok->form.unit == TOK_UNIT_BYTE ? tok_index_entry(a->index, end_of_text.text, strlen(end_of_text.text))
                                               : TOK_NONE;
    if (*stop != TOK_NONE && !add_token(a, *stop, &end_of_text)) return false;
    for (size_t i = 0; i < 2 * s->named_count; i++) { /* first those with ids, which have flags, too */
        const tok_named *named = &s->named[i % s->named_count];
        if ((named->id == TOK_NONE) != (i >= s->named_count)) continue;
        const uint32_t entry = named_entry(a->tok, a->index, named->text, a->piece);
        if (entry != TOK_NONE && !add_token(a, entry, named)) return false;
    }
    sort_added(a->tok);
    return make_order(a);
}

bool tok_add_named(pm_tokenizer *tok, const tok_index *index, const tok_settings *settings, bool *usual)
{
    static const tok_settings none = {0};
    const tok_settings *s = settings ? settings : &none;
    adding a = {.tok = tok, .index = index};
    uint32_t stop = TOK_NONE;
    const bool fine = add_all(&a, s, &stop);
    free(a.piece);
    free(a.texts.text);
    if (!fine) return false;
    const uint32_t stop_id = stop == TOK_NONE ? TOK_NONE : tok_entry_id(tok->vocab, tok->same, stop);
    tok->end = tok_named_id(tok, index, s->end);
    if (tok->end == TOK_NONE) tok->end = stop_id;
    tok->begin = tok_named_id(tok, index, s->begin);
    tok->puts_begin = tok->begin != TOK_NONE && s->puts_begin == TOK_YES;
    tok->puts_end = s->end && tok->end != TOK_NONE && s->puts_end == TOK_YES;
    if (tok->begin == TOK_NONE && tok_form_is_named(&tok->form)) tok->begin = tok->end;
    if (tok->form.unit == TOK_UNIT_BYTE && s->prefix == TOK_YES) {
        tok->form.prefix = TOK_PREFIX_EACH;
        tok->form.unless = true;
    }
    *usual = tok->same_count == 0 && tok->added_count == (stop != TOK_NONE) && tok->end == stop_id &&
             tok->begin == stop_id && tok->form.prefix == TOK_PREFIX_NONE && tok_form_is_named(&tok->form);
    return true;
}

/* ---- looking ---- */

const tok_added *tok_added_at(const pm_tokenizer *tok, const char *text, size_t size, unsigned kinds, bool inner)
{
    const tok_added *best = NULL;
    size_t low = 0, high = tok->added_count;
    for (size_t depth = 0; low < high; depth++) { /* those of the range have `depth` bytes in common with the text */
        while (low < high && tok->added[tok->added_order[low]].size == depth) {
            const tok_added *one = &tok->added[tok->added_order[low++]];
            if ((one->kind & kinds) && one->inner == inner && !(best && best->size == depth)) best = one;
        }
        if (depth == size) break;
        const unsigned char byte = (unsigned char)text[depth];
        size_t ends[2];
        for (int side = 0; side < 2; side++) { /* the first of the byte, and the first behind it */
            size_t from = low, to = high;
            while (from < to) {
                const size_t middle = from + (to - from) / 2;
                const tok_added *one = &tok->added[tok->added_order[middle]];
                const unsigned char own = (unsigned char)tok->added_texts[one->start + depth];
                if (own < byte || (side && own == byte))
                    from = middle + 1;
                else
                    to = middle;
            }
            ends[side] = from;
        }
        low = ends[0];
        high = ends[1];
    }
    return best;
}
