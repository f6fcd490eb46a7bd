/* The files of tokenizers with merges: every layout that is read, what is written, and files that are damaged or hostile. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cjson/cJSON.h>

#include "base/rng.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"
#include "helper_text.h"
#include "text/gpt2.h"

/* A small vocabulary of GPT-1's kind, and its merges. */
static const char GPT1_VOCAB[] =
    "{\"<unk>\":0,\"a\":1,\"b\":2,\"a</w>\":3,\"b</w>\":4,\"ab\":5,\"ab</w>\":6,\"\\n</w>\":7,\"abab</w>\":8}";
static const char GPT1_MERGES[] = "#version: 0.2\na b</w>\na b\nab ab</w>\n";

static pm_tokenizer *learnt(void)
{
    static const char text[] =
        "the cat sat on the mat; the other cat. The caf\xC3\xA9 \\u0000 \\u0000 # # # \r\n\r\n\r\n";
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_train(NULL, "text", text, sizeof text - 1, 268, &tok), PM_OK);
    return tok;
}

static void put(const char *dir, const char *name, const char *text)
{
    test_write(test_path(dir, name), text, strlen(text));
}

static void test_saved(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", test_path(dir, "deep/er"));
    pm_tokenizer *tok = learnt(), *loaded = NULL;
    test_log_reset();
    assert_int_equal(pm_tokenizer_save(&log, tok, folder), PM_OK);
    assert_int_equal(pm_tokenizer_load(&log, folder, &loaded), PM_OK);
    test_expect_same(tok, loaded);
    assert_int_equal(test_dir_count(folder, ""), 4);

    /* tokenizer.json alone gives the same tokens */
    pm_tokenizer *whole = NULL;
    const char *const others[] = {"vocab.json", "merges.txt", "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(remove(test_path(folder, others[i])), 0);
    assert_int_equal(pm_tokenizer_load(&log, folder, &whole), PM_OK);
    test_expect_same(tok, whole);
    pm_tokenizer_destroy(&whole);
    assert_int_equal(pm_tokenizer_save(&log, tok, folder), PM_OK);

    size_t size;
    char *text = test_read(test_path(folder, "tokenizer_config.json"), &size);
    cJSON *json = cJSON_Parse(text);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "tokenizer_class")), "GPT2Tokenizer");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "pumice_kind")), "gpt2");
    assert_int_equal(cJSON_GetObjectItem(json, "vocab_size")->valueint, 268);
    cJSON_Delete(json);
    free(text);
    text = test_read(test_path(folder, "vocab.json"), &size);
    json = cJSON_Parse(text);
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(json, "!")->valueint, 0);
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(json, "\xC4\xA0")->valueint, 220); /* a blank */
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(json, "<|endoftext|>")->valueint, 267);
    cJSON_Delete(json);
    free(text);
    text = test_read(test_path(folder, "merges.txt"), &size);
    assert_ptr_equal(strstr(text, "#version: 0.2\n"), text);
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    assert_int_equal(lines, 1 + 268 - 257);
    assert_int_equal(text[size - 1], '\n');
    free(text);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    pm_tokenizer_destroy(&loaded);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* What GPT-1's kind does not know becomes the token that the files name, else <unk>, else id 0. */
static void test_unknown(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *config, *ids;
    } rows[] = {
        {GPT1_VOCAB, "{\"tokenizer_class\": \"OpenAIGPTTokenizer\", \"unk_token\": \"ab\"}", "5 3"},
        {GPT1_VOCAB, "{\"tokenizer_class\": \"OpenAIGPTTokenizer\", \"unk_token\": \"[UNK]\"}", "0 3"},
        {GPT1_VOCAB, "{\"tokenizer_class\": \"OpenAIGPTTokenizer\"}", "0 3"},
        {"{\"a\":0,\"a</w>\":1,\"[UNK]\":2}", "{\"unk_token\": \"[UNK]\"}", "2 1"},
        {"{\"a\":0,\"a</w>\":1,\"<unk>\":2}", "{}", "2 1"},
        {"{\"a\":0,\"a</w>\":1}", "{}", "0 1"},
    };
    pm_log log = test_log();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *dir = test_dir_make();
        pm_tokenizer *tok = NULL, *again = NULL;
        put(dir, "vocab.json", rows[i].vocab);
        put(dir, "merges.txt", "");
        put(dir, "tokenizer_config.json", rows[i].config);
        assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
        assert_string_equal(pm_tokenizer_kind(tok), "gpt1");
        test_expect_ids(tok, "x a", rows[i].ids);
        assert_int_equal(pm_tokenizer_save(&log, tok, test_path(dir, "again")), PM_OK);
        assert_int_equal(pm_tokenizer_load(&log, test_path(dir, "again"), &again), PM_OK);
        test_expect_same(tok, again);
        test_expect_ids(again, "x a", rows[i].ids);
        pm_tokenizer_destroy(&tok);
        pm_tokenizer_destroy(&again);
        test_dir_remove(dir);
    }
}

/* The kind comes from pumice_kind, or tokenizer_class, or the names of the files, or what is in them. */
static void test_layouts(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *merges, *config; /* NULL: no such file */
    } rows[] = {
        {"vocab.json", "merges.txt", NULL},
        {"vocab.json", "merges.txt", "{\"model_max_length\": 512}"},
        {"vocab.json", "merges.txt", "{\"tokenizer_class\": \"OpenAIGPTTokenizer\"}"},
        {"vocab.json", "merges.txt", "{\"tokenizer_class\": \"OpenAIGPTTokenizerFast\"}"},
        {"vocab.json", "merges.txt", "{\"pumice_kind\": \"gpt1\", \"tokenizer_class\": \"Other\"}"},
        {"encoder_bpe_40000.json", "vocab_40000.bpe", NULL},
    };
    pm_log log = test_log();
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const size_t row = i / 2;
        char *dir = test_dir_make();
        pm_tokenizer *tok = NULL, *again = NULL;
        put(dir, rows[row].vocab, GPT1_VOCAB);
        put(dir, rows[row].merges, i % 2 ? GPT1_MERGES : "a b</w>\r\na b\r\nab ab</w>");
        if (rows[row].config) put(dir, "tokenizer_config.json", rows[row].config);
        assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
        assert_string_equal(pm_tokenizer_kind(tok), "gpt1");
        test_expect_ids(tok, "AB abab\nb xa", "6 8 7 4 0 3");
        assert_int_equal(pm_tokenizer_save(&log, tok, test_path(dir, "again")), PM_OK);
        assert_int_equal(pm_tokenizer_load(&log, test_path(dir, "again"), &again), PM_OK);
        test_expect_same(tok, again);
        size_t size;
        char *text = test_read(test_path(dir, "again/merges.txt"), &size);
        assert_string_equal(text, GPT1_MERGES);
        free(text);
        text = test_read(test_path(dir, "again/vocab.json"), &size);
        assert_string_equal(text, GPT1_VOCAB);
        free(text);
        pm_tokenizer_destroy(&tok);
        pm_tokenizer_destroy(&again);
        test_dir_remove(dir);
    }
    /* GPT-2's, in OpenAI's names */
    char *dir = test_dir_make();
    pm_tokenizer *tok = learnt(), *loaded = NULL;
    assert_int_equal(pm_tokenizer_save(&log, tok, dir), PM_OK);
    assert_int_equal(remove(test_path(dir, "tokenizer_config.json")), 0);
    assert_int_equal(pm_tokenizer_load(&log, dir, &loaded), PM_OK);
    test_expect_same(tok, loaded);
    pm_tokenizer_destroy(&loaded);
    assert_int_equal(rename(test_path(dir, "vocab.json"), test_path(dir, "encoder.json")), 0);
    assert_int_equal(rename(test_path(dir, "merges.txt"), test_path(dir, "vocab.bpe")), 0);
    assert_int_equal(pm_tokenizer_load(&log, dir, &loaded), PM_OK);
    test_expect_same(tok, loaded);
    pm_tokenizer_destroy(&loaded);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* The merges belong to the hash. */
static void test_hash(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    pm_tokenizer *tok = NULL, *other = NULL;
    put(dir, "vocab.json", GPT1_VOCAB);
    put(dir, "merges.txt", GPT1_MERGES);
    assert_int_equal(pm_tokenizer_load(NULL, dir, &tok), PM_OK);
    put(dir, "merges.txt", "a b\na b</w>\nab ab</w>\n");
    assert_int_equal(pm_tokenizer_load(NULL, dir, &other), PM_OK);
    assert_true(pm_tokenizer_hash(tok) != pm_tokenizer_hash(other));
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&other);
    test_dir_remove(dir);
}

static void test_hostile_vocab(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *words;
    } rows[] = {
        {"", "is not valid JSON"},
        {"{\"a\":0", "is not valid JSON"},
        {"{\"a\":0} {}", "is not valid JSON"},
        {"[]", "must hold one JSON object"},
        {"{}", "has no entries"},
        {"{\"a\":0,\"b\":16777216}", "the id of entry 2 must be a whole number from 0 to 16777215"},
        {"{\"a\":-1}", "the id of entry 1 must be"},
        {"{\"a\":1e300}", "the id of entry 1 must be"},
        {"{\"a\":0.5,\"b\":1}", "the id of entry 1 must be"},
        {"{\"a\":\"0\"}", "the id of entry 1 must be"},
        {"{\"a\":{\"b\":0}}", "the id of entry 1 must be"},
        {"{\"a\":0,\"a\":1}", "the key \"a\" is there twice"},
        {"{\"\":0}", "the token of id 0 must be UTF-8 without blanks"},
        {"{\"a b\":0}", "the token of id 0 must be UTF-8 without blanks"},
        {"{\"\xFF\":0}", "the token of id 0 must be UTF-8"},
        {"{\"a\\u0000\":0}", "holds \\u0000"},
    };
    pm_log log = test_log();
    char *dir = test_dir_make();
    char path[1024];
    snprintf(path, sizeof path, "%s", test_path(dir, "vocab.json"));
    put(dir, "tokenizer_config.json", "{\"pumice_kind\":\"gpt1\"}");
    put(dir, "merges.txt", "");
    pm_tokenizer *tok = NULL;
    test_log_reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(dir, "vocab.json", rows[i].vocab);
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, rows[i].words);
    }
    /* among many keys, too */
    char many[2000] = "{";
    for (int i = 0; i < 60; i++) sprintf(many + strlen(many), "\"a%d\":%d,", i % 57, i);
    strcpy(many + strlen(many) - 1, "}");
    put(dir, "vocab.json", many);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "the key \"a0\" is there twice");
    test_write(path, "{\"a\0b\":0}", 9);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "is not valid JSON, at byte 3");
    put(dir, "tokenizer_config.json", "{\"pumice_kind\":\"gpt2\"}");
    put(dir, "vocab.json", "{\"a b\":0}");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "must be bytes in GPT-2's spelling");
    assert_int_equal(remove(path), 0);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, dir, "holds no tokenizer");
    assert_null(tok);
    test_dir_remove(dir);
}

static void test_hostile_merges(void **state)
{
    (void)state;
    static const struct {
        const char *merges, *words;
    } rows[] = {
        {"a b\nb\n", "line 2 must be two tokens with one blank between"},
        {"#version: 0.2\na  b\n", "line 2 must be two tokens"},
        {"a b c\n", "line 1 must be two tokens"},
        {" a b\n", "line 1 must be two tokens"},
        {"a b \n", "line 1 must be two tokens"},
        {"a\tb\n", "line 1 must be two tokens"},
        {"#version: 0.2\n#version: 0.2\n", "line 2 merges a token that the vocabulary lacks"},
        {"a c\n", "line 1 merges a token that the vocabulary lacks"},
        {"b a\n", "line 1 makes a token that the vocabulary lacks"},
        {"\n\na \xFF\n", "line 3 must be two tokens"},
    };
    pm_log log = test_log();
    char *dir = test_dir_make();
    char path[1024];
    snprintf(path, sizeof path, "%s", test_path(dir, "merges.txt"));
    put(dir, "vocab.json", GPT1_VOCAB);
    pm_tokenizer *tok = NULL;
    test_log_reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(dir, "merges.txt", rows[i].merges);
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, rows[i].words);
    }
    test_write(path, "a \0b\n", 5);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "line 1 ");
    put(dir, "merges.txt", "a b\na b</w>\na b\n");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "merge 3 is there twice");
    assert_int_equal(remove(path), 0);
    test_make_folder(path);
    test_log_reset();
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_IO);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_null(tok);
    test_dir_remove(dir);
}

/* Loads a folder that may be damaged: it is refused with one line, or encodes any text. */
static void expect_sound(const char *dir)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    test_log_reset();
    const pm_status status = pm_tokenizer_load(&log, dir, &tok);
    assert_int_equal(test_log_count(PM_LOG_ERROR), status == PM_OK ? 0 : 1);
    assert_null(strchr(test_last_error(), '\n'));
    if (status == PM_OK && strcmp(pm_tokenizer_kind(tok), "gpt2") == 0) test_round_trip(tok, "the cat sat\xFF\n", 13);
    pm_tokenizer_destroy(&tok);
}

/* Cut anywhere, or with bytes changed at random. */
static void test_damaged(void **state)
{
    (void)state;
    enum { CHANGES = 600 };
    static const char *const files[] = {"merges.txt", "vocab.json", "tokenizer_config.json"};
    char *dir = test_dir_make();
    pm_tokenizer *tok = learnt();
    assert_int_equal(pm_tokenizer_save(NULL, tok, dir), PM_OK);
    for (uint32_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s", test_path(dir, files[i]));
        size_t size;
        char *whole = test_read(path, &size), *changed = test_read(path, &size);
        for (size_t length = 0; length < size; length += 3) {
            test_write(path, whole, length);
            expect_sound(dir);
        }
        for (uint32_t j = 0; j < CHANGES; j++) {
            memcpy(changed, whole, size);
            for (uint32_t k = 0; k <= j % 3; k++) {
                rng_block b = rng_philox(8, i, j, k, 0);
                changed[b.v[0] % size] = b.v[1] % 2 ? (char)b.v[2] : whole[b.v[2] % size];
            }
            test_write(path, changed, size);
            expect_sound(dir);
        }
        test_write(path, whole, size);
        free(whole);
        free(changed);
    }
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saved),   cmocka_unit_test(test_unknown),       cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_hash),    cmocka_unit_test(test_hostile_vocab), cmocka_unit_test(test_hostile_merges),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests_name("bpe files", tests, NULL, NULL);
}
