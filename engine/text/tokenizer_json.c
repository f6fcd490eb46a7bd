/* Tokenizers as folders: vocab.json {"spelling": id}, tokenizer_config.json and, for the kinds with merges, merges.txt (bpe_files.c).
 *
 * Spellings of the byte kind are GPT-2's: the printable bytes ! to ~, U+00A1 to U+00AC and U+00AE to U+00FF are the
 * characters of that code, the other 68 bytes, in order, are U+0100 and up. Spellings of the char kind are the
 * characters themselves, whatever JSON escapes, but for U+0000, which C strings cannot hold: it is "<0x00>",
 * SentencePiece's spelling of that byte. Every other spelling is a single character, so this one cannot be mistaken. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/json_file.h"
#include "text/tokenizer.h"

#define VOCAB_FILE "vocab.json"
#define MERGES_FILE "merges.txt"
#define CONFIG_FILE "tokenizer_config.json"
#define NUL_SPELLING "<0x00>"

enum { SPELLING_BYTES = sizeof NUL_SPELLING };

/* Hugging Face's name for a kind: what its files say it is, and what it is loaded with there. */
static const char *const classes[TOK_KINDS] = {[TOK_BYTE] = "PumiceTokenizer",
                                               [TOK_CHAR] = "PumiceTokenizer",
                                               [TOK_GPT2] = "GPT2Tokenizer",
                                               [TOK_GPT1] = "OpenAIGPTTokenizer"};

static void spell(const pm_tokenizer *tok, const uint32_t codes[256], uint32_t id, char out[SPELLING_BYTES])
{
    size_t size = 0;
    const char *piece = pm_tokenizer_piece(tok, id, &size);
    if (tok->kind == TOK_BYTE) {
        size = utf8_encode(codes[(unsigned char)piece[0]], out);
    } else if (piece[0] == 0) {
        size = strlen(NUL_SPELLING);
        memcpy(out, NUL_SPELLING, size);
    } else {
        memcpy(out, piece, size);
    }
    out[size] = 0;
}

/* The unit of a spelling, or TOK_NONE. */
static uint32_t unspell(tok_kind kind, const uint32_t codes[256], const char *spelling)
{
    size_t size = strlen(spelling);
    uint32_t code;
    if (kind == TOK_CHAR && strcmp(spelling, NUL_SPELLING) == 0) return 0;
    if (!size || utf8_decode(spelling, size, &code) != size) return TOK_NONE;
    if (kind == TOK_CHAR) return code;
    for (uint32_t b = 0; b < 256; b++) {
        if (codes[b] == code) return b;
    }
    return TOK_NONE;
}

/* {"spelling": id} for all tokens; NULL when short of memory. */
static cJSON *vocab_json(const pm_tokenizer *tok)
{
    uint32_t codes[256];
    gpt2_spellings(codes);
    cJSON *vocab = cJSON_CreateObject();
    bool fine = vocab != NULL;
    for (uint32_t id = 0; fine && id < tok->vocab; id++) {
        char one[SPELLING_BYTES], *whole = NULL;
        if (tok_kind_merges(tok->kind))
            whole = tok_bpe_spell(tok, id);
        else
            spell(tok, codes, id, one);
        const bool spelled = whole || !tok_kind_merges(tok->kind);
        fine = spelled && cJSON_AddNumberToObject(vocab, whole ? whole : one, id) != NULL;
        free(whole);
    }
    if (fine) return vocab;
    cJSON_Delete(vocab);
    return NULL;
}

pm_status pm_tokenizer_save(const pm_log *log, const pm_tokenizer *tok, const char *dir)
{
    pm_status status = file_make_dir(log, dir);
    if (status != PM_OK) return status;
    char *merges = file_join(dir, MERGES_FILE);
    cJSON *vocab = vocab_json(tok), *config = cJSON_CreateObject();
    if (!merges || !vocab || !config || !cJSON_AddStringToObject(config, "tokenizer_class", classes[tok->kind]) ||
        !cJSON_AddStringToObject(config, "pumice_kind", tok_kind_name(tok->kind)) ||
        !cJSON_AddNumberToObject(config, "vocab_size", tok->vocab)) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its files", dir);
    }
    if (status == PM_OK) status = json_file_write(log, dir, VOCAB_FILE, vocab, false);
    if (status == PM_OK && tok_kind_merges(tok->kind)) status = tok_bpe_write_merges(log, tok, merges);
    if (status == PM_OK) status = json_file_write(log, dir, CONFIG_FILE, config, true);
    cJSON_Delete(vocab);
    cJSON_Delete(config);
    free(merges);
    return status;
}

/* The kind that a configuration names, or TOK_KINDS where it names none: Hugging Face's oldest folders do not. */
static pm_status read_kind(const pm_log *log, const char *path, tok_kind *out)
{
    cJSON *config;
    pm_status status = json_file_read(log, path, NUL_SPELLING, &config);
    if (status != PM_OK) return status;
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(config, "pumice_kind");
    const cJSON *class = cJSON_GetObjectItemCaseSensitive(config, "tokenizer_class");
    const char *name = cJSON_GetStringValue(kind ? kind : class);
    tok_kind found = TOK_KINDS;
    for (int k = 0; name && k < TOK_KINDS; k++) {
        const char *one = kind ? tok_kind_name((tok_kind)k) : classes[k];
        const size_t size = strlen(one);
        if (!kind && !tok_kind_merges((tok_kind)k)) continue; /* the class alone does not tell these apart */
        if (strncmp(name, one, size) == 0 && (!name[size] || (!kind && strcmp(name + size, "Fast") == 0)))
            found = (tok_kind)k;
    }
    if (found == TOK_KINDS && (kind || class)) {
        status = log_fail(log, PM_FORMAT,
                          "%s: \"pumice_kind\" must be \"byte\" or \"char\" or \"gpt2\" or \"gpt1\", or without it "
                          "\"tokenizer_class\" \"GPT2Tokenizer\" or \"OpenAIGPTTokenizer\"",
                          path);
    }
    if (status == PM_OK) *out = found;
    cJSON_Delete(config);
    return status;
}

/* Fills units[id] from the entries: every id below count once, every unit at most once. `taken` holds UTF8_CODES
 * zeros. */
static pm_status read_entries(const pm_log *log, const char *path, tok_kind kind, const cJSON *vocab, uint32_t count,
                              uint32_t *units, unsigned char *taken)
{
    uint32_t codes[256];
    gpt2_spellings(codes);
    for (uint32_t i = 0; i < count; i++) units[i] = TOK_NONE;
    uint32_t position = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, vocab)
    {
        position++;
        uint32_t unit = unspell(kind, codes, entry->string ? entry->string : "");
        if (unit == TOK_NONE) {
            return log_fail(log, PM_FORMAT, "%s: entry %u must be one %s", path, (unsigned)position,
                            kind == TOK_BYTE ? "byte in GPT-2's spelling" : "UTF-8 character");
        }
        if (taken[unit]) return log_fail(log, PM_FORMAT, "%s: entry %u is there twice", path, (unsigned)position);
        taken[unit] = 1;
        double id = cJSON_IsNumber(entry) ? entry->valuedouble : -1.0;
        if (!(id >= 0 && id < count) || id != (double)(uint32_t)id) {
            return log_fail(log, PM_FORMAT, "%s: the id of entry %u must be a whole number from 0 to %u", path,
                            (unsigned)position, (unsigned)count - 1);
        }
        if (units[(uint32_t)id] != TOK_NONE) {
            return log_fail(log, PM_FORMAT, "%s: id %u is there twice, at entry %u", path, (unsigned)id,
                            (unsigned)position);
        }
        units[(uint32_t)id] = unit;
    }
    return PM_OK;
}

static pm_status read_vocab(const pm_log *log, const char *path, tok_kind kind, pm_tokenizer **out)
{
    cJSON *vocab;
    pm_status status = json_file_read(log, path, NUL_SPELLING, &vocab);
    if (status != PM_OK) return status;
    uint32_t *units = NULL;
    unsigned char *taken = NULL;
    int count = cJSON_GetArraySize(vocab);
    if (count <= 0 || count > UTF8_CODES || (kind == TOK_BYTE && count != 256)) {
        status = log_fail(log, PM_FORMAT, "%s: has %d entries; a %s vocabulary has %s", path, count,
                          tok_kind_name(kind), kind == TOK_BYTE ? "256" : "1 to 1112064");
        goto fail;
    }
    units = malloc((size_t)count * sizeof *units);
    taken = calloc(UTF8_CODES, 1);
    if (!units || !taken) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %d tokens", path, count);
        goto fail;
    }
    status = read_entries(log, path, kind, vocab, (uint32_t)count, units, taken);
    if (status == PM_OK) status = tok_from_units(log, kind, units, (uint32_t)count, out);

fail:
    free(units);
    free(taken);
    cJSON_Delete(vocab);
    return status;
}

/* The pairs of files that a tokenizer with merges can lie in, the first that is there counting: Hugging Face's, and OpenAI's of GPT-1 and
 * GPT-2. TOK_KINDS: of either kind. */
static const struct {
    const char *vocab, *merges;
    tok_kind kind;
} file_names[] = {
    {VOCAB_FILE, MERGES_FILE, TOK_KINDS},
    {"encoder_bpe_40000.json", "vocab_40000.bpe", TOK_GPT1},
    {"encoder.json", "vocab.bpe", TOK_GPT2},
};

/* Loads the first pair that is there, of `kind` or, where that is TOK_KINDS, of any. */
static pm_status load_merging(const pm_log *log, const char *dir, tok_kind kind, pm_tokenizer **out)
{
    pm_status status = PM_OK;
    bool found = false;
    for (size_t i = 0; i < sizeof file_names / sizeof *file_names && status == PM_OK && !found; i++) {
        const tok_kind of = file_names[i].kind;
        if (of != TOK_KINDS && kind != TOK_KINDS && of != kind) continue;
        char *vocab = file_join(dir, file_names[i].vocab), *merges = file_join(dir, file_names[i].merges);
        if (!vocab || !merges) {
            status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", dir);
        } else if (file_exists(vocab) && file_exists(merges)) {
            found = true;
            status = tok_bpe_read(log, vocab, merges, of == TOK_KINDS ? kind : of, out);
        }
        free(vocab);
        free(merges);
    }
    if (status != PM_OK || found) return status;
    return log_fail(
        log, PM_IO,
        "%s: holds no tokenizer: it needs vocab.json with tokenizer_config.json or merges.txt, or encoder.json with "
        "vocab.bpe, or encoder_bpe_40000.json with vocab_40000.bpe",
        dir);
}

pm_status pm_tokenizer_load(const pm_log *log, const char *dir, pm_tokenizer **out)
{
    tok_kind kind = TOK_KINDS;
    pm_status status = file_check_folder(log, dir);
    if (status != PM_OK) return status;
    char *config = file_join(dir, CONFIG_FILE), *vocab = file_join(dir, VOCAB_FILE);
    if (config && vocab) {
        if (file_exists(config)) status = read_kind(log, config, &kind);
        if (status == PM_OK) {
            status = kind == TOK_KINDS || tok_kind_merges(kind) ? load_merging(log, dir, kind, out)
                                                                : read_vocab(log, vocab, kind, out);
        }
    } else {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", dir);
    }
    free(config);
    free(vocab);
    return status;
}
