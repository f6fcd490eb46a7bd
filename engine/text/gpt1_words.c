/* Words that have rules of their own in spaCy's English tokenizer (explosion/spaCy, 2.x: lang/tokenizer_exceptions.py and
 * lang/en/tokenizer_exceptions.py), written as stems and endings. Each is there as it is and with its first letter in upper case. No
 * other upper case counts: DON'T is one word. Words that no rule would cut anyway are left out, and so are faces that text_standardize or
 * the rules for quotes take apart before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "text/gpt1.h"

enum { SLOTS = 4096 };

/* Stems, each with each of the endings; | is where the ending is cut. The forms without an apostrophe are spaCy's too: cant is ca nt. */
static const struct {
    const char *stems, *endings;
} contractions[] = {
    {"i", "'m m 'm|a m|a"},
    {"i you he she it we they", "'ll ll 'll|'ve ll|ve 'd d 'd|'ve d|ve"},
    {"i you we they", "'ve ve"},
    {"you we they", "'re re"},
    {"he she it", "'s s"},
    {"who what when where why how there that", "'s s 'll ll 'll|'ve ll|ve 're re 've ve 'd d 'd|'ve d|ve"},
    {"ca could do does did had may might must need ought sha should wo would", "n't nt n't|'ve nt|ve"},
    {"could might must should would", "'ve ve"},
    {"ai are is was were have has dare", "n't nt"},
    {"not", "'ve ve"},
    {"can", "not"},
    {"gon", "na"},
    {"got", "ta"},
    {"let", "'s"},
    {"how", "'d|'y"},
};

/* Ordinary words that the table above would cut. */
static const char ordinary[] = " ill its hell shell shed were well whore Ill Its Hell Shell Shed Were Well Whore ";

/* Words as they are, | where they are cut. */
static const char *const exact[] = {
    /* an apostrophe that belongs to the word */
    "' '' 's 'S 'd 're 'll 'em 'nuff 'cause 'Cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout ma'am Ma'am o'clock O'clock "
    "y'|all y|all",
    "doin' Doin' goin' Goin' nothin' Nothin' nuthin' Nuthin' ol' Ol' somethin' Somethin' lovin' Lovin' havin' Havin'",
    /* a full stop that does: titles, firms, Latin, months, states */
    "Mr. Mrs. Ms. Dr. Messrs. Jr. St. Mt. Adm. Gen. Gov. Rep. Rev. Sen. Ph.D. Bros. co. Co. Corp. Inc. Ltd.",
    "a.m. p.m. e.g. E.g. E.G. i.e. I.e. I.E. vs.",
    "Jan. Feb. Mar. Apr. May. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec.",
    "Ak. Ala. Ariz. Ark. Calif. Colo. Conn. D.C. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. Md. Mich. "
    "Minn. Miss. Mo. Mont.",
    "N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. Tenn. Va. Wash. Wis.",
    "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. ä. ö. ü.",
    /* the faces that remain */
    ":' =| :1 :P :p :O :o :0 >:o :3 =3 :> :X :x :D =D 8D xD XD xDD XDD >.< >.> <.< ._. v.v V.V o.O O.o O.O o.o 0.0 o.0 "
    "0.o <3 <33 <333",
    "<space> \\n \\t",
};

static void add(gpt1_specials *specials, const char *text, const unsigned char parts[SPECIAL_PARTS])
{
    uint32_t i = (uint32_t)hash_bytes(HASH_INIT, text, strlen(text)) & specials->mask;
    while (specials->slots[i].text[0] && strcmp(specials->slots[i].text, text) != 0) i = (i + 1) & specials->mask;
    memcpy(specials->slots[i].text, text, strlen(text) + 1);
    memcpy(specials->slots[i].parts, parts, SPECIAL_PARTS);
}

/* A word with | where it is cut. */
static void add_cut(gpt1_specials *specials, const char *cut, size_t size)
{
    char text[SPECIAL_BYTES + 1] = "";
    unsigned char parts[SPECIAL_PARTS + 1] = {0};
    size_t used = 0, part = 0;
    for (size_t i = 0; i < size; i++) {
        const bool bar = cut[i] == '|' && i > 0 && i + 1 < size; /* "=|" ends in one */
        if (bar)
            part++;
        else if (((unsigned char)(text[used++] = cut[i]) & 0xC0) != 0x80)
            parts[part]++;
    }
    add(specials, text, parts);
}

/* The word at *list, and its size; 0 at the end. *list moves behind it. */
static size_t next_word(const char **list, const char **word)
{
    *list += strspn(*list, " ");
    *word = *list;
    size_t size = strcspn(*list, " ");
    *list += size;
    return size;
}

static void add_contractions(gpt1_specials *specials, const char *stems, const char *endings)
{
    const char *stem, *ending;
    for (size_t stem_size; (stem_size = next_word(&stems, &stem)) > 0;) {
        const char *rest = endings;
        for (size_t size; (size = next_word(&rest, &ending)) > 0;) {
            char cut[32], plain[32];
            snprintf(cut, sizeof cut, "%.*s|%.*s", (int)stem_size, stem, (int)size, ending);
            for (int upper = 0; upper < 2; upper++) {
                if (upper) cut[0] = (char)(cut[0] - 'a' + 'A');
                snprintf(plain, sizeof plain, " %.*s%.*s ", (int)stem_size, cut, (int)size, ending);
                if (!strstr(ordinary, plain)) add_cut(specials, cut, strlen(cut));
            }
        }
    }
}

bool gpt1_specials_make(gpt1_specials *out)
{
    gpt1_specials specials = {.slots = calloc(SLOTS, sizeof *specials.slots), .mask = SLOTS - 1};
    if (!specials.slots) return false;
    for (size_t i = 0; i < sizeof contractions / sizeof *contractions; i++) {
        add_contractions(&specials, contractions[i].stems, contractions[i].endings);
    }
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        const char *list = exact[i], *word;
        for (size_t size; (size = next_word(&list, &word)) > 0;) add_cut(&specials, word, size);
    }
    for (int hour = 1; hour <= 12; hour++) {
        static const char *const halves[] = {"am", "pm", "a.m.", "p.m."};
        for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
            char cut[16];
            snprintf(cut, sizeof cut, "%d|%s", hour, halves[i]);
            add_cut(&specials, cut, strlen(cut));
        }
    }
    *out = specials;
    return true;
}

const gpt1_special *gpt1_special_find(const gpt1_specials *specials, const uint32_t *codes, size_t count)
{
    char text[SPECIAL_BYTES + UTF8_MAX + 1];
    size_t size = 0;
    if (count > SPECIAL_BYTES) return NULL;
    for (size_t i = 0; i < count; i++) {
        if (!codes[i]) return NULL;
        size += utf8_encode(codes[i], text + size);
        if (size > SPECIAL_BYTES) return NULL;
    }
    text[size] = 0;
    uint32_t i = (uint32_t)hash_bytes(HASH_INIT, text, size) & specials->mask;
    for (; specials->slots[i].text[0]; i = (i + 1) & specials->mask) {
        if (strcmp(specials->slots[i].text, text) == 0) return &specials->slots[i];
    }
    return NULL;
}
