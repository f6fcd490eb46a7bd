/* Encoding: the walk over a text. Added tokens cut it into stretches, each of which is encoded as a text of its own; where there are merges, merging.c
 * goes on. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/unicode.h"

bool tok_walk_begin(const pm_tokenizer *tok, const char *text, size_t size, tok_walk *out)
{
    *out = (tok_walk){.tok = tok, .text = text, .size = size};
    if (tok->form.merges) out->merging = tok_merging_make(tok);
    return out->merging || !tok->form.merges;
}

void tok_walk_end(tok_walk *walk)
{
    tok_merging_free(walk->merging);
    *walk = (tok_walk){0};
}

/* White_Space of Unicode. */
static bool is_white(uint32_t code)
{
    return unicode_is_space(code) && !(code >= 0x1C && code <= 0x1F);
}

/* Bytes of white space at the text's end. */
static size_t white_before(const char *text, size_t size)
{
    size_t at = size;
    while (at > 0) {
        size_t from = at - 1;
        uint32_t code;
        while (from > 0 && at - from < UTF8_MAX && ((unsigned char)text[from] & 0xC0) == 0x80) from--;
        if (utf8_decode(text + from, at - from, &code) != at - from || !is_white(code)) break;
        at = from;
    }
    return size - at;
}

static size_t white_after(const char *text, size_t size)
{
    size_t at = 0;
    uint32_t code;
    for (size_t length; at < size; at += length) {
        length = utf8_decode(text + at, size - at, &code);
        if (!length || !is_white(code)) break;
    }
    return at;
}

/* Finds the next added token, the longest of those that begin first. The text before it is encoded as one of its own. */
static void look_ahead(tok_walk *walk)
{
    const pm_tokenizer *tok = walk->tok;
    const unsigned kinds = TOK_ADDED_PLAIN | (walk->special ? TOK_ADDED_SPECIAL : 0);
    walk->looked = walk->begins = true;
    walk->end = walk->size;
    walk->whole = TOK_NONE;
    for (size_t at = walk->at; tok->added_count && at < walk->size; at++) {
        if (!(tok->added_first[(unsigned char)walk->text[at]] & kinds)) continue;
        const tok_added *one = tok_added_at(tok, walk->text + at, walk->size - at, kinds, false);
        if (!one) continue;
        const size_t behind = at + one->size;
        const size_t before = one->lstrip ? white_before(walk->text + walk->at, at - walk->at) : 0;
        const size_t after = one->rstrip ? white_after(walk->text + behind, walk->size - behind) : 0;
        walk->end = at - before;
        walk->whole = tok_entry_id(tok->vocab, tok->same, one->entry);
        walk->whole_size = before + one->size + after;
        return;
    }
}

/* A token each unit, up to the stretch's end. */
static bool units_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault)
{
    const pm_tokenizer *tok = walk->tok;
    const char *text = walk->text;
    size_t i = walk->at, n = 0;
    bool fine = true;
    while (i < walk->end && n < capacity) {
        uint32_t id = tok->fast[(unsigned char)text[i]], code;
        if (id != TOK_NONE) { /* no byte above 0x7F is in the table of characters */
            out[n++] = id;
            i++;
            continue;
        }
        size_t length = utf8_decode(text + i, walk->end - i, &code);
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

bool tok_walk_next(tok_walk *walk, uint32_t *out, size_t capacity, size_t *made, tok_fault *fault)
{
    *made = 0;
    while (*made < capacity) {
        size_t some = 0;
        if (!walk->looked) look_ahead(walk);
        if (!(walk->merging ? tok_merging_next : units_next)(walk, out + *made, capacity - *made, &some, fault))
            return false;
        *made += some;
        if (*made == capacity || walk->whole == TOK_NONE) break; /* in the stretch still, or at the text's end */
        out[(*made)++] = walk->whole;
        walk->at = walk->end + walk->whole_size;
        walk->looked = false;
    }
    return true;
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
    if (fault->kind == TOK_FAULT_BYTE) {
        return log_fail(log, PM_FORMAT,
                        "%s: byte %zu is 0x%02" PRIX32
                        ", for which the tokenizer's vocabulary has no token; use one that has "
                        "all 256 bytes",
                        name, offset, fault->code);
    }
    if (fault->kind == TOK_FAULT_SLOW) {
        return log_fail(log, PM_FORMAT,
                        "%s: at byte %zu a pattern of the tokenizer takes too many steps; use another tokenizer", name,
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
                    "%s: the character U+%04" PRIX32 "%s at byte %zu is not in the tokenizer's vocabulary, which was "
                    "made from another text; a model with a byte or BPE tokenizer reads any",
                    name, c, shown, offset);
}

static pm_status encode(const pm_log *log, const pm_tokenizer *tok, const char *name, const char *text, size_t size,
                        bool special, uint32_t **tokens, size_t *count)
{
    tok_walk walk;
    tok_fault fault = {.kind = TOK_FAULT_MEMORY};
    uint32_t *ids = NULL;
    size_t used = 0, room = 0, made = 1;
    bool fine = tok_walk_begin(tok, text, size, &walk);
    walk.special = special;
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

pm_status pm_tokenizer_encode(const pm_log *log, const pm_tokenizer *tok, const char *name, const char *text,
                              size_t size, uint32_t **tokens, size_t *count)
{
    return encode(log, tok, name, text, size, false, tokens, count);
}

pm_status pm_tokenizer_encode_special(const pm_log *log, const pm_tokenizer *tok, const char *name, const char *text,
                                      size_t size, uint32_t **tokens, size_t *count)
{
    return encode(log, tok, name, text, size, true, tokens, count);
}
