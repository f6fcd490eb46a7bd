/* Making tokenizers and encoding. Files are in tokenizer_json.c and bpe_files.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "text/tokenizer.h"

const char *tok_kind_name(tok_kind kind)
{
    static const char *const names[TOK_KINDS] = {
        [TOK_BYTE] = "byte", [TOK_CHAR] = "char", [TOK_GPT2] = "gpt2", [TOK_GPT1] = "gpt1"};
    return names[kind];
}

bool tok_kind_merges(tok_kind kind)
{
    return kind == TOK_GPT2 || kind == TOK_GPT1;
}

static pm_status no_memory(const pm_log *log)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "tokenizer: out of memory");
}

/* A number in a byte order that is fixed, so that the hash is the same everywhere. */
static uint64_t hash_number(uint64_t hash, size_t number)
{
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(number >> (8 * i));
    return hash_bytes(hash, bytes, sizeof bytes);
}

/* Kind, each token's size and bytes, each merge's two ids. */
static uint64_t hash_vocab(const pm_tokenizer *tok)
{
    const char *name = tok_kind_name(tok->kind);
    uint64_t hash = hash_bytes(HASH_INIT, name, strlen(name));
    for (uint32_t id = 0; id < tok->vocab; id++) {
        size_t size = tok->starts[id + 1] - tok->starts[id];
        hash = hash_bytes(hash_number(hash, size), tok->pieces + tok->starts[id], size);
    }
    for (uint32_t i = 0; i < tok->merges.count; i++) {
        hash = hash_number(hash_number(hash, tok->merges.merges[i].left), tok->merges.merges[i].right);
    }
    return hash;
}

pm_status tok_from_units(const pm_log *log, tok_kind kind, const uint32_t *units, uint32_t count, pm_tokenizer **out)
{
    pm_tokenizer *tok = calloc(1, sizeof *tok);
    if (!tok) return no_memory(log);
    tok->kind = kind;
    tok->vocab = count;
    memset(tok->fast, 0xFF, sizeof tok->fast); /* TOK_NONE */
    tok->pieces = malloc((size_t)count * UTF8_MAX);
    tok->starts = malloc(((size_t)count + 1) * sizeof *tok->starts);
    if (!tok->pieces || !tok->starts) goto fail;
    size_t used = 0;
    for (uint32_t id = 0; id < count; id++) {
        tok->starts[id] = used;
        if (kind == TOK_BYTE) {
            tok->pieces[used++] = (char)units[id];
            tok->fast[units[id]] = id;
        } else {
            used += utf8_encode(units[id], tok->pieces + used);
            if (units[id] < 0x80) tok->fast[units[id]] = id;
            if (!code_map_put(&tok->codes, units[id], id)) goto fail;
        }
    }
    tok->starts[count] = used;
    tok->hash = hash_vocab(tok);
    *out = tok;
    return PM_OK;

fail:
    pm_tokenizer_destroy(&tok);
    return no_memory(log);
}

void tok_bpe_parts_free(tok_bpe_parts *parts)
{
    free(parts->pieces);
    free(parts->starts);
    free(parts->merges);
    *parts = (tok_bpe_parts){0};
}

/* Where the walk finds the symbols that a piece starts from: bytes, or characters within a word and at its end. */
static bool map_symbols(pm_tokenizer *tok)
{
    for (uint32_t id = 0; id < tok->vocab; id++) {
        const char *piece = tok->pieces + tok->starts[id];
        size_t size = tok->starts[id + 1] - tok->starts[id];
        uint32_t code;
        if (tok->kind == TOK_GPT2) {
            if (size == 1) tok->fast[(unsigned char)piece[0]] = id;
            continue;
        }
        size_t length = utf8_decode(piece, size, &code);
        if (length == size && !code_map_put(&tok->codes, code, id)) return false;
        if (length + 1 == size && piece[length] == ' ' && !code_map_put(&tok->end_codes, code, id)) return false;
    }
    return true;
}

pm_status tok_from_bpe(const pm_log *log, const char *name, tok_kind kind, tok_bpe_parts *parts, pm_tokenizer **out)
{
    static const char unknown[] = "<unk>";
    pm_status status = PM_NO_HOST_MEMORY;
    tok_index index = {0};
    uint32_t twice;
    pm_tokenizer *tok = calloc(1, sizeof *tok);
    if (!tok) goto fail;
    tok->kind = kind;
    tok->vocab = parts->vocab;
    tok->pieces = parts->pieces;
    tok->starts = parts->starts;
    parts->pieces = NULL;
    parts->starts = NULL;
    if (!bpe_table_make(&tok->merges, parts->merges, parts->merge_count, &twice)) goto fail;
    parts->merges = NULL;
    if (twice != BPE_NONE) {
        status = log_fail(log, PM_FORMAT, "%s: merge %u is there twice", name, (unsigned)twice + 1);
        goto fail;
    }
    memset(tok->fast, 0xFF, sizeof tok->fast); /* TOK_NONE */
    if (!map_symbols(tok)) goto fail;
    if (kind == TOK_GPT2) tok->pattern = gpt2_pattern_make();
    if (kind == TOK_GPT1) tok->rules = gpt1_rules_make();
    if (!tok->pattern && !tok->rules) goto fail;
    if (!tok_index_make(tok->pieces, tok->starts, tok->vocab, &index, &twice)) goto fail;
    tok->unknown = tok_index_find(&index, unknown, strlen(unknown));
    if (tok->unknown == TOK_NONE) tok->unknown = 0; /* as the original has it */
    tok_index_free(&index);
    tok->hash = hash_vocab(tok);
    *out = tok;
    return PM_OK;

fail:
    tok_bpe_parts_free(parts);
    pm_tokenizer_destroy(&tok);
    return status == PM_NO_HOST_MEMORY ? no_memory(log) : status;
}

pm_status pm_tokenizer_bytes(const pm_log *log, pm_tokenizer **out)
{
    uint32_t units[256];
    for (uint32_t i = 0; i < 256; i++) units[i] = i;
    return tok_from_units(log, TOK_BYTE, units, 256, out);
}

pm_status pm_tokenizer_chars(const pm_log *log, const char *name, const char *text, size_t size, pm_tokenizer **out)
{
    if (!size) return log_fail(log, PM_FORMAT, "%s: is empty; a character tokenizer needs text to learn from", name);
    pm_status status = PM_OK;
    uint32_t *units = NULL, count = 0;
    unsigned char *seen = calloc(UTF8_CODES, 1);
    if (!seen) return no_memory(log);
    for (size_t at = 0; at < size;) {
        uint32_t code;
        size_t length = utf8_decode(text + at, size - at, &code);
        if (!length) {
            status = tok_fault_fail(log, name, at, &(tok_fault){.kind = TOK_FAULT_INVALID});
            goto fail;
        }
        count += !seen[code];
        seen[code] = 1;
        at += length;
    }
    units = malloc(count * sizeof *units);
    if (!units) {
        status = no_memory(log);
        goto fail;
    }
    for (uint32_t code = 0, n = 0; code < UTF8_CODES; code++) {
        if (seen[code]) units[n++] = code;
    }
    status = tok_from_units(log, TOK_CHAR, units, count, out);

fail:
    free(units);
    free(seen);
    return status;
}

void pm_tokenizer_destroy(pm_tokenizer **tok)
{
    pm_tokenizer *t = *tok;
    if (!t) return;
    *tok = NULL;
    code_map_free(&t->codes);
    code_map_free(&t->end_codes);
    bpe_table_free(&t->merges);
    gpt2_pattern_free(t->pattern);
    gpt1_rules_free(t->rules);
    free(t->pieces);
    free(t->starts);
    free(t);
}

const char *pm_tokenizer_kind(const pm_tokenizer *tok)
{
    return tok_kind_name(tok->kind);
}

uint32_t pm_tokenizer_vocab(const pm_tokenizer *tok)
{
    return tok->vocab;
}

uint64_t pm_tokenizer_hash(const pm_tokenizer *tok)
{
    return tok->hash;
}

const char *pm_tokenizer_piece(const pm_tokenizer *tok, uint32_t id, size_t *size)
{
    if (id >= tok->vocab) return NULL;
    *size = tok->starts[id + 1] - tok->starts[id];
    return tok->pieces + tok->starts[id];
}

bool tok_walk_begin(const pm_tokenizer *tok, const char *text, size_t size, tok_walk *out)
{
    *out = (tok_walk){.tok = tok, .text = text, .size = size};
    if (tok_kind_merges(tok->kind)) out->merging = tok_merging_make(tok);
    return out->merging || !tok_kind_merges(tok->kind);
}

void tok_walk_end(tok_walk *walk)
{
    tok_merging_free(walk->merging);
    *walk = (tok_walk){0};
}

bool tok_walk_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault)
{
    if (walk->merging) {
        *fault = (tok_fault){.kind = TOK_FAULT_MEMORY};
        return tok_merging_next(walk, out, capacity, made);
    }
    const pm_tokenizer *tok = walk->tok;
    const char *text = walk->text;
    size_t i = walk->at, n = 0;
    bool fine = true;
    while (i < walk->size && n < capacity) {
        uint32_t id = tok->fast[(unsigned char)text[i]], code;
        if (id != TOK_NONE) { /* no byte above 0x7F is in the table of characters */
            out[n++] = id;
            i++;
            continue;
        }
        size_t length = utf8_decode(text + i, walk->size - i, &code);
        id = length ? code_map_get(&tok->codes, code) : TOK_NONE;
        if (id == TOK_NONE) {
            *fault = (tok_fault){.kind = length ? TOK_FAULT_UNKNOWN : TOK_FAULT_INVALID, .code = length ? code : 0};
            fine = false;
            break;
        }
        out[n++] = id;
        i += length;
    }
    walk->at = i;
    *made = n;
    return fine;
}

pm_status tok_fault_fail(const pm_log *log, const char *name, size_t offset, const tok_fault *fault)
{
    if (fault->kind == TOK_FAULT_MEMORY) {
        return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its tokens, at byte %zu", name, offset);
    }
    if (fault->kind == TOK_FAULT_INVALID) {
        return log_fail(log, PM_FORMAT, "%s: not UTF-8 at byte %zu; convert it, or use the byte tokenizer", name,
                        offset);
    }
    char shown[UTF8_MAX + 4] = "";
    uint32_t c = fault->code;
    /* control characters and line separators would break the line */
    if (c >= 0x20 && !(c >= 0x7F && c < 0xA0) && c != 0x2028 && c != 0x2029) {
        shown[0] = ' ';
        shown[1] = '\'';
        shown[2 + utf8_encode(c, shown + 2)] = '\'';
    }
    return log_fail(log, PM_FORMAT,
                    "%s: the character U+%04" PRIX32
                    "%s at byte %zu is not in the tokenizer's vocabulary; use the byte "
                    "tokenizer, or one made from this text",
                    name, c, shown, offset);
}

pm_status pm_tokenizer_encode(const pm_log *log, const pm_tokenizer *tok, const char *name, const char *text,
                              size_t size, uint32_t **tokens, size_t *count)
{
    tok_walk walk;
    tok_fault fault = {.kind = TOK_FAULT_MEMORY};
    uint32_t *ids = NULL;
    size_t used = 0, room = 0, made = 1;
    bool fine = tok_walk_begin(tok, text, size, &walk);
    while (fine && made) {
        if (room - used < 64) {
            room = room ? 2 * room : size / 4 + 64; /* English has four bytes or so to a token of a large vocabulary */
            uint32_t *grown = room <= SIZE_MAX / sizeof *ids ? realloc(ids, room * sizeof *ids) : NULL;
            if (!grown) {
                fine = false;
                break;
            }
            ids = grown;
        }
        fine = tok_walk_next(&walk, ids + used, room - used, &made, &fault);
        used += made;
    }
    pm_status status = fine ? PM_OK : tok_fault_fail(log, name, walk.at, &fault);
    tok_walk_end(&walk);
    if (fine) {
        *tokens = ids;
        *count = used;
    } else {
        free(ids);
    }
    return status;
}
