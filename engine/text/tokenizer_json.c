/* Tokenizers as folders: vocab.json {"spelling": id}, tokenizer_config.json (tokenizer_config.c) and, for the kinds with merges, merges.txt
 * (bpe_files.c) or all in tokenizer.json (tokenizer_hf.c). A GGUF file may stand in place of a folder.
 *
 * Spellings of the byte kind are GPT-2's: the printable bytes ! to ~, U+00A1 to U+00AC and U+00AE to U+00FF are the
 * characters of that code. The other 68 bytes, in order, are U+0100 and up. Spellings of the char kind are the
 * characters themselves, with JSON's escapes. C strings cannot hold U+0000: it is "<0x00>", SentencePiece's spelling
 * of that byte. Every other spelling is a single character, so this one cannot be mistaken. */
#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "files/json_file.h"
#include "text/scored.h"
#include "text/tokenizer_gguf.h"

#define VOCAB_FILE "vocab.json"
#define MERGES_FILE "merges.txt"
#define CONFIG_FILE "tokenizer_config.json"
#define WHOLE_FILE "tokenizer.json"
#define MODEL_FILE "tokenizer.model"
#define NUL_SPELLING "<0x00>"

enum { SPELLING_BYTES = sizeof NUL_SPELLING };

/* Hugging Face's class for a form: the files name it, and transformers loads them with it. */
static const char *class_of(const tok_form *form)
{
    if (!form->merges) return "PumiceTokenizer";
    if (!tok_form_is_named(form)) return "PreTrainedTokenizerFast";
    return form->unit == TOK_UNIT_WORD ? "OpenAIGPTTokenizer" : "GPT2Tokenizer";
}

static void spell(const pm_tokenizer *tok, const uint32_t codes[256], uint32_t id, char out[SPELLING_BYTES])
{
    size_t size = 0;
    const char *piece = pm_tokenizer_piece(tok, id, &size);
    if (tok->form.unit == TOK_UNIT_BYTE) {
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
static uint32_t unspell(tok_unit unit, const uint32_t codes[256], const char *spelling)
{
    size_t size = strlen(spelling);
    uint32_t code;
    if (unit == TOK_UNIT_CHAR && strcmp(spelling, NUL_SPELLING) == 0) return 0;
    if (!size || utf8_decode(spelling, size, &code) != size) return TOK_NONE;
    if (unit == TOK_UNIT_CHAR) return code;
    for (uint32_t b = 0; b < 256; b++) {
        if (codes[b] == code) return b;
    }
    return TOK_NONE;
}

/* {"spelling": id} for all names of tokens; NULL when short of memory. */
static cJSON *vocab_json(const pm_tokenizer *tok)
{
    uint32_t codes[256];
    gpt2_spellings(codes);
    cJSON *vocab = cJSON_CreateObject();
    bool fine = vocab != NULL;
    for (uint32_t entry = 0, only = 0; fine && entry < tok->vocab + tok->same_count; entry++) {
        char one[SPELLING_BYTES], *whole = NULL;
        if (tok_is_only(tok->only, tok->only_count, &only, entry)) continue; /* tokenizer_config.json has it */
        if (tok->starts[entry] == tok->starts[entry + 1]) continue;          /* an id that no token has */
        if (tok->form.merges)
            whole = tok_bpe_spell(tok, entry);
        else
            spell(tok, codes, entry, one);
        const bool spelled = whole || !tok->form.merges;
        const uint32_t id = tok_entry_id(tok->vocab, tok->same, entry);
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
    const bool pair = tok_form_is_named(&tok->form); /* else tokenizer.json alone says how texts are cut */
    char *merges = file_join(dir, MERGES_FILE);
    cJSON *vocab = pair ? vocab_json(tok) : cJSON_CreateObject(), *config = cJSON_CreateObject();
    if (!merges || !vocab || !config || !cJSON_AddStringToObject(config, "tokenizer_class", class_of(&tok->form)) ||
        !cJSON_AddStringToObject(config, "pumice_kind", tok_form_kind(&tok->form)) ||
        !cJSON_AddNumberToObject(config, "vocab_size", tok->vocab) || !tok_settings_write(tok, config)) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its files", dir);
    }
    if (status == PM_OK && pair) status = json_file_write(log, dir, VOCAB_FILE, vocab, false);
    if (status == PM_OK && pair && tok->form.merges) status = tok_bpe_write_merges(log, tok, merges);
    if (status == PM_OK && tok_hf_can_write(tok)) status = tok_hf_write(log, tok, dir);
    if (status == PM_OK) status = json_file_write(log, dir, CONFIG_FILE, config, true);
    cJSON_Delete(vocab);
    cJSON_Delete(config);
    free(merges);
    return status;
}

/* Fills units[id] from the entries: every id below count once, every unit at most once. `taken` holds UTF8_CODES
 * zeros. */
static pm_status read_entries(const pm_log *log, const char *path, tok_unit unit_of, const cJSON *vocab, uint32_t count,
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
        uint32_t unit = unspell(unit_of, codes, entry->string ? entry->string : "");
        if (unit == TOK_NONE) {
            return log_fail(log, PM_FORMAT, "%s: entry %u must be one %s", path, (unsigned)position,
                            unit_of == TOK_UNIT_BYTE ? "byte in GPT-2's spelling" : "UTF-8 character");
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

static pm_status read_vocab(const pm_log *log, const file_source *from, const tok_form *form, pm_tokenizer **out)
{
    cJSON *vocab = NULL;
    file_ref ref;
    pm_status status = file_ref_make(log, from, VOCAB_FILE, &ref);
    if (status != PM_OK) return status;
    const char *path = ref.path;
    const bool bytes = form->unit == TOK_UNIT_BYTE;
    uint32_t *units = NULL;
    unsigned char *taken = NULL;
    status = json_file_read(log, &ref, NUL_SPELLING, NULL, &vocab);
    if (status != PM_OK) goto fail;
    int count = cJSON_GetArraySize(vocab);
    if (count <= 0 || count > UTF8_CODES || (bytes && count != 256)) {
        status = log_fail(log, PM_FORMAT, "%s: has %d entries; a %s vocabulary has %s", path, count,
                          tok_form_kind(form), bytes ? "256" : "1 to 1112064");
        goto fail;
    }
    units = malloc((size_t)count * sizeof *units);
    taken = calloc(UTF8_CODES, 1);
    if (!units || !taken) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for %d tokens", path, count);
        goto fail;
    }
    status = read_entries(log, path, form->unit, vocab, (uint32_t)count, units, taken);
    if (status == PM_OK) status = tok_from_units(log, form, units, (uint32_t)count, out);

fail:
    free(units);
    free(taken);
    cJSON_Delete(vocab);
    file_ref_free(&ref);
    return status;
}

/* The pairs of files that a tokenizer with merges can lie in: Hugging Face's, and OpenAI's of GPT-1 and GPT-2. The first pair that is there
 * counts. NULL: of any form. */
static const struct {
    const char *vocab, *merges;
    const tok_form *form;
} file_names[] = {
    {VOCAB_FILE, MERGES_FILE, NULL},
    {"encoder_bpe_40000.json", "vocab_40000.bpe", &tok_form_gpt1},
    {"encoder.json", "vocab.bpe", &tok_form_gpt2},
};

/* Loads the first pair that is there, of the settings' form or, where they say none, of any. */
static pm_status load_pair(const pm_log *log, const file_source *from, tok_settings *settings, bool *found,
                           pm_tokenizer **out)
{
    pm_status status = PM_OK;
    const bool known = settings->known;
    for (size_t i = 0; i < sizeof file_names / sizeof *file_names && status == PM_OK && !*found; i++) {
        const tok_form *of = file_names[i].form;
        file_ref vocab = {0}, merges = {0};
        if (of && known && strcmp(tok_form_kind(of), tok_form_kind(&settings->form)) != 0) continue;
        if (of && !known) settings->form = *of;
        settings->known = known || of;
        status = file_ref_make(log, from, file_names[i].vocab, &vocab);
        if (status == PM_OK) status = file_ref_make(log, from, file_names[i].merges, &merges);
        if (status == PM_OK) status = tok_bpe_read(log, &vocab, &merges, settings, found, out);
        file_ref_free(&vocab);
        file_ref_free(&merges);
    }
    return status;
}

/* Tokenizers that Pumice does not read. */
static const struct {
    const char *file, *what;
} others[] = {{"spiece.model", "; its spiece.model is SentencePiece's, which Pumice does not read"},
              {"vocab.txt", "; its vocab.txt is WordPiece's, which Pumice does not read"},
              {"tokenizer.model.v3", "; its tokenizer.model.v3 is SentencePiece's, which Pumice does not read"},
              {VOCAB_FILE, "; it has vocab.json alone"},
              {MERGES_FILE, "; it has merges.txt alone"}};

static const char *other_tokenizer(const file_source *from)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (file_source_has(from, others[i].file)) return others[i].what;
    return "";
}

bool tok_is_there(const file_source *from)
{
    bool there = file_source_has(from, WHOLE_FILE) || file_source_has(from, MODEL_FILE);
    for (size_t i = 0; i < sizeof file_names / sizeof *file_names; i++)
        there = there || file_source_has(from, file_names[i].vocab);
    return there || *other_tokenizer(from);
}

/* What is wrong where no file of a tokenizer that can be read is there. */
static pm_status none_here(const pm_log *log, const file_source *from)
{
    return log_fail(log, PM_IO,
                    "%s: holds no tokenizer: it needs vocab.json with merges.txt or pumice_kind in "
                    "tokenizer_config.json, or tokenizer.json, or tokenizer.model, or encoder.json with vocab.bpe, or "
                    "encoder_bpe_40000.json with vocab_40000.bpe%s",
                    file_source_name(from), other_tokenizer(from));
}

static pm_status other_class(const pm_log *log, const file_source *from, const char *class)
{
    file_ref config;
    pm_status status = file_ref_make(log, from, CONFIG_FILE, &config);
    if (status != PM_OK) return status;
    status = log_fail(log, PM_FORMAT,
                      "%s: \"tokenizer_class\" is \"%s\"; Pumice reads \"GPT2Tokenizer\", \"Qwen2Tokenizer\" and "
                      "\"OpenAIGPTTokenizer\", any class with tokenizer.json or tokenizer.model, and its own "
                      "\"pumice_kind\", such as \"byte\" or \"char\"",
                      config.path, class);
    file_ref_free(&config);
    return status;
}

/* SentencePiece's file. Beside vocab.json with merges.txt of a class that is known, these count. */
static pm_status load_model(const pm_log *log, const file_source *from, tok_settings *settings, bool *found,
                            pm_tokenizer **out)
{
    file_ref model;
    pm_status status = PM_OK;
    if (!settings->known) status = file_ref_make(log, from, MODEL_FILE, &model);
    if (status != PM_OK || settings->known) return status;
    status = tok_sentencepiece_read(log, &model, settings, found, out);
    file_ref_free(&model);
    return status;
}

/* Reads tokenizer.json where there is one, since it has all. Pumice's own folders and GPT-1's are read from vocab.json and merges.txt. */
static pm_status load_merging(const pm_log *log, const file_source *from, tok_settings *settings, pm_tokenizer **out)
{
    bool found = false, other = true;
    pm_status status = PM_OK;
    if (!settings->own && !(settings->known && settings->form.unit == TOK_UNIT_WORD)) {
        file_ref whole;
        status = file_ref_make(log, from, WHOLE_FILE, &whole);
        if (status != PM_OK) return status;
        status = tok_hf_read(log, &whole, settings, &other, out);
        file_ref_free(&whole);
    }
    if (status != PM_OK || !other) return status;
    status = load_model(log, from, settings, &found, out);
    if (status != PM_OK || found) return status;
    if (settings->other_class) return other_class(log, from, settings->other_class);
    status = load_pair(log, from, settings, &found, out);
    return status == PM_OK && !found ? none_here(log, from) : status;
}

static pm_status load_gguf(const pm_log *log, const file_source *from, pm_tokenizer **out)
{
    gguf_file file;
    pm_status status = gguf_open_source(log, from, &file);
    if (status != PM_OK) return status;
    status = tok_gguf_read(log, &file, out);
    gguf_close(&file);
    return status;
}

static pm_status load(const pm_log *log, const file_source *from, pm_tokenizer **out)
{
    tok_settings settings;
    bool gguf;
    pm_status status = gguf_is_source(log, from, &gguf);
    if (status == PM_OK && gguf) return load_gguf(log, from, out);
    if (status == PM_OK) status = file_source_check(log, from);
    if (status == PM_OK) status = tok_settings_read(log, from, &settings);
    if (status != PM_OK) return status;
    if (!settings.known || settings.form.merges)
        status = load_merging(log, from, &settings, out);
    else
        status = read_vocab(log, from, &settings.form, out);
    if (status == PM_OK) {
        (*out)->chat = settings.chat;
        settings.chat = NULL;
    }
    tok_settings_free(&settings);
    return status;
}

pm_status pm_tokenizer_load(const pm_log *log, const char *dir, pm_tokenizer **out)
{
    return load(log, &(file_source){.dir = dir}, out);
}

pm_status pm_tokenizer_load_from_sized(const pm_log *log, const pm_source *source, size_t source_size,
                                       pm_tokenizer **out)
{
    file_source from;
    const pm_status status = file_source_given(log, source, source_size, &from);
    return status == PM_OK ? load(log, &from, out) : status;
}
