/* GPT-2's tokens: the pieces that a text is cut into before its bytes are merged, and the spelling of bytes in files. */
#ifndef TEXT_GPT2_H
#define TEXT_GPT2_H

#include <stddef.h>

#include "base/utf8.h"

/* The compiled pattern; threads share it. */
typedef struct gpt2_pattern gpt2_pattern;

/* NULL when short of memory, or where PCRE2 was built without Unicode. */
gpt2_pattern *gpt2_pattern_make(void);
void gpt2_pattern_free(gpt2_pattern *pattern);

/* One walk over a text. One thread at a time. */
typedef struct gpt2_cutter gpt2_cutter;
gpt2_cutter *gpt2_cutter_make(const gpt2_pattern *pattern); /* NULL when short of memory; the pattern must outlive it */
void gpt2_cutter_free(gpt2_cutter *cutter);

/* Begins another text, or another part of one. */
void gpt2_cutter_again(gpt2_cutter *cutter);

/* Bytes of the piece at `at` < size, where the piece before ended; 0 when short of memory. The pieces of a text, joined, are the text. */
size_t gpt2_cutter_next(gpt2_cutter *cutter, const char *text, size_t size, size_t at);

/* The code points that spell the 256 bytes in GPT-2's files, and the order that its vocabulary begins with: byte `order[i]` is token i. */
void gpt2_spellings(uint32_t codes[256]);
void gpt2_byte_order(unsigned char order[256]);

#endif
