/* Reading tokenizer.json: the model, added tokens, what is put around a text. hf_form.c reads the rest. Padding and truncation are settings of a
 * program, and are ignored. */
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "files/json_file.h"
#include "text/tokenizer_hf.h"

static pm_status no_memory(const hf_file *f)
{
    return log_fail(f->log, PM_NO_HOST_MEMORY, "%s: out of memory", f->path);
}

/* ---- added tokens ---- */

/* Where the token is named already, this says how it is looked for, and has the same id. */
static pm_status know_again(const hf_file *f, const tok_named *named)
{
    tok_settings *settings = f->settings;
    for (size_t i = 0; i < settings->named_count; i++) {
        tok_named *one = &settings->named[i];
        if (strcmp(one->text, named->text) != 0) continue;
        if (one->id != TOK_NONE && one->id != named->id)
            return log_fail(f->log, PM_FORMAT,
                            "%s: the added token %s has the id %u here, and %u in another entry or file", f->path,
                            named->text, (unsigned)named->id, (unsigned)one->id);
        if (one->users) continue;
        one->inner = named->inner;
        one->blank = named->blank;
    }
    return PM_OK;
}

static pm_status read_added(const hf_file *f, const tok_form *form)
{
    const cJSON *one;
    const pm_status fine = hf_list(f, f->root, "added_tokens");
    if (fine != PM_OK) return fine;
    cJSON_ArrayForEach(one, hf_item(f->root, "added_tokens"))
    {
        const cJSON *id = hf_item(one, "id");
        const char *text = hf_text(one, "content");
        const double value = cJSON_IsNumber(id) ? id->valuedouble : -1.0;
        bool normal = false;
        if (!text || !*text || !(value >= 0 && value < TOK_MOST) || value != (double)(uint32_t)value)
            return log_fail(f->log, PM_FORMAT,
                            "%s: each of \"added_tokens\" must have \"content\" and \"id\", from 0 to %d", f->path,
                            TOK_MOST - 1);
        tok_named named = {.text = text, .id = (uint32_t)value};
        pm_status status = tok_added_flags(f->log, f->path, one, &named);
        if (status == PM_OK) status = hf_flag(f, one, "normalized", &normal);
        if (status != PM_OK) return status;
        named.blank = form->blanks && form->prefix != TOK_PREFIX_NONE && !form->unless;
        named.inner = normal && (form->nfc || (form->blanks && !form->unless)); /* there is a normalizer */
        if (named.inner && (named.lstrip || named.rstrip))
            return log_fail(
                f->log, PM_FORMAT,
                "%s: the added token %s has \"normalized\" with \"lstrip\" or \"rstrip\", which Pumice does "
                "not support",
                f->path, text);
        status = know_again(f, &named);
        if (status != PM_OK) return status;
        if (f->settings->named_count >= TOK_MOST_NAMED)
            return log_fail(f->log, PM_FORMAT, "%s: names more than %d tokens", f->path, TOK_MOST_NAMED);
        if (!tok_settings_name(f->settings, &named)) return no_memory(f);
    }
    return PM_OK;
}

/* ---- what is put around a text ---- */

/* A name of the file in place of what the other files say. */
static pm_status set_name(const hf_file *f, char **name, const char *text)
{
    char *own = copy_text(text);
    if (!own) return no_memory(f);
    free(*name);
    *name = own;
    return PM_OK;
}

static pm_status read_template(const hf_file *f, const cJSON *part)
{
    tok_settings *s = f->settings;
    const cJSON *one;
    bool text = false, begins = false, ends = false;
    pm_status status = hf_list(f, part, "single");
    if (status != PM_OK) return status;
    cJSON_ArrayForEach(one, hf_item(part, "single"))
    {
        const char *token = hf_text(hf_item(one, "SpecialToken"), "id");
        if (!token && (!hf_item(one, "Sequence") || text))
            return hf_refuse(f, "post_processor", "a template with other parts than tokens and one text");
        if (!token) {
            text = true;
            continue;
        }
        if (text ? ends : begins) return hf_refuse(f, "post_processor", "a template with two tokens at one end");
        status = set_name(f, text ? &s->end : &s->begin, token);
        if (status != PM_OK) return status;
        *(text ? &ends : &begins) = true;
    }
    if (!text) return hf_refuse(f, "post_processor", "a template without a text");
    if (s->puts_begin == TOK_UNSAID) s->puts_begin = begins ? TOK_YES : TOK_NO;
    if (s->puts_end == TOK_UNSAID) s->puts_end = ends ? TOK_YES : TOK_NO;
    return PM_OK;
}

static pm_status read_post_processor(const hf_file *f, const cJSON *part)
{
    const char *type = hf_type(part);
    if (!part || strcmp(type, "ByteLevel") == 0) return PM_OK;
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(f, part);
    if (strcmp(type, "Sequence") != 0) return hf_refuse(f, "post_processor", type);
    const cJSON *one;
    pm_status status = hf_list(f, part, "processors");
    cJSON_ArrayForEach(one, hf_item(part, "processors"))
    {
        if (status == PM_OK && strcmp(hf_type(one), "Sequence") == 0)
            status = hf_refuse(f, "post_processor", "a Sequence within a Sequence");
        if (status == PM_OK) status = read_post_processor(f, one);
    }
    return status;
}

/* The model's own unknown token, where the other files name none. */
static pm_status read_unknown(const hf_file *f, const cJSON *model)
{
    const char *text = hf_text(model, "unk_token");
    if (!text || f->settings->unknown) return PM_OK;
    return set_name(f, &f->settings->unknown, text);
}

pm_status tok_hf_read(const pm_log *log, const file_ref *ref, tok_settings *settings, bool *other, pm_tokenizer **out)
{
    cJSON *root;
    bool found;
    tok_form form;
    pm_status status = json_file_read(log, ref, "as GPT-2's tokenizers spell it", &found, &root);
    *other = !found;
    if (status != PM_OK || !found) return status;
    const hf_file f = {log, ref->path, root, settings};
    const cJSON *model = hf_item(root, "model");
    *other = hf_is(hf_text(model, "end_of_word_suffix"), "</w>") &&
             !(settings->known && settings->form.unit == TOK_UNIT_BYTE);
    if (*other) {
        cJSON_Delete(root);
        return PM_OK;
    }
    status = hf_read_form(&f, &form);
    if (status == PM_OK) status = read_post_processor(&f, hf_item(root, "post_processor"));
    if (status == PM_OK) status = read_added(&f, &form);
    if (status == PM_OK) status = read_unknown(&f, model);
    if (status == PM_OK) {
        settings->form = form;
        settings->known = true;
        status = tok_bpe_read_json(log, ref->path, hf_item(model, "vocab"), hf_item(model, "merges"), settings, out);
    }
    cJSON_Delete(root);
    return status;
}
