/* What the fuzzers of tokenizers share. */
#ifndef HELPER_FUZZ_TEXT_H
#define HELPER_FUZZ_TEXT_H

#include "text/tokenizer.h"

/* Encodes a text. The tokens must be the tokenizer's, and the same at once and a few at a time. For kinds that keep the text, their pieces must be
 * the text. */
void fuzz_encode(const pm_tokenizer *tok, const char *text, size_t size);

/* Writes a vocabulary that begins with the 256 bytes, ids 0 to 255, as GPT-2's must, and continues with `more`. Returns its path. */
const char *fuzz_gpt2_vocab(const char *name, const char *more, size_t size);

#endif
