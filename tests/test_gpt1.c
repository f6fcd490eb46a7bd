/* GPT-1's words: what a text becomes before its words are merged. The merging is in test_bpe.c, files in test_bpe_files.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "base/rng.h"
#include "text/gpt1.h"

enum { MEGABYTE = 1 << 20, LIMIT_SECONDS = 20 };

static gpt1_rules *rules;

static int setup(void **state)
{
    (void)state;
    rules = gpt1_rules_make();
    return rules ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    gpt1_rules_free(rules);
    return 0;
}

static void expect_words(const char *text, const char *want)
{
    gpt1_reader *reader = gpt1_reader_make(rules);
    assert_non_null(reader);
    char got[512] = "";
    size_t at = 0, size = 1, used = 0;
    for (;;) {
        const char *word = NULL;
        assert_true(gpt1_reader_next(reader, text, strlen(text), &at, &word, &size));
        if (!size) break;
        used += (size_t)sprintf(got + used, "%s%.*s", used ? "|" : "", (int)size, word);
    }
    if (strcmp(got, want) != 0) print_error("of: %s\n", text);
    assert_string_equal(got, want);
    assert_int_equal(at, strlen(text));
    gpt1_reader_free(reader);
}

static void test_standard(void **state)
{
    (void)state;
    expect_words("", "");
    expect_words(" \n\t ", "");
    expect_words("  Hello,  World!  ", "hello|,|world|!");
    expect_words("a\nb \r\n\r\n c\n", "a|\n|b|\n|c");
    expect_words("\n\na\n \n \nb", "a|\n|b");
    expect_words("a\tb\xC2\xA0"
                 "c\xE3\x80\x80"
                 "d\xE2\x80\x83"
                 "e",
                 "a|b|c|d|e");
    expect_words("a\xE2\x80\xA8"
                 "b\xC2\x85"
                 "c",
                 "a|\n|b|\n|c");
    expect_words("one\xE2\x80\x94two\xE2\x80\x93three\xE2\x80\x95\xE2\x80\x95"
                 "four",
                 "one|-|two|-|three|--|four");
    expect_words("wait\xE2\x80\xA6 what\xE2\x80\xA6?", "wait|...|what|...|?");
    expect_words("\xE2\x80\x9CIt\xE2\x80\x99s,\xE2\x80\x9D he said", "\"|it|'s|,|\"|he|said");
    expect_words("o\xC2\xB4"
                 "clock",
                 "o'clock");
    expect_words("~~!!?\?--,,\"\"", "~~|!|!|?|?|--|,|,|\"|\"");
    expect_words("a+b/c*d(e)[f]{g}h|i_j;k", "a|+|b|/|c|*|d|(|e|)|[|f|]|{|g|}|h|||i|_|j|;|k");
    expect_words("a\\b", "a\\b"); /* the original's pattern misses it */
    expect_words("\xEF\xAC\x81ne \xEF\xAC\x83 \xEF\xBC\xA1\xEF\xBC\x81", "fine|ffi|a|!");
    expect_words("\xEF\xBB\xBF"
                 "a\x01"
                 "b\x7F",
                 "ab");
    expect_words("a\xFF"
                 "b",
                 "a|\xEF\xBF\xBD|b"); /* U+FFFD, a symbol */
}

/* What ftfy 4.4.1 gives, line by line, for the same text. */
static void test_repairs(void **state)
{
    (void)state;
    /* NFC; widths; ligatures */
    expect_words("cafe\xCC\x81 \xE2\x84\xAB", "caf\xC3\xA9|\xC3\xA5");
    expect_words("\xEF\xBD\xB6\xEF\xBE\x9E", "\xE3\x82\xAC"); /* half-width ka and its mark are one ga */
    expect_words("\xEF\xAC\x85", "\xC5\xBFt");
    /* HTML's characters, except in a line that may be HTML, and behind it */
    expect_words("caf&eacute; &amp;amp; &#233; &#xE9; &#150; &notone;", "caf\xC3\xA9|&|\xC3\xA9|\xC3\xA9|-|&|notone|;");
    expect_words("&eacute;\n&eacute; <b>\n&eacute;", "\xC3\xA9|\n|&|eacute|;|<|b|>|\n|&|eacute|;");
    expect_words("&#xD83D;&#xDE00;", "\xF0\x9F\x98\x80");
    expect_words("a\x1B[1;31mred\x1B[0m", "ared");
    /* mojibake: once, twice, with a lost byte, with a blank for 0xA0; and text that is not mojibake */
    expect_words("caf\xC3\x83\xC2\xA9", "caf\xC3\xA9");
    expect_words("caf\xC3\x83\xC6\x92\xC3\x82\xC2\xA9", "caf\xC3\xA9");
    expect_words("it\xC3\xA2\xE2\x82\xAC\xE2\x84\xA2s", "it|'s");
    expect_words("voil\xC3\x83 le travail \xC3\x83\xC2\xA9t\xC3\x83\xC2\xA9",
                 "voil\xC3\xA0le|travail|\xC3\xA9t\xC3\xA9");
    expect_words("\xE2\x88\x9A\xC2\xA9t\xE2\x88\x9A\xC2\xA9", "\xC3\xA9t\xC3\xA9"); /* read in Mac Roman */
    expect_words("AH\xC3\x85\xE2\x84\xA2, IKEA\xC2\xAE", "ah\xC3\xA5|\xE2\x84\xA2|,|ikea|\xC2\xAE");
    expect_words("sad\xC2\x85", "sad|...");
    expect_words("\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9");
}

/* Lines of more than a million bytes are read in pieces, in which no character set is looked at. */
static void test_long_line(void **state)
{
    (void)state;
    static const char unit[] = "\xC3\x83\xC2\xA9\xE2\x80\x94 "; /* mojibake, a dash, a blank */
    const size_t count = 300000, step = sizeof unit - 1;
    char *text = malloc(count * step);
    gpt1_reader *reader = gpt1_reader_make(rules);
    assert_true(text && reader);
    for (size_t i = 0; i < count; i++) memcpy(text + i * step, unit, step);
    size_t at = 0, words = 0, size = 1;
    while (size) {
        const char *word = NULL;
        assert_true(gpt1_reader_next(reader, text, count * step, &at, &word, &size));
        if (!size) break;
        assert_memory_equal(word, words % 3 == 2 ? "-" : words % 3 ? "\xC2\xA9" : "\xC3\xA3", size);
        words++;
    }
    assert_int_equal(words, 3 * count);
    assert_int_equal(at, count * step);
    gpt1_reader_free(reader);
    free(text);
}

static void test_lower(void **state)
{
    (void)state;
    expect_words("\xC3\x89T\xC3\x89 \xC3\x86 \xC3\x9F \xE1\xBA\x9E", "\xC3\xA9t\xC3\xA9|\xC3\xA6|\xC3\x9F|\xC3\x9F");
    expect_words("\xD0\x9C\xD0\x98\xD0\xA0 \xE2\x84\xAA \xE2\x84\xAB", "\xD0\xBC\xD0\xB8\xD1\x80|k|\xC3\xA5");
    expect_words("\xC4\xB0", "i\xCC\x87"); /* U+0130 becomes two characters */
    expect_words("\xCE\xA3\xCE\x91\xCE\xA3 \xCE\xA3", "\xCF\x83\xCE\xB1\xCF\x82|\xCF\x83"); /* the final sigma */
    expect_words("\xC7\x85 \xE2\x85\xA7 \xE2\x92\xB6", "\xC7\x86|\xE2\x85\xB7|\xE2\x93\x90");
}

static void test_splitting(void **state)
{
    (void)state;
    expect_words("I don't, it's; they'd've won't I'm can't cannot gonna",
                 "i|do|n't|,|it|'s|;|they|'d|'ve|wo|n't|i|'m|ca|n't|can|not|gon|na");
    expect_words("Don't DON'T He's HE'S well Well ill its id", "do|n't|don't|he|'s|he|'s|well|well|ill|its|i|d");
    expect_words("the dogs' John's 'tis 'em 'cause y'all ma'am o'clock",
                 "the|dogs|'|john|'s|'|tis|'em|'cause|y'|all|ma'am|o'clock");
    expect_words("'don't' 'Mr. Smith' (I'll)", "'|do|n't|'|'|mr.|smith|'|(|i|'ll|)");
    expect_words("Mr. Dr. e.g. U.S. U.S.A. USA. J. R. R. end. e. B.",
                 "mr.|dr.|e.g.|u.s.|u.s.a.|usa|.|j.|r.|r.|end|.|e.|b.");
    expect_words("at 5pm 10a.m. 5km 3.5% $5 US$5 5$ 10.", "at|5|pm|10|a.m.|5|km|3.5|%|$|5|us$|5|5|$|10|.");
    expect_words("end.Then end.then ...and so...on ..", "end|.|then|end.then|...|and|so|...|on|..");
    expect_words("www.example.com. me@host.org's a:b a=b 2^3 1.5",
                 "www.example.com|.|me@host.org's|a|:|b|a|=|b|2|^|3|1.5");
    expect_words("hi \xE2\x98\xBA\xE2\x98\xBA a\xE2\x98\xBA"
                 "b :D :) <3",
                 "hi|\xE2\x98\xBA|\xE2\x98\xBA|a|\xE2\x98\xBA|b|:d|:|)|<3");
    expect_words("20\xC2\xB0"
                 "C. \xC2\xBFQu\xC3\xA9?",
                 "20|\xC2\xB0|"
                 "c|.|\xC2\xBF|qu\xC3\xA9|?");
    expect_words("\xD0\xBC\xD0\xB8\xD1\x80. ``quoted''", "\xD0\xBC\xD0\xB8\xD1\x80|.|``|quoted|''");
}

/* A million equal characters are read in linear time. */
static void test_long(void **state)
{
    (void)state;
    static const char *const units[] = {"a",  "'", ".",  ",",         "a.",  "a'",           "$", "US$", "5km",
                                        "\n", " ", "a@", "\xCE\xA3'", "a.b", "\xE2\x98\xBA", "`", ":D"};
    char *text = malloc(MEGABYTE);
    assert_non_null(text);
    for (size_t i = 0; i <= sizeof units / sizeof *units; i++) {
        const char *unit = i < sizeof units / sizeof *units ? units[i] : NULL;
        for (size_t j = 0; j < MEGABYTE; j++) {
            text[j] = unit ? unit[j % strlen(unit)] : (char)rng_philox(3, (uint32_t)j, 0, 0, 0).v[0];
        }
        const double begin = os_seconds();
        gpt1_reader *reader = gpt1_reader_make(rules);
        size_t at = 0, size = 1;
        while (size) {
            const char *word;
            assert_true(gpt1_reader_next(reader, text, MEGABYTE, &at, &word, &size));
        }
        assert_int_equal(at, MEGABYTE);
        gpt1_reader_free(reader);
        if (os_seconds() - begin > LIMIT_SECONDS) fail_msg("unit %zu took %.1f s", i, os_seconds() - begin);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard), cmocka_unit_test(test_repairs),   cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_lower),    cmocka_unit_test(test_splitting), cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests_name("gpt1", tests, setup, teardown);
}
