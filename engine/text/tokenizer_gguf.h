/* The tokenizer in a GGUF file's metadata (github.com/ggml-org/ggml, docs/gguf.md): keys tokenizer.ggml.*, as plain arrays. */
#ifndef TEXT_TOKENIZER_GGUF_H
#define TEXT_TOKENIZER_GGUF_H

#include "files/gguf.h"
#include "text/tokenizer.h"

/* Arrays are borrowed. What a file lacks is 0, but ids are below 0 and flags TOK_UNSAID. */
typedef struct tok_gguf_parts {
    gguf_text model;         /* "gpt2" or "llama" */
    gguf_text pre;           /* of "gpt2": how texts are cut */
    const gguf_text *tokens; /* (count) by id */
    uint32_t count;
    const float *scores;     /* (count) of "llama" */
    const int32_t *types;    /* (count) as in scored.h; NULL: all normal */
    const gguf_text *merges; /* (merge_count) of "gpt2", "LEFT RIGHT" */
    uint32_t merge_count;
    int64_t begin, end, unknown;   /* bos_token_id, eos_token_id, unknown_token_id */
    tok_said puts_begin, puts_end; /* add_bos_token, add_eos_token */
    tok_said prefix, squeeze;      /* add_space_prefix, remove_extra_whitespaces */
    gguf_text chat;                /* tokenizer.chat_template */
} tok_gguf_parts;

/* Fails: PM_FORMAT with a line that names `path` and the key, where Pumice does not read it. */
pm_status tok_from_gguf(const pm_log *log, const char *path, const tok_gguf_parts *parts, pm_tokenizer **out);
/* The same of an open file. */
pm_status tok_gguf_read(const pm_log *log, const gguf_file *file, pm_tokenizer **out);

/* What tokenizer.ggml.pre calls a form; NULL: it has no name for it. */
const char *tok_gguf_pre(const tok_form *form);

/* What a model says of its tokens, for tok_gguf_put. Ids: TOK_NONE for none. */
typedef struct tok_gguf_model {
    uint32_t vocab;      /* the tokens are filled up to so many */
    uint32_t begin, end; /* none: the tokenizer's */
    uint32_t turn, more; /* further ones that end a text: eot_token_id, eom_token_id */
    uint32_t pad;
} tok_gguf_model;

/* Declares the keys of a tokenizer, which is `from`'s in lines. Fails: PM_INVALID with a line where GGUF has no name for the tokenizer's kind, or no place for a part of it. */
pm_status tok_gguf_put(const pm_log *log, const char *from, const pm_tokenizer *tok, const tok_gguf_model *model,
                       gguf_writer *w);
/* The same of a model without a tokenizer: ids alone. */
void tok_gguf_put_none(const tok_gguf_model *model, gguf_writer *w);

#endif
