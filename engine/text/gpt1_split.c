/* Splits the characters between two blanks into words, as spaCy 2's tokenizer does (explosion/spaCy: spacy/tokenizer.pyx for the order of
 * steps, lang/punctuation.py and lang/char_classes.py for the rules). Punctuation comes off the front and the end, one piece a turn, until
 * a special word or a host name is left, or there is none to take off. The rest is cut at punctuation inside.
 *
 * Rules about - ~ ! " ; ? + , ( ) / * [ ] { } | _ are left out, because gpt1_text.c has put blanks around these before. Units are the
 * Latin ones. Every test looks at a bounded number of characters, so a row of a million quotes is not slow. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/gpt1.h"

enum { HOST_CHARACTERS = 1000, UNIT_CHARACTERS = 4 };

/* What is being split: characters [low, high) are still one piece. */
typedef struct span {
    const gpt1_rules *rules;
    const uint32_t *codes;
    size_t low, high;
} span;

static unsigned kind(const span *s, size_t i)
{
    return unicode_kind(s->rules->unicode, s->codes[i]);
}

static bool is_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

static bool is_host_character(uint32_t code)
{
    return (code >= 'a' && code <= 'z') || is_digit(code);
}

/* Whether the code is one of the characters of a UTF-8 text. */
static bool among(const char *text, uint32_t code)
{
    char one[UTF8_MAX + 1];
    if (!code) return false;
    one[utf8_encode(code, one)] = 0;
    return strstr(text, one) != NULL;
}

/* ---- affixes ---- */

/* Punctuation, quotes and currency that come off either end (LIST_PUNCT, LIST_QUOTES), and those only off the front. */
static const char both_ends[] = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،؛٪'\"”“`‘´‚„»«「」『』（）〔〕【】《》〈〉";
static const char front_only[] = "§%=+$£€¥฿₽﷼";
static const char currency[] = "$£€¥฿₽﷼";
/* Behind one of these, as behind a digit or a lower-case letter, a full stop comes off the end. */
static const char before_stop[] = "%²-)]+(?:|'\"”“`‘´‚,„»«「」『』（）〔〕【】《》〈〉";
/* Units that come off a number. */
static const char units[] = " km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz "
                            "kmh mph hPa Pa mbar mb MB kb KB gb GB "
                            "tb TB T G M K % ";

static size_t dots_from(const span *s, size_t i)
{
    size_t count = 0;
    while (i + count < s->high && s->codes[i + count] == '.') count++;
    return count;
}

/* Characters to take off the front; 0: none. */
static size_t prefix(const span *s)
{
    uint32_t first = s->codes[s->low], second = s->low + 1 < s->high ? s->codes[s->low + 1] : 0;
    if (is_host_character(first)) return 0;
    if (first == '.') {
        size_t dots = dots_from(s, s->low);
        return dots > 1 ? dots : 0;
    }
    if (second == '$' && (first == 'C' || first == 'A')) return 2;
    if (first == 'U' && second == 'S' && s->low + 2 < s->high && s->codes[s->low + 2] == '$') return 3;
    if (first == '`' && second == '`') return 2;
    if (kind(s, s->low) & UNICODE_ALPHA) return 0;
    return among(both_ends, first) || among(front_only, first) || (kind(s, s->low) & UNICODE_SYMBOL) ? 1 : 0;
}

/* Characters of currency or a unit behind a digit at the end; 0: none. */
static size_t suffix_of_number(const span *s)
{
    char unit[UNIT_CHARACTERS * UTF8_MAX + 3] = " ";
    size_t start = s->high, size = 1;
    while (start > s->low && s->high - start <= UNIT_CHARACTERS && !is_digit(s->codes[start - 1])) start--;
    size_t count = s->high - start;
    if (start == s->low || count == 0 || count > UNIT_CHARACTERS) return 0;
    for (size_t i = start; i < s->high; i++) {
        if (s->codes[i] == ' ' || s->codes[i] == 0) return 0;
        size += utf8_encode(s->codes[i], unit + size);
    }
    unit[size] = ' ';
    unit[size + 1] = 0;
    if (strstr(units, unit)) return count;
    if (strcmp(unit, " US$ ") == 0 || strcmp(unit, " C$ ") == 0 || strcmp(unit, " A$ ") == 0) return count;
    return count == 1 && among(currency, s->codes[start]) ? 1 : 0;
}

static size_t suffix_stop(const span *s)
{
    size_t count = s->high - s->low, dots = 1;
    while (dots < count && s->codes[s->high - 1 - dots] == '.') dots++;
    if (dots > 1) return dots;
    if (count < 2) return 0;
    const uint32_t before = s->codes[s->high - 2];
    if (is_digit(before) || (kind(s, s->high - 2) & UNICODE_LOWER) || among(before_stop, before)) return 1;
    if (count < 3) return 0;
    if (s->codes[s->high - 3] == 0xB0 && among("FfCcKk", before)) return 1; /* °C. */
    return (kind(s, s->high - 2) & UNICODE_UPPER) && (kind(s, s->high - 3) & UNICODE_UPPER) ? 1 : 0;
}

/* Characters to take off the end, the most that a rule allows; 0: none. */
static size_t suffix(const span *s)
{
    uint32_t last = s->codes[s->high - 1], before = s->high - s->low > 1 ? s->codes[s->high - 2] : 0;
    if (last == '.') return suffix_stop(s);
    if ((last == 's' || last == 'S') && (before == '\'' || before == 0x2019)) return 2;
    if ((last == '\'' || last == '`' || last == 0x2018 || last == 0x2019) && before == last) return 2;
    size_t number = suffix_of_number(s);
    if (number) return number;
    if (kind(s, s->high - 1) & UNICODE_ALPHA) return 0;
    return among(both_ends, last) || (kind(s, s->high - 1) & UNICODE_SYMBOL) ? 1 : 0;
}

/* ---- host names ---- */

/* Whether a host name begins at `i`: labels of small letters and digits, then a full stop and two small letters. */
static bool host_at(const span *s, size_t i)
{
    while (i < s->high && is_host_character(s->codes[i])) {
        while (i < s->high && is_host_character(s->codes[i])) i++;
        if (i + 2 >= s->high || s->codes[i] != '.') return false;
        i++;
        if (is_host_character(s->codes[i]) && !is_digit(s->codes[i]) && is_host_character(s->codes[i + 1]) &&
            !is_digit(s->codes[i + 1]))
            return true;
    }
    return false;
}

/* spaCy's URL_PATTERN as far as it can still match: someone@, a host name, anything, a letter or digit at the end. So "end.then" is one
 * word, as in spaCy. */
static bool is_host(const span *s)
{
    if (s->high - s->low > HOST_CHARACTERS) return false;
    if (!(kind(s, s->low) & UNICODE_WORD) || !(kind(s, s->high - 1) & UNICODE_WORD)) return false;
    if (host_at(s, s->low)) return true;
    for (size_t i = s->low + 1; i < s->high; i++) {
        if (s->codes[i] == '@' && host_at(s, i + 1)) return true;
    }
    return false;
}

/* ---- inside ---- */

/* Characters of the punctuation inside a word at `i`; 0: none there. */
static size_t infix(const span *s, size_t i)
{
    const uint32_t code = s->codes[i];
    if (is_host_character(code)) return 0;
    if (code == '.' && dots_from(s, i) > 1) return dots_from(s, i);
    if (kind(s, i) & UNICODE_SYMBOL) return 1;
    if (i == s->low || i + 1 >= s->high) return 0;
    const uint32_t before = s->codes[i - 1], after = s->codes[i + 1];
    const unsigned left = kind(s, i - 1), right = kind(s, i + 1);
    switch (code) {
    case '^': return is_digit(before) && is_digit(after);
    case '.': return (left & UNICODE_LOWER) && (right & UNICODE_UPPER);
    case ':':
    case '<':
    case '>':
    case '=': return (left & UNICODE_ALPHA) && (right & UNICODE_ALPHA);
    default: return 0;
    }
}

/* ---- words ---- */

static bool add(gpt1_words *words, size_t start, size_t count)
{
    if (words->count == words->room) {
        size_t room = words->room ? 2 * words->room : 64;
        gpt1_word *grown = realloc(words->list, room * sizeof *grown);
        if (!grown) return false;
        words->list = grown;
        words->room = room;
    }
    words->list[words->count++] = (gpt1_word){start, count};
    return true;
}

static const gpt1_special *special(const span *s)
{
    return s->low < s->high ? gpt1_special_find(&s->rules->specials, s->codes + s->low, s->high - s->low) : NULL;
}

static bool add_special(const span *s, const gpt1_special *found, gpt1_words *out)
{
    size_t start = s->low;
    for (int i = 0; found->parts[i]; i++) {
        if (!add(out, start, found->parts[i])) return false;
        start += found->parts[i];
    }
    return true;
}

static bool add_cut(const span *s, gpt1_words *out)
{
    size_t start = s->low;
    for (size_t i = s->low; i < s->high;) {
        size_t length = infix(s, i);
        if (length && i > s->low) {
            if (i > start && !add(out, start, i - start)) return false;
            if (!add(out, i, length)) return false;
            start = i + length;
        }
        i += length ? length : 1;
    }
    return start == s->high || add(out, start, s->high - start);
}

static bool take_suffix(span *s, size_t count, gpt1_words *suffixes)
{
    s->high -= count;
    return !count || add(suffixes, s->high, count);
}

/* Takes affixes off both ends of s, the prefixes in their order, the suffixes from the last to the first. */
static bool strip(span *s, gpt1_words *prefixes, gpt1_words *suffixes)
{
    while (s->low < s->high && !is_host(s)) {
        const size_t before = prefix(s), behind = suffix(s), count = s->high - s->low;
        if (!before && !behind) break;
        span without = *s;
        without.low += before;
        const bool leaves_special = before && special(&without);
        without = *s;
        without.high -= behind;
        if (!leaves_special && behind && special(&without)) return take_suffix(s, behind, suffixes);
        if (before && !add(prefixes, s->low, before)) return false;
        s->low += before;
        if (leaves_special) break;
        if (before + behind <= count && !take_suffix(s, behind, suffixes)) return false;
        if (special(s)) break;
    }
    return true;
}

bool gpt1_split(const gpt1_rules *rules, const uint32_t *codes, size_t count, gpt1_words *out, gpt1_words *suffixes)
{
    span s = {rules, codes, 0, count};
    out->count = suffixes->count = 0;
    if (!special(&s) && !strip(&s, out, suffixes)) return false;
    const gpt1_special *found = special(&s);
    bool fine = s.low == s.high ? true
                : found         ? add_special(&s, found, out)
                : is_host(&s)   ? add(out, s.low, s.high - s.low)
                                : add_cut(&s, out);
    for (size_t i = suffixes->count; fine && i > 0; i--) {
        fine = add(out, suffixes->list[i - 1].start, suffixes->list[i - 1].count);
    }
    return fine;
}
