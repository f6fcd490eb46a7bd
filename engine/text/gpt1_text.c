/* Reads a text as GPT-1's encoder did (openai/finetune-transformer-lm, text_utils.py): ftfy's fix_text (repair.h), line by line, then
 * text_standardize, then words, then Python's str.lower.
 *
 * Bytes that are not UTF-8 become U+FFFD one by one. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/gpt1.h"

/* Bytes of a line that are repaired at once. Longer lines are read in pieces; their character set is not checked, as in ftfy. */
enum { MOST_LINE = 1000000 };

struct gpt1_reader {
    const gpt1_rules *rules;
    code_row line;  /* the line at hand, repaired and standardized */
    size_t line_at; /* characters of it that were read */
    bool long_line; /* more of the same line is to come */
    bool entities;  /* HTML's characters are still replaced */
    code_row raw;   /* the line as it is in the text */
    repair_scratch scratch;
    uint32_t *codes; /* (room) the characters between two blanks */
    size_t count, room;
    gpt1_words words, suffixes; /* of these characters */
    size_t given;               /* words that came out already */
    bool begun;                 /* there was a word: line ends count from now on */
    char *word;                 /* (word_room) */
    size_t word_room;
};

gpt1_rules *gpt1_rules_make(void)
{
    gpt1_rules *rules = calloc(1, sizeof *rules);
    if (!rules) return NULL;
    rules->unicode = unicode_table_make();
    rules->charsets = charset_table_make();
    if (rules->unicode && rules->charsets && gpt1_specials_make(&rules->specials)) return rules;
    gpt1_rules_free(rules);
    return NULL;
}

void gpt1_rules_free(gpt1_rules *rules)
{
    if (!rules) return;
    unicode_table_free(rules->unicode);
    charset_table_free(rules->charsets);
    free(rules->specials.slots);
    free(rules);
}

gpt1_reader *gpt1_reader_make(const gpt1_rules *rules)
{
    gpt1_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return NULL;
    reader->rules = rules;
    gpt1_reader_again(reader);
    return reader;
}

void gpt1_reader_free(gpt1_reader *reader)
{
    if (!reader) return;
    code_row_free(&reader->line);
    code_row_free(&reader->raw);
    repair_scratch_free(&reader->scratch);
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
    reader->line.count = reader->line_at = 0;
    reader->long_line = false;
    reader->entities = true;
}

/* ---- lines ---- */

/* text_standardize's replacements of characters. */
static bool standardize(const code_row *from, code_row *to)
{
    static const uint32_t dots[] = {'.', '.', '.'};
    to->count = 0;
    if (!code_row_reserve(to, from->count)) return false;
    for (size_t i = 0; i < from->count; i++) {
        const uint32_t code = from->list[i];
        if (code == 0x2026) {
            if (!code_row_put(to, dots, 3)) return false;
            continue;
        }
        const bool dash = code == 0x2013 || code == 0x2014 || code == 0x2015;
        if (!code_row_add(to, dash ? '-' : code == 0xB4 ? '\'' : code)) return false;
    }
    return true;
}

/* The end of a line's piece that begins at `at`: behind the line's end or, in a long line, behind the last blank of MOST_LINE bytes. */
static size_t piece_end(const char *text, size_t size, size_t at, bool *whole)
{
    const size_t most = size - at < MOST_LINE ? size - at : MOST_LINE;
    const char *end = memchr(text + at, '\n', most);
    *whole = end || most == size - at;
    if (end) return (size_t)(end - text) + 1;
    if (*whole) return size;
    size_t cut = at + most;
    while (cut > at && text[cut - 1] != ' ') cut--;
    if (cut > at) return cut;
    cut = at + most;
    while (cut > at + 1 && ((unsigned char)text[cut] & 0xC0) == 0x80) cut--; /* cuts no character */
    return cut;
}

/* Whether nothing in it can need a repair: printable ASCII, tabs and line ends, without &, which begins HTML's characters. */
static bool is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!((text[i] >= ' ' && text[i] < 0x7F && text[i] != '&') || text[i] == '\n' || text[i] == '\t')) return false;
    return true;
}

/* Reads on until there are characters at line_at, or the text ends. */
static bool fill(gpt1_reader *reader, const char *text, size_t size, size_t *at)
{
    while (reader->line_at == reader->line.count && *at < size) {
        bool whole;
        const size_t end = piece_end(text, size, *at, &whole);
        const bool mojibake = whole && !reader->long_line;
        code_row *raw = &reader->raw;
        raw->count = reader->line_at = reader->line.count = 0;
        if (!code_row_reserve(raw, end - *at)) return false;
        const bool plain = is_plain(text + *at, end - *at);
        /* a line that may be HTML: from it on, HTML's characters stay as they are */
        if (memchr(text + *at, '<', end - *at) && memchr(text + *at, '>', end - *at)) reader->entities = false;
        for (size_t i = *at; i < end;) {
            uint32_t code;
            const size_t length = utf8_decode(text + i, end - i, &code);
            raw->list[raw->count++] = length ? code : 0xFFFD;
            i += length ? length : 1;
        }
        *at = end;
        reader->long_line = !whole;
        if (!plain && !repair_line(reader->rules->unicode, reader->rules->charsets, mojibake, reader->entities, raw,
                                   &reader->scratch))
            return false;
        if (!standardize(raw, &reader->line)) return false;
    }
    return true;
}

/* text_standardize puts blanks around each run of one of these. It was meant to include \, but its pattern is not a raw string and has a second
 * + in that place. What the model was trained on counts. */
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

/* Skips white space. *line: an end of a line was in it, and words before and behind it. */
static bool skip_space(gpt1_reader *reader, const char *text, size_t size, size_t *at, bool *line)
{
    bool ends = false;
    *line = false;
    for (;;) {
        if (!fill(reader, text, size, at)) return false;
        if (reader->line_at == reader->line.count) return true;
        const uint32_t code = reader->line.list[reader->line_at];
        if (!unicode_is_space(code)) {
            *line = ends && reader->begun;
            return true;
        }
        ends = ends || code == '\n';
        reader->line_at++;
    }
}

/* Gathers characters up to white space, or a run of one that stands alone. count stays 0 at the end of the text. */
static bool read_codes(gpt1_reader *reader, const char *text, size_t size, size_t *at)
{
    uint32_t first = 0;
    reader->count = 0;
    for (;;) {
        if (!fill(reader, text, size, at)) return false;
        if (reader->line_at == reader->line.count) return true;
        const uint32_t code = reader->line.list[reader->line_at];
        if (reader->count) {
            if (unicode_is_space(code)) return true;
            if (stands_alone(first) ? code != first : stands_alone(code)) return true;
        } else {
            first = code;
        }
        if (!append(reader, &code, 1)) return false;
        reader->line_at++;
    }
}

/* ---- words ---- */

/* A sigma is final behind a cased letter and not before one; case-ignorable characters between do not count (Unicode 3.13, Final_Sigma). */
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
        bool line;
        if (!skip_space(reader, text, size, at, &line)) return false;
        if (line) {
            reader->begun = false; /* one token for all the white space, which is skipped */
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
