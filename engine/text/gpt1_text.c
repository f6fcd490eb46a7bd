/* Reading a text as GPT-1's encoder did (openai/finetune-transformer-lm, text_utils.py): ftfy's fix_text, then text_standardize, then words,
 * then Python's str.lower.
 *
 * Of ftfy's repairs those of single characters are done here: straight quotes, ligatures, full-width ASCII, control characters. Bytes that
 * are not UTF-8 become U+FFFD one by one. */
#include <stdlib.h>
#include <string.h>

#include "text/gpt1.h"
#include "text/utf8.h"

enum { SOURCE_CODES = 3 }; /* most characters that one becomes */

struct gpt1_reader {
    const gpt1_rules *rules;
    uint32_t *codes; /* (room) the characters between two blanks */
    size_t count, room;
    gpt1_words words, suffixes; /* of these characters */
    size_t given;               /* words that came out already */
    bool begun;                 /* some word was there: line ends count from now on */
    char *word;                 /* (word_room) */
    size_t word_room;
};

gpt1_rules *gpt1_rules_make(void)
{
    gpt1_rules *rules = calloc(1, sizeof *rules);
    if (!rules) return NULL;
    rules->unicode = unicode_table_make();
    if (rules->unicode && gpt1_specials_make(&rules->specials)) return rules;
    gpt1_rules_free(rules);
    return NULL;
}

void gpt1_rules_free(gpt1_rules *rules)
{
    if (!rules) return;
    unicode_table_free(rules->unicode);
    free(rules->specials.slots);
    free(rules);
}

gpt1_reader *gpt1_reader_make(const gpt1_rules *rules)
{
    gpt1_reader *reader = calloc(1, sizeof *reader);
    if (reader) reader->rules = rules;
    return reader;
}

void gpt1_reader_free(gpt1_reader *reader)
{
    if (!reader) return;
    free(reader->codes);
    free(reader->words.list);
    free(reader->suffixes.list);
    free(reader->word);
    free(reader);
}

void gpt1_reader_again(gpt1_reader *reader)
{
    reader->words.count = 0;
    reader->given = 0;
    reader->begun = false;
}

/* ---- characters ---- */

/* ftfy, chardata.py: what it takes out of a text. */
static bool is_control(uint32_t code)
{
    static const uint32_t ranges[][2] = {{0x00, 0x08},     {0x0B, 0x0B},       {0x0E, 0x1F},
                                         {0x7F, 0x7F},     {0x206A, 0x206F},   {0xFEFF, 0xFEFF},
                                         {0xFFF9, 0xFFFC}, {0x1D173, 0x1D17A}, {0xE0000, 0xE007F}};
    if (code >= ' ' && code < 0x7F) return false;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    }
    return false;
}

/* A character that becomes several; NULL for others. */
static const char *expansion(uint32_t code)
{
    switch (code) {
    case 0x2026: return "..."; /* text_standardize */
    case 0x0132: return "IJ";  /* ftfy's ligatures */
    case 0x0133: return "ij";
    case 0xFB00: return "ff";
    case 0xFB01: return "fi";
    case 0xFB02: return "fl";
    case 0xFB03: return "ffi";
    case 0xFB04: return "ffl";
    case 0xFB06: return "st";
    default: return NULL;
    }
}

/* A character that becomes another one. */
static uint32_t plain(uint32_t code)
{
    if (code >= 0xFF01 && code <= 0xFF5E) code -= 0xFF01 - '!'; /* ftfy: full width */
    if (code >= 0x2018 && code <= 0x201B) return '\'';          /* ftfy: quotes */
    if (code >= 0x201C && code <= 0x201F) return '"';
    if (code == 0x85 || code == 0x2028 || code == 0x2029 || code == '\r') return '\n'; /* ftfy: ends of lines */
    if (code == 0x2013 || code == 0x2014 || code == 0x2015) return '-'; /* text_standardize, also the next */
    return code == 0xB4 ? '\'' : code;
}

/* The character at text[at], at < size, as the words see it: none, one or more. Returns its bytes. */
static size_t next_codes(const char *text, size_t size, size_t at, uint32_t out[SOURCE_CODES], size_t *count)
{
    uint32_t code;
    size_t length = utf8_decode(text + at, size - at, &code);
    if (!length) {
        code = 0xFFFD;
        length = 1;
    }
    const char *several = expansion(code);
    *count = 0;
    if (several) {
        while (several[*count]) {
            out[*count] = (unsigned char)several[*count];
            (*count)++;
        }
    } else if (!is_control(code)) {
        out[(*count)++] = plain(code);
    }
    return length;
}

/* text_standardize puts blanks around each run of one of these. It means to do so with \ too, but its pattern, no raw string, says + a second
 * time there; what the model was trained on counts. */
static bool stands_alone(uint32_t code)
{
    return code && code < 0x80 && strchr("-~!\";?+,)(/*[]}{|_", (int)code);
}

/* ---- what stands between blanks ---- */

static bool append(gpt1_reader *reader, const uint32_t *codes, size_t count)
{
    if (reader->room - reader->count < count) {
        size_t room = 2 * reader->room + 64;
        uint32_t *grown = room <= SIZE_MAX / sizeof *grown ? realloc(reader->codes, room * sizeof *grown) : NULL;
        if (!grown) return false;
        reader->codes = grown;
        reader->room = room;
    }
    memcpy(reader->codes + reader->count, codes, count * sizeof *codes);
    reader->count += count;
    return true;
}

/* Skips white space. True where an end of a line was in it, and words before and behind it. */
static bool skip_space(gpt1_reader *reader, const char *text, size_t size, size_t *at)
{
    bool line = false;
    uint32_t codes[SOURCE_CODES];
    size_t count;
    while (*at < size) {
        size_t length = next_codes(text, size, *at, codes, &count);
        if (count && !unicode_is_space(codes[0])) return line && reader->begun;
        line = line || (count && codes[0] == '\n');
        *at += length;
    }
    return false;
}

/* Gathers characters up to white space, or a run of one that stands alone. count stays 0 at the end of the text. */
static bool read_codes(gpt1_reader *reader, const char *text, size_t size, size_t *at)
{
    uint32_t codes[SOURCE_CODES], first = 0;
    size_t count;
    reader->count = 0;
    while (*at < size) {
        size_t length = next_codes(text, size, *at, codes, &count);
        if (count && reader->count) {
            if (unicode_is_space(codes[0])) break;
            if (stands_alone(first) ? codes[0] != first : stands_alone(codes[0])) break;
        }
        if (!reader->count && count) first = codes[0];
        if (!append(reader, codes, count)) return false;
        *at += length;
    }
    return true;
}

/* ---- words ---- */

/* A sigma's final form stands behind a letter with case and before none, whatever case ignores lying between (Unicode 3.13, Final_Sigma). */
static uint32_t lower_sigma(const gpt1_reader *reader, const gpt1_word *word, size_t i)
{
    const unicode_table *unicode = reader->rules->unicode;
    const uint32_t *codes = reader->codes;
    const size_t end = word->start + word->count;
    size_t before = i, behind = i + 1;
    while (before > word->start && (unicode_kind(unicode, codes[before - 1]) & UNICODE_IGNORABLE)) before--;
    while (behind < end && (unicode_kind(unicode, codes[behind]) & UNICODE_IGNORABLE)) behind++;
    const bool ends = behind == end || !(unicode_kind(unicode, codes[behind]) & UNICODE_CASED);
    return before > word->start && (unicode_kind(unicode, codes[before - 1]) & UNICODE_CASED) && ends ? 0x3C2 : 0x3C3;
}

static bool lower_word(gpt1_reader *reader, const gpt1_word *word, size_t *size)
{
    size_t need = word->count * 2 * UTF8_MAX, used = 0; /* U+0130 becomes two */
    if (need > reader->word_room) {
        char *grown = realloc(reader->word, 2 * need);
        if (!grown) return false;
        reader->word = grown;
        reader->word_room = 2 * need;
    }
    for (size_t i = word->start; i < word->start + word->count; i++) {
        const uint32_t code = reader->codes[i];
        uint32_t lower = unicode_lower(reader->rules->unicode, code);
        if (code == 0x3A3) lower = lower_sigma(reader, word, i);
        if (code == 0x130) lower = 'i';
        used += utf8_encode(lower, reader->word + used);
        if (code == 0x130) used += utf8_encode(0x307, reader->word + used);
    }
    *size = used;
    return true;
}

bool gpt1_reader_next(gpt1_reader *reader, const char *text, size_t size, size_t *at, const char **word,
                      size_t *word_size)
{
    *word_size = 0;
    if (reader->given == reader->words.count) {
        const bool line = skip_space(reader, text, size, at);
        if (line) {
            reader->begun = false; /* one token for all the white space: it is behind us now */
            *word = "\n";
            *word_size = 1;
            return true;
        }
        if (!read_codes(reader, text, size, at)) return false;
        if (!reader->count) return true;
        reader->begun = true;
        reader->given = 0;
        if (!gpt1_split(reader->rules, reader->codes, reader->count, &reader->words, &reader->suffixes)) return false;
    }
    if (!lower_word(reader, &reader->words.list[reader->given], word_size)) return false;
    reader->given++;
    *word = reader->word;
    return true;
}
