/* What the tests of tokenizers share. */
#ifndef HELPER_TEXT_H
#define HELPER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <pumice/text.h>

/* Encodes, joins the pieces again and compares; returns how many tokens there were. */
size_t test_round_trip(const pm_tokenizer *tok, const char *text, size_t size);

/* The ids of a text, as decimal numbers with blanks between, must be these. */
void test_expect_ids(const pm_tokenizer *tok, const char *text, const char *ids);
/* Likewise of a prompt (pm_tokenizer_encode_prompt). */
void test_expect_prompt(const pm_tokenizer *tok, const char *text, bool special, uint32_t begin, const char *ids);

/* Same kind, tokens and hash. */
void test_expect_same(const pm_tokenizer *a, const pm_tokenizer *b);

/* A vocabulary as JSON: the 256 bytes in GPT-2's spelling, by their value, and `more` entries behind them. In a static buffer. */
const char *test_byte_vocab(const char *more);

/* A folder of texts and vocabularies that is not part of the repository: PUMICE_DATA, or ../shared/data beside it. False where it has no
 * such file; else *path, in a static buffer. */
bool test_shared_file(const char *name, const char **path);

#endif
