/* The two files of a tokenizer with merges: a JSON object {"spelling": id}, and a line for each merge, "LEFT RIGHT" in spellings (spelling.h), the
 * earliest first, behind a line "#version: 0.2" that may be missing. Nothing in them is trusted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "files/foreign.h"
#include "files/json_file.h"
#include "text/entries.h"
#include "text/spelling.h"
#include "text/tokenizer.h"

/* ---- the vocabulary ---- */

/* GPT-1's has many entries that end a word. GPT-2's has a few at most, learnt from a text about GPT-1. */
static const tok_form *form_of(const cJSON *vocab, int count)
{
    int ends = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, vocab)
    {
        size_t size = item->string ? strlen(item->string) : 0;
        if (size >= SPELLING_END_BYTES && strcmp(item->string + size - SPELLING_END_BYTES, SPELLING_END) == 0) ends++;
    }
    return ends > count / 8 ? &tok_form_gpt1 : &tok_form_gpt2;
}

static const tok_named *find_named(const tok_settings *settings, const char *text)
{
    for (size_t i = 0; i < settings->named_count; i++)
        if (strcmp(settings->named[i].text, text) == 0) return &settings->named[i];
    return NULL;
}

/* The entries of the vocabulary. */
static pm_status read_entries(const pm_log *log, const char *path, const speller *spell, const cJSON *vocab,
                              const tok_settings *settings, entry_list *out)
{
    size_t count = 0, bytes = 1;
    const cJSON *item;
    cJSON_ArrayForEach(item, vocab)
    {
        count++;
        bytes += item->string ? strlen(item->string) : 0;
    }
    if (!entries_make(out, &spell->form, settings, count, bytes))
        return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %zu tokens", path, count);
    cJSON_ArrayForEach(item, vocab)
    {
        const char *text = item->string ? item->string : "";
        const double id = cJSON_IsNumber(item) ? item->valuedouble : -1.0;
        if (!(id >= 0 && id < TOK_MOST) || id != (double)(uint32_t)id) {
            return log_fail(log, PM_FORMAT, "%s: the id of entry %zu must be a whole number from 0 to %d", path,
                            out->count + 1, TOK_MOST - 1);
        }
        const int byte = spell->form.fallback ? spelling_byte(text, strlen(text)) : -1;
        if (byte >= 0) {
            entries_put_byte(out, (unsigned char)byte, (uint32_t)id);
            continue;
        }
        size_t size = unspell(spell, text, strlen(text), entries_room(out));
        if (size == SIZE_MAX && *text && find_named(settings, text)) { /* a token added to it is spelled as it is */
            size = strlen(text);
            memcpy(entries_room(out), text, size);
        }
        if (size == SIZE_MAX) {
            return log_fail(log, PM_FORMAT, "%s: the token of id %u must be %s", path, (unsigned)id,
                            spell->form.unit == TOK_UNIT_BYTE   ? "bytes in GPT-2's spelling"
                            : spell->form.unit == TOK_UNIT_CHAR ? "UTF-8"
                                                                : "UTF-8 without blanks");
        }
        /* no text has a blank where it is spelled in another way */
        entries_put(out, size, (uint32_t)id, spell->form.blanks && strchr(text, ' '));
    }
    return PM_OK;
}

static pm_status read_vocab(const pm_log *log, const char *path, const cJSON *vocab, const tok_settings *settings,
                            speller *spell, tok_bpe_parts *parts, tok_index *index)
{
    const int count = cJSON_GetArraySize(vocab);
    entry_list entries = {0};
    if (count <= 0) return log_fail(log, PM_FORMAT, "%s: has no entries", path);
    speller_make(settings->known ? &settings->form : form_of(vocab, count), spell);
    pm_status status = read_entries(log, path, spell, vocab, settings, &entries);
    if (status == PM_OK) status = entries_finish(log, path, &entries, settings, parts, index);
    entries_free(&entries);
    return status;
}

/* Two names of one token: GPT-1's and GPT-2's files may have them. */
static pm_status refuse_twice(const pm_log *log, const char *path, const tok_bpe_parts *parts)
{
    if (!parts->same_count) return PM_OK;
    return log_fail(log, PM_FORMAT, "%s: id %u is there twice", path, (unsigned)parts->same[0]);
}

/* ---- the merges ---- */

/* A merge of two spellings; `room` has as many bytes as both. NULL, or what is wrong with it. */
static const char *make_merge(const speller *spell, const tok_index *index, const char *texts[2], const size_t sizes[2],
                              char *room, bpe_merge *out)
{
    const size_t left = unspell(spell, texts[0], sizes[0], room);
    const size_t right = left == SIZE_MAX ? SIZE_MAX : unspell(spell, texts[1], sizes[1], room + left);
    if (right == SIZE_MAX) return "must be two tokens with one blank between";
    out->left = tok_index_find(index, room, left);
    out->right = tok_index_find(index, room + left, right);
    out->made = tok_index_find(index, room, left + right);
    if (out->left == TOK_NONE || out->right == TOK_NONE) return "merges a token that the vocabulary lacks";
    return out->made == TOK_NONE ? "makes a token that the vocabulary lacks" : NULL;
}

const char *tok_merge_parse(const speller *spell, const tok_index *index, const char *line, size_t size, char *room,
                            bpe_merge *out)
{
    const char *blank = memchr(line, ' ', size);
    const size_t first = blank ? (size_t)(blank - line) : size;
    const char *texts[2] = {line, blank ? blank + 1 : line};
    const size_t sizes[2] = {first, blank ? size - first - 1 : 0};
    return make_merge(spell, index, texts, sizes, room, out);
}

static pm_status read_merges(const pm_log *log, const char *path, const char *text, size_t size, const speller *spell,
                             const tok_index *index, tok_bpe_parts *parts)
{
    char *room = NULL;
    size_t lines = 0;
    pm_status status = PM_OK;
    const char *foreign = pm_text_foreign(text, size, false);
    if (foreign) return log_fail(log, PM_FORMAT, "%s: %s", path, foreign);
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    room = malloc(size + 1);
    parts->merges = lines < UINT32_MAX ? malloc((lines + 1) * sizeof *parts->merges) : NULL;
    if (!room || !parts->merges) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %zu lines", path, lines);
        goto fail;
    }
    size_t number = 0;
    for (size_t at = text_mark(text, size); at < size;) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        at += length + 1;
        number++;
        if (length && line[length - 1] == '\r') length--;
        if (!length || (number == 1 && length >= 8 && memcmp(line, "#version", 8) == 0)) continue;
        const char *fault = tok_merge_parse(spell, index, line, length, room, &parts->merges[parts->merge_count]);
        if (fault) {
            status = log_fail(log, PM_FORMAT, "%s: line %zu %s", path, number, fault);
            goto fail;
        }
        parts->merge_count++;
    }

fail:
    free(room);
    return status;
}

/* An element of tokenizer.json's merges: "LEFT RIGHT", or ["LEFT", "RIGHT"] in newer files. */
static const char *parse_merge_json(const speller *spell, const tok_index *index, const cJSON *item, char *room,
                                    bpe_merge *out)
{
    const char *line = cJSON_GetStringValue(item);
    if (line) return tok_merge_parse(spell, index, line, strlen(line), room, out);
    const char *texts[2] = {cJSON_GetStringValue(cJSON_GetArrayItem(item, 0)),
                            cJSON_GetStringValue(cJSON_GetArrayItem(item, 1))};
    if (cJSON_GetArraySize(item) != 2 || !texts[0] || !texts[1]) return "must be two tokens";
    const size_t sizes[2] = {strlen(texts[0]), strlen(texts[1])};
    return make_merge(spell, index, texts, sizes, room, out);
}

static pm_status read_merges_json(const pm_log *log, const char *path, const cJSON *merges, const speller *spell,
                                  const tok_index *index, tok_bpe_parts *parts)
{
    size_t most = 0, count = 0;
    const cJSON *item, *side;
    cJSON_ArrayForEach(item, merges)
    {
        size_t size = cJSON_IsString(item) ? strlen(item->valuestring) : 0;
        cJSON_ArrayForEach(side, item) size += cJSON_IsString(side) ? strlen(side->valuestring) : 0;
        most = size > most ? size : most;
        count++;
    }
    char *room = malloc(most + 1);
    parts->merges = count < UINT32_MAX ? malloc((count + 1) * sizeof *parts->merges) : NULL;
    pm_status status = PM_OK;
    if (!room || !parts->merges) status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    cJSON_ArrayForEach(item, merges)
    {
        if (status != PM_OK) break;
        const char *fault = parse_merge_json(spell, index, item, room, &parts->merges[parts->merge_count]);
        if (fault)
            status = log_fail(log, PM_FORMAT, "%s: merge %u %s", path, (unsigned)parts->merge_count + 1, fault);
        else
            parts->merge_count++;
    }
    free(room);
    return status;
}

/* The ranks of merges that share some. */
static pm_status make_ranks(const pm_log *log, const char *path, const tok_settings *settings, tok_bpe_parts *parts)
{
    uint32_t used = 0, rank = 0;
    parts->ranks = malloc(((size_t)parts->merge_count + 1) * sizeof *parts->ranks);
    if (!parts->ranks) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    for (; rank < settings->rank_count && settings->ranks[rank] <= parts->merge_count - used; rank++)
        for (uint32_t i = 0; i < settings->ranks[rank]; i++) parts->ranks[used++] = rank;
    if (rank == settings->rank_count && used == parts->merge_count) return PM_OK;
    return log_fail(log, PM_FORMAT, "%s: has %u merges, and tokenizer_config.json has ranks of another number", path,
                    (unsigned)parts->merge_count);
}

/* Both files' texts; *found as in tok_bpe_read. The caller frees them, whatever the answer. */
static pm_status read_both(const pm_log *log, const file_ref *const refs[2], bool *found, char *texts[2],
                           size_t sizes[2])
{
    pm_status status = file_ref_read(log, refs[0], found, &texts[0], &sizes[0]);
    if (status == PM_OK && *found) status = file_ref_read(log, refs[1], found, &texts[1], &sizes[1]);
    return status;
}

pm_status tok_bpe_read(const pm_log *log, const file_ref *vocab_ref, const file_ref *merges_ref,
                       const tok_settings *settings, bool *found, pm_tokenizer **out)
{
    const file_ref *const refs[2] = {vocab_ref, merges_ref};
    tok_bpe_parts parts = {0};
    tok_index index = {0};
    speller spell;
    cJSON *vocab = NULL;
    char *texts[2] = {NULL, NULL};
    size_t sizes[2];
    pm_status status = read_both(log, refs, found, texts, sizes);
    if (status == PM_OK && *found) {
        status =
            json_file_parse(log, vocab_ref->path, "as this kind of tokenizer spells it", texts[0], sizes[0], &vocab);
        if (status == PM_OK) status = read_vocab(log, vocab_ref->path, vocab, settings, &spell, &parts, &index);
        cJSON_Delete(vocab);
        if (status == PM_OK && !tok_form_is_named(&spell.form)) status = refuse_twice(log, vocab_ref->path, &parts);
        if (status == PM_OK) status = read_merges(log, merges_ref->path, texts[1], sizes[1], &spell, &index, &parts);
        tok_index_free(&index);
        if (status == PM_OK) status = tok_from_bpe(log, merges_ref->path, &spell.form, &parts, settings, out);
        tok_bpe_parts_free(&parts);
    }
    free(texts[0]);
    free(texts[1]);
    return status;
}

pm_status tok_bpe_read_json(const pm_log *log, const char *path, const cJSON *vocab, const cJSON *merges,
                            const tok_settings *settings, pm_tokenizer **out)
{
    tok_bpe_parts parts = {0};
    tok_index index = {0};
    speller spell;
    pm_status status = read_vocab(log, path, vocab, settings, &spell, &parts, &index);
    if (status == PM_OK) status = refuse_twice(log, path, &parts);
    if (status == PM_OK) status = read_merges_json(log, path, merges, &spell, &index, &parts);
    if (status == PM_OK && settings->ranks) status = make_ranks(log, path, settings, &parts);
    tok_index_free(&index);
    if (status == PM_OK) status = tok_from_bpe(log, path, &spell.form, &parts, settings, out);
    tok_bpe_parts_free(&parts);
    return status;
}

char *tok_bpe_spell(const pm_tokenizer *tok, uint32_t name)
{
    speller spell;
    const char *piece = tok->pieces + tok->starts[name];
    if (name < tok->vocab && tok_is_byte(tok, name)) {
        char *out = malloc(sizeof "<0x00>");
        if (out) snprintf(out, sizeof "<0x00>", "<0x%02X>", (unsigned char)piece[0]);
        return out;
    }
    speller_make(&tok->form, &spell);
    return spelling_of(&spell, piece, tok_entry_size(tok, name));
}

/* The next name of a token behind one of its names; TOK_NONE behind the last. */
static uint32_t next_name(const pm_tokenizer *tok, uint32_t id, uint32_t name)
{
    for (uint32_t s = name < tok->vocab ? 0 : name - tok->vocab + 1; s < tok->same_count; s++)
        if (tok->same[s] == id) return tok->vocab + s;
    return TOK_NONE;
}

/* Whether two names, joined, are one of the token `made`. */
static bool names_fit(const pm_tokenizer *tok, uint32_t left, uint32_t right, uint32_t made)
{
    const size_t first = tok_entry_size(tok, left), second = tok_entry_size(tok, right);
    for (uint32_t m = made; m != TOK_NONE; m = next_name(tok, made, m)) {
        const char *whole = tok->pieces + tok->starts[m];
        if (tok_entry_size(tok, m) == first + second && memcmp(whole, tok->pieces + tok->starts[left], first) == 0 &&
            memcmp(whole + first, tok->pieces + tok->starts[right], second) == 0)
            return true;
    }
    return false;
}

void tok_merge_names(const pm_tokenizer *tok, const bpe_merge *merge, uint32_t *left, uint32_t *right)
{
    for (*left = merge->left; *left != TOK_NONE; *left = next_name(tok, merge->left, *left))
        for (*right = merge->right; *right != TOK_NONE; *right = next_name(tok, merge->right, *right))
            if (names_fit(tok, *left, *right, merge->made)) return;
    *left = merge->left;
    *right = merge->right;
}

pm_status tok_bpe_write_merges(const pm_log *log, const pm_tokenizer *tok, const char *path)
{
    static const char head[] = "#version: 0.2\n"; /* readers skip the first line, whatever it says */
    file_writer *writer;
    pm_status status = file_writer_open(log, path, &writer);
    if (status != PM_OK) return status;
    file_writer_put(writer, head, strlen(head));
    for (uint32_t i = 0; i < tok->merges.count && status == PM_OK; i++) {
        uint32_t left_name, right_name;
        tok_merge_names(tok, &tok->merges.merges[i], &left_name, &right_name);
        char *left = tok_bpe_spell(tok, left_name), *right = tok_bpe_spell(tok, right_name);
        if (left && right) {
            file_writer_put(writer, left, strlen(left));
            file_writer_put(writer, " ", 1);
            file_writer_put(writer, right, strlen(right));
            file_writer_put(writer, "\n", 1);
        } else {
            status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
        }
        free(left);
        free(right);
    }
    if (status == PM_OK) return file_writer_commit(&writer);
    file_writer_abandon(&writer);
    return status;
}
