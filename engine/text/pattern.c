/* Patterns of tokenizer.json are Oniguruma's, in Ruby's syntax. Those that tokenizers use mean the same to PCRE2 once \s is spelled out: PCRE2's
 * own adds U+180E and lacks U+0085. What the two may read differently is refused: \w, \b, \h, anchors, classes in classes, back references. */
#include <string.h>

#include "text/cut.h"

typedef struct rewriting {
    const char *at;
    char *out;
    size_t used;
    bool class; /* within [] */
    bool opens; /* at the first place of it */
} rewriting;

static void put(rewriting *r, const char *text, size_t size)
{
    memcpy(r->out + r->used, text, size); /* no part grows more than 16-fold */
    r->used += size;
}

static size_t hex_digits(const char *text, size_t most)
{
    size_t count = 0;
    while (count < most && text[count] && strchr("0123456789abcdefABCDEF", text[count])) count++;
    return count;
}

/* \p{L}, \P{Han}, \p{^N}: categories and scripts have the same names in both. */
static const char *property(rewriting *r)
{
    const char *end = r->at[2] == '{' ? strchr(r->at, '}') : NULL;
    if (!end) return "\\p without {}";
    for (const char *c = r->at + 3 + (r->at[3] == '^'); c < end; c++)
        if (!((*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || *c == '_')) return "a property's name";
    if (end < r->at + 4) return "a property's name";
    put(r, r->at, (size_t)(end - r->at) + 1);
    r->at = end + 1;
    return NULL;
}

/* \uHHHH, \xHH, \x{HHHH} */
static const char *code(rewriting *r)
{
    const bool braced = r->at[1] == 'x' && r->at[2] == '{';
    const char *digits = r->at + 2 + braced;
    const size_t count = hex_digits(digits, braced ? 6 : r->at[1] == 'u' ? 4 : 2);
    if (!count || (r->at[1] == 'u' && count < 4) || (braced && digits[count] != '}')) return "a character's number";
    put(r, "\\x{", 3);
    put(r, digits, count);
    put(r, "}", 1);
    r->at = digits + count + braced;
    return NULL;
}

static const char *escape(rewriting *r)
{
    static const char same[] = "rntf";
    const char c = r->at[1];
    if (c == 'p' || c == 'P') return property(r);
    if (c == 'u' || c == 'x') return code(r);
    if (c == 's') {
        if (!r->class) put(r, "[", 1);
        put(r, CUT_WHITE, sizeof CUT_WHITE - 1);
        if (!r->class) put(r, "]", 1);
    } else if (c == 'S' && !r->class) {
        put(r, "[^" CUT_WHITE "]", sizeof CUT_WHITE + 2);
    } else if (c == 'd') {
        put(r, "\\p{Nd}", 6);
    } else if (c == 'D') {
        put(r, "\\P{Nd}", 6);
    } else if ((c && strchr(same, c)) || (c > ' ' && c < 0x7F && !strchr("0123456789", c) && !(c >= 'A' && c <= 'Z') &&
                                          !(c >= 'a' && c <= 'z'))) {
        put(r, r->at, 2);
    } else {
        return c == 'S' ? "\\S within []" : "an escape other than \\s \\S \\d \\p \\r \\n \\t \\f \\x \\u";
    }
    r->at += 2;
    return NULL;
}

/* What stands within [], but for its first place. */
static const char *in_class(rewriting *r)
{
    const char c = *r->at;
    if (c == '[') return "a class within a class";
    if (c == '&' && r->at[1] == '&') return "&& within []";
    if (c == ']' && r->opens) return "] at the beginning of []";
    if (c == ']') r->class = false;
    put(r, r->at++, 1);
    return NULL;
}

static const char *group(rewriting *r)
{
    static const char *const known[] = {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    if (r->at[1] == '*') return "(*";
    if (r->at[1] != '?') {
        put(r, "(?:", 3); /* no reference asks for what it matched */
        r->at++;
        return NULL;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t size = strlen(known[i]);
        if (strncmp(r->at, known[i], size) != 0) continue;
        put(r, r->at, size);
        r->at += size;
        return NULL;
    }
    return "a group other than (?: (?i: (?= (?! (?<= (?<! (?>";
}

const char *cut_rewrite(const char *pattern, char out[CUT_REWRITTEN])
{
    rewriting r = {.at = pattern, .out = out};
    const char *fault = NULL;
    while (*r.at && !fault) {
        const char c = *r.at;
        const bool opens = r.opens;
        if (c == '\\') {
            fault = escape(&r);
        } else if (r.class) {
            fault = in_class(&r);
        } else if (c == '[') {
            const size_t size = r.at[1] == '^' ? 2 : 1;
            put(&r, r.at, size);
            r.at += size;
            r.class = r.opens = true;
        } else if (c == '(') {
            fault = group(&r);
        } else if (c == '^' || c == '$') {
            fault = "an anchor, ^ or $";
        } else if (c == '{' && !(r.at[1] >= '0' && r.at[1] <= '9')) {
            fault = "{ without a number";
        } else if (c == '}' && r.at[1] == '+') {
            fault = "}+";
        } else {
            put(&r, r.at++, 1);
        }
        if (opens) r.opens = false;
    }
    out[r.used] = 0;
    return fault;
}
