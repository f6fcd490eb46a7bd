/* A tokenizer's settings in Hugging Face's small files beside its vocabulary: tokenizer_config.json, special_tokens_map.json,
 * added_tokens.json and chat_template.jinja. Other keys that change no token's id are ignored. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "files/json.h"
#include "files/json_file.h"
#include "text/tokenizer.h"

/* Keys of Pumice's own, for what tokenizer.json cannot say: merges of one rank, and SentencePiece's pieces of the user. */
#define RANKS_KEY "pumice_ranks"
#define USERS_KEY "pumice_users"

/* Names of classes: those that tell the form, and those that leave it to tokenizer.json or to the other files. */
static const struct {
    const char *name;
    const tok_form *form;
} classes[] = {
    {"GPT2Tokenizer", &tok_form_gpt2},
    {"GPT2TokenizerFast", &tok_form_gpt2},
    {"Qwen2Tokenizer", &tok_form_qwen2},
    {"Qwen2TokenizerFast", &tok_form_qwen2},
    {"OpenAIGPTTokenizer", &tok_form_gpt1},
    {"OpenAIGPTTokenizerFast", &tok_form_gpt1},
    {"PreTrainedTokenizerFast", NULL},
    {"PreTrainedTokenizer", NULL},
    {"TokenizersBackend", NULL},
};

static void know(tok_settings *settings, const tok_form *form)
{
    settings->known = form != NULL;
    if (form) settings->form = *form;
}

bool tok_settings_name(tok_settings *settings, const tok_named *named)
{
    if (settings->named_count == settings->named_room) {
        const size_t room = 2 * settings->named_room + 8;
        tok_named *grown = realloc(settings->named, room * sizeof *grown);
        if (!grown) return false;
        settings->named = grown;
        settings->named_room = room;
    }
    tok_named one = *named;
    one.text = copy_text(named->text);
    if (!one.text) return false;
    settings->named[settings->named_count++] = one;
    return true;
}

void tok_settings_free(tok_settings *settings)
{
    for (size_t i = 0; i < settings->named_count; i++) free((char *)settings->named[i].text);
    free(settings->named);
    free(settings->begin);
    free(settings->end);
    free(settings->unknown);
    free(settings->chat);
    free(settings->other_class);
    free(settings->ranks);
    *settings = (tok_settings){0};
}

/* ---- reading ---- */

/* The text of a token: a string, or an object with "content". NULL: neither, or empty. */
static const char *token_text(const cJSON *value)
{
    const char *text =
        cJSON_GetStringValue(cJSON_IsObject(value) ? cJSON_GetObjectItemCaseSensitive(value, "content") : value);
    return text && *text ? text : NULL;
}

pm_status tok_flag(const pm_log *log, const char *path, const cJSON *object, const char *key, bool *value)
{
    if (json_flag(object, key, value)) return PM_OK;
    return log_fail(log, PM_FORMAT, "%s: \"%s\" is not true or false", path, key);
}

pm_status tok_added_flags(const pm_log *log, const char *path, const cJSON *token, tok_named *out)
{
    bool word = false;
    pm_status status = tok_flag(log, path, token, "special", &out->special);
    if (status == PM_OK) status = tok_flag(log, path, token, "lstrip", &out->lstrip);
    if (status == PM_OK) status = tok_flag(log, path, token, "rstrip", &out->rstrip);
    if (status == PM_OK) status = tok_flag(log, path, token, "single_word", &word);
    if (status == PM_OK && word)
        status = log_fail(log, PM_FORMAT, "%s: the added token %s has \"single_word\", which Pumice does not support",
                          path, out->text);
    return status;
}

static pm_status no_memory(const pm_log *log, const char *path)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
}

/* A special token of this key, or of its list, into *text, or NULL where the key says none. */
static pm_status name_special(const pm_log *log, const char *path, const char *key, bool listed, const cJSON *value,
                              tok_settings *out, const char **text)
{
    *text = token_text(value);
    if (*text)
        return tok_settings_name(out, &(tok_named){.text = *text, .id = TOK_NONE, .special = true})
                   ? PM_OK
                   : no_memory(log, path);
    if (!value || cJSON_IsNull(value) || (cJSON_IsString(value) && !*value->valuestring)) return PM_OK;
    return log_fail(log, PM_FORMAT, "%s: %s\"%s\" is neither a token's text nor an object with its \"content\"", path,
                    listed ? "an entry of " : "", key);
}

/* The named tokens of tokenizer_config.json and special_tokens_map.json. */
static pm_status read_roles(const pm_log *log, const char *path, const cJSON *config, tok_settings *out)
{
    static const char *const keys[] = {"bos_token", "eos_token",  "unk_token", "pad_token",
                                       "sep_token", "mask_token", "cls_token"};
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    char **const roles[] = {&out->begin, &out->end, &out->unknown};
    pm_status status = PM_OK;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == PM_OK; i++) {
        const char *text;
        status = name_special(log, path, keys[i], false, cJSON_GetObjectItemCaseSensitive(config, keys[i]), out, &text);
        if (text && i < sizeof roles / sizeof *roles && !*roles[i] && !(*roles[i] = copy_text(text)))
            status = no_memory(log, path);
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(config, lists[i]);
        const char *text;
        if (status == PM_OK && list && !cJSON_IsNull(list) && !cJSON_IsArray(list) && !cJSON_IsObject(list))
            status = log_fail(log, PM_FORMAT, "%s: \"%s\" is not a list", path, lists[i]);
        cJSON_ArrayForEach(item, list)
        {
            if (status == PM_OK) status = name_special(log, path, lists[i], true, item, out, &text);
        }
    }
    return status;
}

/* {"50256": {"content": …, "special": …}} */
static pm_status read_decoder(const pm_log *log, const char *path, const cJSON *decoder, tok_settings *out)
{
    const cJSON *item;
    if (decoder && !cJSON_IsNull(decoder) && !cJSON_IsObject(decoder))
        return log_fail(log, PM_FORMAT, "%s: \"added_tokens_decoder\" is not an object", path);
    cJSON_ArrayForEach(item, decoder)
    {
        char *end;
        const char *key = item->string ? item->string : "", *text = token_text(item);
        const unsigned long id = strtoul(key, &end, 10);
        if (*key < '0' || *key > '9' || *end || id >= TOK_MOST || !text)
            return log_fail(log, PM_FORMAT,
                            "%s: \"added_tokens_decoder\" must hold an id and \"content\" of each token", path);
        tok_named named = {.text = text, .id = (uint32_t)id};
        pm_status status = tok_added_flags(log, path, item, &named);
        if (status == PM_OK) status = tok_flag(log, path, item, USERS_KEY, &named.inner);
        named.users = named.inner;
        if (status != PM_OK) return status;
        if (!tok_settings_name(out, &named)) return no_memory(log, path);
    }
    return PM_OK;
}

/* Whether one of the first `count` names gives the token an id. */
static bool has_id(const tok_settings *settings, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (settings->named[i].id != TOK_NONE && strcmp(settings->named[i].text, text) == 0) return true;
    return false;
}

/* {"content": id}, of which those do not count that tokenizer_config.json has, too. */
static pm_status read_added(const pm_log *log, const char *path, const cJSON *added, tok_settings *out)
{
    const size_t before = out->named_count;
    const cJSON *item;
    cJSON_ArrayForEach(item, added)
    {
        const double id = cJSON_IsNumber(item) ? item->valuedouble : -1.0;
        if (!(id >= 0 && id < TOK_MOST) || id != (double)(uint32_t)id)
            return log_fail(log, PM_FORMAT, "%s: each token's id must be a whole number from 0 to %d", path,
                            TOK_MOST - 1);
        const tok_named named = {.text = item->string, .id = (uint32_t)id};
        if (!item->string || !*item->string || has_id(out, before, item->string)) continue;
        if (!tok_settings_name(out, &named)) return no_memory(log, path);
    }
    return PM_OK;
}

/* The kind: Pumice's own key, else the class. */
static pm_status read_kind(const pm_log *log, const char *path, const cJSON *config, tok_settings *out)
{
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(config, "pumice_kind");
    const char *name = cJSON_GetStringValue(kind);
    if (kind) {
        know(out, name ? tok_form_named(name) : NULL);
        out->own = out->known;
        if (out->known || (name && (strcmp(name, "bpe") == 0 || strcmp(name, "sentencepiece") == 0))) return PM_OK;
        return log_fail(log, PM_FORMAT,
                        "%s: \"pumice_kind\" must be \"byte\" or \"char\" or \"gpt2\" or \"gpt1\" or \"bpe\" or "
                        "\"sentencepiece\", or without it \"tokenizer_class\" \"GPT2Tokenizer\" or "
                        "\"OpenAIGPTTokenizer\"",
                        path);
    }
    const cJSON *class = cJSON_GetObjectItemCaseSensitive(config, "tokenizer_class");
    if (!class || cJSON_IsNull(class)) return PM_OK;
    name = cJSON_IsString(class) ? class->valuestring : "";
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(name, classes[i].name) != 0) continue;
        know(out, classes[i].form);
        return PM_OK;
    }
    out->other_class = copy_text(name);
    return out->other_class ? PM_OK : no_memory(log, path);
}

static pm_status read_said(const pm_log *log, const char *path, const cJSON *config, const char *key, tok_said *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    bool value = false;
    const pm_status status = tok_flag(log, path, config, key, &value);
    if (status == PM_OK && item && !cJSON_IsNull(item)) *out = value ? TOK_YES : TOK_NO;
    return status;
}

static pm_status read_ranks(const pm_log *log, const char *path, const cJSON *list, tok_settings *out)
{
    const cJSON *item;
    uint32_t count = 0;
    if (!list) return PM_OK;
    out->ranks = malloc(((size_t)cJSON_GetArraySize(list) + 1) * sizeof *out->ranks);
    if (!out->ranks) return no_memory(log, path);
    cJSON_ArrayForEach(item, list)
    {
        const double value = cJSON_IsNumber(item) ? item->valuedouble : 0;
        if (!(value >= 1 && value < UINT32_MAX) || value != (double)(uint32_t)value)
            return log_fail(log, PM_FORMAT, "%s: \"" RANKS_KEY "\" must be counts of merges, each at least 1", path);
        out->ranks[count++] = (uint32_t)value;
    }
    out->rank_count = count;
    return PM_OK;
}

/* A template, or a list of templates with names, of which "default" counts. */
static bool read_chat(const cJSON *value, tok_settings *out)
{
    const cJSON *one, *list = cJSON_IsArray(value) ? value : NULL;
    const char *text = cJSON_GetStringValue(value);
    cJSON_ArrayForEach(one, list)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "name"));
        const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "template"));
        if (own && (!text || (name && strcmp(name, "default") == 0))) text = own;
    }
    if (!text || !*text) return true;
    out->chat = copy_text(text);
    return out->chat != NULL;
}

static pm_status read_config(const pm_log *log, const char *path, const cJSON *config, tok_settings *out)
{
    pm_status status = read_kind(log, path, config, out);
    if (status == PM_OK) status = read_said(log, path, config, "add_prefix_space", &out->prefix);
    if (status == PM_OK) status = read_said(log, path, config, "add_bos_token", &out->puts_begin);
    if (status == PM_OK) status = read_said(log, path, config, "add_eos_token", &out->puts_end);
    if (status == PM_OK) status = read_ranks(log, path, cJSON_GetObjectItemCaseSensitive(config, RANKS_KEY), out);
    if (status != PM_OK) return status;
    status = read_roles(log, path, config, out);
    if (status == PM_OK && !read_chat(cJSON_GetObjectItemCaseSensitive(config, "chat_template"), out))
        status = no_memory(log, path);
    if (status != PM_OK) return status;
    return read_decoder(log, path, cJSON_GetObjectItemCaseSensitive(config, "added_tokens_decoder"), out);
}

/* The template in a file of its own, which counts before tokenizer_config.json's. */
static pm_status read_chat_file(const pm_log *log, const file_source *from, tok_settings *out)
{
    char *text = NULL;
    size_t size = 0;
    bool found = false;
    file_ref ref;
    pm_status status = file_ref_make(log, from, "chat_template.jinja", &ref);
    if (status != PM_OK) return status;
    status = file_ref_read(log, &ref, &found, &text, &size);
    if (status == PM_OK && found && (memchr(text, 0, size) || utf8_valid(text, size) < size)) {
        status = log_fail(log, PM_FORMAT, "%s: is no text of UTF-8", ref.path);
        free(text);
    } else if (status == PM_OK && found) {
        free(out->chat);
        out->chat = text;
    }
    file_ref_free(&ref);
    return status;
}

pm_status tok_settings_read(const pm_log *log, const file_source *from, tok_settings *out)
{
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"};
    pm_status status = PM_OK;
    *out = (tok_settings){0};
    for (size_t i = 0; i < sizeof names / sizeof *names && status == PM_OK; i++) {
        cJSON *json = NULL;
        file_ref ref;
        bool found;
        status = file_ref_make(log, from, names[i], &ref);
        if (status != PM_OK) break;
        status = json_file_read(log, &ref, "<0x00>", &found, &json);
        if (status == PM_OK && found) {
            if (i == 0) status = read_config(log, ref.path, json, out);
            if (i == 1) status = read_roles(log, ref.path, json, out);
            if (i == 2) status = read_added(log, ref.path, json, out);
        }
        if (status == PM_OK && out->named_count > TOK_MOST_NAMED)
            status = log_fail(log, PM_FORMAT, "%s: names more than %d tokens", ref.path, TOK_MOST_NAMED);
        cJSON_Delete(json);
        file_ref_free(&ref);
    }
    if (status == PM_OK) status = read_chat_file(log, from, out);
    if (status != PM_OK) tok_settings_free(out);
    return status;
}

/* ---- writing ---- */

static bool is_added(const pm_tokenizer *tok, uint32_t id)
{
    for (size_t i = 0; i < tok->added_count; i++)
        if (tok_entry_id(tok->vocab, tok->same, tok->added[i].entry) == id) return true;
    return false;
}

static bool write_name(const pm_tokenizer *tok, cJSON *config, const char *key, uint32_t id)
{
    if (id == TOK_NONE) return true;
    char *text = tok_name_of(tok, id);
    const bool fine = text && cJSON_AddStringToObject(config, key, text);
    free(text);
    return fine;
}

/* Writes it under its id, as transformers does. A second name has no id of its own and goes to a list. */
static bool write_added(const pm_tokenizer *tok, const tok_added *added, cJSON *decoder, cJSON *names)
{
    char key[16], *text = tok_added_content(tok, added);
    cJSON *item = NULL;
    bool fine = text != NULL;
    if (fine && added->entry >= tok->vocab) {
        item = cJSON_CreateString(text);
        fine = item && cJSON_AddItemToArray(names, item);
    } else if (fine) {
        snprintf(key, sizeof key, "%u", (unsigned)added->entry);
        item = cJSON_AddObjectToObject(decoder, key);
        fine = item && cJSON_AddStringToObject(item, "content", text) &&
               cJSON_AddBoolToObject(item, "lstrip", added->lstrip) &&
               cJSON_AddBoolToObject(item, "normalized", added->inner && !tok_is_users(tok, added)) &&
               cJSON_AddBoolToObject(item, "rstrip", added->rstrip) && cJSON_AddFalseToObject(item, "single_word") &&
               cJSON_AddBoolToObject(item, "special", added->kind == TOK_ADDED_SPECIAL) &&
               (!tok_is_users(tok, added) || cJSON_AddTrueToObject(item, USERS_KEY));
    }
    free(text);
    return fine;
}

/* How many merges have each rank, one after the other, where they share some. */
static bool write_ranks(const pm_tokenizer *tok, cJSON *config)
{
    const bpe_table *merges = &tok->merges;
    cJSON *list = merges->ranks ? cJSON_AddArrayToObject(config, RANKS_KEY) : NULL;
    if (!list) return !merges->ranks;
    for (uint32_t i = 0, from = 0; i < merges->count; i++) {
        if (i + 1 < merges->count && merges->ranks[i + 1] == merges->ranks[i]) continue;
        cJSON *item = cJSON_CreateNumber(i + 1 - from);
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            return false;
        }
        from = i + 1;
    }
    return true;
}

bool tok_settings_write(const pm_tokenizer *tok, cJSON *config)
{
    bool fine = write_name(tok, config, "bos_token", tok->begin) && write_name(tok, config, "eos_token", tok->end);
    /* gpt1's own <unk> goes without saying; written, it would become a special token */
    if (tok->form.unit == TOK_UNIT_BYTE || is_added(tok, tok->unknown))
        fine = fine && write_name(tok, config, "unk_token", tok->unknown);
    if (tok->form.prefix != TOK_PREFIX_NONE && tok->form.unit == TOK_UNIT_BYTE)
        fine = fine && cJSON_AddTrueToObject(config, "add_prefix_space");
    fine = fine && write_ranks(tok, config);
    if (tok->chat) fine = fine && cJSON_AddStringToObject(config, "chat_template", tok->chat);
    if (tok->puts_begin) fine = fine && cJSON_AddTrueToObject(config, "add_bos_token");
    if (tok->puts_end) fine = fine && cJSON_AddTrueToObject(config, "add_eos_token");
    if (!fine || tok->added_count == 0) return fine;
    cJSON *decoder = cJSON_AddObjectToObject(config, "added_tokens_decoder");
    cJSON *names = cJSON_AddArrayToObject(config, "additional_special_tokens");
    fine = decoder && names;
    for (size_t i = 0; i < tok->added_count && fine; i++) fine = write_added(tok, &tok->added[i], decoder, names);
    if (fine && !names->child) cJSON_DeleteItemFromObjectCaseSensitive(config, "additional_special_tokens");
    return fine;
}
