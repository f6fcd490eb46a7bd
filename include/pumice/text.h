/* Text without a GPU: tokenizers and corpora of tokens. */
#ifndef PUMICE_TEXT_H
#define PUMICE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <pumice/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Threads: free to share once made. */
typedef struct pm_tokenizer pm_tokenizer;

/* One token for each of the 256 bytes. */
PM_API PM_NODISCARD pm_status pm_tokenizer_bytes(const pm_log *log, pm_tokenizer **out);
/* One token for each different UTF-8 character of the text, in code point order. Fails: PM_FORMAT on invalid UTF-8, naming `name` and the
 * byte's offset. */
PM_API PM_NODISCARD pm_status pm_tokenizer_chars(const pm_log *log, const char *name, const char *text, size_t size,
                                                 pm_tokenizer **out);
/* What pm_tokenizer_save wrote. */
PM_API PM_NODISCARD pm_status pm_tokenizer_load(const pm_log *log, const char *dir, pm_tokenizer **out);
/* vocab.json (Hugging Face's form: token text to id) and tokenizer_config.json, which says the kind. Bytes that are not text
 * are spelled as GPT-2 spells them. */
PM_API PM_NODISCARD pm_status pm_tokenizer_save(const pm_log *log, const pm_tokenizer *tok, const char *dir);
PM_API void pm_tokenizer_destroy(pm_tokenizer **tok);

PM_API const char *pm_tokenizer_kind(const pm_tokenizer *tok); /* "byte" or "char" */
PM_API uint32_t pm_tokenizer_vocab(const pm_tokenizer *tok);
/* Same kind and vocabulary give the same hash. */
PM_API uint64_t pm_tokenizer_hash(const pm_tokenizer *tok);

/* Tokens in malloc'd memory; the caller frees. Fails: PM_FORMAT for a character outside the vocabulary: names it, `name` and its offset. */
PM_API PM_NODISCARD pm_status pm_tokenizer_encode(const pm_log *log, const pm_tokenizer *tok, const char *name,
                                                  const char *text, size_t size, uint32_t **tokens, size_t *count);
/* The bytes of one token; lives as long as the tokenizer. NULL for an id outside the vocabulary. */
PM_API const char *pm_tokenizer_piece(const pm_tokenizer *tok, uint32_t id, size_t *size);

/* A text's tokens, memory-mapped from the user's cache folder, made there when absent or damaged; in memory where there is no such folder. */
typedef struct pm_corpus pm_corpus;

/* path: a file, or a folder whose *.txt files are joined in name order. Fails: PM_IO, PM_FORMAT (empty, or not encodable). */
PM_API PM_NODISCARD pm_status pm_corpus_open(const pm_log *log, const char *path, const pm_tokenizer *tok,
                                             pm_corpus **out);
/* The text of a path as pm_corpus_open would read it, for pm_tokenizer_chars; malloc'd. */
PM_API PM_NODISCARD pm_status pm_corpus_text(const pm_log *log, const char *path, char **text, size_t *size);
PM_API void pm_corpus_close(pm_corpus **corpus);

PM_API size_t pm_corpus_size(const pm_corpus *corpus); /* tokens */
/* Copy tokens [first, first + count), which must lie inside. */
PM_API void pm_corpus_read(const pm_corpus *corpus, size_t first, size_t count, int32_t *out);
PM_API uint64_t pm_corpus_hash(const pm_corpus *corpus); /* of the tokens */

#ifdef __cplusplus
}
#endif
#endif
