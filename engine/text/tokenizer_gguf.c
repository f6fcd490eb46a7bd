#include "text/tokenizer_gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "text/entries.h"
#include "text/scored.h"
#include "text/spelling.h"

static pm_status no_memory(const pm_log *log, const char *path)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its tokenizer", path);
}

/* A line "PATH: KEY is VALUE, which Pumice does not read"; the value as far as it is plain. */
static pm_status refuse(const pm_log *log, const char *path, const char *key, gguf_text value)
{
    char shown[64];
    size_t used = 0;
    for (; used < value.size && used + 1 < sizeof shown; used++)
        shown[used] = value.data[used] >= 0x20 && value.data[used] < 0x7F ? value.data[used] : '?';
    shown[used] = 0;
    if (!value.size) return log_fail(log, PM_FORMAT, "%s: has no %s", path, key);
    return log_fail(log, PM_FORMAT, "%s: %s is %s, which Pumice does not read", path, key, shown);
}

/* ---- what both kinds have ---- */

static pm_status check_ids(const pm_log *log, const char *path, const tok_gguf_parts *parts)
{
    static const char *const keys[] = {"bos_token_id", "eos_token_id", "unknown_token_id"};
    const int64_t ids[] = {parts->begin, parts->end, parts->unknown};
    if (parts->count == 0) return log_fail(log, PM_FORMAT, "%s: has no tokenizer.ggml.tokens", path);
    if (parts->count > TOK_MOST) return log_fail(log, PM_FORMAT, "%s: has more than %d tokens", path, TOK_MOST);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] >= (int64_t)parts->count)
            return log_fail(log, PM_FORMAT, "%s: tokenizer.ggml.%s is %" PRId64 ", of %u tokens", path, keys[i], ids[i],
                            (unsigned)parts->count);
    return PM_OK;
}

static int type_of(const tok_gguf_parts *parts, uint32_t id)
{
    return parts->types ? parts->types[id] : SCORED_NORMAL;
}

/* ---- "llama": SentencePiece ---- */

static pm_status make_llama(const pm_log *log, const char *path, const tok_gguf_parts *parts, tok_settings *settings,
                            pm_tokenizer **out)
{
    scored_parts scored = {.count = parts->count,
                           .prefix = parts->prefix != TOK_NO,
                           .squeeze = parts->squeeze == TOK_YES,
                           .unused = true,
                           .unknown = parts->unknown,
                           .begin = parts->begin,
                           .end = parts->end};
    if (!parts->scores) return log_fail(log, PM_FORMAT, "%s: has no tokenizer.ggml.scores", path);
    scored.list = malloc(parts->count * sizeof *scored.list);
    if (!scored.list) return no_memory(log, path);
    for (uint32_t id = 0; id < parts->count; id++) {
        const gguf_text text = parts->tokens[id];
        const uint32_t size = text.size < SCORED_MOST ? (uint32_t)text.size : SCORED_MOST; /* longer ones are refused */
        const int type = type_of(parts, id);
        scored.list[id] = (scored_piece){text.data, size, parts->scores[id], type};
        scored.fallback = scored.fallback || type == SCORED_BYTE;
    }
    const pm_status status = tok_from_scored(log, path, &scored, settings, out);
    free(scored.list);
    return status;
}

/* ---- "gpt2": bytes with merges ---- */

static const struct {
    const char *pre;
    const tok_form *form;
} forms[] = {
    {"gpt-2", &tok_form_gpt2},       {"qwen2", &tok_form_qwen2},     {"llama-bpe", &tok_form_llama3},
    {"llama3", &tok_form_llama3},    {"llama-v3", &tok_form_llama3}, {"smollm", &tok_form_smollm},
    {"starcoder", &tok_form_smollm}, {"refact", &tok_form_smollm},   {"command-r", &tok_form_smollm},
};

const char *tok_gguf_pre(const tok_form *form)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const tok_form *one = forms[i].form;
        bool same = form->unit == one->unit && form->merges && form->cut == one->cut && form->nfc == one->nfc &&
                    form->whole == one->whole && form->prefix == TOK_PREFIX_NONE;
        for (uint32_t k = 0; k < TOK_SPLITS && same; k++) same = strcmp(form->splits[k], one->splits[k]) == 0;
        if (same) return forms[i].pre;
    }
    return NULL;
}

/* Names a token that is not spelled in bytes: a control token, or one that texts always have whole. */
static pm_status name_token(const pm_log *log, const char *path, const tok_gguf_parts *parts, uint32_t id,
                            tok_settings *settings)
{
    const gguf_text text = parts->tokens[id];
    char name[TOK_NAME];
    if (text.size == 0 || text.size >= sizeof name || memchr(text.data, 0, text.size))
        return log_fail(log, PM_FORMAT, "%s: token %u must have 1 to %d bytes", path, (unsigned)id, TOK_NAME - 1);
    if (settings->named_count >= TOK_MOST_NAMED)
        return log_fail(log, PM_FORMAT, "%s: names more than %d tokens", path, TOK_MOST_NAMED);
    memcpy(name, text.data, text.size);
    name[text.size] = 0;
    if (!tok_settings_name(settings,
                           &(tok_named){.text = name, .id = id, .special = type_of(parts, id) != SCORED_USER}))
        return no_memory(log, path);
    const int64_t ids[] = {parts->begin, parts->end, parts->unknown};
    char **const roles[] = {&settings->begin, &settings->end, &settings->unknown};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] == (int64_t)id && !*roles[i] && !(*roles[i] = copy_text(name))) return no_memory(log, path);
    return PM_OK;
}

static pm_status read_tokens(const pm_log *log, const char *path, const tok_gguf_parts *parts, const speller *spell,
                             tok_settings *settings, entry_list *entries)
{
    size_t bytes = 0;
    pm_status status = PM_OK;
    for (uint32_t id = 0; id < parts->count && status == PM_OK; id++) {
        const int type = type_of(parts, id);
        bytes += parts->tokens[id].size;
        if (type == SCORED_CONTROL || type == SCORED_USER || type == SCORED_UNKNOWN)
            status = name_token(log, path, parts, id, settings);
    }
    if (status != PM_OK) return status;
    if (!entries_make(entries, &spell->form, settings, parts->count, bytes)) return no_memory(log, path);
    for (uint32_t id = 0; id < parts->count; id++) {
        const gguf_text text = parts->tokens[id];
        if (type_of(parts, id) != SCORED_NORMAL)
            continue; /* the named ones follow; unused ones are ids without a token */
        const size_t size = unspell(spell, text.data, text.size, entries_room(entries));
        if (size == SIZE_MAX)
            return log_fail(log, PM_FORMAT, "%s: the token of id %u must be bytes in GPT-2's spelling", path,
                            (unsigned)id);
        entries_put(entries, size, id, false);
    }
    if (entries->count == 0) return log_fail(log, PM_FORMAT, "%s: has no tokens of bytes", path);
    return PM_OK;
}

static pm_status read_merges(const pm_log *log, const char *path, const tok_gguf_parts *parts, const speller *spell,
                             const tok_index *index, tok_bpe_parts *out)
{
    size_t most = 0;
    for (uint32_t i = 0; i < parts->merge_count; i++)
        most = parts->merges[i].size > most ? parts->merges[i].size : most;
    char *room = malloc(most + 1);
    const char *fault = NULL;
    out->merges = malloc(((size_t)parts->merge_count + 1) * sizeof *out->merges);
    if (!room || !out->merges) {
        free(room);
        return no_memory(log, path);
    }
    for (; out->merge_count < parts->merge_count && !fault; out->merge_count += !fault) {
        const gguf_text line = parts->merges[out->merge_count];
        fault = tok_merge_parse(spell, index, line.data, line.size, room, &out->merges[out->merge_count]);
    }
    free(room);
    if (!fault) return PM_OK;
    return log_fail(log, PM_FORMAT, "%s: merge %u %s", path, (unsigned)out->merge_count + 1, fault);
}

static pm_status make_gpt2(const pm_log *log, const char *path, const tok_gguf_parts *parts, tok_settings *settings,
                           pm_tokenizer **out)
{
    const tok_form *form = NULL;
    speller spell;
    entry_list entries = {0};
    tok_bpe_parts made = {0};
    tok_index index = {0};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (gguf_text_is(parts->pre, forms[i].pre)) form = forms[i].form;
    if (!form) return refuse(log, path, "tokenizer.ggml.pre", parts->pre);
    speller_make(form, &spell);
    if (settings->puts_begin == TOK_UNSAID && form == &tok_form_llama3) settings->puts_begin = TOK_YES;
    pm_status status = read_tokens(log, path, parts, &spell, settings, &entries);
    if (status == PM_OK) status = entries_finish(log, path, &entries, settings, &made, &index);
    if (status == PM_OK) status = read_merges(log, path, parts, &spell, &index, &made);
    if (status == PM_OK) status = tok_from_bpe(log, path, form, &made, settings, out);
    tok_index_free(&index);
    tok_bpe_parts_free(&made);
    entries_free(&entries);
    return status;
}

static pm_status take_chat(const pm_log *log, const char *path, gguf_text chat, pm_tokenizer *tok)
{
    if (!chat.size) return PM_OK;
    if (memchr(chat.data, 0, chat.size) || utf8_valid(chat.data, chat.size) < chat.size)
        return log_fail(log, PM_FORMAT, "%s: tokenizer.chat_template is no text of UTF-8", path);
    tok->chat = copy_part(chat.data, chat.size);
    return tok->chat ? PM_OK : no_memory(log, path);
}

pm_status tok_from_gguf(const pm_log *log, const char *path, const tok_gguf_parts *parts, pm_tokenizer **out)
{
    tok_settings settings = {.puts_begin = parts->puts_begin, .puts_end = parts->puts_end};
    pm_tokenizer *tok = NULL;
    pm_status status = check_ids(log, path, parts);
    if (status == PM_OK) {
        if (gguf_text_is(parts->model, "llama"))
            status = make_llama(log, path, parts, &settings, &tok);
        else if (gguf_text_is(parts->model, "gpt2"))
            status = make_gpt2(log, path, parts, &settings, &tok);
        else
            status = refuse(log, path, "tokenizer.ggml.model", parts->model);
    }
    tok_settings_free(&settings);
    if (status == PM_OK) status = take_chat(log, path, parts->chat, tok);
    if (status == PM_OK)
        *out = tok;
    else
        pm_tokenizer_destroy(&tok);
    return status;
}
