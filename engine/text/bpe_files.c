/* The two files of a tokenizer with merges: a JSON object {"spelling": id}, and a line for each merge, "LEFT RIGHT" in spellings, the
 * earliest first, behind a line "#version: 0.2" that may be missing. Files of strangers: nothing in them is trusted.
 *
 * gpt2 spells each byte of a token as one character (gpt2.h). gpt1 spells characters as they are and the end of a word as </w>; a piece
 * has a blank there, which no spelling of it can hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/json_file.h"
#include "text/tokenizer.h"

#define WORD_END "</w>"

enum { WORD_END_BYTES = sizeof WORD_END - 1, SPELLING_CODES = 0x144 }; /* gpt2 spells bytes below this code */

/* ---- spellings ---- */

typedef struct speller {
    tok_kind kind;
    uint32_t codes[256];                 /* gpt2: code point by byte */
    unsigned char bytes[SPELLING_CODES]; /* and the other way round, */
    bool known[SPELLING_CODES];          /* where there is one */
} speller;

static void speller_make(tok_kind kind, speller *out)
{
    *out = (speller){.kind = kind};
    gpt2_spellings(out->codes);
    for (uint32_t b = 0; b < 256; b++) {
        out->bytes[out->codes[b]] = (unsigned char)b;
        out->known[out->codes[b]] = true;
    }
}

char *tok_bpe_spell(const pm_tokenizer *tok, uint32_t id)
{
    speller spell;
    size_t size = 0, used = 0;
    const char *piece = pm_tokenizer_piece(tok, id, &size);
    char *out = size < SIZE_MAX / UTF8_MAX ? malloc(size * UTF8_MAX + 1) : NULL; /* </w> has four bytes too */
    if (!out) return NULL;
    speller_make(tok->kind, &spell);
    for (size_t i = 0; i < size; i++) {
        if (tok->kind == TOK_GPT2) {
            used += utf8_encode(spell.codes[(unsigned char)piece[i]], out + used);
        } else if (piece[i] == ' ') {
            memcpy(out + used, WORD_END, WORD_END_BYTES);
            used += WORD_END_BYTES;
        } else {
            out[used++] = piece[i];
        }
    }
    out[used] = 0;
    return out;
}

/* The piece of a spelling into `out`, which has room for as many bytes; SIZE_MAX where it is none. */
static size_t unspell(const speller *spell, const char *text, size_t size, char *out)
{
    size_t used = 0;
    if (!size) return SIZE_MAX;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        size_t length = utf8_decode(text + i, size - i, &code);
        if (!length) return SIZE_MAX;
        if (spell->kind == TOK_GPT2) {
            if (code >= SPELLING_CODES || !spell->known[code]) return SIZE_MAX;
            out[used++] = (char)spell->bytes[code];
        } else if (code == ' ') {
            return SIZE_MAX;
        } else if (size - i >= WORD_END_BYTES && memcmp(text + i, WORD_END, WORD_END_BYTES) == 0) {
            out[used++] = ' ';
            length = WORD_END_BYTES;
        } else {
            memmove(out + used, text + i, length);
            used += length;
        }
        i += length;
    }
    return used;
}

/* ---- the vocabulary ---- */

/* GPT-1's has many entries that end a word; GPT-2's can only have a few, learnt from a text about GPT-1. */
static tok_kind kind_of(const cJSON *vocab, int count)
{
    int ends = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, vocab)
    {
        size_t size = entry->string ? strlen(entry->string) : 0;
        if (size >= WORD_END_BYTES && strcmp(entry->string + size - WORD_END_BYTES, WORD_END) == 0) ends++;
    }
    return ends > count / 8 ? TOK_GPT1 : TOK_GPT2;
}

/* entries[id] for every id from 0 to count - 1, each once. */
static pm_status order_entries(const pm_log *log, const char *path, const cJSON *vocab, uint32_t count,
                               const cJSON **entries)
{
    uint32_t position = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, vocab)
    {
        position++;
        double id = cJSON_IsNumber(entry) ? entry->valuedouble : -1.0;
        if (!(id >= 0 && id < count) || id != (double)(uint32_t)id) {
            return log_fail(log, PM_FORMAT, "%s: the id of entry %u must be a whole number from 0 to %u", path,
                            (unsigned)position, (unsigned)count - 1);
        }
        if (entries[(uint32_t)id]) {
            return log_fail(log, PM_FORMAT, "%s: id %u is there twice, at entry %u", path, (unsigned)id,
                            (unsigned)position);
        }
        entries[(uint32_t)id] = entry;
    }
    return PM_OK;
}

static pm_status read_pieces(const pm_log *log, const char *path, const speller *spell, const cJSON **entries,
                             tok_bpe_parts *parts)
{
    size_t bytes = 0, used = 0;
    /* order_entries() has seen to each id: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    for (uint32_t id = 0; id < parts->vocab; id++) bytes += strlen(entries[id]->string);
    parts->pieces = malloc(bytes + 1);
    parts->starts = malloc(((size_t)parts->vocab + 1) * sizeof *parts->starts);
    if (!parts->pieces || !parts->starts) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    for (uint32_t id = 0; id < parts->vocab; id++) {
        const char *text = entries[id]->string;
        size_t size = unspell(spell, text, strlen(text), parts->pieces + used);
        if (size == SIZE_MAX) {
            return log_fail(log, PM_FORMAT, "%s: the token of id %u must be %s", path, (unsigned)id,
                            spell->kind == TOK_GPT2 ? "bytes in GPT-2's spelling" : "UTF-8 without blanks");
        }
        parts->starts[id] = used;
        used += size;
    }
    parts->starts[parts->vocab] = used;
    return PM_OK;
}

static pm_status read_vocab(const pm_log *log, const char *path, tok_kind *kind, speller *spell, tok_bpe_parts *parts)
{
    cJSON *vocab;
    pm_status status = json_file_read(log, path, "as this kind of tokenizer spells it", &vocab);
    if (status != PM_OK) return status;
    int count = cJSON_GetArraySize(vocab);
    const cJSON **entries = NULL;
    if (count <= 0) {
        status = log_fail(log, PM_FORMAT, "%s: has no entries", path);
        goto fail;
    }
    entries = calloc((size_t)count, sizeof *entries);
    if (!entries) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %d tokens", path, count);
        goto fail;
    }
    if (*kind == TOK_KINDS) *kind = kind_of(vocab, count);
    speller_make(*kind, spell);
    parts->vocab = (uint32_t)count;
    status = order_entries(log, path, vocab, (uint32_t)count, entries);
    if (status == PM_OK) status = read_pieces(log, path, spell, entries, parts);

fail:
    free(entries);
    cJSON_Delete(vocab);
    return status;
}

/* ---- the merges ---- */

/* One line without its end; `room` has as many bytes. NULL, or what is wrong with it. */
static const char *parse_merge(const speller *spell, const tok_index *index, const char *line, size_t size, char *room,
                               bpe_merge *out)
{
    const char *blank = memchr(line, ' ', size);
    size_t first = blank ? (size_t)(blank - line) : 0;
    size_t left = blank ? unspell(spell, line, first, room) : SIZE_MAX;
    size_t right = left == SIZE_MAX ? SIZE_MAX : unspell(spell, blank + 1, size - first - 1, room + left);
    if (right == SIZE_MAX) return "must be two tokens with one blank between";
    out->left = tok_index_find(index, room, left);
    out->right = tok_index_find(index, room + left, right);
    out->made = tok_index_find(index, room, left + right);
    if (out->left == TOK_NONE || out->right == TOK_NONE) return "merges a token that the vocabulary lacks";
    return out->made == TOK_NONE ? "makes a token that the vocabulary lacks" : NULL;
}

static pm_status read_merges(const pm_log *log, const char *path, const speller *spell, const tok_index *index,
                             tok_bpe_parts *parts)
{
    char *text, *room = NULL;
    size_t size, lines = 0;
    pm_status status = file_read(log, path, &text, &size);
    if (status != PM_OK) return status;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    room = malloc(size + 1);
    parts->merges = lines < UINT32_MAX ? malloc((lines + 1) * sizeof *parts->merges) : NULL;
    if (!room || !parts->merges) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %zu lines", path, lines);
        goto fail;
    }
    size_t number = 0;
    for (size_t at = 0; at < size;) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        at += length + 1;
        number++;
        if (length && line[length - 1] == '\r') length--;
        if (!length || (number == 1 && length >= 8 && memcmp(line, "#version", 8) == 0)) continue;
        const char *fault = parse_merge(spell, index, line, length, room, &parts->merges[parts->merge_count]);
        if (fault) {
            status = log_fail(log, PM_FORMAT, "%s: line %zu %s", path, number, fault);
            goto fail;
        }
        parts->merge_count++;
    }

fail:
    free(room);
    free(text);
    return status;
}

/* No token twice, and in gpt2 one for each byte. */
static pm_status check_pieces(const pm_log *log, const char *path, tok_kind kind, const tok_index *index,
                              uint32_t twice)
{
    if (twice != TOK_NONE) {
        return log_fail(log, PM_FORMAT, "%s: the token of id %u is there twice", path, (unsigned)twice);
    }
    for (unsigned b = 0; kind == TOK_GPT2 && b < 256; b++) {
        const char byte = (char)b;
        if (tok_index_find(index, &byte, 1) != TOK_NONE) continue;
        return log_fail(log, PM_FORMAT, "%s: has no token for the byte 0x%02X; GPT-2's tokenizers have all 256", path,
                        b);
    }
    return PM_OK;
}

pm_status tok_bpe_read(const pm_log *log, const char *vocab_path, const char *merges_path, tok_kind kind,
                       pm_tokenizer **out)
{
    tok_bpe_parts parts = {0};
    tok_index index = {0};
    speller spell;
    uint32_t twice;
    pm_status status = read_vocab(log, vocab_path, &kind, &spell, &parts);
    if (status != PM_OK) goto fail;
    if (!tok_index_make(parts.pieces, parts.starts, parts.vocab, &index, &twice)) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", vocab_path);
        goto fail;
    }
    status = check_pieces(log, vocab_path, kind, &index, twice);
    if (status == PM_OK) status = read_merges(log, merges_path, &spell, &index, &parts);
    if (status == PM_OK) status = tok_from_bpe(log, merges_path, kind, &parts, out);

fail:
    tok_index_free(&index);
    tok_bpe_parts_free(&parts);
    return status;
}

pm_status tok_bpe_write_merges(const pm_log *log, const pm_tokenizer *tok, const char *path)
{
    static const char head[] = "#version: 0.2\n"; /* readers skip the first line, whatever it says */
    file_writer *writer;
    pm_status status = file_writer_open(log, path, &writer);
    if (status != PM_OK) return status;
    file_writer_put(writer, head, strlen(head));
    for (uint32_t i = 0; i < tok->merges.count && status == PM_OK; i++) {
        char *left = tok_bpe_spell(tok, tok->merges.merges[i].left);
        char *right = tok_bpe_spell(tok, tok->merges.merges[i].right);
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
