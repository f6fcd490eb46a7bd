/* tokenizer.json of Hugging Face's library `tokenizers`: a whole tokenizer as a chain of parts. Only GPT-2's chain is read: no normalizer,
 * ByteLevel with GPT-2's pattern, BPE of bytes. A part that would give other ids is refused by its name. Padding and truncation are
 * settings of a program, and are ignored. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/copy.h"
#include "files/json_file.h"
#include "text/tokenizer.h"

typedef struct chain {
    const pm_log *log;
    const char *path;
    tok_settings *settings;
} chain;

static const cJSON *item(const cJSON *object, const char *key)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(found) ? NULL : found;
}

static const char *type_of(const cJSON *part)
{
    const char *type = cJSON_GetStringValue(item(part, "type"));
    return type ? type : "without a type";
}

static pm_status refuse(const chain *c, const char *part, const char *what)
{
    return log_fail(c->log, PM_FORMAT, "%s: %s: %s; Pumice reads GPT-2's kind of tokenizer only", c->path, part, what);
}

static bool is_empty(const cJSON *text)
{
    return !text || (cJSON_IsString(text) && !*text->valuestring);
}

/* ---- the pre-tokenizer ---- */

static pm_status read_byte_level(const chain *c, const cJSON *part, bool split_before)
{
    bool cuts = true, wanted = true;
    pm_status status = tok_flag(c->log, c->path, part, "use_regex", &cuts);
    if (status == PM_OK) status = tok_flag(c->log, c->path, part, "add_prefix_space", &wanted);
    if (status != PM_OK) return status;
    if (cuts == split_before)
        return refuse(c, "pre_tokenizer", cuts ? "ByteLevel behind a Split" : "ByteLevel with \"use_regex\": false");
    if (wanted && split_before) return refuse(c, "pre_tokenizer", "ByteLevel with \"add_prefix_space\" behind a Split");
    if (c->settings->prefix == TOK_UNSAID) c->settings->prefix = wanted ? TOK_YES : TOK_NO;
    return PM_OK;
}

/* A Split that cuts as ByteLevel itself would. */
static bool is_gpt2_split(const cJSON *part, bool invert)
{
    const char *pattern = cJSON_GetStringValue(item(item(part, "pattern"), "Regex"));
    const char *behavior = cJSON_GetStringValue(item(part, "behavior"));
    return strcmp(type_of(part), "Split") == 0 && pattern && strcmp(pattern, TOK_GPT2_PATTERN) == 0 && behavior &&
           strcmp(behavior, "Isolated") == 0 && !invert;
}

static pm_status read_pre_tokenizer(const chain *c, const cJSON *part)
{
    if (!part) return refuse(c, "pre_tokenizer", "missing");
    if (strcmp(type_of(part), "ByteLevel") == 0) return read_byte_level(c, part, false);
    if (strcmp(type_of(part), "Sequence") != 0) return refuse(c, "pre_tokenizer", type_of(part));
    bool split = false, done = false;
    const cJSON *one;
    cJSON_ArrayForEach(one, item(part, "pretokenizers"))
    {
        bool invert = false;
        pm_status status = tok_flag(c->log, c->path, one, "invert", &invert);
        if (status != PM_OK) return status;
        if (!split && !done && is_gpt2_split(one, invert)) {
            split = true;
        } else if (!done && strcmp(type_of(one), "ByteLevel") == 0) {
            done = true;
            status = read_byte_level(c, one, split);
        } else {
            status = refuse(c, "pre_tokenizer",
                            strcmp(type_of(one), "Split") == 0 ? "Split with another pattern" : type_of(one));
        }
        if (status != PM_OK) return status;
    }
    return done ? PM_OK : refuse(c, "pre_tokenizer", "Sequence without ByteLevel");
}

/* ---- the other parts ---- */

/* Refuses a part, which may change ids, unless it is empty or, with `byte_level`, ByteLevel. */
static pm_status check_part(const chain *c, const cJSON *root, const char *key, bool byte_level)
{
    const cJSON *part = item(root, key);
    if (!part || (byte_level && strcmp(type_of(part), "ByteLevel") == 0)) return PM_OK;
    if (strcmp(type_of(part), "Sequence") == 0) { /* an empty one does nothing */
        const char *const lists[] = {"normalizers", "processors", "decoders"};
        const cJSON *one, *list = NULL;
        for (size_t i = 0; i < sizeof lists / sizeof *lists && !list; i++) list = item(part, lists[i]);
        cJSON_ArrayForEach(one, list)
        {
            if (!byte_level || strcmp(type_of(one), "ByteLevel") != 0) return refuse(c, key, type_of(one));
        }
        return PM_OK;
    }
    return refuse(c, key, type_of(part));
}

static pm_status check_model(const chain *c, const cJSON *model)
{
    const cJSON *type = item(model, "type"), *dropout = item(model, "dropout");
    if (!cJSON_IsObject(model)) return refuse(c, "model", "missing");
    if (type && strcmp(type_of(model), "BPE") != 0) return refuse(c, "model", type_of(model));
    if (!cJSON_IsObject(item(model, "vocab"))) return refuse(c, "model", "without an object \"vocab\"");
    if (!cJSON_IsArray(item(model, "merges"))) return refuse(c, "model", "without a list \"merges\"");
    if (dropout && !(cJSON_IsNumber(dropout) && dropout->valuedouble == 0))
        return refuse(c, "model", "with \"dropout\"");
    if (!is_empty(item(model, "continuing_subword_prefix")))
        return refuse(c, "model", "with \"continuing_subword_prefix\"");
    if (!is_empty(item(model, "end_of_word_suffix"))) return refuse(c, "model", "with \"end_of_word_suffix\"");
    bool fallback = false, ignoring = false;
    pm_status status = tok_flag(c->log, c->path, model, "byte_fallback", &fallback);
    if (status == PM_OK) status = tok_flag(c->log, c->path, model, "ignore_merges", &ignoring);
    if (fallback) return refuse(c, "model", "with \"byte_fallback\"");
    if (ignoring) return refuse(c, "model", "with \"ignore_merges\"");
    return status;
}

static pm_status read_added(const chain *c, const cJSON *added)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, added)
    {
        const cJSON *id = item(one, "id");
        const char *text = cJSON_GetStringValue(item(one, "content"));
        bool special;
        const double value = cJSON_IsNumber(id) ? id->valuedouble : -1.0;
        if (!text || !*text || !(value >= 0 && value < TOK_MOST) || value != (double)(uint32_t)value)
            return log_fail(c->log, PM_FORMAT,
                            "%s: each of \"added_tokens\" must have \"content\" and \"id\", from 0 to %d", c->path,
                            TOK_MOST - 1);
        const pm_status status = tok_added_flags(c->log, c->path, one, text, &special);
        if (status != PM_OK) return status;
        if (c->settings->named_count >= TOK_MOST_NAMED)
            return log_fail(c->log, PM_FORMAT, "%s: names more than %d tokens", c->path, TOK_MOST_NAMED);
        if (!tok_settings_name(c->settings, text, (uint32_t)value, special))
            return log_fail(c->log, PM_NO_HOST_MEMORY, "%s: out of memory", c->path);
    }
    return PM_OK;
}

/* The model's own unknown token, where the other files name none. */
static pm_status read_unknown(const chain *c, const cJSON *model)
{
    const char *text = cJSON_GetStringValue(item(model, "unk_token"));
    if (!text || c->settings->unknown) return PM_OK;
    c->settings->unknown = copy_text(text);
    return c->settings->unknown ? PM_OK : log_fail(c->log, PM_NO_HOST_MEMORY, "%s: out of memory", c->path);
}

pm_status tok_hf_read(const pm_log *log, const file_ref *ref, tok_settings *settings, bool *other, pm_tokenizer **out)
{
    const chain c = {log, ref->path, settings};
    cJSON *root;
    bool found;
    pm_status status = json_file_read(log, ref, "as GPT-2's tokenizers spell it", &found, &root);
    *other = !found;
    if (status != PM_OK || !found) return status;
    const cJSON *model = item(root, "model");
    const char *suffix = cJSON_GetStringValue(item(model, "end_of_word_suffix"));
    *other = suffix && strcmp(suffix, "</w>") == 0 && !(settings->known && settings->form.unit == TOK_UNIT_BYTE);
    if (*other) {
        cJSON_Delete(root);
        return PM_OK;
    }
    status = check_model(&c, model);
    if (status == PM_OK) status = check_part(&c, root, "normalizer", false);
    if (status == PM_OK) status = read_pre_tokenizer(&c, item(root, "pre_tokenizer"));
    if (status == PM_OK) status = check_part(&c, root, "post_processor", true);
    if (status == PM_OK) status = check_part(&c, root, "decoder", true);
    if (status == PM_OK) status = read_added(&c, item(root, "added_tokens"));
    if (status == PM_OK) status = read_unknown(&c, model);
    settings->form = tok_form_gpt2;
    settings->known = true;
    if (status == PM_OK)
        status = tok_bpe_read_json(log, ref->path, item(model, "vocab"), item(model, "merges"), settings, out);
    cJSON_Delete(root);
    return status;
}
