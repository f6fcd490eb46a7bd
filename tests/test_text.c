/* Tokenizers: round trips, error lines, files good and hostile. Corpora are in test_corpus.c. */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <pumice/text.h>

#include "base/rng.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_text.h"
#include "base/utf8.h"

static pm_tokenizer *bytes_of(void)
{
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_bytes(NULL, &tok), PM_OK);
    return tok;
}

static pm_tokenizer *chars_of(const char *text, size_t size)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_chars(&log, "text", text, size, &tok), PM_OK);
    return tok;
}

static void test_utf8_all_codes(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < UTF8_CODES; code++) {
        if (code >= 0xD800 && code <= 0xDFFF) continue;
        char text[UTF8_MAX];
        uint32_t got = UINT32_MAX;
        size_t size = utf8_encode(code, text);
        if (utf8_decode(text, size, &got) != size || got != code) fail_msg("U+%04X", (unsigned)code);
        if (size > 1 && utf8_decode(text, size - 1, &got)) fail_msg("U+%04X, cut", (unsigned)code);
    }
}

static void test_utf8_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t most;
        const char *left;
    } rows[] = {{"", 5, ""},
                {"abc", 5, "abc"},
                {"abcdef", 5, "abcde"},
                {"abcd\xc3\xa4", 5, "abcd"},
                {"abc\xc3\xa4", 5, "abc\xc3\xa4"},
                {"a\xe4"
                 "c",
                 5, "a"},
                {"\xff", 5, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[8];
        snprintf(text, sizeof text, "%s", rows[i].text);
        assert_string_equal(utf8_cut(text, rows[i].most), rows[i].left);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    pm_tokenizer *tok = bytes_of();
    assert_string_equal(pm_tokenizer_kind(tok), "byte");
    assert_int_equal(pm_tokenizer_vocab(tok), 256);
    char text[10000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)rng_philox(5, (uint32_t)i, 0, 0, 0).v[0];
    assert_int_equal(test_round_trip(tok, text, sizeof text), sizeof text);
    assert_int_equal(test_round_trip(tok, text, 0), 0);
    size_t size = 77;
    assert_null(pm_tokenizer_piece(tok, 256, &size));
    assert_null(pm_tokenizer_piece(tok, UINT32_MAX, &size));
    pm_tokenizer_destroy(&tok);
    assert_null(tok);
    pm_tokenizer_destroy(&tok);
}

/* Characters of one to four bytes, a combining accent, NUL, those that JSON escapes, and those that spell bytes for
 * GPT-2. */
static const char MIXED[] = "a\n\t\r\b\f\"\\/ \x7f\x1f\0e\xCC\x81 \xC4\x80\xC4\xA0\xC5\x83 \xE2\x80\xA8 \xE4\xB8\xAD"
                            "\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\xEF\xBB\xBF\xEF\xBF\xBD<0x00>";

static void test_chars(void **state)
{
    (void)state;
    pm_tokenizer *tok = chars_of("hello world", 11);
    assert_string_equal(pm_tokenizer_kind(tok), "char");
    assert_int_equal(pm_tokenizer_vocab(tok), 8);
    static const char order[] = " dehlorw"; /* by code point */
    for (uint32_t id = 0; id < 8; id++) {
        size_t size = 0;
        assert_int_equal(*pm_tokenizer_piece(tok, id, &size), order[id]);
        assert_int_equal(size, 1);
    }
    assert_null(pm_tokenizer_piece(tok, 8, &(size_t){0}));
    pm_tokenizer_destroy(&tok);

    size_t size = sizeof MIXED - 1, characters = 0;
    for (size_t i = 0; i < size; i++) characters += ((unsigned char)MIXED[i] & 0xC0) != 0x80;
    tok = chars_of(MIXED, size);
    assert_int_equal(test_round_trip(tok, MIXED, size), characters);
    assert_int_equal(test_round_trip(tok, MIXED, 0), 0);
    pm_tokenizer_destroy(&tok);
}

static void test_chars_random(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    char *text = malloc((size_t)COUNT * UTF8_MAX);
    assert_non_null(text);
    static const uint32_t limits[] = {0x80, 0x800, 0x10000, 0x110000};
    size_t size = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        rng_block b = rng_philox(6, i, 0, 0, 0);
        uint32_t code = b.v[1] % limits[b.v[0] % 4];
        if (code >= 0xD800 && code <= 0xDFFF) code = 'x';
        size += utf8_encode(code, text + size);
    }
    pm_tokenizer *tok = chars_of(text, size);
    assert_true(pm_tokenizer_vocab(tok) > 5000);
    assert_int_equal(test_round_trip(tok, text, size), COUNT);
    pm_tokenizer_destroy(&tok);
    free(text);
}

/* The error line names the first fault, at the start, in the middle and at the end of a text. */
static void test_invalid_utf8(void **state)
{
    (void)state;
    static const char *const faults[] = {"\x80",
                                         "\xBF",
                                         "\xC0\x80",
                                         "\xC1\xBF",
                                         "\xC3",
                                         "\xC3(",
                                         "\xE0\x80\x80",
                                         "\xE0\x9F\xBF",
                                         "\xE2\x82",
                                         "\xED\xA0\x80",
                                         "\xED\xBF\xBF",
                                         "\xF0\x80\x80\x80",
                                         "\xF0\x8F\xBF\xBF",
                                         "\xF0\x9F\x98",
                                         "\xF4\x90\x80\x80",
                                         "\xF5\x80\x80\x80",
                                         "\xFE",
                                         "\xFF"};
    static const char *const before[] = {"", "abc", "\xC3\xA9\xF0\x9F\x98\x80"};
    static const char *const after[] = {"", "z", "\xFF"};
    pm_log log = test_log();
    pm_tokenizer *known = chars_of("abcz(\xC3\xA9\xF0\x9F\x98\x80", 11), *tok = NULL;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        for (size_t j = 0; j < 9; j++) {
            char text[64], words[64];
            snprintf(text, sizeof text, "%s%s%s", before[j / 3], faults[i], after[j % 3]);
            snprintf(words, sizeof words, "not UTF-8 at byte %zu;", strlen(before[j / 3]));
            uint32_t *tokens = NULL;
            size_t count = 77;
            test_log_reset();
            test_expect_failure(pm_tokenizer_chars(&log, "some/file", text, strlen(text), &tok), PM_FORMAT, "some/file",
                                words);
            test_expect_failure(pm_tokenizer_encode(&log, known, "some/file", text, strlen(text), &tokens, &count),
                                PM_FORMAT, "some/file", words);
            assert_null(tok);
            assert_null(tokens);
            assert_int_equal(count, 77);
        }
    }
    test_log_reset();
    test_expect_failure(pm_tokenizer_chars(&log, "some/file", "", 0, &tok), PM_FORMAT, "some/file", "is empty");
    pm_tokenizer_destroy(&known);
}

static void test_unknown_character(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"ababZab", "U+005A 'Z' at byte 4 is not in the tokenizer's vocabulary"},
        {"a\xC3\xA9", "U+00E9 '\xC3\xA9' at byte 1 is"},
        {"aab\xF0\x9F\x98\x80", "U+1F600 '\xF0\x9F\x98\x80' at byte 3 is"},
        {"\n", "the character U+000A at byte 0 is"}, /* not shown: it would end the line */
        {"b\xE2\x80\xA8", "the character U+2028 at byte 1 is"},
        {"b\xC2\x85", "the character U+0085 at byte 1 is"},
    };
    pm_log log = test_log();
    pm_tokenizer *tok = chars_of("ab", 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t *tokens = NULL;
        size_t count = 77;
        test_log_reset();
        test_expect_failure(
            pm_tokenizer_encode(&log, tok, "in.txt", rows[i].text, strlen(rows[i].text), &tokens, &count), PM_FORMAT,
            "in.txt: ", rows[i].words);
        assert_null(tokens);
    }
    pm_tokenizer_destroy(&tok);
}

/* An empty prompt is the token that begins texts, else a line's end, a blank, or token 0; other prompts are their tokens. */
static void test_prompts(void **state)
{
    (void)state;
    static const struct {
        const char *characters, *prompt;
        uint32_t begin;
        const char *ids;
    } rows[] = {{"ab \n", "ba", 3, "3 2"},       {"ab \n", "", 3, "3"},          {"ab \n", "", PM_TOKEN_NONE, "0"},
                {"ab ", "", PM_TOKEN_NONE, "0"}, {"ab", "", PM_TOKEN_NONE, "0"}, {"!a ", "a", PM_TOKEN_NONE, "2"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pm_tokenizer *tok = chars_of(rows[i].characters, strlen(rows[i].characters));
        test_expect_prompt(tok, rows[i].prompt, false, rows[i].begin, rows[i].ids);
        pm_tokenizer_destroy(&tok);
    }
    pm_tokenizer *tok = bytes_of();
    test_expect_prompt(tok, "", false, PM_TOKEN_NONE, "10");
    test_expect_prompt(tok, "a", false, 7, "97");
    pm_tokenizer_destroy(&tok);
    tok = chars_of("ab", 2);
    uint32_t *tokens = NULL;
    size_t count = 1;
    const pm_log log = test_log();
    test_log_reset();
    test_expect_failure(pm_tokenizer_encode_prompt(&log, tok, "--prompt", "abx", 3, false, 0, &tokens, &count),
                        PM_FORMAT, "--prompt: ", "'x' at byte 2");
    assert_null(tokens);
    assert_int_equal(count, 0);
    pm_tokenizer_destroy(&tok);
}

/* Saves, loads, compares; the second save gives the same bytes. Destroys tok. */
static void expect_files(pm_tokenizer *tok)
{
    pm_log log = test_log();
    char *dir = test_dir_make();
    const char *folder = test_path(dir, "deep/er"), *vocab = test_path(dir, "deep/er/vocab.json");
    pm_tokenizer *loaded = NULL;
    test_log_reset();
    assert_int_equal(pm_tokenizer_save(&log, tok, folder), PM_OK);
    assert_int_equal(pm_tokenizer_load(&log, folder, &loaded), PM_OK);
    test_expect_same(tok, loaded);
    size_t size, again;
    char *first = test_read(vocab, &size);
    assert_int_equal(pm_tokenizer_save(&log, loaded, folder), PM_OK);
    char *second = test_read(vocab, &again);
    assert_int_equal(size, again);
    assert_memory_equal(first, second, size);
    assert_int_equal(test_dir_count(folder, ""), 2);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    free(first);
    free(second);
    pm_tokenizer_destroy(&loaded);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

static void test_files(void **state)
{
    (void)state;
    expect_files(bytes_of());
    expect_files(chars_of("x", 1));
    expect_files(chars_of("\0", 1));
    expect_files(chars_of(MIXED, sizeof MIXED - 1));
    char *text = malloc((size_t)UTF8_CODES * UTF8_MAX); /* every character up to U+2FFFF */
    assert_non_null(text);
    size_t size = 0;
    for (uint32_t code = 0; code < 0x30000; code++) {
        if (code < 0xD800 || code > 0xDFFF) size += utf8_encode(code, text + size);
    }
    expect_files(chars_of(text, size));
    free(text);
}

/* Properties that other programs rely on: GPT-2's spelling of bytes, Hugging Face's form, the kind. */
static void test_file_form(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    pm_tokenizer *tok = bytes_of();
    assert_int_equal(pm_tokenizer_save(NULL, tok, dir), PM_OK);
    size_t size;
    char *text = test_read(test_path(dir, "vocab.json"), &size);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    static const struct {
        const char *spelling;
        int id;
    } rows[] = {{"A", 65},         {"\xC4\xA0", 32},   {"\xC4\x8A", 10},   {"\xC4\x80", 0}, {"\xC4\xA1", 127},
                {"\xC3\xBF", 255}, {"\xC5\x83", 0xAD}, {"\xC5\x82", 0xA0}, {"~", 126},      {"\\", 92}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const cJSON *entry = cJSON_GetObjectItemCaseSensitive(json, rows[i].spelling);
        assert_true(cJSON_IsNumber(entry));
        assert_int_equal(entry->valueint, rows[i].id);
    }
    assert_int_equal(cJSON_GetArraySize(json), 256);
    cJSON_Delete(json);
    free(text);
    text = test_read(test_path(dir, "tokenizer_config.json"), &size);
    json = cJSON_Parse(text);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "tokenizer_class")), "PumiceTokenizer");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "pumice_kind")), "byte");
    cJSON_Delete(json);
    free(text);
    pm_tokenizer_destroy(&tok);

    tok = chars_of("b\"\n", 3);
    assert_int_equal(pm_tokenizer_save(NULL, tok, dir), PM_OK);
    text = test_read(test_path(dir, "vocab.json"), &size);
    assert_string_equal(text, "{\"\\n\":0,\"\\\"\":1,\"b\":2}");
    free(text);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* Stable across runs and machines: caches and checkpoints keep it. */
static void test_hashes(void **state)
{
    (void)state;
    pm_tokenizer *a = bytes_of(), *b = chars_of("ab", 2), *c = chars_of("abc", 3), *d = chars_of("ba", 2);
    assert_true(pm_tokenizer_hash(b) == pm_tokenizer_hash(d));
    assert_true(pm_tokenizer_hash(b) != pm_tokenizer_hash(c));
    char all[128];
    for (int i = 0; i < 128; i++) all[i] = (char)i;
    pm_tokenizer *e = chars_of(all, sizeof all);
    assert_true(pm_tokenizer_hash(a) != pm_tokenizer_hash(e));
    assert_true(pm_tokenizer_hash(a) == 0x47222facf3f60cffull);
    assert_true(pm_tokenizer_hash(b) == 0x4c37999f6012150cull);
    pm_tokenizer_destroy(&a);
    pm_tokenizer_destroy(&b);
    pm_tokenizer_destroy(&c);
    pm_tokenizer_destroy(&d);
    pm_tokenizer_destroy(&e);
}

static void test_hostile_vocab(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *words;
    } rows[] = {
        {"", "is not valid JSON"},
        {"{", "is not valid JSON"},
        {"{\"a\":0,}", "is not valid JSON"},
        {"{\"a\":0} trailing", "is not valid JSON"},
        {"{\"a\":0", "is not valid JSON"},
        {"[\"a\"]", "must hold one JSON object"},
        {"\"a\"", "must hold one JSON object"},
        {"{}", "has 0 entries"},
        {"{\"\":0}", "entry 1 must be one UTF-8 character"},
        {"{\"a\":0,\"bc\":1}", "entry 2 must be one UTF-8 character"},
        {"{\"\xFF\":0}", "entry 1 must be one UTF-8 character"},
        {"{\"\xED\xA0\x80\":0}", "entry 1 must be one UTF-8 character"},
        {"{\"\\ud800\":0}", "a lone surrogate"},
        {"{\"a\\u0000b\":0}", "holds \\u0000"},
        {"{\"a\":0,\"a\":1}", "the key \"a\" is there twice"},
        {"{\"a\":0,\"\\u0061\":1}", "the key \"a\" is there twice"},
        {"{\"a\":0,\"b\":0}", "id 0 is there twice, at entry 2"},
        {"{\"a\":0,\"b\":2}", "the id of entry 2 must be a whole number from 0 to 1"},
        {"{\"a\":-1}", "the id of entry 1 must be a whole number from 0 to 0"},
        {"{\"a\":0.5,\"b\":1}", "the id of entry 1 must be"},
        {"{\"a\":\"0\"}", "the id of entry 1 must be"},
        {"{\"a\":null}", "the id of entry 1 must be"},
        {"{\"a\":{\"b\":0}}", "the id of entry 1 must be"},
        {"{\"a\":1e300}", "the id of entry 1 must be"},
        {"{\"a\":4294967296}", "the id of entry 1 must be"},
    };
    pm_log log = test_log();
    char *dir = test_dir_make();
    char path[1024];
    snprintf(path, sizeof path, "%s", test_path(dir, "vocab.json"));
    test_write(test_path(dir, "tokenizer_config.json"), "{\"pumice_kind\":\"char\"}", 22);
    pm_tokenizer *tok = NULL;
    test_log_reset();
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, path, "No such file");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_write(path, rows[i].vocab, strlen(rows[i].vocab));
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, rows[i].words);
        assert_null(tok);
    }
    test_write(path, "{\"a\":0}\0{", 9); /* text hidden behind a 0 byte */
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "is not valid JSON");
    char *deep = malloc(200000);
    assert_non_null(deep);
    memset(deep, '[', 200000);
    test_write(path, deep, 200000);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "is not valid JSON");
    free(deep);
    test_write(path, " {\"b\":1,\"<0x00>\":0}\n", 20); /* any order and white space are fine */
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_int_equal(test_round_trip(tok, "b\0b", 3), 3);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

static void test_hostile_config(void **state)
{
    (void)state;
    static const char *const configs[] = {"{\"pumice_kind\":\"word\"}", "{\"pumice_kind\":7}",
                                          "{\"tokenizer_class\":\"PumiceTokenizer\"}",
                                          "{\"tokenizer_class\":\"BertTokenizer\"}"};
    pm_log log = test_log();
    char *dir = test_dir_make();
    char config[1024], vocab[1024];
    snprintf(config, sizeof config, "%s", test_path(dir, "tokenizer_config.json"));
    snprintf(vocab, sizeof vocab, "%s", test_path(dir, "vocab.json"));
    test_write(vocab, "{\"a\":0}", 7);
    pm_tokenizer *tok = NULL;
    test_log_reset();
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, dir, "holds no tokenizer");
    test_write(config, "{}", 2);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, dir, "holds no tokenizer");
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        test_write(config, configs[i], strlen(configs[i]));
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, config, "\"byte\" or \"char\"");
    }
    test_write(config, "pumice_kind: char", 17);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, config, "is not valid JSON");
    test_write(config, "{\"pumice_kind\":\"byte\"}", 22); /* of another vocabulary */
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, vocab,
                        "has 1 entries; a byte vocabulary has 256");
    pm_tokenizer *bytes = bytes_of();
    assert_int_equal(pm_tokenizer_save(&log, bytes, dir), PM_OK);
    pm_tokenizer_destroy(&bytes);
    size_t size;
    char *text = test_read(vocab, &size), *space = strstr(text, "\"\xC4\xA0\"");
    assert_non_null(space);
    memcpy(space + 1, "\xC7\xBF", 2); /* U+01FF spells no byte */
    test_write(vocab, text, size);
    free(text);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, vocab,
                        "entry 33 must be one byte in GPT-2's spelling");
    assert_null(tok);
    tok = bytes_of();
    test_expect_failure(pm_tokenizer_save(&log, tok, vocab), PM_IO, vocab, "Not a directory");
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* ---- detokenizing ---- */

/* Whole characters come out as soon as they are; what is none comes out as it is. */
static void test_detokenizer(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *texts; /* what each byte's token gives, with | between; behind the last one what is left */
    } rows[] = {
        {"ab", "a|b|"},
        {"\xC3\xA9x", "|\xC3\xA9|x|"},
        {"\xE4\xB8\xAD", "||\xE4\xB8\xAD|"},
        {"\xF0\x9F\x98\x80", "|||\xF0\x9F\x98\x80|"},
        {"\xE4\xB8", "||\xE4\xB8"},
        {"\xE4\xB8"
         "a",
         "||\xE4\xB8"
         "a|"},
        {"\xE4\xC3\xA9", "|\xE4|\xC3\xA9|"},
        {"\xFF\x80\xC0", "\xFF|\x80|\xC0|"},
        {"\xED\xA0\x80", "|\xED\xA0|\x80|"}, /* half of a surrogate pair is no character, */
        {"\xF4\x90", "|\xF4\x90|"},          /* nor is anything behind U+10FFFF, */
        {"\xE0\x80", "|\xE0\x80|"},          /* or too long a form */
        {"\xF0\x90\xF0\x90\x80\x80", "||\xF0\x90|||\xF0\x90\x80\x80|"},
        {"", ""},
    };
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_bytes(&log, &tok), PM_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pm_detokenizer *d = NULL;
        char got[64] = "";
        size_t size = 0;
        assert_int_equal(pm_detokenizer_create(&log, tok, false, &d), PM_OK);
        for (const char *b = rows[i].bytes; *b; b++) {
            const char *text = pm_detokenizer_put(d, (unsigned char)*b, &size);
            strncat(got, text, size);
            strcat(got, "|");
        }
        const char *rest = pm_detokenizer_end(d, &size);
        strncat(got, rest, size);
        assert_string_equal(got, rows[i].texts);
        pm_detokenizer_end(d, &size);
        assert_int_equal(size, 0);
        pm_detokenizer_put(d, 256, &size); /* no token */
        assert_int_equal(size, 0);
        pm_detokenizer_destroy(&d);
        pm_detokenizer_destroy(&d);
    }
    pm_tokenizer_destroy(&tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_all_codes),
        cmocka_unit_test(test_utf8_cut),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_chars),
        cmocka_unit_test(test_chars_random),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_unknown_character),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_file_form),
        cmocka_unit_test(test_detokenizer),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_hostile_vocab),
        cmocka_unit_test(test_hostile_config),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
