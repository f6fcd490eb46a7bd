/* Tokenizers written into GGUF files: other programs' folders and files, where there are such; runs of blanks; what GGUF has no name for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pumice/folder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_dir.h"
#include "helper_gguf_tokenizer.h"
#include "helper_log.h"
#include "helper_text.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */

/* Gemma's tokenizer.json: runs of blanks are added tokens, whose merges of several orders lie between one another's. In the file they are tokens of the
 * user, with blanks in them. */
static void test_runs(void **state)
{
    (void)state;
    static const char text[] =
        "{\"added_tokens\":[{\"id\":3,\"content\":\"" SPACE SPACE "\",\"normalized\":false},"
        "{\"id\":4,\"content\":\"" SPACE SPACE SPACE "\",\"normalized\":false}],"
        "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SPACE "\"},"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"" SPACE "\":2,\"" SPACE SPACE
        "\":3,\"" SPACE SPACE SPACE "\":4,\"" SPACE "a\":5},\"merges\":[\"" SPACE " " SPACE SPACE "\",\"" SPACE
        " " SPACE "\",\"" SPACE SPACE " " SPACE "\",\"" SPACE " a\"]}}";
    char dir[512], path[512];
    const pm_log log = test_log();
    gguf_file f;
    gguf_array list;
    tok_gguf_model model = test_no_model;
    snprintf(dir, sizeof dir, "%s", test_path(test_root, "runs"));
    snprintf(path, sizeof path, "%s", test_path(test_root, "runs.gguf"));
    assert_int_equal(pm_folder_make(&log, dir), PM_OK);
    test_write(test_path(dir, "tokenizer.json"), text, strlen(text));
    pm_tokenizer *tok = test_tok_load(dir);
    model.vocab = 6;
    test_gguf_write(path, tok, &model);
    pm_tokenizer *back = test_tok_load(path);
    for (int i = 0; i < 2; i++) {
        test_expect_ids(i ? back : tok, "a b", "0 2 1");
        test_expect_ids(i ? back : tok, "b a", "1 5");
        test_expect_ids(i ? back : tok, "a   b  a", "0 4 1 3 0");
    }
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&back);
    assert_int_equal(gguf_open(NULL, path, &f), PM_OK);
    assert_int_equal(gguf_strings(NULL, &f, "tokenizer.ggml.tokens", NULL, &list), PM_OK);
    assert_true(gguf_text_is(gguf_array_string(&list, 3), "  "));
    assert_true(gguf_text_is(gguf_array_string(&list, 5), SPACE "a"));
    gguf_close(&f);
    test_dir_clear(dir);
}

static void expect_unwritten(const pm_tokenizer *tok, uint32_t vocab, pm_status status, const char *words)
{
    const pm_log log = test_log();
    tok_gguf_model model = test_no_model;
    gguf_writer *w;
    model.vocab = vocab;
    assert_int_equal(gguf_writer_make(&log, test_path(test_root, "none.gguf"), &w), PM_OK);
    test_log_reset();
    test_expect_failure(tok_gguf_put(&log, "some/model", tok, &model, w), status, "some/model", words);
    gguf_write_abandon(&w);
}

/* A tokenizer.json of merges of characters, whose order or number no scores give, or of bytes that are cut in another way. */
static void expect_other(const char *normal, const char *cut, const char *vocab, const char *merges, const char *words)
{
    char dir[512], text[2048];
    snprintf(dir, sizeof dir, "%s", test_path(test_root, "other"));
    const pm_log log = test_log();
    assert_int_equal(pm_folder_make(&log, dir), PM_OK);
    snprintf(text, sizeof text,
             "{\"added_tokens\":[],\"normalizer\":%s,\"pre_tokenizer\":%s,\"model\":{\"type\":\"BPE\",\"vocab\":{%s},"
             "\"merges\":[%s]}}",
             normal, cut, vocab, merges);
    test_write(test_path(dir, "tokenizer.json"), text, strlen(text));
    pm_tokenizer *tok = test_tok_load(dir);
    expect_unwritten(tok, 300, PM_INVALID, words);
    pm_tokenizer_destroy(&tok);
    test_dir_clear(dir);
}

static void test_unwritten(void **state)
{
    (void)state;
    const pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_chars(&log, "text", "abc", 3, &tok), PM_OK);
    expect_unwritten(tok, 3, PM_INVALID, "no tokenizers of kind \"char\"");
    expect_unwritten(tok, 2, PM_FORMAT, "the tokenizer has 3 tokens, the model only 2");
    pm_tokenizer_destroy(&tok);
#define BLANKS "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SPACE "\"}"
    expect_other(BLANKS, "null", "\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5",
                 "\"a b\",\"a bc\",\"b c\",\"ab c\"", "the merges that make token 5");
    expect_other(BLANKS, "null", "\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5", "\"a b\",\"b c\",\"ab c\"",
                 "the merges that make token 5");
    expect_other("null", "{\"type\":\"Metaspace\",\"replacement\":\"" SPACE "\",\"split\":true}",
                 "\"a\":0,\"" SPACE "\":1,\"a" SPACE "\":2", "\"a " SPACE "\"", "do not cut a text");
    expect_other("null", "{\"type\":\"ByteLevel\",\"use_regex\":false,\"add_prefix_space\":false}", "\"a\":0,\"b\":1",
                 "", "no name for the way");
    expect_other("null", "{\"type\":\"ByteLevel\",\"use_regex\":true,\"add_prefix_space\":true}", "\"a\":0,\"b\":1", "",
                 "no name for the way");
#undef BLANKS
}

/* ---- real files ---- */

/* Texts with a line between, and a line of ids for each. */

static void expect_lines(const pm_tokenizer *tok, char *texts, char *ids)
{
    static const char line[] = "\n__ggml_vocab_test__\n";
    size_t count = 0;
    for (char *next; texts; texts = next) {
        next = strstr(texts, line);
        if (!next) break; /* what follows the last line is none */
        *next = 0;
        next += sizeof line - 1;
        char *end = strchr(ids, '\n');
        assert_non_null(end);
        *end = 0;
        test_expect_ids(tok, texts, ids + strspn(ids, " "));
        ids = end + 1;
        count++;
    }
    assert_int_equal(count, 46);
}

static void test_real(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2", "llama-spm"};
    const char *path;
    char name[256];
    for (size_t i = 0; i < 2; i++) {
        size_t other;
        snprintf(name, sizeof name, "tokenizers/fixtures/%s.gguf", names[i]);
        if (!test_shared_file(name, &path)) skip();
        pm_tokenizer *tok = test_tok_load(path);
        assert_string_equal(pm_tokenizer_kind(tok), i ? "sentencepiece" : "gpt2");
        test_gguf_kept(tok);
        tok_gguf_model model = test_no_model;
        model.vocab = pm_tokenizer_vocab(tok) + 3;
        test_gguf_write(test_path(test_root, "real.gguf"), tok, &model);
        pm_tokenizer *back = test_tok_load(test_path(test_root, "real.gguf"));
        snprintf(name, sizeof name, "tokenizers/fixtures/%s.inp", names[i]);
        assert_true(test_shared_file(name, &path));
        char *texts[2] = {test_read(path, &other), test_read(path, &other)};
        snprintf(name, sizeof name, "tokenizers/fixtures/%s.out", names[i]);
        assert_true(test_shared_file(name, &path));
        char *ids[2] = {test_read(path, &other), test_read(path, &other)};
        expect_lines(tok, texts[0], ids[0]);
        expect_lines(back, texts[1], ids[1]);
        if (i == 0) {
            char dir[4096];
            assert_true(test_shared_file("tokenizers/gpt2/encoder.json", &path));
            snprintf(dir, sizeof dir, "%.*s", (int)(strlen(path) - strlen("/encoder.json")), path);
            pm_tokenizer *pair = test_tok_load(dir);
            test_expect_same(tok, pair); /* OpenAI's files are the same tokenizer */
            pm_tokenizer_destroy(&pair);
        }
        pm_tokenizer_destroy(&tok);
        pm_tokenizer_destroy(&back);
        for (int k = 0; k < 2; k++) {
            free(texts[k]);
            free(ids[k]);
        }
    }
}

/* Qwen's own files, with its chat template in a file by itself; Llama's small model by SentencePiece's. */
static void test_real_folders(void **state)
{
    (void)state;
    static const char *const files[] = {"tokenizers/qwen3/vocab.json", "llama/stories260K/tokenizer.model"};
    for (size_t i = 0; i < 2; i++) {
        const char *path;
        char dir[4096];
        if (!test_shared_file(files[i], &path)) skip();
        snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
        pm_tokenizer *tok = test_tok_load(dir);
        if (i == 0) assert_non_null(tok->chat);
        test_gguf_kept(tok);
        pm_tokenizer_destroy(&tok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_runs), cmocka_unit_test(test_unwritten),
                                       cmocka_unit_test(test_real), cmocka_unit_test(test_real_folders)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
