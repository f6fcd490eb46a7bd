#include "text/scored.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "text/entries.h"
#include "text/spelling.h"

static pm_status no_memory(const pm_log *log, const char *path)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
}

static pm_status bad_piece(const pm_log *log, const char *path, uint32_t id, const char *what)
{
    return log_fail(log, PM_FORMAT, "%s: piece %u %s", path, (unsigned)id, what);
}

/* ---- the vocabulary ---- */

static pm_status put_piece(const pm_log *log, const char *path, const scored_parts *parts, uint32_t id,
                           const speller *spell, entry_list *entries)
{
    const scored_piece *one = &parts->list[id];
    if (parts->unused && one->type == SCORED_UNUSED) return PM_OK;
    if (one->size == 0) return bad_piece(log, path, id, "is empty");
    if (one->size >= SCORED_MOST) return bad_piece(log, path, id, "has more than 1023 bytes");
    if (memchr(one->text, 0, one->size)) return bad_piece(log, path, id, "holds U+0000");
    if (!isfinite(one->score)) return bad_piece(log, path, id, "has a score that is no number");
    if (one->type < SCORED_NORMAL || one->type > SCORED_BYTE || one->type == SCORED_UNUSED)
        return bad_piece(log, path, id, "is of a type that Pumice does not read");
    if (one->type == SCORED_BYTE) {
        const int byte = spelling_byte(one->text, one->size);
        if (byte < 0 || !parts->fallback) return bad_piece(log, path, id, "is no byte from <0x00> to <0xFF>");
        if (entries->byte_ids[byte] != TOK_NONE) return bad_piece(log, path, id, "is there twice");
        entries_put_byte(entries, (unsigned char)byte, id);
        return PM_OK;
    }
    const size_t size = unspell(spell, one->text, one->size, entries_room(entries));
    if (size == SIZE_MAX) return bad_piece(log, path, id, "is not UTF-8");
    entries_put(entries, size, id, one->type != SCORED_NORMAL || memchr(one->text, ' ', one->size));
    return PM_OK;
}

/* Names the control pieces, and those that texts always have whole. */
static pm_status name_piece(const pm_log *log, const char *path, const scored_parts *parts, uint32_t id,
                            tok_settings *settings)
{
    const scored_piece *one = &parts->list[id];
    char text[SCORED_MOST];
    if (one->type == SCORED_NORMAL || one->type == SCORED_BYTE || one->type == SCORED_UNUSED) return PM_OK;
    memcpy(text, one->text, one->size);
    text[one->size] = 0;
    const int64_t ids[] = {parts->begin, parts->end, parts->unknown};
    const bool users = one->type == SCORED_USER, role = ids[0] == id || ids[1] == id || ids[2] == id;
    const tok_named named = {.text = text, .id = id, .special = !users || role, .inner = users, .users = users};
    if (settings->named_count >= TOK_MOST_NAMED)
        return log_fail(log, PM_FORMAT, "%s: names more than %d tokens", path, TOK_MOST_NAMED);
    bool fine = tok_settings_name(settings, &named);
    char **const roles[] = {&settings->begin, &settings->end, &settings->unknown};
    for (size_t i = 0; i < sizeof ids / sizeof *ids && fine; i++)
        if (ids[i] == (int64_t)id && !*roles[i]) fine = (*roles[i] = copy_text(text)) != NULL;
    return fine ? PM_OK : no_memory(log, path);
}

static pm_status read_pieces(const pm_log *log, const char *path, const scored_parts *parts, const speller *spell,
                             tok_settings *settings, entry_list *entries)
{
    size_t bytes = 0;
    pm_status status = PM_OK;
    for (uint32_t id = 0; id < parts->count; id++) bytes += parts->list[id].size;
    /* the pieces' own names are known only below; they are pieces, so they take no room */
    if (!entries_make(entries, &spell->form, settings, parts->count, bytes)) return no_memory(log, path);
    for (uint32_t id = 0; id < parts->count && status == PM_OK; id++)
        status = put_piece(log, path, parts, id, spell, entries);
    for (size_t b = 0; b < 256 && status == PM_OK && parts->fallback; b++)
        if (entries->byte_ids[b] == TOK_NONE)
            status = log_fail(log, PM_FORMAT, "%s: has no piece for the byte 0x%02X", path, (unsigned)b);
    return status;
}

/* ---- the merges ---- */

typedef struct rated {
    float score;
    uint32_t id;
} rated;

static int compare_rated(const void *a, const void *b)
{
    const rated *one = a, *other = b;
    if (one->score != other->score) return one->score > other->score ? -1 : 1;
    return one->id < other->id ? -1 : one->id > other->id;
}

uint32_t scored_merges(const char *pieces, const size_t *starts, const tok_index *index, uint32_t id, bpe_merge *merges)
{
    const char *piece = pieces + starts[id];
    const size_t size = starts[id + 1] - starts[id];
    uint32_t count = 0;
    for (size_t cut = 1; cut < size; cut++) {
        if (((unsigned char)piece[cut] & 0xC0) == 0x80) continue;
        const uint32_t left = tok_index_find(index, piece, cut);
        const uint32_t right = left == TOK_NONE ? TOK_NONE : tok_index_find(index, piece + cut, size - cut);
        if (right == TOK_NONE) continue;
        if (merges) merges[count] = (bpe_merge){left, right, id};
        count++;
    }
    return count;
}

/* Pieces of one score have one rank, so that of these the leftmost goes first. */
static pm_status make_merges(const pm_log *log, const char *path, const scored_parts *scored, const tok_index *index,
                             tok_bpe_parts *parts)
{
    uint64_t total = 0;
    uint32_t count = 0, rank = 0;
    rated *order = malloc(((size_t)scored->count + 1) * sizeof *order);
    if (!order) return no_memory(log, path);
    for (uint32_t id = 0; id < scored->count; id++) {
        const scored_piece *one = &scored->list[id];
        if (id >= parts->vocab || one->type != SCORED_NORMAL ||
            tok_index_find(index, parts->pieces + parts->starts[id], parts->starts[id + 1] - parts->starts[id]) != id)
            continue;
        order[count++] = (rated){one->score, id};
        total += scored_merges(parts->pieces, parts->starts, index, id, NULL);
    }
    const bool few = total < UINT32_MAX / 2;
    parts->merges = few ? malloc(((size_t)total + 1) * sizeof *parts->merges) : NULL;
    parts->ranks = few ? malloc(((size_t)total + 1) * sizeof *parts->ranks) : NULL;
    if (!parts->merges || !parts->ranks) {
        free(order);
        return no_memory(log, path);
    }
    qsort(order, count, sizeof *order, compare_rated);
    float last = 0;
    for (uint32_t i = 0; i < count; i++) {
        bpe_merge *next = parts->merges + parts->merge_count;
        const uint32_t made = scored_merges(parts->pieces, parts->starts, index, order[i].id, next);
        if (made && parts->merge_count && order[i].score != last) rank++; /* ranks without gaps */
        if (made) last = order[i].score;
        for (uint32_t m = 0; m < made; m++) parts->ranks[parts->merge_count++] = rank;
    }
    free(order);
    return PM_OK;
}

pm_status tok_from_scored(const pm_log *log, const char *path, const scored_parts *scored, tok_settings *settings,
                          pm_tokenizer **out)
{
    const tok_form form = {.blanks = true,
                           .squeeze = scored->squeeze,
                           .prefix = scored->prefix ? TOK_PREFIX_EACH : TOK_PREFIX_NONE,
                           .cut = TOK_CUT_NONE,
                           .unit = TOK_UNIT_CHAR,
                           .merges = true,
                           .ordered = true,
                           .fallback = scored->fallback,
                           .fuse = true,
                           .drops = scored->prefix || scored->squeeze};
    speller spell;
    entry_list entries = {0};
    tok_bpe_parts parts = {0};
    tok_index index = {0};
    speller_make(&form, &spell);
    pm_status status = read_pieces(log, path, scored, &spell, settings, &entries);
    if (status == PM_OK) status = entries_finish(log, path, &entries, settings, &parts, &index);
    if (status == PM_OK) status = make_merges(log, path, scored, &index, &parts);
    for (uint32_t id = 0; id < scored->count && status == PM_OK; id++)
        status = name_piece(log, path, scored, id, settings);
    if (settings->puts_begin == TOK_UNSAID) settings->puts_begin = TOK_YES; /* as transformers and llama.cpp do */
    if (status == PM_OK) status = tok_from_bpe(log, path, &form, &parts, settings, out);
    tok_index_free(&index);
    tok_bpe_parts_free(&parts);
    entries_free(&entries);
    return status;
}
