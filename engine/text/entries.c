#include "text/entries.h"

#include <stdlib.h>
#include <string.h>

#include "text/spelling.h"

bool entries_make(entry_list *out, const tok_form *form, const tok_settings *settings, size_t count, size_t bytes)
{
    *out = (entry_list){.form = *form};
    for (size_t i = 0; i < settings->named_count; i++) bytes += strlen(settings->named[i].text);
    out->list = malloc((count + settings->named_count + 1) * sizeof *out->list);
    out->bytes = malloc(bytes + 1);
    out->byte_ids = form->fallback ? malloc(256 * sizeof *out->byte_ids) : NULL;
    if (out->byte_ids) memset(out->byte_ids, 0xFF, 256 * sizeof *out->byte_ids); /* TOK_NONE */
    return out->list && out->bytes && (!form->fallback || out->byte_ids);
}

void entries_free(entry_list *entries)
{
    free(entries->list);
    free(entries->bytes);
    free(entries->byte_ids);
    *entries = (entry_list){0};
}

void entries_put(entry_list *entries, size_t size, uint32_t id, bool only)
{
    entries->list[entries->count++] = (entry){entries->used, size, id, only};
    entries->used += size;
}

void entries_put_byte(entry_list *entries, unsigned char byte, uint32_t id)
{
    entries->byte_ids[byte] = id;
    *entries_room(entries) = (char)byte;
    entries_put(entries, 1, id, true);
}

static void put_piece(const entry_list *entries, size_t e, tok_bpe_parts *parts, size_t slot, size_t *used)
{
    const entry *one = &entries->list[e];
    parts->starts[slot] = *used;
    memcpy(parts->pieces + *used, entries->bytes + one->start, one->size);
    *used += one->size;
}

/* The pieces by id, each the first of its names; then the other names in the file's order. False when short of memory. */
static bool lay_out(const entry_list *entries, tok_bpe_parts *parts)
{
    uint32_t vocab = 0, *first;
    size_t used = 0, same = 0, only = 0;
    for (size_t e = 0; e < entries->count; e++) {
        if (entries->list[e].id >= vocab) vocab = entries->list[e].id + 1;
        only += entries->list[e].only;
    }
    first = malloc(vocab * sizeof *first); /* entries by id, or TOK_NONE */
    if (!first) return false;
    memset(first, 0xFF, vocab * sizeof *first);
    for (size_t e = 0; e < entries->count; e++) {
        uint32_t *slot = &first[entries->list[e].id];
        same += *slot != TOK_NONE;
        if (*slot == TOK_NONE) *slot = (uint32_t)e;
    }
    tok_bpe_parts_free(parts);
    *parts = (tok_bpe_parts){.pieces = malloc(entries->used + 1),
                             .starts = malloc((vocab + same + 1) * sizeof *parts->starts),
                             .vocab = vocab,
                             .same = malloc((same + 1) * sizeof *parts->same),
                             .only = malloc((only + 1) * sizeof *parts->only)};
    const bool fine = parts->pieces && parts->starts && parts->same && parts->only;
    for (uint32_t id = 0; fine && id < vocab; id++) {
        parts->starts[id] = used;
        if (first[id] == TOK_NONE) continue;
        put_piece(entries, first[id], parts, id, &used);
        if (entries->list[first[id]].only) parts->only[parts->only_count++] = id;
    }
    for (size_t e = 0; fine && e < entries->count; e++) {
        if (first[entries->list[e].id] == e) continue;
        put_piece(entries, e, parts, (size_t)vocab + parts->same_count, &used);
        parts->same[parts->same_count++] = entries->list[e].id;
    }
    if (fine) parts->starts[vocab + parts->same_count] = used;
    free(first);
    return fine;
}

static bool index_entries(const entry_list *entries, tok_bpe_parts *parts, tok_index *index, uint32_t *twice)
{
    tok_index_free(index);
    return lay_out(entries, parts) && tok_index_make(parts, index, twice);
}

/* Whether the id is this token's already. */
static bool has_piece(const tok_bpe_parts *parts, uint32_t id, const char *piece, size_t size)
{
    return id < parts->vocab && size && parts->starts[id + 1] - parts->starts[id] == size &&
           memcmp(parts->pieces + parts->starts[id], piece, size) == 0;
}

/* Whether a vocabulary spells a piece as this text. */
static bool is_spelled(const tok_form *form, const char *text, const char *piece, size_t size)
{
    speller spell;
    speller_make(form, &spell);
    char *spelling = spelling_of(&spell, piece, size);
    const bool is = spelling && strcmp(spelling, text) == 0;
    free(spelling);
    return is;
}

/* Whether an earlier one has the same text and an id: the first counts. */
static bool named_before(const tok_settings *settings, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (settings->named[j].id != TOK_NONE && strcmp(settings->named[j].text, settings->named[i].text) == 0)
            return true;
    return false;
}

/* Adds the settings' tokens that have an id and that the vocabulary lacks. One that has the bytes of the vocabulary's token, but neither its
 * spelling nor its id, is a token of its own: "\n\n" beside GPT-2's "\u010a\u010a". */
static pm_status add_entries(const pm_log *log, const char *path, const tok_settings *settings,
                             const tok_bpe_parts *parts, const tok_index *index, entry_list *entries)
{
    const size_t count = entries->count;
    const tok_form *form = &entries->form;
    for (size_t i = 0; i < settings->named_count; i++) {
        const tok_named *named = &settings->named[i];
        if (named->id == TOK_NONE || named_before(settings, i)) continue;
        char *piece = entries->bytes + entries->used;
        const size_t size = spelling_named(form, named->text, piece);
        const uint32_t id = tok_index_find(index, piece, size);
        const bool twin = id != TOK_NONE, only = twin || form->whole; /* ignore_merges takes the vocabulary's alone */
        if (id == named->id || has_piece(parts, named->id, piece, size)) continue;
        if (twin && is_spelled(form, named->text, piece, size))
            return log_fail(log, PM_FORMAT,
                            "%s: the token %s has the id %u in the vocabulary, and %u as an added token", path,
                            named->text, (unsigned)id, (unsigned)named->id);
        bool taken = named->id < parts->vocab && parts->starts[named->id + 1] > parts->starts[named->id];
        for (size_t e = count; e < entries->count && !taken; e++) taken = entries->list[e].id == named->id;
        if (taken)
            return log_fail(log, PM_FORMAT, "%s: the added token %s has another token's id, %u", path, named->text,
                            (unsigned)named->id);
        entries->list[entries->count++] = (entry){entries->used, size, named->id, only};
        entries->used += size;
    }
    return PM_OK;
}

/* An added token of the vocabulary is none of its pieces that are taken whole. */
static void mark_named(const tok_settings *settings, const tok_index *index, const tok_bpe_parts *parts,
                       entry_list *entries)
{
    for (size_t i = 0; i < settings->named_count; i++) {
        const tok_named *named = &settings->named[i];
        const uint32_t id = tok_index_find(index, named->text, strlen(named->text));
        if (id == TOK_NONE) continue;
        for (size_t e = 0; e < entries->count; e++)
            if (entries->list[e].id == id && entries->list[e].size == parts->starts[id + 1] - parts->starts[id])
                entries->list[e].only = true;
    }
}

pm_status entries_finish(const pm_log *log, const char *path, entry_list *entries, const tok_settings *settings,
                         tok_bpe_parts *parts, tok_index *index)
{
    const size_t own = entries->count;
    uint32_t twice = TOK_NONE;
    pm_status status = PM_OK;
    bool fine = index_entries(entries, parts, index, &twice);
    const bool marks = fine && entries->form.whole && settings->named_count;
    if (fine && twice == TOK_NONE) status = add_entries(log, path, settings, parts, index, entries);
    if (marks) mark_named(settings, index, parts, entries);
    if (fine && (marks || entries->count > own)) fine = index_entries(entries, parts, index, &twice);
    parts->bytes = entries->byte_ids;
    entries->byte_ids = NULL;
    if (status != PM_OK) return status;
    if (!fine) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %zu tokens", path, entries->count);
    if (twice != TOK_NONE)
        return log_fail(log, PM_FORMAT, "%s: the token of id %u is there twice", path, (unsigned)twice);
    return PM_OK;
}
