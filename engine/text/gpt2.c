/* GPT-2 cuts a text into pieces with one regular expression (openai/gpt-2, src/encoder.py, written for Python's `regex`): contractions of
 * English, runs of letters, of digits and of everything else, each with one blank before it, and white space.
 *
 * Three things differ from the published pattern, and none of them changes a piece:
 *  - \s is spelled out as Unicode's White_Space, which is what `regex` means by it: PCRE2's own adds U+180E and lacks U+0085;
 *  - \s+(?!\S) leaves the last character of a run to what follows it: done after the match, so that no step ever backtracks;
 *  - for the same reason all runs are possessive. A match of any length needs no stack and stays within PCRE2's limits.
 *
 * The original takes characters. In bytes that are not UTF-8 each run of invalid bytes is a piece of its own, and the text before and
 * behind it is cut as if it ended and began there. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/gpt2.h"

#include <stdbool.h>
#include <stdlib.h>

#include <pcre2.h>

/* White_Space of the Unicode Character Database, PropList.txt. */
#define WHITE                                                                                                          \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

/* Every character is of one of these four kinds, so a match is never empty. Group 1 is white space. */
#define PATTERN "'(?:[sdmt]|ll|ve|re)|\\x{20}?(?:\\p{L}++|\\p{N}++|[^" WHITE "\\p{L}\\p{N}]++)|([" WHITE "]++)"

/* Longest stretch of valid text that is looked at in one go: positions in rows of symbols have 32 bits. */
#define MOST_STRETCH ((size_t)1 << 30)

struct gpt2_pattern {
    pcre2_code *code;
};

struct gpt2_cutter {
    const gpt2_pattern *pattern;
    pcre2_match_data *match;
    size_t valid_end; /* the text is known to be UTF-8 up to here */
};

gpt2_pattern *gpt2_pattern_make(void)
{
    gpt2_pattern *pattern = malloc(sizeof *pattern);
    int error;
    PCRE2_SIZE offset;
    if (!pattern) return NULL;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)PATTERN, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED, &error, &offset, NULL);
    if (!pattern->code) {
        free(pattern);
        return NULL;
    }
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE); /* without a JIT it is only slower */
    return pattern;
}

void gpt2_pattern_free(gpt2_pattern *pattern)
{
    if (!pattern) return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

gpt2_cutter *gpt2_cutter_make(const gpt2_pattern *pattern)
{
    gpt2_cutter *cutter = calloc(1, sizeof *cutter);
    if (!cutter) return NULL;
    cutter->pattern = pattern;
    cutter->match = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    if (!cutter->match) {
        free(cutter);
        return NULL;
    }
    return cutter;
}

void gpt2_cutter_free(gpt2_cutter *cutter)
{
    if (!cutter) return;
    pcre2_match_data_free(cutter->match);
    free(cutter);
}

void gpt2_cutter_again(gpt2_cutter *cutter)
{
    cutter->valid_end = 0;
}

static size_t invalid_run(const char *text, size_t size)
{
    size_t length = 1;
    uint32_t code;
    if (size > MOST_STRETCH) size = MOST_STRETCH;
    while (length < size && !utf8_decode(text + length, size - length, &code)) length++;
    return length;
}

size_t gpt2_cutter_next(gpt2_cutter *cutter, const char *text, size_t size, size_t at)
{
    if (at >= cutter->valid_end) {
        cutter->valid_end = at + utf8_valid(text + at, size - at < MOST_STRETCH ? size - at : MOST_STRETCH);
        if (at == cutter->valid_end) return invalid_run(text + at, size - at);
    }
    const char *piece = text + at;
    size_t left = cutter->valid_end - at;
    int groups =
        pcre2_match(cutter->pattern->code, (PCRE2_SPTR)piece, left, 0, PCRE2_NO_UTF_CHECK, cutter->match, NULL);
    if (groups < 1) return 0;
    size_t length = pcre2_get_ovector_pointer(cutter->match)[1];
    if (groups == 2 && length < left) {
        size_t last = length - 1;
        while (last > 0 && ((unsigned char)piece[last] & 0xC0) == 0x80) last--;
        if (last > 0) length = last;
    }
    return length;
}

static bool printable(uint32_t byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

void gpt2_spellings(uint32_t codes[256])
{
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; b++) codes[b] = printable(b) ? b : next++;
}

void gpt2_byte_order(unsigned char order[256])
{
    size_t n = 0;
    for (uint32_t b = 0; b < 256; b++) {
        if (printable(b)) order[n++] = (unsigned char)b;
    }
    for (uint32_t b = 0; b < 256; b++) {
        if (!printable(b)) order[n++] = (unsigned char)b;
    }
}
