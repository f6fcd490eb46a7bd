/* Tokenizers in GGUF files that have nothing else. Each function fails the test where Pumice does. */
#ifndef HELPER_GGUF_TOKENIZER_H
#define HELPER_GGUF_TOKENIZER_H

#include "text/tokenizer_gguf.h"

/* A model that says nothing of its tokens; vocab is to be set. */
extern const tok_gguf_model test_no_model;

/* A file of this tokenizer alone, for a model of so many tokens. */
void test_gguf_write(const char *path, const pm_tokenizer *tok, const tok_gguf_model *model);
/* The tokenizer of a file, or of a folder. */
pm_tokenizer *test_tok_load(const char *path);
/* Through a file and through a folder, it is the same one. */
void test_gguf_kept(const pm_tokenizer *tok);

#endif
