/* Making tokenizers. Their files are in tokenizer_json.c and bpe_files.c, encoding in walk.c. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "text/tokenizer.h"

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

static uint64_t hash_piece(uint64_t hash, const pm_tokenizer *tok, uint32_t entry)
{
    const size_t size = tok->starts[entry + 1] - tok->starts[entry];
    return hash_bytes(hash_number(hash, size), tok->pieces + tok->starts[entry], size);
}

/* Whether the token is one byte or one character, but not one of those that stand for a byte. */
static bool is_unit(const pm_tokenizer *tok, uint32_t id)
{
    uint32_t code;
    const size_t size = tok_entry_size(tok, id);
    if (!size || tok_is_byte(tok, id)) return false;
    return size == 1 ||
           (tok->form.unit != TOK_UNIT_BYTE && utf8_decode(tok->pieces + tok->starts[id], size, &code) == size);
}

/* Hashes the kind, each token's size and bytes, each merge's two ids; then, if not `usual`, what else changes the ids of a text. */
static uint64_t hash_vocab(const pm_tokenizer *tok, bool usual)
{
    const char *name = tok_form_kind(&tok->form);
    uint64_t hash = hash_bytes(HASH_INIT, name, strlen(name));
    for (uint32_t id = 0; id < tok->vocab; id++) hash = hash_piece(hash, tok, id);
    for (uint32_t i = 0; i < tok->merges.count; i++) {
        hash = hash_number(hash_number(hash, tok->merges.merges[i].left), tok->merges.merges[i].right);
        if (tok->merges.ranks) hash = hash_number(hash, tok->merges.ranks[i]);
    }
    if (usual) return hash;
    const bool named = tok_form_is_named(&tok->form);
    for (uint32_t i = 0; i < tok->only_count; i++) /* of others only what a text can be cut into matters */
        if (named || tok->form.whole || is_unit(tok, tok->only[i])) hash = hash_number(hash, tok->only[i]);
    for (uint32_t i = 0; i < tok->same_count; i++)
        hash = hash_number(hash_piece(hash, tok, tok->vocab + i), tok->same[i]);
    for (size_t i = 0; i < tok->added_count; i++)
        hash = hash_number(hash_piece(hash, tok, tok->added[i].entry), tok_added_bits(&tok->added[i]));
    hash = hash_number(hash_number(hash_number(hash, tok->begin), tok->end), tok->unknown);
    hash = hash_number(hash, tok->form.prefix != TOK_PREFIX_NONE);
    if (named) return hash;
    for (size_t b = 0; b < 256; b++) hash = hash_number(hash, tok->bytes[b]);
    return tok_form_hash(hash, &tok->form);
}

pm_status tok_from_units(const pm_log *log, const tok_form *form, const uint32_t *units, uint32_t count,
                         pm_tokenizer **out)
{
    pm_tokenizer *tok = calloc(1, sizeof *tok);
    if (!tok) return no_memory(log);
    tok->form = *form;
    tok->vocab = count;
    tok->begin = tok->end = tok->unknown = TOK_NONE;
    memset(tok->fast, 0xFF, sizeof tok->fast); /* TOK_NONE */
    tok->pieces = malloc((size_t)count * UTF8_MAX);
    tok->starts = malloc(((size_t)count + 1) * sizeof *tok->starts);
    if (!tok->pieces || !tok->starts) goto fail;
    size_t used = 0;
    for (uint32_t id = 0; id < count; id++) {
        tok->starts[id] = used;
        if (form->unit == TOK_UNIT_BYTE) {
            tok->pieces[used++] = (char)units[id];
            tok->fast[units[id]] = id;
        } else {
            used += utf8_encode(units[id], tok->pieces + used);
            if (units[id] < 0x80) tok->fast[units[id]] = id;
            if (!code_map_put(&tok->codes, units[id], id)) goto fail;
        }
    }
    tok->starts[count] = used;
    tok->hash = hash_vocab(tok, true);
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
    free(parts->same);
    free(parts->only);
    free(parts->merges);
    free(parts->ranks);
    free(parts->bytes);
    *parts = (tok_bpe_parts){0};
}

/* Maps the symbols that a piece starts from to ids: bytes, or characters within a word and at its end. */
static bool map_symbols(pm_tokenizer *tok)
{
    for (uint32_t entry = 0, only = 0; entry < tok->vocab + tok->same_count; entry++) {
        if (tok_is_only(tok->only, tok->only_count, &only, entry)) continue;
        const char *piece = tok->pieces + tok->starts[entry];
        const size_t size = tok->starts[entry + 1] - tok->starts[entry];
        const uint32_t id = tok_entry_id(tok->vocab, tok->same, entry);
        uint32_t code;
        if (!size) continue;
        if (tok->form.unit == TOK_UNIT_BYTE) {
            if (size == 1) tok->fast[(unsigned char)piece[0]] = id;
            continue;
        }
        size_t length = utf8_decode(piece, size, &code);
        if (length == size && !code_map_put(&tok->codes, code, id)) return false;
        if (tok->form.unit == TOK_UNIT_CHAR) {
            if (size == 1 && length == 1) tok->fast[code] = id;
            continue;
        }
        if (length + 1 == size && piece[length] == ' ' && !code_map_put(&tok->end_codes, code, id)) return false;
    }
    return true;
}

/* Words: the settings' token, else <unk>, else token 0, as in GPT-1's original. Bytes: the settings' token, where some byte has none; never the end
 * of a text. */
static void set_unknown(pm_tokenizer *tok, const tok_index *index, const tok_settings *settings, bool *usual)
{
    tok->unknown = TOK_NONE;
    if (tok->form.unit == TOK_UNIT_WORD) {
        tok->unknown = settings ? tok_named_id(tok, index, settings->unknown) : TOK_NONE;
        if (tok->unknown == TOK_NONE) tok->unknown = tok_named_id(tok, index, "<unk>");
        if (tok->unknown == TOK_NONE) tok->unknown = 0;
        return;
    }
    if (tok->form.unit == TOK_UNIT_CHAR) {
        tok->unknown = settings ? tok_named_id(tok, index, settings->unknown) : TOK_NONE;
        return;
    }
    bool all = true;
    for (size_t b = 0; b < 256; b++) all = all && tok->fast[b] != TOK_NONE;
    if (all || !settings) return;
    tok->unknown = tok_named_id(tok, index, settings->unknown);
    if (tok->unknown == tok->end) tok->unknown = TOK_NONE;
    *usual = *usual && tok->unknown == TOK_NONE;
}

/* Says which of the files' roles no token has. */
static void warn_roles(const pm_log *log, const char *name, const pm_tokenizer *tok, const tok_index *index,
                       const tok_settings *settings)
{
    if (!settings) return;
    const struct {
        const char *key, *text;
    } roles[] = {{"bos_token", settings->begin}, {"eos_token", settings->end}, {"unk_token", settings->unknown}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i].text && tok_named_id(tok, index, roles[i].text) == TOK_NONE)
            log_line(log, PM_LOG_WARN, "%s: the %s %s is no token of the vocabulary, and does not count", name,
                     roles[i].key, roles[i].text);
}

/* Marks which bytes merges bring together. Where none does, a text can be cut, since each token is made by merges. */
static bool map_joints(pm_tokenizer *tok)
{
    tok->joined = calloc(256 * 256 / 8, 1);
    if (!tok->joined) return false;
    for (uint32_t i = 0; i < tok->merges.count; i++) {
        const bpe_merge *m = &tok->merges.merges[i];
        if (!tok_entry_size(tok, m->left) || !tok_entry_size(tok, m->right)) continue;
        const unsigned last = (unsigned char)tok->pieces[tok->starts[m->left + 1] - 1];
        const unsigned first = (unsigned char)tok->pieces[tok->starts[m->right]];
        tok->joined[last * 32 + first / 8] |= (unsigned char)(1u << first % 8);
    }
    return true;
}

/* What the steps before merging need. */
static pm_status make_steps(const pm_log *log, const char *name, pm_tokenizer *tok)
{
    const tok_form *form = &tok->form;
    if (form->unit == TOK_UNIT_CHAR && !map_joints(tok)) return no_memory(log);
    if (form->cut == TOK_CUT_WORDS) tok->words = gpt1_rules_make();
    if (form->nfc) tok->nfc = nfc_table_make();
    if ((form->cut == TOK_CUT_WORDS && !tok->words) || (form->nfc && !tok->nfc)) return no_memory(log);
    return form->cut == TOK_CUT_WORDS ? PM_OK : cut_rules_make(log, name, form, &tok->rules);
}

/* Puts the parts' memory into the tokenizer. */
static void take_parts(pm_tokenizer *tok, tok_bpe_parts *parts)
{
    tok->vocab = parts->vocab;
    tok->pieces = parts->pieces;
    tok->starts = parts->starts;
    tok->same = parts->same;
    tok->same_count = parts->same_count;
    tok->only = parts->only;
    tok->only_count = parts->only_count;
    parts->pieces = NULL;
    parts->starts = NULL;
    parts->same = parts->only = NULL;
}

pm_status tok_from_bpe(const pm_log *log, const char *name, const tok_form *form, tok_bpe_parts *parts,
                       const tok_settings *settings, pm_tokenizer **out)
{
    pm_status status = PM_NO_HOST_MEMORY;
    tok_index index = {0};
    uint32_t twice;
    bool usual = true;
    pm_tokenizer *tok = calloc(1, sizeof *tok);
    if (!tok || !tok_index_make(parts, &index, &twice)) goto fail;
    tok->form = *form;
    take_parts(tok, parts);
    if (!bpe_table_make(&tok->merges, parts->merges, parts->merge_count, &twice)) goto fail;
    parts->merges = NULL;
    if (twice != BPE_NONE) {
        status = log_fail(log, PM_FORMAT, "%s: merge %u is there twice", name, (unsigned)twice + 1);
        goto fail;
    }
    memset(tok->fast, 0xFF, sizeof tok->fast); /* TOK_NONE */
    memset(tok->bytes, 0xFF, sizeof tok->bytes);
    if (parts->bytes) memcpy(tok->bytes, parts->bytes, sizeof tok->bytes);
    if (!map_symbols(tok)) goto fail;
    if (form->ordered) {
        if (!bpe_table_order(&tok->merges, parts->ranks)) goto fail;
        parts->ranks = NULL;
    }
    status = make_steps(log, name, tok);
    if (status != PM_OK) goto failed;
    status = PM_NO_HOST_MEMORY;
    if (!tok_add_named(tok, &index, settings, &usual)) goto fail;
    set_unknown(tok, &index, settings, &usual);
    warn_roles(log, name, tok, &index, settings);
    if (form->whole) {
        tok->index = malloc(sizeof *tok->index);
        if (!tok->index) goto fail;
        *tok->index = index;
        index = (tok_index){0};
    }
    tok_index_free(&index);
    tok_bpe_parts_free(parts);
    tok->hash = hash_vocab(tok, usual);
    *out = tok;
    return PM_OK;

fail:
    if (status == PM_NO_HOST_MEMORY) status = no_memory(log);
failed:
    tok_index_free(&index);
    tok_bpe_parts_free(parts);
    pm_tokenizer_destroy(&tok);
    return status;
}

pm_status pm_tokenizer_bytes(const pm_log *log, pm_tokenizer **out)
{
    uint32_t units[256];
    for (uint32_t i = 0; i < 256; i++) units[i] = i;
    return tok_from_units(log, &tok_form_byte, units, 256, out);
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
    status = tok_from_units(log, &tok_form_char, units, count, out);

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
    cut_rules_free(t->rules);
    gpt1_rules_free(t->words);
    nfc_table_free(t->nfc);
    free(t->pieces);
    free(t->starts);
    free(t->same);
    free(t->only);
    free(t->added);
    free(t->added_order);
    free(t->joined);
    if (t->index) tok_index_free(t->index);
    free(t->index);
    free(t->added_texts);
    free(t->chat);
    free(t);
}

const char *pm_tokenizer_kind(const pm_tokenizer *tok)
{
    return tok_form_kind(&tok->form);
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

uint32_t pm_tokenizer_begin(const pm_tokenizer *tok)
{
    return tok->begin;
}

uint32_t pm_tokenizer_end(const pm_tokenizer *tok)
{
    return tok->end;
}

bool pm_tokenizer_adds_begin(const pm_tokenizer *tok)
{
    return tok->puts_begin;
}

bool pm_tokenizer_adds_end(const pm_tokenizer *tok)
{
    return tok->puts_end;
}
