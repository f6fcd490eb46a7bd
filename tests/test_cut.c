/* How texts are brought to a normal form and cut: patterns of other programs in PCRE2, splits one after the other, patterns that take too long, and
 * Unicode's form C. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "helper_log.h"
#include "os/clock.h"
#include "text/cut.h"
#include "text/nfc.h"

#define LLAMA3                                                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"           \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static cut_rules *rules_of(const char *first, const char *second)
{
    pm_log log = test_log();
    tok_form form = {.cut = TOK_CUT_SPLITS, .unit = TOK_UNIT_BYTE, .merges = true};
    cut_rules *rules = NULL;
    strcpy(form.splits[0], first);
    if (second) strcpy(form.splits[1], second);
    assert_int_equal(cut_rules_make(&log, "name", &form, &rules), PM_OK);
    return rules;
}

static void expect_pieces(const char *first, const char *second, const char *text, const char *pieces)
{
    cut_rules *rules = rules_of(first, second);
    cut_walk *walk = cut_walk_make(rules);
    char got[256] = "";
    const size_t size = strlen(text);
    bool slow;
    size_t used = 0;
    assert_non_null(walk);
    for (size_t at = 0, length; at < size; at += length) {
        length = cut_walk_next(walk, text, size, at, &slow);
        assert_true(length > 0 && length <= size - at);
        used += (size_t)sprintf(got + used, "%s%.*s", at ? "|" : "", (int)length, text + at);
    }
    assert_string_equal(got, pieces);
    cut_walk_free(walk);
    cut_rules_free(rules);
}

static void test_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *text, *pieces; /* | between pieces */
    } rows[] = {
        {LLAMA3, NULL, "I'M it's\n\n x12345 ?!\n", "I|'M| it|'s|\n\n| x|123|45| ?!\n"},
        {LLAMA3, NULL, "a  b   \n  c", "a| | b|   \n| | c"},
        {LLAMA3, NULL, "\tif (x)", "\tif| (|x|)"},
        {LLAMA3, NULL, "it'\xC5\xBF", "it|'\xC5\xBF"}, /* the long s is an s in another case */
        {LLAMA3, NULL, "a\xFF\xFE b", "a|\xFF\xFE| b"},
        {LLAMA3, NULL, "a \xC2\x85\xE1\xA0\x8E", "a| |\xC2\x85|\xE1\xA0\x8E"}, /* U+0085 is white, U+180E is not */
        {"\\p{N}", TOK_GPT2_PATTERN, "a 12b  c3", "a| |1|2|b| | c|3"},
        {"\\p{N}{1,3}", "[\xE4\xB8\x80-\xE9\xBE\xA5]+", "ab1234\xE4\xB8\xAD\xE6\x96\x87-",
         "ab|123|4|\xE4\xB8\xAD\xE6\x96\x87|-"},
        {"b", NULL, "aabba", "aa|b|b|a"},
        {"x", NULL, "aabba", "aabba"},
        {"a*", NULL, "baab", "b|aa|b"}, /* what is empty is no match */
        {"(?<=a)b", NULL, "abbb", "a|b|bb"},
        {"b", "(?<=a)c", "abcac", "a|b|ca|c"}, /* the second one sees no further than its piece */
        {"\\.", NULL, "a.b", "a|.|b"},
        {"[\\d\\]\\u0041]+", NULL, "b1A]c", "b|1A]|c"},
        {"a.c", NULL, "a\nc a\rc", "a\nc |a\rc"}, /* a dot is all but a line feed */
        {"", NULL, "a b", "a b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_pieces(rows[i].first, rows[i].second, rows[i].text, rows[i].pieces);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *words;
    } rows[] = {
        {"\\w+", "pattern 1 has an escape other than"},
        {"\\bx", "an escape other than"},
        {"[\\S]", "\\S within []"},
        {"a$", "an anchor"},
        {"[a[bc]]", "a class within a class"},
        {"[a&&b]", "&& within []"},
        {"[]a]", "] at the beginning"},
        {"(?P<n>a)", "a group other than"},
        {"(?#a)", "a group other than"},
        {"(*FAIL)", "(*"},
        {"(a)\\1", "an escape other than"},
        {"a{,2}", "{ without a number"},
        {"a{1}+", "}+"},
        {"\\p{L&}", "a property's name"},
        {"\\p{Nonesuch}", "pattern 1: unknown property"},
        {"\\pL", "\\p without {}"},
        {"\\x{110000}", "pattern 1: "},
        {"\\x{12", "a character's number"},
        {"(a", "pattern 1: missing closing parenthesis"},
        {"a{99999}", "pattern 1: "},
        {"(?<=a+)b", "pattern 1: lookbehind"},
        {"((((a{999}){999}){999}){999})", "pattern 1: "},
        {"\\", "an escape other than"},
        {"[\xFF]", "pattern 1: UTF-8 error"},
    };
    pm_log log = test_log();
    test_log_reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tok_form form = {.cut = TOK_CUT_SPLITS, .unit = TOK_UNIT_BYTE, .merges = true};
        cut_rules *rules = NULL;
        strcpy(form.splits[0], rows[i].pattern);
        test_expect_failure(cut_rules_make(&log, "some/file", &form, &rules), PM_FORMAT, "some/file", rows[i].words);
    }
}

/* Cuts a text of one unit again and again; returns the pieces, or 0 where that is slow. */
static size_t cut_long(const char *pattern, const char *unit, size_t size)
{
    cut_rules *rules = rules_of(pattern, NULL);
    cut_walk *walk = cut_walk_make(rules);
    char *text = malloc(size);
    size_t count = 0;
    bool slow = false;
    assert_non_null(text);
    for (size_t i = 0; i < size; i++) text[i] = unit[i % strlen(unit)];
    const double begin = os_seconds();
    for (size_t at = 0, length; at < size; at += length) {
        length = cut_walk_next(walk, text, size, at, &slow);
        if (!length) {
            assert_true(slow);
            count = 0;
            break;
        }
        count++;
    }
    assert_true(os_seconds() - begin < 60);
    cut_walk_free(walk);
    cut_rules_free(rules);
    free(text);
    return count;
}

/* Long pieces are no trouble. A pattern whose time would grow faster than the text ends with a failure. */
static void test_long(void **state)
{
    (void)state;
    enum { SIZE = 1000000 };
    static const char *const units[] = {"a", " ", "\n", "1", "!", "\xC3\xA9", " \n", "a ", "' "};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        assert_true(cut_long(LLAMA3, units[i], SIZE) > 0);
        assert_true(cut_long(TOK_GPT2_PATTERN, units[i], SIZE) > 0);
    }
    assert_int_equal(cut_long(LLAMA3, "a", SIZE), 1);
    assert_int_equal(cut_long("(?:a+)+[bd]", "a", SIZE), 0);
    assert_int_equal(cut_long("(?:a|aa)+[bd]", "a", SIZE), 0);
    assert_int_equal(cut_long("a*a*a*a*[bd]", "a", SIZE), 0);
    assert_int_equal(cut_long("a+[bd]", "a", SIZE), 0);
    assert_int_equal(cut_long("[ac]+[bd]|a", "a", SIZE), 0);
    assert_true(cut_long("a+[bd]", "aaaac", SIZE) > 0);
    assert_int_equal(cut_long("a+", "a", SIZE), 1);
    assert_int_equal(cut_long("a+(?=b)", "ab", SIZE), SIZE);
}

/* ---- form C ---- */

static void expect_form(const nfc_table *table, const char *text, size_t size, const char *form, size_t form_size)
{
    nfc_out out = {0};
    const size_t same = nfc_same(table, text, size);
    assert_true(same <= size);
    if (form_size == size && memcmp(form, text, size) == 0) assert_memory_equal(text, form, same);
    assert_true(nfc_apply(table, text, size, &out));
    assert_int_equal(out.used, form_size);
    if (form_size) assert_memory_equal(out.text, form, form_size);
    if (same == size) assert_int_equal(form_size, size);
    free(out.text);
}

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *form;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"e\xCC\x81t", "\xC3\xA9t"},
        {"\xC3\xA9", "\xC3\xA9"},
        {"\xCC\x81", "\xCC\x81"},
        {"a\xCC\xA3\xCC\x82", "\xE1\xBA\xAD"},
        {"a\xCC\x82\xCC\xA3", "\xE1\xBA\xAD"},                    /* marks are sorted */
        {"q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87"},               /* even where nothing composes */
        {"\xE2\x84\xAB", "\xC3\x85"},                             /* the angstrom sign */
        {"\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C"}, /* Hangul */
        {"\xED\x95\x98\xE1\x86\xAB", "\xED\x95\x9C"},             /* a syllable and a final */
        {"e\xFF\xCC\x81", "e\xFF\xCC\x81"},                       /* nothing composes across what is not UTF-8 */
        {"\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC"},             /* excluded from composition */
        {"x\xE0\xA7\x87\xE0\xA6\xBE", "x\xE0\xA7\x8B"},           /* a second part of class 0 */
        {"\xEF\xAC\x81", "\xEF\xAC\x81"},                         /* a ligature stays */
    };
    nfc_table *table = nfc_table_make();
    assert_non_null(table);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_form(table, rows[i].text, strlen(rows[i].text), rows[i].form, strlen(rows[i].form));
    /* random characters that combine, against utf8proc on the whole text */
    static const uint32_t starts[] = {0x41,  0x300, 0x316,  0x345,  0x1100, 0x1161, 0x11A8,  0xAC00,  0x915,
                                      0x93C, 0x9C7, 0x1E00, 0x1F00, 0x2126, 0xF900, 0x1D15E, 0x11131, 0x5D0};
    for (uint32_t round = 0; round < 20000; round++) {
        char text[128];
        size_t size = 0;
        for (uint32_t i = 0; i < 1 + round % 12; i++) {
            const rng_block b = rng_philox(round, i, 0, 0, 0);
            size += utf8_encode(starts[b.v[0] % (sizeof starts / sizeof *starts)] + b.v[1] % 28, text + size);
        }
        text[size] = 0;
        utf8proc_uint8_t *want = NULL;
        const utf8proc_ssize_t got = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &want,
                                                  UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        assert_true(got >= 0);
        expect_form(table, text, size, (const char *)want, (size_t)got);
        free(want);
    }
    /* a long run of marks is sorted in time */
    enum { MARKS = 200000 };
    char *many = malloc(2 * MARKS);
    assert_non_null(many);
    for (size_t i = 0; i < MARKS; i++) memcpy(many + 2 * i, i % 2 ? "\xCC\x81" : "\xCC\xA3", 2);
    nfc_out out = {0};
    const double begin = os_seconds();
    assert_true(nfc_apply(table, many, 2 * MARKS, &out));
    assert_true(os_seconds() - begin < 20);
    assert_int_equal(out.used, 2 * MARKS);
    assert_memory_equal(out.text + MARKS - 2, "\xCC\xA3\xCC\x81", 4);
    free(out.text);
    free(many);
    nfc_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
