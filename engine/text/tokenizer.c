/* Making tokenizers and encoding; files are in tokenizer_json.c. */
#include "text/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

const char *tok_kind_name(tok_kind kind)
{
    static const char *const names[TOK_KINDS] = {[TOK_BYTE] = "byte", [TOK_CHAR] = "char"};
    return names[kind];
}

static pm_status no_memory(const pm_log *log)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "tokenizer: out of memory");
}

static bool map_code(pm_tokenizer *tok, uint32_t code, uint32_t id)
{
    uint32_t **page = &tok->page[code / TOK_PAGE];
    if (!*page) {
        *page = malloc(TOK_PAGE * sizeof **page);
        if (!*page) return false;
        memset(*page, 0xFF, TOK_PAGE * sizeof **page); /* TOK_NONE */
    }
    (*page)[code % TOK_PAGE] = id;
    return true;
}

/* Kind, then each token's size and bytes; sizes in a byte order that is fixed, so that the hash is the same
 * everywhere. */
static uint64_t hash_vocab(const pm_tokenizer *tok)
{
    const char *name = tok_kind_name(tok->kind);
    uint64_t hash = hash_bytes(HASH_INIT, name, strlen(name));
    for (uint32_t id = 0; id < tok->vocab; id++) {
        size_t size = tok->starts[id + 1] - tok->starts[id];
        unsigned char prefix[4];
        for (int i = 0; i < 4; i++) prefix[i] = (unsigned char)(size >> (8 * i));
        hash = hash_bytes(hash, prefix, sizeof prefix);
        hash = hash_bytes(hash, tok->pieces + tok->starts[id], size);
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
            if (!map_code(tok, units[id], id)) goto fail;
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
            status = tok_fault_fail(log, name, at, &(tok_fault){.invalid = true});
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
    for (size_t i = 0; i < TOK_PAGES; i++) free(t->page[i]);
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

bool tok_encode_some(const pm_tokenizer *tok, const char *text, size_t size, size_t *at, uint32_t *out, size_t capacity,
                     size_t *made, tok_fault *fault)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = *at, n = 0;
    bool fine = true;
    while (i < size && n < capacity) {
        uint32_t id = tok->fast[p[i]], code;
        if (id != TOK_NONE) { /* no byte above 0x7F is in the table of characters */
            out[n++] = id;
            i++;
            continue;
        }
        size_t length = utf8_decode(text + i, size - i, &code);
        const uint32_t *page = length ? tok->page[code / TOK_PAGE] : NULL;
        id = page ? page[code % TOK_PAGE] : TOK_NONE;
        if (id == TOK_NONE) {
            *fault = (tok_fault){.invalid = !length, .code = length ? code : 0};
            fine = false;
            break;
        }
        out[n++] = id;
        i += length;
    }
    *at = i;
    *made = n;
    return fine;
}

pm_status tok_fault_fail(const pm_log *log, const char *name, size_t offset, const tok_fault *fault)
{
    if (fault->invalid) {
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
    size_t bound = tok->kind == TOK_BYTE ? size : utf8_count(text, size);
    uint32_t *ids = bound <= SIZE_MAX / sizeof *ids ? malloc(bound ? bound * sizeof *ids : 1) : NULL;
    if (!ids) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %zu tokens", name, bound);
    size_t at = 0, made = 0;
    tok_fault fault;
    bool fine = tok_encode_some(tok, text, size, &at, ids, bound, &made, &fault);
    if (fine && at < size) { /* a stray continuation byte behind the last character */
        fine = false;
        fault = (tok_fault){.invalid = true};
    }
    if (!fine) {
        free(ids);
        return tok_fault_fail(log, name, at, &fault);
    }
    *tokens = ids;
    *count = made;
    return PM_OK;
}
