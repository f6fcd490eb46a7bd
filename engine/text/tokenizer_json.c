/* Tokenizers as files: vocab.json {"spelling": id} and tokenizer_config.json.
 *
 * Spellings of the byte kind are GPT-2's: the printable bytes ! to ~, U+00A1 to U+00AC and U+00AE to U+00FF are the
 * characters of that code, the other 68 bytes, in order, are U+0100 and up. Spellings of the char kind are the
 * characters themselves, whatever JSON escapes, but for U+0000, which C strings cannot hold: it is "<0x00>",
 * SentencePiece's spelling of that byte. Every other spelling is a single character, so this one cannot be mistaken. */
#include "text/tokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/file.h"

#define VOCAB_FILE "vocab.json"
#define CONFIG_FILE "tokenizer_config.json"
#define NUL_SPELLING "<0x00>"

enum { SPELLING_BYTES = sizeof NUL_SPELLING };

static bool byte_is_printable(uint32_t b)
{
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

/* The code points that spell the 256 bytes. */
static void byte_spellings(uint32_t codes[256])
{
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; b++) codes[b] = byte_is_printable(b) ? b : next++;
}

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

static pm_status write_json(const pm_log *log, const char *dir, const char *name, const cJSON *json, bool indented)
{
    pm_status status;
    char *path = file_join(dir, name), *text = indented ? cJSON_Print(json) : cJSON_PrintUnformatted(json);
    if (path && text)
        status = file_write(log, path, text, strlen(text));
    else
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s/%s: out of memory", dir, name);
    cJSON_free(text);
    free(path);
    return status;
}

pm_status pm_tokenizer_save(const pm_log *log, const pm_tokenizer *tok, const char *dir)
{
    pm_status status = file_make_dir(log, dir);
    if (status != PM_OK) return status;
    uint32_t codes[256];
    byte_spellings(codes);
    cJSON *vocab = cJSON_CreateObject(), *config = cJSON_CreateObject();
    bool fine = vocab && config && cJSON_AddStringToObject(config, "tokenizer_class", "PumiceTokenizer") &&
                cJSON_AddStringToObject(config, "pumice_kind", tok_kind_name(tok->kind)) &&
                cJSON_AddNumberToObject(config, "vocab_size", tok->vocab);
    for (uint32_t id = 0; fine && id < tok->vocab; id++) {
        char spelling[SPELLING_BYTES];
        spell(tok, codes, id, spelling);
        fine = cJSON_AddNumberToObject(vocab, spelling, id) != NULL;
    }
    if (!fine) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its files", dir);
        goto fail;
    }
    status = write_json(log, dir, VOCAB_FILE, vocab, false);
    if (status == PM_OK) status = write_json(log, dir, CONFIG_FILE, config, true);

fail:
    cJSON_Delete(vocab);
    cJSON_Delete(config);
    return status;
}

/* Parses a whole file as one JSON object. U+0000 is refused: cJSON would end the string there. */
static pm_status read_json(const pm_log *log, const char *path, cJSON **out)
{
    char *text;
    size_t size;
    pm_status status = file_read(log, path, &text, &size);
    if (status != PM_OK) return status;
    const char *end = text;
    errno = 0; /* cJSON tells bad text and no memory alike */
    cJSON *json = cJSON_ParseWithLengthOpts(text, size + 1, &end, 1);
    if (!json && errno == ENOMEM) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory reading it", path);
    } else if (!json || end != text + size) {
        status = log_fail(log, PM_FORMAT, "%s: is not valid JSON, at byte %zu", path, (size_t)(end - text));
    } else if (!cJSON_IsObject(json)) {
        status = log_fail(log, PM_FORMAT, "%s: must hold one JSON object", path);
    } else if (strstr(text, "\\u0000")) {
        status = log_fail(log, PM_FORMAT, "%s: holds \\u0000; spell this character " NUL_SPELLING, path);
    }
    free(text);
    if (status == PM_OK)
        *out = json;
    else
        cJSON_Delete(json);
    return status;
}

static pm_status read_kind(const pm_log *log, const char *path, tok_kind *out)
{
    cJSON *config;
    pm_status status = read_json(log, path, &config);
    if (status != PM_OK) return status;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, "pumice_kind"));
    tok_kind kind = TOK_KINDS;
    for (int k = 0; name && k < TOK_KINDS; k++) {
        if (strcmp(name, tok_kind_name((tok_kind)k)) == 0) kind = (tok_kind)k;
    }
    if (kind == TOK_KINDS)
        status = log_fail(log, PM_FORMAT, "%s: \"pumice_kind\" must be \"byte\" or \"char\"", path);
    else
        *out = kind;
    cJSON_Delete(config);
    return status;
}

/* Fills units[id] from the entries: every id below count once, every unit at most once. `taken` holds UTF8_CODES
 * zeros. */
static pm_status read_entries(const pm_log *log, const char *path, tok_kind kind, const cJSON *vocab, uint32_t count,
                              uint32_t *units, unsigned char *taken)
{
    uint32_t codes[256];
    byte_spellings(codes);
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
    pm_status status = read_json(log, path, &vocab);
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

pm_status pm_tokenizer_load(const pm_log *log, const char *dir, pm_tokenizer **out)
{
    pm_status status;
    tok_kind kind = TOK_BYTE;
    char *config = file_join(dir, CONFIG_FILE), *vocab = file_join(dir, VOCAB_FILE);
    if (config && vocab) {
        status = read_kind(log, config, &kind);
        if (status == PM_OK) status = read_vocab(log, vocab, kind, out);
    } else {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", dir);
    }
    free(config);
    free(vocab);
    return status;
}
