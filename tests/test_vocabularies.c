/* The real vocabularies of GPT-2 and GPT-1 and real texts, where a folder has them (helper_text.h). Tests ids of other implementations, round trips
 * and speed. tools/compare-tokenizers.sh compares whole texts. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_text.h"

enum { MEGABYTE = 1000000, LIMIT_SECONDS = 20 };

/* Skips the test where there is no such vocabulary. */
static pm_tokenizer *load(const char *name, const char *file)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    const char *path;
    char there[256], dir[4096];
    snprintf(there, sizeof there, "tokenizers/%s/%s", name, file);
    if (!test_shared_file(there, &path)) skip();
    snprintf(dir, sizeof dir, "%.*s", (int)(strlen(path) - strlen(file) - 1), path);
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_string_equal(pm_tokenizer_kind(tok), strcmp(name, "qwen3") == 0 ? "bpe" : name);
    return tok;
}

static pm_tokenizer *load_gpt2(void)
{
    return load("gpt2", "encoder.json");
}

static pm_tokenizer *load_gpt1(void)
{
    return load("gpt1", "encoder_bpe_40000.json");
}

static void test_gpt2(void **state)
{
    (void)state;
    pm_tokenizer *tok = load_gpt2();
    assert_int_equal(pm_tokenizer_vocab(tok), 50257);
    test_expect_ids(tok, "", "");
    test_expect_ids(tok, "Hello world", "15496 995");
    test_expect_ids(tok, "Hello, world!\n\nI'm   done. ", "15496 11 995 0 198 198 40 1101 220 220 1760 13 220");
    test_expect_ids(tok, "na\xC3\xAFve \xF0\x9F\x98\x80 \xE4\xB8\xAD\xE6\x96\x87 \xC2\xBD",
                    "2616 38776 30325 222 220 40792 23877 229 25208");
    test_expect_ids(tok, "<|endoftext|>", "27 91 437 1659 5239 91 29");
    test_expect_ids(tok, "\xFF\xC3", "187 127");
    size_t size = 0;
    assert_memory_equal(pm_tokenizer_piece(tok, 50256, &size), "<|endoftext|>", 13);
    assert_int_equal(size, 13);
    pm_tokenizer_destroy(&tok);
}

/* Qwen2's and Qwen3's, with the ids of llama.cpp for its own test's texts, and saved as tokenizer.json. */
static void test_qwen(void **state)
{
    (void)state;
    static const char line[] = "\n__ggml_vocab_test__\n";
    pm_tokenizer *tok = load("qwen3", "vocab.json"), *again = NULL;
    const char *path;
    size_t size, count = 0;
    assert_int_equal(pm_tokenizer_vocab(tok), 151669);
    assert_int_equal(pm_tokenizer_end(tok), 151645);
    assert_int_equal(pm_tokenizer_begin(tok), PM_TOKEN_NONE);
    assert_false(pm_tokenizer_adds_begin(tok));
    test_expect_ids(tok, "", "");
    test_expect_ids(tok, "a<think>b<|im_end|>", "64 151667 65 27 91 318 6213 91 29");
    test_expect_ids(tok, "caf\xC3\xA9 cafe\xCC\x81", "924 58858 51950"); /* form C */
    if (test_shared_file("tokenizers/fixtures/qwen2.inp", &path)) {
        char *texts = test_read(path, &size), *next, *text = texts;
        assert_true(test_shared_file("tokenizers/fixtures/qwen2.out", &path));
        char *ids = test_read(path, &size), *id = ids;
        for (; (next = strstr(text, line)) != NULL; text = next + sizeof line - 1, count++) {
            char *end = strchr(id, '\n');
            assert_non_null(end);
            *next = *end = 0;
            test_expect_ids(tok, text, id + strspn(id, " "));
            id = end + 1;
        }
        assert_int_equal(count, 46);
        free(texts);
        free(ids);
    }
    char *dir = test_dir_make();
    pm_log log = test_log();
    assert_int_equal(pm_tokenizer_save(&log, tok, dir), PM_OK);
    assert_int_equal(pm_tokenizer_load(&log, dir, &again), PM_OK);
    test_expect_same(tok, again);
    pm_tokenizer_destroy(&again);
    test_dir_remove(dir);
    pm_tokenizer_destroy(&tok);
}

static void test_gpt1(void **state)
{
    (void)state;
    pm_tokenizer *tok = load_gpt1();
    assert_int_equal(pm_tokenizer_vocab(tok), 40478);
    test_expect_ids(tok, " \n", "");
    test_expect_ids(tok, "Hello, world!", "3570 240 1276 267");
    test_expect_ids(tok, "Mr. Smith didn't see\nthe \xE2\x80\x9Cna\xC3\xAFve\xE2\x80\x9D man\xE2\x80\x94he's gone.",
                    "1682 4920 626 538 788 40477 481 244 24213 244 762 260 487 535 1374 239");
    test_expect_ids(tok, "\xE4\xB8\xAD", "0");
    size_t size = 0;
    assert_memory_equal(pm_tokenizer_piece(tok, 40477, &size), "\n ", 2);
    assert_int_equal(size, 2);
    pm_tokenizer_destroy(&tok);
}

/* A folder that pm_tokenizer_save wrote gives the same tokenizer. */
static void test_saved(void **state)
{
    (void)state;
    pm_log log = test_log();
    for (int i = 0; i < 2; i++) {
        pm_tokenizer *tok = i ? load_gpt1() : load_gpt2(), *again = NULL;
        char *dir = test_dir_make();
        assert_int_equal(pm_tokenizer_save(&log, tok, dir), PM_OK);
        assert_int_equal(pm_tokenizer_load(&log, dir, &again), PM_OK);
        test_expect_same(tok, again);
        pm_tokenizer_destroy(&again);
        pm_tokenizer_destroy(&tok);
        test_dir_remove(dir);
    }
}

static void time_encoding(const pm_tokenizer *tok, const char *what, const char *text, size_t size)
{
    uint32_t *ids = NULL;
    size_t count = 0;
    const double begin = os_seconds();
    assert_int_equal(pm_tokenizer_encode(NULL, tok, what, text, size, &ids, &count), PM_OK);
    const double seconds = os_seconds() - begin;
    print_message("%s, %s: %zu tokens, %.3f s, %.1f MB/s\n", pm_tokenizer_kind(tok), what, count, seconds,
                  (double)size / 1e6 / seconds);
    assert_true(seconds < LIMIT_SECONDS);
    free(ids);
}

static void test_speed(void **state)
{
    (void)state;
    static char letters[MEGABYTE];
    const char *path;
    memset(letters, 'a', MEGABYTE);
    for (int i = 0; i < 3; i++) {
        pm_tokenizer *tok = i == 2 ? load("qwen3", "vocab.json") : i ? load_gpt1() : load_gpt2();
        if (test_shared_file("wikitext2/test.txt", &path)) {
            size_t size;
            char *text = test_read(path, &size);
            time_encoding(tok, "wikitext2", text, size);
            if (i != 1) test_round_trip(tok, text, size);
            free(text);
        }
        time_encoding(tok, "one letter", letters, MEGABYTE);
        pm_tokenizer_destroy(&tok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2),  cmocka_unit_test(test_qwen),  cmocka_unit_test(test_gpt1),
        cmocka_unit_test(test_saved), cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests_name("vocabularies", tests, NULL, NULL);
}
