/* Mojibake: text in UTF-8 that was read in one of seven other character sets is read again, and kept where it costs less (fix_encoding of
 * ftfy 4.4). A text costs its characters, and twice the places where characters meet that seldom do. */
#include "text/repair.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "text/utf8.h"

/* ---- character sets: what the bytes from 0x80 on stand for; 0: nothing ---- */

static const uint16_t windows_1252[128] = {
    0x20AC, 0x0,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x0,   0x17D,
    0x0,    0x0,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153, 0x0,
    0x17E,  0x178, 0xA0,   0xA1,   0xA2,   0xA3,   0xA4,   0xA5,   0xA6,   0xA7,   0xA8,   0xA9,   0xAA,   0xAB,  0xAC,
    0xAD,   0xAE,  0xAF,   0xB0,   0xB1,   0xB2,   0xB3,   0xB4,   0xB5,   0xB6,   0xB7,   0xB8,   0xB9,   0xBA,  0xBB,
    0xBC,   0xBD,  0xBE,   0xBF,   0xC0,   0xC1,   0xC2,   0xC3,   0xC4,   0xC5,   0xC6,   0xC7,   0xC8,   0xC9,  0xCA,
    0xCB,   0xCC,  0xCD,   0xCE,   0xCF,   0xD0,   0xD1,   0xD2,   0xD3,   0xD4,   0xD5,   0xD6,   0xD7,   0xD8,  0xD9,
    0xDA,   0xDB,  0xDC,   0xDD,   0xDE,   0xDF,   0xE0,   0xE1,   0xE2,   0xE3,   0xE4,   0xE5,   0xE6,   0xE7,  0xE8,
    0xE9,   0xEA,  0xEB,   0xEC,   0xED,   0xEE,   0xEF,   0xF0,   0xF1,   0xF2,   0xF3,   0xF4,   0xF5,   0xF6,  0xF7,
    0xF8,   0xF9,  0xFA,   0xFB,   0xFC,   0xFD,   0xFE,   0xFF,
};

static const uint16_t windows_1250[128] = {
    0x20AC, 0x0,   0x201A, 0x0,    0x201E, 0x2026, 0x2020, 0x2021, 0x0,    0x2030, 0x160,  0x2039, 0x15A,  0x164, 0x17D,
    0x179,  0x0,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x0,    0x2122, 0x161,  0x203A, 0x15B, 0x165,
    0x17E,  0x17A, 0xA0,   0x2C7,  0x2D8,  0x141,  0xA4,   0x104,  0xA6,   0xA7,   0xA8,   0xA9,   0x15E,  0xAB,  0xAC,
    0xAD,   0xAE,  0x17B,  0xB0,   0xB1,   0x2DB,  0x142,  0xB4,   0xB5,   0xB6,   0xB7,   0xB8,   0x105,  0x15F, 0xBB,
    0x13D,  0x2DD, 0x13E,  0x17C,  0x154,  0xC1,   0xC2,   0x102,  0xC4,   0x139,  0x106,  0xC7,   0x10C,  0xC9,  0x118,
    0xCB,   0x11A, 0xCD,   0xCE,   0x10E,  0x110,  0x143,  0x147,  0xD3,   0xD4,   0x150,  0xD6,   0xD7,   0x158, 0x16E,
    0xDA,   0x170, 0xDC,   0xDD,   0x162,  0xDF,   0x155,  0xE1,   0xE2,   0x103,  0xE4,   0x13A,  0x107,  0xE7,  0x10D,
    0xE9,   0x119, 0xEB,   0x11B,  0xED,   0xEE,   0x10F,  0x111,  0x144,  0x148,  0xF3,   0xF4,   0x151,  0xF6,  0xF7,
    0x159,  0x16F, 0xFA,   0x171,  0xFC,   0xFD,   0x163,  0x2D9,
};

static const uint16_t iso_8859_2[128] = {
    0x80,  0x81,  0x82,  0x83,  0x84, 0x85,  0x86,  0x87,  0x88,  0x89,  0x8A,  0x8B,  0x8C,  0x8D,  0x8E,  0x8F,
    0x90,  0x91,  0x92,  0x93,  0x94, 0x95,  0x96,  0x97,  0x98,  0x99,  0x9A,  0x9B,  0x9C,  0x9D,  0x9E,  0x9F,
    0xA0,  0x104, 0x2D8, 0x141, 0xA4, 0x13D, 0x15A, 0xA7,  0xA8,  0x160, 0x15E, 0x164, 0x179, 0xAD,  0x17D, 0x17B,
    0xB0,  0x105, 0x2DB, 0x142, 0xB4, 0x13E, 0x15B, 0x2C7, 0xB8,  0x161, 0x15F, 0x165, 0x17A, 0x2DD, 0x17E, 0x17C,
    0x154, 0xC1,  0xC2,  0x102, 0xC4, 0x139, 0x106, 0xC7,  0x10C, 0xC9,  0x118, 0xCB,  0x11A, 0xCD,  0xCE,  0x10E,
    0x110, 0x143, 0x147, 0xD3,  0xD4, 0x150, 0xD6,  0xD7,  0x158, 0x16E, 0xDA,  0x170, 0xDC,  0xDD,  0x162, 0xDF,
    0x155, 0xE1,  0xE2,  0x103, 0xE4, 0x13A, 0x107, 0xE7,  0x10D, 0xE9,  0x119, 0xEB,  0x11B, 0xED,  0xEE,  0x10F,
    0x111, 0x144, 0x148, 0xF3,  0xF4, 0x151, 0xF6,  0xF7,  0x159, 0x16F, 0xFA,  0x171, 0xFC,  0xFD,  0x163, 0x2D9,
};

static const uint16_t windows_1251[128] = {
    0x402, 0x403, 0x201A, 0x453,  0x201E, 0x2026, 0x2020, 0x2021, 0x20AC, 0x2030, 0x409,  0x2039, 0x40A,  0x40C, 0x40B,
    0x40F, 0x452, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x0,    0x2122, 0x459,  0x203A, 0x45A, 0x45C,
    0x45B, 0x45F, 0xA0,   0x40E,  0x45E,  0x408,  0xA4,   0x490,  0xA6,   0xA7,   0x401,  0xA9,   0x404,  0xAB,  0xAC,
    0xAD,  0xAE,  0x407,  0xB0,   0xB1,   0x406,  0x456,  0x491,  0xB5,   0xB6,   0xB7,   0x451,  0x2116, 0x454, 0xBB,
    0x458, 0x405, 0x455,  0x457,  0x410,  0x411,  0x412,  0x413,  0x414,  0x415,  0x416,  0x417,  0x418,  0x419, 0x41A,
    0x41B, 0x41C, 0x41D,  0x41E,  0x41F,  0x420,  0x421,  0x422,  0x423,  0x424,  0x425,  0x426,  0x427,  0x428, 0x429,
    0x42A, 0x42B, 0x42C,  0x42D,  0x42E,  0x42F,  0x430,  0x431,  0x432,  0x433,  0x434,  0x435,  0x436,  0x437, 0x438,
    0x439, 0x43A, 0x43B,  0x43C,  0x43D,  0x43E,  0x43F,  0x440,  0x441,  0x442,  0x443,  0x444,  0x445,  0x446, 0x447,
    0x448, 0x449, 0x44A,  0x44B,  0x44C,  0x44D,  0x44E,  0x44F,
};

static const uint16_t mac_roman[128] = {
    0xC4,   0xC5,   0xC7,   0xC9,   0xD1,   0xD6,   0xDC,   0xE1,   0xE0,   0xE2,   0xE4,  0xE3,   0xE5,
    0xE7,   0xE9,   0xE8,   0xEA,   0xEB,   0xED,   0xEC,   0xEE,   0xEF,   0xF1,   0xF3,  0xF2,   0xF4,
    0xF6,   0xF5,   0xFA,   0xF9,   0xFB,   0xFC,   0x2020, 0xB0,   0xA2,   0xA3,   0xA7,  0x2022, 0xB6,
    0xDF,   0xAE,   0xA9,   0x2122, 0xB4,   0xA8,   0x2260, 0xC6,   0xD8,   0x221E, 0xB1,  0x2264, 0x2265,
    0xA5,   0xB5,   0x2202, 0x2211, 0x220F, 0x3C0,  0x222B, 0xAA,   0xBA,   0x3A9,  0xE6,  0xF8,   0xBF,
    0xA1,   0xAC,   0x221A, 0x192,  0x2248, 0x2206, 0xAB,   0xBB,   0x2026, 0xA0,   0xC0,  0xC3,   0xD5,
    0x152,  0x153,  0x2013, 0x2014, 0x201C, 0x201D, 0x2018, 0x2019, 0xF7,   0x25CA, 0xFF,  0x178,  0x2044,
    0x20AC, 0x2039, 0x203A, 0xFB01, 0xFB02, 0x2021, 0xB7,   0x201A, 0x201E, 0x2030, 0xC2,  0xCA,   0xC1,
    0xCB,   0xC8,   0xCD,   0xCE,   0xCF,   0xCC,   0xD3,   0xD4,   0xF8FF, 0xD2,   0xDA,  0xDB,   0xD9,
    0x131,  0x2C6,  0x2DC,  0xAF,   0x2D8,  0x2D9,  0x2DA,  0xB8,   0x2DD,  0x2DB,  0x2C7,
};

static const uint16_t cp437[128] = {
    0xC7,   0xFC,   0xE9,   0xE2,   0xE4,   0xE0,   0xE5,   0xE7,   0xEA,   0xEB,   0xE8,   0xEF,   0xEE,
    0xEC,   0xC4,   0xC5,   0xC9,   0xE6,   0xC6,   0xF4,   0xF6,   0xF2,   0xFB,   0xF9,   0xFF,   0xD6,
    0xDC,   0xA2,   0xA3,   0xA5,   0x20A7, 0x192,  0xE1,   0xED,   0xF3,   0xFA,   0xF1,   0xD1,   0xAA,
    0xBA,   0xBF,   0x2310, 0xAC,   0xBD,   0xBC,   0xA1,   0xAB,   0xBB,   0x2591, 0x2592, 0x2593, 0x2502,
    0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255D, 0x255C, 0x255B, 0x2510, 0x2514,
    0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F, 0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
    0x256C, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256B, 0x256A, 0x2518, 0x250C,
    0x2588, 0x2584, 0x258C, 0x2590, 0x2580, 0x3B1,  0xDF,   0x393,  0x3C0,  0x3A3,  0x3C3,  0xB5,   0x3C4,
    0x3A6,  0x398,  0x3A9,  0x3B4,  0x221E, 0x3C6,  0x3B5,  0x2229, 0x2261, 0xB1,   0x2265, 0x2264, 0x2320,
    0x2321, 0xF7,   0x2248, 0xB0,   0x2219, 0xB7,   0x221A, 0x207F, 0xB2,   0x25A0, 0xA0,
};

/* In the order in which they are tried. Sloppy ones let bytes that stand for nothing be Latin-1's, and have the byte 0x1A for U+FFFD. */
enum { LATIN_1, WINDOWS_1252, WINDOWS_1250, ISO_8859_2, WINDOWS_1251, MAC_ROMAN, CP437, CHARSETS };
static const struct {
    const uint16_t *codes; /* NULL: Latin-1 */
    bool sloppy;
    int cost; /* of taking it: the rarer the more */
} charsets[CHARSETS] = {
    [LATIN_1] = {NULL, false, 0},
    [WINDOWS_1252] = {windows_1252, true, 0},
    [WINDOWS_1250] = {windows_1250, true, 2},
    [ISO_8859_2] = {iso_8859_2, false, 2},
    [WINDOWS_1251] = {windows_1251, true, 3},
    [MAC_ROMAN] = {mac_roman, false, 2},
    [CP437] = {cp437, false, 3},
};

/* A code point's bytes; 0: the set has none. */
typedef struct charset_row {
    uint32_t code;
    unsigned char bytes[CHARSETS];
} charset_row;

enum { MOST_ROWS = CHARSETS * 128 + 1, SUBSTITUTE = 0x1A, REPLACEMENT = 0xFFFD };

struct charset_table {
    charset_row rows[MOST_ROWS]; /* (count) by code point */
    size_t count;
};

static uint32_t code_of(int set, unsigned byte)
{
    const uint32_t code = charsets[set].codes ? charsets[set].codes[byte - 0x80] : byte;
    return code ? code : charsets[set].sloppy ? byte : 0;
}

static int by_code(const void *a, const void *b)
{
    const uint32_t x = ((const charset_row *)a)->code, y = ((const charset_row *)b)->code;
    return x < y ? -1 : x > y;
}

/* The rows of one code point become one. */
static void join_rows(charset_table *table)
{
    size_t to = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (to == 0 || table->rows[to - 1].code != table->rows[i].code) {
            table->rows[to++] = table->rows[i];
            continue;
        }
        for (int set = 0; set < CHARSETS; set++) table->rows[to - 1].bytes[set] |= table->rows[i].bytes[set];
    }
    table->count = to;
}

charset_table *charset_table_make(void)
{
    charset_table *table = calloc(1, sizeof *table);
    if (!table) return NULL;
    for (int set = 0; set < CHARSETS; set++) {
        for (unsigned byte = 0x80; byte < 0x100; byte++) {
            const uint32_t code = code_of(set, byte);
            if (!code) continue;
            charset_row *row = &table->rows[table->count++];
            row->code = code;
            row->bytes[set] = (unsigned char)byte;
        }
        if (charsets[set].sloppy) table->rows[MOST_ROWS - 1].bytes[set] = SUBSTITUTE;
    }
    table->rows[table->count] = table->rows[MOST_ROWS - 1];
    table->rows[table->count++].code = REPLACEMENT;
    qsort(table->rows, table->count, sizeof *table->rows, by_code);
    join_rows(table);
    return table;
}

void charset_table_free(charset_table *table)
{
    free(table);
}

uint32_t charset_windows_1252(uint32_t byte)
{
    return code_of(WINDOWS_1252, byte);
}

/* The byte of a code point in a set, or -1. */
static int byte_of(const charset_table *table, int set, uint32_t code)
{
    if (code < 0x80) return code == SUBSTITUTE && charsets[set].sloppy ? -1 : (int)code;
    const charset_row key = {.code = code}, *row = bsearch(&key, table->rows, table->count, sizeof key, by_code);
    return row && row->bytes[set] ? row->bytes[set] : -1;
}

/* A bit for each set that has all of the text. */
static unsigned possible_sets(const charset_table *table, const code_row *text, bool *ascii)
{
    unsigned sets = (1u << CHARSETS) - 1;
    *ascii = true;
    for (size_t i = 0; i < text->count && (sets || *ascii); i++) {
        const uint32_t code = text->list[i];
        if (code < 0x80 && code != SUBSTITUTE) continue;
        *ascii = *ascii && code < 0x80;
        for (int set = 0; set < CHARSETS; set++)
            if (sets >> set & 1 && byte_of(table, set, code) < 0) sets &= ~(1u << set);
    }
    return sets;
}

/* ---- cost ---- */

/* A letter whose name in Unicode begins with LATIN: most of the script, but for modifiers, signs, and forms of another width. */
static bool is_latin(const unicode_table *unicode, uint32_t code, utf8proc_category_t category)
{
    static const uint32_t others[] = {0xAA, 0xBA, 0x212A, 0x212B, 0x2132, 0x214E, 0x2183};
    if (!(unicode_kind(unicode, code) & UNICODE_LATIN) || (code >= 0xFF21 && code <= 0xFF5A)) return false;
    if (category == UTF8PROC_CATEGORY_LM) return (code >= 0x2090 && code <= 0x209C) || code == 0x2C7C;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (code == others[i]) return false;
    return true;
}

/* ftfy's classes: L l Latin letters, A a other letters with case, C without, i of phonetics, m modifiers, M marks, N numbers, 1 and 3 symbols,
 * 2 signs such as a diaeresis, X control characters, P private, _ unassigned, a blank for white space, o the rest. */
static char class_of(const unicode_table *unicode, uint32_t code)
{
    static const uint32_t plain[] = {'^', '~', '`', 0xB4, 0x2DD, 0xFF3E, 0xFF40};
    if (code < 0x80) {
        if ((code | 0x20) >= 'a' && (code | 0x20) <= 'z') return code & 0x20 ? 'l' : 'L';
        if (code == 9 || code == 10 || code == 12 || code == 13) return ' ';
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (code == plain[i]) return 'o';
    if (code >= 0x250 && code < 0x300 && code != 0x259) return 'i';
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    const bool upper = category == UTF8PROC_CATEGORY_LU;
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        if (is_latin(unicode, code, category)) return upper ? 'L' : 'l';
        if (category == UTF8PROC_CATEGORY_LO) return 'C';
        if (category == UTF8PROC_CATEGORY_LM) return 'm';
        return category == UTF8PROC_CATEGORY_LL ? 'a' : 'A';
    default: break;
    }
    if ((code >= 0xFE00 && code <= 0xFE0F) || (code >= 0x1F3FB && code <= 0x1F3FF)) return '3';
    switch (category) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return 'M';
    case UTF8PROC_CATEGORY_NO: return 'N';
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC: return '1';
    case UTF8PROC_CATEGORY_SK: return '2';
    case UTF8PROC_CATEGORY_SO: return '3';
    case UTF8PROC_CATEGORY_CC: return 'X';
    case UTF8PROC_CATEGORY_CO: return 'P';
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return ' ';
    default: break;
    }
    if (code >= 0x1F000 && code <= 0x1FFFF) return '3';
    return category == UTF8PROC_CATEGORY_CN ? '_' : 'o';
}

static bool among(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Two characters that seldom meet. */
static bool weird_pair(char a, char b)
{
    return (a == 'l' && b == 'A') || (!among(a, "CM") && b == 'M') || (among(a, "Ll") && among(b, "AaC")) ||
           (among(a, "AaC") && among(b, "Ll")) || (among(a, "LA") && b == 'i') || (a == 'i' && among(b, "LA")) ||
           (a != b && among(a, "MmN13") && among(b, "MmN13"));
}

/* Characters that mojibake has, but texts, too. */
static bool is_common(uint32_t code)
{
    static const uint32_t common[] = {0x2026, 0x2014, 0x2013, 0x2018, 0x201C, 0x2019, 0x201D, 0xA1, 0xBF, 0xB0,  0x2122,
                                      0xAE,   0x2039, 0x203A, 0xAB,   0xBB,   0xA0,   0xB4,   0xD7, 0xDF, 0xFEFF};
    for (size_t i = 0; i < sizeof common / sizeof *common && code >= 0x80; i++)
        if (code == common[i]) return true;
    return false;
}

static bool text_cost(const unicode_table *unicode, const code_row *text, repair_scratch *s, long long *cost)
{
    code_row *composed = &s->rows[0];
    if (!repair_compose(text, composed, s)) return false;
    long long weird = 0, common = 0;
    char next = composed->count ? class_of(unicode, composed->list[0]) : 0;
    bool taken = false; /* as the second of a pair */
    for (size_t i = 0; i < composed->count; i++) {
        const char here = next;
        next = i + 1 < composed->count ? class_of(unicode, composed->list[i + 1]) : 0;
        common += is_common(composed->list[i]);
        if (taken) {
            taken = false;
        } else if (next && weird_pair(here, next)) {
            weird++;
            taken = true;
        } else if (among(here, "2XP_")) {
            weird++;
        }
    }
    *cost = 2 * weird - common + (long long)text->count;
    return true;
}

/* ---- one step ---- */

static bool is_next(unsigned char byte)
{
    return byte >= 0x80 && byte <= 0xBF;
}

/* Bytes at `p` that were UTF-8 before a program took byte 0xA0 for a blank; 0: none. */
static size_t altered(const unsigned char *p, size_t left)
{
    if (left < 2) return 0;
    if (memchr("\xC2\xC3\xC5\xCE\xD0", p[0], 5) && p[1] == ' ') return 2;
    const size_t length = p[0] >= 0xE0 && p[0] <= 0xEF ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    if (!length || left < length) return 0;
    size_t blanks = 0;
    for (size_t i = 1; i < length; i++) {
        if (p[i] != ' ' && !is_next(p[i])) return 0;
        blanks += p[i] == ' ';
    }
    return blanks == 1 ? length : 0;
}

/* Puts the bytes 0xA0 back; true, with what that costs, where there was one. */
static bool restore_blanks(unsigned char *bytes, size_t count, int *cost)
{
    bool any = false;
    for (size_t i = 0; i < count;) {
        const size_t length = altered(bytes + i, count - i);
        for (size_t k = 0; k < length; k++)
            if (bytes[i + k] == ' ') bytes[i + k] = 0xA0;
        any = any || length;
        i += length ? length : 1;
    }
    for (size_t i = 0; any && i < count; i++) *cost += 2 * (bytes[i] == 0xA0);
    return any;
}

/* Bytes at `p` of a character in UTF-8, or in two surrogates, some of which became U+FFFD, here 0x1A; 0: none. */
static size_t lossy(const unsigned char *p, size_t left)
{
    if (p[0] >= 0xC2 && p[0] <= 0xDF && left >= 2 && p[1] == SUBSTITUTE) return 2;
    if (left >= 6 && p[0] == 0xED && p[3] == 0xED) {
        const bool high = (p[1] >= 0xA0 && p[1] <= 0xAF), low = p[4] >= 0xB0 && p[4] <= 0xBF;
        const bool lost = p[2] == SUBSTITUTE || p[5] == SUBSTITUTE;
        if (high && low && lost && (p[2] == SUBSTITUTE || is_next(p[2])) && (p[5] == SUBSTITUTE || is_next(p[5])))
            return 6;
    }
    const size_t length = p[0] >= 0xE0 && p[0] <= 0xEF ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    size_t lost = 0;
    for (size_t i = 1; i < length; i++) {
        if (i >= left || (p[i] != SUBSTITUTE && !is_next(p[i]))) return p[0] == SUBSTITUTE;
        lost += p[i] == SUBSTITUTE;
    }
    return lost ? length : p[0] == SUBSTITUTE;
}

/* The same with U+FFFD for each such character; `to` has room for three times the bytes. */
static size_t replace_lossy(const unsigned char *bytes, size_t count, unsigned char *to)
{
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        const size_t length = lossy(bytes + i, count - i);
        if (length) {
            memcpy(to + used, "\xEF\xBF\xBD", 3);
            used += 3;
        } else {
            to[used++] = bytes[i];
        }
        i += length ? length : 1;
    }
    return used;
}

/* A character in two surrogates of three bytes, or U+0000 in two; 0: none. */
static size_t decode_variant(const unsigned char *p, size_t left, uint32_t *code)
{
    if (left >= 2 && p[0] == 0xC0 && p[1] == 0x80) {
        *code = 0;
        return 2;
    }
    if (left < 6 || p[0] != 0xED || p[1] < 0xA0 || p[1] > 0xAF || !is_next(p[2]) || p[3] != 0xED || p[4] < 0xB0 ||
        p[4] > 0xBF || !is_next(p[5]))
        return 0;
    *code = 0x10000 + ((p[1] & 0x0Fu) << 16 | (p[2] & 0x3Fu) << 10 | (p[4] & 0x0Fu) << 6 | (p[5] & 0x3Fu));
    return 6;
}

/* Whether the bytes are UTF-8, then *out. */
static bool decode(const unsigned char *bytes, size_t count, code_row *out, bool *fits)
{
    out->count = 0;
    *fits = true;
    for (size_t i = 0; i < count;) {
        uint32_t code;
        size_t length = utf8_decode((const char *)bytes + i, count - i, &code);
        if (!length) length = decode_variant(bytes + i, count - i, &code);
        *fits = length > 0;
        if (!length) return true;
        if (!code_row_add(out, code)) return false;
        i += length;
    }
    return true;
}

/* U+2000 to U+203F in UTF-8, read in windows-1252, wherever they stand. */
static bool fix_punctuation(const charset_table *table, const code_row *text, code_row *out, bool *any)
{
    out->count = 0;
    *any = false;
    for (size_t i = 0; i < text->count; i++) {
        const uint32_t *p = text->list + i;
        const int last =
            text->count - i >= 3 && p[0] == 0xE2 && p[1] == 0x20AC ? byte_of(table, WINDOWS_1252, p[2]) : -1;
        const bool found = last >= 0x80 && last <= 0xBF;
        if (!code_row_add(out, found ? 0x2000u | ((unsigned)last & 0x3F) : p[0])) return false;
        if (found) i += 2;
        *any = *any || found;
    }
    return true;
}

/* Latin-1 that was meant to be windows-1252; *fits: it can be. */
static bool fix_latin_1(const code_row *text, code_row *out, bool *fits)
{
    out->count = 0;
    *fits = true;
    for (size_t i = 0; i < text->count; i++) {
        uint32_t code = text->list[i];
        if (code >= 0x80 && code < 0xA0) {
            code = windows_1252[code - 0x80];
            *fits = *fits && code;
        }
        if (!code_row_add(out, code)) return false;
    }
    return true;
}

/* The text in UTF-8 where some set's bytes are; *cost: of the step. */
static bool read_again(const charset_table *table, int set, const code_row *text, code_row *out, repair_scratch *s,
                       int *cost, bool *fits)
{
    size_t count = text->count;
    bool lost = false;
    for (size_t i = 0; i < count; i++) {
        s->bytes[i] = (unsigned char)byte_of(table, set, text->list[i]);
        lost = lost || s->bytes[i] == SUBSTITUTE;
    }
    *cost = charsets[set].cost;
    restore_blanks(s->bytes, count, cost);
    const unsigned char *bytes = s->bytes;
    if (charsets[set].sloppy && lost) {
        count = replace_lossy(s->bytes, count, s->more);
        bytes = s->more;
    }
    return decode(bytes, count, out, fits);
}

/* Reads the text again by the first way that fits; *out is the text itself where none does. */
static bool one_step(const charset_table *table, const code_row *text, code_row *out, repair_scratch *s, int *cost)
{
    bool ascii, fits = false;
    const unsigned sets = possible_sets(table, text, &ascii);
    for (int set = 0; set < CHARSETS && !ascii; set++) {
        if (!(sets >> set & 1)) continue;
        if (!read_again(table, set, text, out, s, cost, &fits)) return false;
        if (fits) return true;
    }
    *cost = 1;
    if (!ascii && !fix_punctuation(table, text, out, &fits)) return false;
    if (!ascii && !fits && sets >> LATIN_1 & 1 && !fix_latin_1(text, out, &fits)) return false;
    if (fits) {
        if (out->count == text->count && memcmp(out->list, text->list, out->count * sizeof *out->list) == 0) *cost = 0;
        return true;
    }
    *cost = 0;
    out->count = 0;
    return code_row_put(out, text->list, text->count);
}

static bool same_rows(const code_row *a, const code_row *b)
{
    return a->count == b->count && (a->count == 0 || memcmp(a->list, b->list, a->count * sizeof *a->list) == 0);
}

static bool reserve_bytes(repair_scratch *s, size_t count)
{
    if (count <= s->bytes_room) return true;
    unsigned char *bytes = realloc(s->bytes, count), *more = bytes ? realloc(s->more, 3 * count) : NULL;
    if (bytes) s->bytes = bytes;
    if (!more) return false;
    s->more = more;
    s->bytes_room = count;
    return true;
}

bool repair_mojibake(const unicode_table *unicode, const charset_table *table, code_row *line, repair_scratch *s)
{
    code_row *text = &s->rows[1], *next = &s->rows[2];
    long long best, cost, steps = 0;
    int step = 0;
    text->count = 0;
    if (!reserve_bytes(s, line->count + 1) || !code_row_put(text, line->list, line->count)) return false;
    if (!text_cost(unicode, text, s, &best)) return false;
    for (;;) {
        if (!one_step(table, text, next, s, &step)) return false;
        const bool same = same_rows(text, next);
        steps += step;
        if (!same && !text_cost(unicode, next, s, &cost)) return false;
        code_row_swap(text, next);
        if (same) return true;
        if (cost + steps < best) {
            best = cost + steps;
            line->count = 0;
            if (!code_row_put(line, text->list, text->count)) return false;
        }
    }
}

/* ---- NFC ---- */

bool repair_compose(const code_row *from, code_row *to, repair_scratch *s)
{
    bool plain = true; /* nothing below U+0300 composes */
    for (size_t i = 0; i < from->count && plain; i++) plain = from->list[i] < 0x300;
    to->count = 0;
    if (plain) return code_row_put(to, from->list, from->count);
    if (s->utf8_room < from->count * UTF8_MAX) {
        uint8_t *grown = realloc(s->utf8, from->count * UTF8_MAX);
        if (!grown) return false;
        s->utf8 = grown;
        s->utf8_room = from->count * UTF8_MAX;
    }
    size_t size = 0;
    for (size_t i = 0; i < from->count; i++) {
        const uint32_t code = from->list[i];
        size += utf8_encode(code >= 0xD800 && code <= 0xDFFF ? REPLACEMENT : code, (char *)s->utf8 + size);
    }
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    for (int again = 0; again < 2; again++) { /* it tells how much room it takes */
        const utf8proc_ssize_t count = utf8proc_decompose(s->utf8, (utf8proc_ssize_t)size, (utf8proc_int32_t *)to->list,
                                                          (utf8proc_ssize_t)to->room, options);
        if (count < 0) return false;
        if ((size_t)count > to->room) {
            if (!code_row_reserve(to, (size_t)count)) return false;
            continue;
        }
        const utf8proc_ssize_t composed = utf8proc_normalize_utf32((utf8proc_int32_t *)to->list, count, options);
        if (composed < 0) return false;
        to->count = (size_t)composed;
        return true;
    }
    return false;
}

void repair_scratch_free(repair_scratch *s)
{
    for (size_t i = 0; i < sizeof s->rows / sizeof *s->rows; i++) code_row_free(&s->rows[i]);
    free(s->bytes);
    free(s->more);
    free(s->utf8);
    *s = (repair_scratch){0};
}
