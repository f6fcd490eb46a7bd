/* A GGUF file's tokenizer: its keys as plain arrays. */
#include <inttypes.h>
#include <stdlib.h>

#include "text/tokenizer_gguf.h"

/* The arrays that are not the file's own. */
typedef struct arrays {
    gguf_text *tokens, *merges;
    float *scores;
    int32_t *types;
} arrays;

static void free_arrays(arrays *a)
{
    free(a->tokens);
    free(a->merges);
    free(a->scores);
    free(a->types);
}

static pm_status no_memory(const pm_log *log, const gguf_file *file)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its tokenizer", file->path);
}

/* An array of strings; none where the file has no such key. */
static pm_status read_texts(const pm_log *log, const gguf_file *file, const char *key, gguf_text **out, uint32_t *count)
{
    gguf_array list;
    bool found;
    pm_status status = gguf_strings(log, file, key, &found, &list);
    if (status != PM_OK || !found) return status;
    if (list.count > UINT32_MAX) return log_fail(log, PM_FORMAT, "%s: %s is too long", file->path, key);
    *out = malloc((list.count + 1) * sizeof **out);
    if (!*out) return no_memory(log, file);
    for (size_t i = 0; i < list.count; i++) (*out)[i] = gguf_array_string(&list, i);
    *count = (uint32_t)list.count;
    return PM_OK;
}

/* Whether an array is one number for each token. */
static pm_status check_count(const pm_log *log, const gguf_file *file, const char *key, const gguf_array *list,
                             uint32_t tokens)
{
    if (list->count == tokens) return PM_OK;
    if (!tokens) return log_fail(log, PM_FORMAT, "%s: tokenizer.ggml.tokens is missing, or empty", file->path);
    return log_fail(log, PM_FORMAT, "%s: %s has %zu numbers, for %" PRIu32 " tokens", file->path, key, list->count,
                    tokens);
}

static pm_status read_scores(const pm_log *log, const gguf_file *file, uint32_t tokens, float **out)
{
    static const char key[] = "tokenizer.ggml.scores";
    gguf_array list;
    bool found;
    pm_status status = gguf_numbers(log, file, key, &found, &list);
    if (status != PM_OK || !found) return status;
    status = check_count(log, file, key, &list, tokens);
    if (status != PM_OK) return status;
    *out = malloc((list.count + 1) * sizeof **out);
    if (!*out) return no_memory(log, file);
    for (size_t i = 0; i < list.count; i++) (*out)[i] = (float)gguf_array_number(&list, i);
    return PM_OK;
}

static pm_status read_types(const pm_log *log, const gguf_file *file, uint32_t tokens, int32_t **out)
{
    static const char key[] = "tokenizer.ggml.token_type";
    gguf_array list;
    bool found;
    pm_status status = gguf_integers(log, file, key, &found, &list);
    if (status != PM_OK || !found) return status;
    status = check_count(log, file, key, &list, tokens);
    if (status != PM_OK) return status;
    *out = malloc((list.count + 1) * sizeof **out);
    if (!*out) return no_memory(log, file);
    for (size_t i = 0; i < list.count; i++) {
        int64_t type;
        if (!gguf_array_integer(&list, i, &type) || type < INT32_MIN || type > INT32_MAX) type = -1;
        (*out)[i] = (int32_t)type;
    }
    return PM_OK;
}

/* A token's id; -1 where the file names none. Some programs write -1 in 32 bits for that. */
static pm_status read_id(const pm_log *log, const gguf_file *file, const char *key, int64_t *out)
{
    bool found;
    int64_t id = -1;
    const pm_status status = gguf_i64(log, file, key, &found, &id);
    *out = id == UINT32_MAX ? -1 : id;
    return status;
}

static pm_status read_said(const pm_log *log, const gguf_file *file, const char *key, tok_said *out)
{
    bool found, value = false;
    const pm_status status = gguf_bool(log, file, key, &found, &value);
    if (status == PM_OK && found) *out = value ? TOK_YES : TOK_NO;
    return status;
}

static pm_status read_parts(const pm_log *log, const gguf_file *file, arrays *own, tok_gguf_parts *out)
{
    bool found;
    *out = (tok_gguf_parts){.begin = -1, .end = -1, .unknown = -1};
    pm_status status = gguf_string(log, file, "tokenizer.ggml.model", &found, &out->model);
    if (status == PM_OK) status = gguf_string(log, file, "tokenizer.ggml.pre", &found, &out->pre);
    if (status == PM_OK) status = read_texts(log, file, "tokenizer.ggml.tokens", &own->tokens, &out->count);
    if (status == PM_OK) status = read_texts(log, file, "tokenizer.ggml.merges", &own->merges, &out->merge_count);
    if (status == PM_OK) status = read_scores(log, file, out->count, &own->scores);
    if (status == PM_OK) status = read_types(log, file, out->count, &own->types);
    if (status == PM_OK) status = read_id(log, file, "tokenizer.ggml.bos_token_id", &out->begin);
    if (status == PM_OK) status = read_id(log, file, "tokenizer.ggml.eos_token_id", &out->end);
    if (status == PM_OK) status = read_id(log, file, "tokenizer.ggml.unknown_token_id", &out->unknown);
    if (status == PM_OK) status = read_said(log, file, "tokenizer.ggml.add_bos_token", &out->puts_begin);
    if (status == PM_OK) status = read_said(log, file, "tokenizer.ggml.add_eos_token", &out->puts_end);
    if (status == PM_OK) status = read_said(log, file, "tokenizer.ggml.add_space_prefix", &out->prefix);
    if (status == PM_OK) status = read_said(log, file, "tokenizer.ggml.remove_extra_whitespaces", &out->squeeze);
    if (status == PM_OK) status = gguf_string(log, file, "tokenizer.chat_template", &found, &out->chat);
    out->tokens = own->tokens;
    out->merges = own->merges;
    out->scores = own->scores;
    out->types = own->types;
    return status;
}

/* llama.cpp writes "none", and earlier "no_vocab", where a model has none. */
static pm_status check_there(const pm_log *log, const gguf_file *file)
{
    gguf_text model = {0};
    bool found;
    const pm_status status = gguf_string(log, file, "tokenizer.ggml.model", &found, &model);
    if (status != PM_OK) return status;
    if (found && !gguf_text_is(model, "none") && !gguf_text_is(model, "no_vocab")) return PM_OK;
    return log_fail(log, PM_IO, "%s: holds no tokenizer", file->path);
}

pm_status tok_gguf_read(const pm_log *log, const gguf_file *file, pm_tokenizer **out)
{
    arrays own = {0};
    tok_gguf_parts parts;
    pm_status status = check_there(log, file);
    if (status != PM_OK) return status;
    status = read_parts(log, file, &own, &parts);
    if (status == PM_OK) status = tok_from_gguf(log, file->path, &parts, out);
    free_arrays(&own);
    return status;
}
