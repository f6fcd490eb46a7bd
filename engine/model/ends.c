/* The tokens that begin and end a text, as a folder's generation_config.json and config.json name them. */
#include <cjson/cJSON.h>

#include "base/log.h"
#include "files/json_file.h"
#include "files/gguf.h"
#include "model/special.h"

/* What an earlier file says of a key, a token or null, counts. */
static pm_status read_file(const pm_log *log, const file_ref *ref, uint32_t vocab, pm_text_ends *out)
{
    cJSON *root;
    bool found;
    uint32_t count = 0, id = PM_TOKEN_NONE;
    pm_status status = json_file_read(log, ref, "another way", &found, &root);
    if (status != PM_OK || !found) return status;
    status = special_ids(log, ref->path, root, "bos_token_id", vocab, &id, 1, &count);
    if (out->begin == PM_TOKEN_NONE && !out->no_begin) {
        out->begin = id;
        out->no_begin = cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "bos_token_id"));
    }
    if (status == PM_OK && out->end_count == 0 && !out->no_end) {
        status = special_ids(log, ref->path, root, "eos_token_id", vocab, out->ends, PM_ENDS_MOST, &count);
        out->end_count = count < PM_ENDS_MOST ? count : PM_ENDS_MOST;
        out->no_end = cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "eos_token_id"));
        if (count > PM_ENDS_MOST)
            log_line(log, PM_LOG_WARN, "%s: of eos_token_id only the first %d count", ref->path, PM_ENDS_MOST);
    }
    cJSON_Delete(root);
    return status;
}

/* What the files leave open is the tokenizer's. */
static void take_tokenizer(const pm_tokenizer *tok, uint32_t vocab, pm_text_ends *ends)
{
    const uint32_t begin = pm_tokenizer_begin(tok), end = pm_tokenizer_end(tok);
    if (ends->begin == PM_TOKEN_NONE && !ends->no_begin && begin < vocab) ends->begin = begin;
    if (ends->end_count == 0 && !ends->no_end && end < vocab) ends->ends[ends->end_count++] = end;
}

/* GGUF names one token that ends a text, and maybe those that end a turn and a message. */
static pm_status read_gguf(const pm_log *log, const file_source *from, uint32_t vocab, pm_text_ends *out)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    gguf_file file;
    bool found = false;
    uint32_t id;
    pm_status status = gguf_open_source(log, from, &file);
    if (status != PM_OK) return status;
    status = gguf_u32(log, &file, "tokenizer.ggml.bos_token_id", &found, &id);
    if (status == PM_OK && found && id < vocab) out->begin = id;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == PM_OK; i++) {
        status = gguf_u32(log, &file, keys[i], &found, &id);
        if (status == PM_OK && found && id < vocab) out->ends[out->end_count++] = id;
    }
    gguf_close(&file);
    return status;
}

static pm_status load(const pm_log *log, const file_source *from, const pm_tokenizer *tok, uint32_t vocab,
                      pm_text_ends *out)
{
    static const char *const names[] = {"generation_config.json", "config.json"}; /* the first decides */
    pm_text_ends ends = {.begin = PM_TOKEN_NONE};
    bool gguf;
    pm_status status = gguf_is_source(log, from, &gguf);
    if (status == PM_OK && gguf) status = read_gguf(log, from, vocab, &ends);
    for (size_t i = 0; i < sizeof names / sizeof *names && status == PM_OK && !gguf; i++) {
        file_ref ref;
        status = file_ref_make(log, from, names[i], &ref);
        if (status != PM_OK) break;
        status = read_file(log, &ref, vocab, &ends);
        file_ref_free(&ref);
    }
    if (status == PM_OK && tok) take_tokenizer(tok, vocab, &ends);
    if (status == PM_OK) *out = ends;
    return status;
}

pm_status pm_text_ends_load(const pm_log *log, const char *dir, const pm_tokenizer *tok, uint32_t vocab,
                            pm_text_ends *out)
{
    return load(log, &(file_source){.dir = dir}, tok, vocab, out);
}

pm_status pm_text_ends_load_from_sized(const pm_log *log, const pm_source *source, size_t source_size,
                                       const pm_tokenizer *tok, uint32_t vocab, pm_text_ends *out)
{
    file_source from;
    const pm_status status = file_source_given(log, source, source_size, &from);
    return status == PM_OK ? load(log, &from, tok, vocab, out) : status;
}
