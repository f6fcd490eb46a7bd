/* The description of a tokenizer in its tokenizer.json: normalizer, pre_tokenizer, decoder, and the model's flags. Two kinds are read: bytes, with
 * ByteLevel, and characters with U+2581 for a blank, as SentencePiece has them. What would give other ids is refused by its name. */
#include <string.h>

#include "text/spelling.h"
#include "text/tokenizer_hf.h"

const char *hf_type(const cJSON *part)
{
    const char *type = hf_text(part, "type");
    return type ? type : "without a type";
}

bool hf_is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

pm_status hf_refuse(const hf_file *f, const char *part, const char *what)
{
    return log_fail(f->log, PM_FORMAT, "%s: %s: %s, which Pumice does not read", f->path, part, what);
}

pm_status hf_flag(const hf_file *f, const cJSON *part, const char *key, bool *value)
{
    return tok_flag(f->log, f->path, part, key, value);
}

pm_status hf_list(const hf_file *f, const cJSON *part, const char *key)
{
    const cJSON *list = hf_item(part, key);
    if (!list || cJSON_IsArray(list)) return PM_OK;
    return log_fail(f->log, PM_FORMAT, "%s: \"%s\" is not a list", f->path, key);
}

/* Calls `each` for a part, or for the parts of a Sequence, which has them in `list`. */
static pm_status for_each(const hf_file *f, const cJSON *part, const char *list, tok_form *form,
                          pm_status (*each)(const hf_file *, const cJSON *, tok_form *))
{
    pm_status status = PM_OK;
    if (!part) return PM_OK;
    if (!hf_is(hf_text(part, "type"), "Sequence")) return each(f, part, form);
    const cJSON *one;
    status = hf_list(f, part, list);
    cJSON_ArrayForEach(one, hf_item(part, list))
    {
        if (status == PM_OK) status = each(f, one, form);
    }
    return status;
}

/* ---- the normalizer ---- */

static bool is_replace(const cJSON *part, const char *kind, const char *from, const char *to)
{
    return hf_is(hf_text(part, "type"), "Replace") && hf_is(hf_text(hf_item(part, "pattern"), kind), from) &&
           hf_is(hf_text(part, "content"), to);
}

static pm_status read_normalizer(const hf_file *f, const cJSON *part, tok_form *form)
{
    const char *type = hf_type(part);
    if (strcmp(type, "NFC") == 0 && !form->blanks) {
        form->nfc = true;
    } else if (is_replace(part, "String", " ", SPELLING_BLANK) && !form->nfc) {
        form->blanks = true;
    } else if (is_replace(part, "Regex", HF_BLANKS, " ") && form->squeeze && !form->blanks) {
        return PM_OK;
    } else if (is_replace(part, "Regex", HF_ENDS, "") && !form->blanks && form->prefix == TOK_PREFIX_NONE) {
        form->squeeze = true;
    } else if (strcmp(type, "Prepend") == 0 && hf_is(hf_text(part, "prepend"), SPELLING_BLANK)) {
        form->prefix = TOK_PREFIX_EACH;
    } else {
        return hf_refuse(f, "normalizer", type);
    }
    return PM_OK;
}

/* ---- the pre-tokenizer ---- */

static pm_status add_split(const hf_file *f, const char *pattern, tok_form *form)
{
    const uint32_t count = tok_form_splits(form);
    if (form->unit == TOK_UNIT_BYTE && form->whole) return hf_refuse(f, "pre_tokenizer", "a part behind ByteLevel");
    if (count == TOK_SPLITS) return hf_refuse(f, "pre_tokenizer", "more than 8 splits");
    if (!*pattern || strlen(pattern) >= TOK_PATTERN) return hf_refuse(f, "pre_tokenizer", "a pattern of this length");
    memcpy(form->splits[count], pattern, strlen(pattern) + 1);
    return PM_OK;
}

/* A text as a pattern. */
static pm_status add_text_split(const hf_file *f, const char *text, tok_form *form)
{
    char pattern[TOK_PATTERN];
    size_t used = 0;
    for (; *text && used + 3 < sizeof pattern; text++) {
        if ((unsigned char)*text < 0x80 && strchr("\\.^$|?*+()[]{}-&#", *text)) pattern[used++] = '\\';
        pattern[used++] = *text;
    }
    pattern[used] = 0;
    return *text ? hf_refuse(f, "pre_tokenizer", "a pattern of this length") : add_split(f, pattern, form);
}

static pm_status read_split(const hf_file *f, const cJSON *part, tok_form *form)
{
    const cJSON *pattern = hf_item(part, "pattern");
    const char *regex = hf_text(pattern, "Regex"), *text = hf_text(pattern, "String");
    const char *behavior = hf_text(part, "behavior");
    bool invert = false;
    const pm_status status = hf_flag(f, part, "invert", &invert);
    if (status != PM_OK) return status;
    if (form->blanks && hf_is(text, " ")) return PM_OK; /* there is no blank any more */
    /* OpenAI's patterns match all of a text, so that nothing is removed */
    if (!hf_is(behavior, "Isolated") && !(hf_is(behavior, "Removed") && invert))
        return hf_refuse(f, "pre_tokenizer", "a Split whose \"behavior\" is not \"Isolated\"");
    if (regex) return add_split(f, regex, form);
    return text ? add_text_split(f, text, form) : hf_refuse(f, "pre_tokenizer", "a Split without a pattern");
}

static pm_status read_byte_level(const hf_file *f, const cJSON *part, tok_form *form)
{
    bool cuts = true, wanted = true;
    const bool first = tok_form_splits(form) == 0;
    pm_status status = hf_flag(f, part, "use_regex", &cuts);
    if (status == PM_OK) status = hf_flag(f, part, "add_prefix_space", &wanted);
    if (status != PM_OK) return status;
    if (wanted && !first) return hf_refuse(f, "pre_tokenizer", "ByteLevel with \"add_prefix_space\" behind a Split");
    if (cuts) status = add_split(f, TOK_GPT2_PATTERN, form);
    if (f->settings->prefix == TOK_UNSAID) f->settings->prefix = wanted ? TOK_YES : TOK_NO;
    form->whole = true; /* nothing may follow */
    return status;
}

static pm_status read_digits(const hf_file *f, const cJSON *part, tok_form *form)
{
    bool each = false;
    const pm_status status = hf_flag(f, part, "individual_digits", &each);
    return status == PM_OK ? add_split(f, each ? "\\p{N}" : "\\p{N}+", form) : status;
}

/* Metaspace: U+2581 for blanks, and one before a text that has none there. */
static pm_status read_metaspace(const hf_file *f, const cJSON *part, tok_form *form)
{
    const char *scheme = hf_text(part, "prepend_scheme"), *sign = hf_text(part, "replacement");
    bool old = true;
    form->apart = true;
    pm_status status = hf_flag(f, part, "split", &form->apart);
    if (status == PM_OK) status = hf_flag(f, part, "add_prefix_space", &old);
    if (status != PM_OK) return status;
    if (!scheme) scheme = old ? "always" : "never";
    if (form->blanks) return hf_refuse(f, "pre_tokenizer", "Metaspace behind a normalizer of blanks");
    if (sign && strcmp(sign, SPELLING_BLANK) != 0) return hf_refuse(f, "pre_tokenizer", "Metaspace with another sign");
    if (strcmp(scheme, "always") == 0)
        form->prefix = TOK_PREFIX_EACH;
    else if (strcmp(scheme, "first") == 0)
        form->prefix = TOK_PREFIX_FIRST;
    else if (strcmp(scheme, "never") != 0)
        return hf_refuse(f, "pre_tokenizer", "Metaspace with another \"prepend_scheme\"");
    form->unless = form->blanks = true;
    return PM_OK;
}

static pm_status read_pre_tokenizer(const hf_file *f, const cJSON *part, tok_form *form)
{
    const char *type = hf_type(part);
    const bool bytes = form->unit == TOK_UNIT_BYTE;
    if (strcmp(type, "Split") == 0 && (bytes || form->blanks)) {
        const uint32_t before = tok_form_splits(form);
        const pm_status status = read_split(f, part, form);
        if (status != PM_OK || bytes || tok_form_splits(form) == before) return status;
        return hf_refuse(f, "pre_tokenizer", "a Split without ByteLevel");
    }
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(f, part, form);
    if (strcmp(type, "Digits") == 0 && bytes) return read_digits(f, part, form);
    if (strcmp(type, "Metaspace") == 0 && !bytes) return read_metaspace(f, part, form);
    return hf_refuse(f, "pre_tokenizer", type);
}

/* Whether ByteLevel is among the parts. */
static bool has_byte_level(const cJSON *part)
{
    const cJSON *one;
    if (hf_is(hf_text(part, "type"), "ByteLevel")) return true;
    cJSON_ArrayForEach(one, hf_item(part, "pretokenizers"))
    {
        if (hf_is(hf_text(one, "type"), "ByteLevel")) return true;
    }
    return false;
}

/* ---- the decoder ---- */

static pm_status read_decoder(const hf_file *f, const cJSON *part, tok_form *form)
{
    const char *type = hf_type(part);
    const cJSON *start = hf_item(part, "start"), *stop = hf_item(part, "stop");
    if (form->unit == TOK_UNIT_BYTE) return strcmp(type, "ByteLevel") == 0 ? PM_OK : hf_refuse(f, "decoder", type);
    if (strcmp(type, "Fuse") == 0 || strcmp(type, "ByteFallback") == 0) return PM_OK;
    if (strcmp(type, "Metaspace") == 0 || is_replace(part, "String", SPELLING_BLANK, " ")) {
        form->drops = form->drops || (type[0] == 'M' && form->prefix != TOK_PREFIX_NONE);
        return PM_OK;
    }
    if (strcmp(type, "Strip") == 0 && hf_is(hf_text(part, "content"), " ") && cJSON_IsNumber(start) &&
        start->valuedouble == 1 && (!stop || (cJSON_IsNumber(stop) && stop->valuedouble == 0))) {
        form->drops = true;
        return PM_OK;
    }
    return hf_refuse(f, "decoder", type);
}

/* ---- all of it ---- */

static bool is_empty(const cJSON *text)
{
    return !text || (cJSON_IsString(text) && !*text->valuestring);
}

static pm_status check_model(const hf_file *f, const cJSON *model)
{
    const cJSON *type = hf_item(model, "type"), *dropout = hf_item(model, "dropout");
    if (!cJSON_IsObject(model)) return hf_refuse(f, "model", "none");
    if (type && strcmp(hf_type(model), "BPE") != 0) return hf_refuse(f, "model", hf_type(model));
    if (!cJSON_IsObject(hf_item(model, "vocab"))) return hf_refuse(f, "model", "no object \"vocab\"");
    if (!cJSON_IsArray(hf_item(model, "merges"))) return hf_refuse(f, "model", "no list \"merges\"");
    if (dropout && !(cJSON_IsNumber(dropout) && dropout->valuedouble == 0))
        return hf_refuse(f, "model", "with \"dropout\"");
    if (!is_empty(hf_item(model, "continuing_subword_prefix")))
        return hf_refuse(f, "model", "with \"continuing_subword_prefix\"");
    if (!is_empty(hf_item(model, "end_of_word_suffix"))) return hf_refuse(f, "model", "with \"end_of_word_suffix\"");
    return PM_OK;
}

pm_status hf_read_form(const hf_file *f, tok_form *out)
{
    const cJSON *model = hf_item(f->root, "model"), *before = hf_item(f->root, "pre_tokenizer");
    const bool bytes = has_byte_level(before);
    bool whole = false;
    tok_form form = {.merges = true,
                     .ordered = true,
                     .cut = bytes ? TOK_CUT_SPLITS : TOK_CUT_NONE,
                     .unit = bytes ? TOK_UNIT_BYTE : TOK_UNIT_CHAR};
    pm_status status = check_model(f, model);
    if (status == PM_OK) status = for_each(f, hf_item(f->root, "normalizer"), "normalizers", &form, read_normalizer);
    if (status == PM_OK && form.squeeze && !form.blanks) status = hf_refuse(f, "normalizer", "Replace");
    if (status == PM_OK && bytes && (form.blanks || form.prefix != TOK_PREFIX_NONE))
        status = hf_refuse(f, "normalizer", "Prepend or Replace before ByteLevel");
    if (status == PM_OK) status = for_each(f, before, "pretokenizers", &form, read_pre_tokenizer);
    if (status == PM_OK && !bytes && !form.blanks)
        status = hf_refuse(f, "pre_tokenizer", before ? "without ByteLevel or Metaspace" : "none");
    form.whole = false;
    if (status == PM_OK) status = for_each(f, hf_item(f->root, "decoder"), "decoders", &form, read_decoder);
    if (status == PM_OK) status = hf_flag(f, model, "ignore_merges", &whole);
    if (status == PM_OK) status = hf_flag(f, model, "byte_fallback", &form.fallback);
    if (status == PM_OK) status = hf_flag(f, model, "fuse_unk", &form.fuse);
    if (status == PM_OK && bytes && form.fallback) status = hf_refuse(f, "model", "\"byte_fallback\" with ByteLevel");
    if (status != PM_OK) return status;
    form.whole = whole;
    if (bytes) form.fuse = false;
    if (bytes && strcmp(tok_form_kind(&form), "gpt2") == 0) form.ordered = false;
    *out = form;
    return PM_OK;
}
