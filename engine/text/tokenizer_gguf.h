/* The tokenizer in a GGUF file's metadata (github.com/ggml-org/ggml, docs/gguf.md): keys tokenizer.ggml.*, as plain arrays. */
#ifndef TEXT_TOKENIZER_GGUF_H
#define TEXT_TOKENIZER_GGUF_H

#include "text/tokenizer.h"

typedef struct tok_gguf_text {
    const char *data; /* (size) without a 0 behind them */
    size_t size;
} tok_gguf_text;

/* Arrays are borrowed. What a file lacks is 0, but ids are below 0 and flags TOK_UNSAID. */
typedef struct tok_gguf_parts {
    tok_gguf_text model;         /* "gpt2" or "llama" */
    tok_gguf_text pre;           /* of "gpt2": how texts are cut */
    const tok_gguf_text *tokens; /* (count) by id */
    uint32_t count;
    const float *scores;         /* (count) of "llama" */
    const int32_t *types;        /* (count) as in scored.h; NULL: all normal */
    const tok_gguf_text *merges; /* (merge_count) of "gpt2", "LEFT RIGHT" */
    uint32_t merge_count;
    int64_t begin, end, unknown;   /* bos_token_id, eos_token_id, unknown_token_id */
    tok_said puts_begin, puts_end; /* add_bos_token, add_eos_token */
    tok_said prefix, squeeze;      /* add_space_prefix, remove_extra_whitespaces */
} tok_gguf_parts;

/* Fails: PM_FORMAT with a line that names `path` and the key, where Pumice does not read it. */
pm_status tok_from_gguf(const pm_log *log, const char *path, const tok_gguf_parts *parts, pm_tokenizer **out);

#endif
