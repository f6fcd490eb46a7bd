/* Text without a GPU: tokenizers and corpora of tokens. */
#ifndef PUMICE_TEXT_H
#define PUMICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/control.h>
#include <pumice/source.h>
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
/* A tokenizer of kind "gpt2" with `vocab` tokens learnt from a text: the 256 bytes, merges of bytes by how common they are, <|endoftext|>.
 * The same text gives the same tokenizer. Fails: PM_INVALID below PM_TOKENIZER_TRAIN_MIN, PM_FORMAT where the text has too little to merge;
 * the line names `name`. Takes some 50 bytes of memory for each byte of the text's different words. */
enum { PM_TOKENIZER_TRAIN_MIN = 257 };
PM_API PM_NODISCARD pm_status pm_tokenizer_train(const pm_log *log, const char *name, const char *text, size_t size,
                                                 uint32_t vocab, pm_tokenizer **out);
/* What pm_tokenizer_save wrote, or another program's folder: tokenizer.json, or vocab.json with merges.txt, as Hugging Face has them, or
 * SentencePiece's tokenizer.model of type BPE, or OpenAI's encoder.json with vocab.bpe, or encoder_bpe_40000.json with vocab_40000.bpe. Of
 * tokenizer.json these are read: byte-level BPE as GPT-2, Llama 3, Qwen and SmolLM2 have it, and SentencePiece's BPE as Llama 2 and Gemma have it; a
 * part that would give other ids is refused.
 * tokenizer_config.json says the kind of the other files: GPT-2's, GPT-1's, Qwen2's; without it, they do. Of it, special_tokens_map.json and
 * added_tokens.json these are taken too: add_prefix_space, add_bos_token, add_eos_token, added tokens, and those that begin and end a text. Ids
 * may be missing and a token may have two names. A GGUF file may stand in place of the folder. Fails: PM_IO, PM_FORMAT with a line that names the file. */
PM_API PM_NODISCARD pm_status pm_tokenizer_load(const pm_log *log, const char *dir, pm_tokenizer **out);
/* The same files from elsewhere. Fails also: PM_INVALID (a source without files), and with what the source's functions answer. */
PM_API PM_NODISCARD pm_status pm_tokenizer_load_from_sized(const pm_log *log, const pm_source *source,
                                                           size_t source_size, pm_tokenizer **out);
PM_NODISCARD static inline pm_status pm_tokenizer_load_from(const pm_log *log, const pm_source *source,
                                                            pm_tokenizer **out)
{
    return pm_tokenizer_load_from_sized(log, source, sizeof *source, out);
}
/* tokenizer_config.json, and for "bpe" and "sentencepiece" tokenizer.json, for the other kinds vocab.json (token text to id), merges.txt where they
 * have merges, and for "gpt2" tokenizer.json, too. All but "byte" and "char" load in Hugging Face's transformers, to the same ids; what these files
 * cannot say there (SentencePiece's merges of equal scores and pieces of the user) is in keys of Pumice's own. */
PM_API PM_NODISCARD pm_status pm_tokenizer_save(const pm_log *log, const pm_tokenizer *tok, const char *dir);
PM_API void pm_tokenizer_destroy(pm_tokenizer **tok);

/* "byte", "char", "gpt2", "gpt1", "bpe" (byte-level BPE that is cut in another way than GPT-2's) or "sentencepiece" (characters, with U+2581 for a
 * blank in files). */
PM_API const char *pm_tokenizer_kind(const pm_tokenizer *tok);
PM_API uint32_t pm_tokenizer_vocab(const pm_tokenizer *tok); /* the largest id + 1 */
/* Of kind, vocabulary, merges, added tokens and those at a text's ends. The same hash means the same tokens for every text; others may give
 * the same tokens, too. */
PM_API uint64_t pm_tokenizer_hash(const pm_tokenizer *tok);
/* The tokens that a text begins with and ends in, such as <|endoftext|>; PM_TOKEN_NONE: the tokenizer has none. */
#define PM_TOKEN_NONE UINT32_MAX
PM_API uint32_t pm_tokenizer_begin(const pm_tokenizer *tok);
PM_API uint32_t pm_tokenizer_end(const pm_tokenizer *tok);
/* Whether the tokenizer's files put these tokens around each text: add_bos_token and add_eos_token, or tokenizer.json's template. Encoding never
 * does: that is the caller's. */
PM_API bool pm_tokenizer_adds_begin(const pm_tokenizer *tok);
PM_API bool pm_tokenizer_adds_end(const pm_tokenizer *tok);

/* Tokens in malloc'd memory; the caller frees. Time is about linear in the size, whatever the text. "byte", "gpt2" and "bpe" take any bytes, and
 * their tokens' bytes joined are the text again, behind one blank where the tokenizer has add_prefix_space, and in Unicode's form C where it asks
 * for that, as Qwen's. "sentencepiece" takes any bytes where its vocabulary has tokens of bytes; a blank may come first, and U+2581 becomes one.
 * "gpt1" makes the text plain first (lower case, blanks), and what it does not know becomes the files' unk_token, else <unk>, else token 0. No text
 * becomes a special token such as <|endoftext|>. Fails: PM_FORMAT for a character outside the vocabulary of "char", or a byte or character outside
 * one of the others that lacks some: names it, `name` and its offset; and where a pattern of the tokenizer takes too many steps. */
PM_API PM_NODISCARD pm_status pm_tokenizer_encode(const pm_log *log, const pm_tokenizer *tok, const char *name,
                                                  const char *text, size_t size, uint32_t **tokens, size_t *count);
/* Likewise, but text that spells a special token is that token, and what stands before it and behind it are texts of their own. Only for
 * text whose author means it. */
PM_API PM_NODISCARD pm_status pm_tokenizer_encode_special(const pm_log *log, const pm_tokenizer *tok, const char *name,
                                                          const char *text, size_t size, uint32_t **tokens,
                                                          size_t *count);
/* What a model is fed before it goes on with a text: the tokens of a prompt, with `special` as pm_tokenizer_encode_special makes them. Before them
 * stands the token that begins texts, where the tokenizer adds it and the prompt does not spell it. Where no token is left, as of an empty
 * prompt, it is one: `begin`, which pm_text_ends tells; if that is PM_TOKEN_NONE, a line's end, else a blank, else token 0. So *count is at least
 * 1. malloc'd, the caller frees; fails as those two do, with no tokens. */
PM_API PM_NODISCARD pm_status pm_tokenizer_encode_prompt(const pm_log *log, const pm_tokenizer *tok, const char *name,
                                                         const char *text, size_t size, bool special, uint32_t begin,
                                                         uint32_t **tokens, size_t *count);
/* The bytes of one token, in "gpt2" maybe part of a character, in "gpt1" with a blank where a word ends; lives as long as the tokenizer. No
 * bytes for an id that the vocabulary leaves out, NULL for one outside it. */
PM_API const char *pm_tokenizer_piece(const pm_tokenizer *tok, uint32_t id, size_t *size);

/* A text from its tokens, one after the other, in whole characters: a character that is not whole waits for the next token. What comes out, joined, is
 * the tokens' bytes joined; bytes that are no part of a character come out as they are. Of "sentencepiece" the blank that encoding puts before a text is
 * left out. One thread at a time. */
typedef struct pm_detokenizer pm_detokenizer;
/* goes_on: the tokens continue a text, so that no blank is left out. The tokenizer must outlive it. Fails: PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_detokenizer_create(const pm_log *log, const pm_tokenizer *tok, bool goes_on,
                                                    pm_detokenizer **out);
/* The next token's text with what waited, *size bytes, maybe none; it lives until the next call. A token outside the vocabulary has no text. */
PM_API const char *pm_detokenizer_put(pm_detokenizer *d, uint32_t token, size_t *size);
/* What still waits: the bytes of a character that never became whole. */
PM_API const char *pm_detokenizer_end(pm_detokenizer *d, size_t *size);
PM_API void pm_detokenizer_destroy(pm_detokenizer **d);

/* A text's tokens, memory-mapped from the user's cache folder, made there when absent or damaged; in memory where there is no such folder. */
typedef struct pm_corpus pm_corpus;

/* Whether each document ends in the token that ends a text (pm_tokenizer_end) and is encoded by itself. A file is a document. It begins with the
 * token that begins texts where the tokenizer adds that (pm_tokenizer_adds_begin). */
typedef enum pm_documents {
    PM_DOCUMENTS_AUTO, /* where the path is a folder and the tokenizer has such a token */
    PM_DOCUMENTS_ON,
    PM_DOCUMENTS_OFF, /* a folder's files are joined with nothing between */
} pm_documents;

typedef struct pm_corpus_params {
    pm_documents documents;
    bool special;          /* text that spells a special token is that token, as in pm_tokenizer_encode_special */
    const char *cache_dir; /* of tokens. NULL: pumice/ in the user's cache folder; "": none */
    pm_control *control;   /* what encoding obeys, by chunks of some thousand tokens (pumice/control.h); NULL: none */
} pm_corpus_params;

/* path: a file, or a folder with *.txt files, in name order; params: NULL for zeros. Fails: PM_IO, PM_FORMAT (empty, or not encodable),
 * PM_INVALID where PM_DOCUMENTS_ON and the tokenizer has no token for it, PM_CANCELLED. Memory while encoding: the tokens, 2 bytes each (4 above 65,536 in
 * the vocabulary), and half as many again. */
PM_API PM_NODISCARD pm_status pm_corpus_open_with_sized(const pm_log *log, const char *path, const pm_tokenizer *tok,
                                                        const pm_corpus_params *params, size_t params_size,
                                                        pm_corpus **out);
PM_NODISCARD static inline pm_status pm_corpus_open_with(const pm_log *log, const char *path, const pm_tokenizer *tok,
                                                         const pm_corpus_params *params, pm_corpus **out)
{
    return pm_corpus_open_with_sized(log, path, tok, params, sizeof *params, out);
}
/* With params of zeros. */
PM_API PM_NODISCARD pm_status pm_corpus_open(const pm_log *log, const char *path, const pm_tokenizer *tok,
                                             pm_corpus **out);
/* How many documents end in a token of their own; 0: none. */
PM_API size_t pm_corpus_documents(const pm_corpus *corpus);
/* The text of a path, a folder's files joined with nothing between, for pm_tokenizer_chars and pm_tokenizer_train; malloc'd. Fails: PM_IO;
 * PM_FORMAT where it is empty, UTF-16, UTF-32, or an archive or another file that is no text. */
PM_API PM_NODISCARD pm_status pm_corpus_text(const pm_log *log, const char *path, char **text, size_t *size);
PM_API void pm_corpus_close(pm_corpus **corpus);

PM_API size_t pm_corpus_size(const pm_corpus *corpus); /* tokens */
/* Copy tokens [first, first + count), which must lie inside. */
PM_API void pm_corpus_read(const pm_corpus *corpus, size_t first, size_t count, int32_t *out);
/* Whether the token is among tokens [first, first + count). */
PM_API bool pm_corpus_has(const pm_corpus *corpus, size_t first, size_t count, uint32_t token);
PM_API uint64_t pm_corpus_hash(const pm_corpus *corpus); /* of the tokens */

/* What stands in a text's place, and what to do about it: "is UTF-16; save it as UTF-8", "is a gzip file; unpack it". NULL: it may be a text. `page`: a
 * web page is one. */
PM_API const char *pm_text_foreign(const char *text, size_t size, bool page);

/* ---- JSON ---- */

/* Whether a text, with a 0 byte behind it, is JSON as Pumice reads it everywhere: one value, no key twice in an object, no U+0000, no half of a
 * surrogate pair. Else PM_FORMAT, with a line that begins "name: ", or "name:line: " where line is not 0. */
PM_API PM_NODISCARD pm_status pm_json_check(const pm_log *log, const char *name, size_t line, const char *text,
                                            size_t size);

#ifdef __cplusplus
}
#endif
#endif
