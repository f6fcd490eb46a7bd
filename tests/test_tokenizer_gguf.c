/* Tokenizers of GGUF files, from the arrays that such a file has: both kinds, what is refused; and written and read again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_gguf_tokenizer.h"
#include "helper_text.h"
#include "text/gpt2.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */
#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        literal, sizeof literal - 1                                                                                    \
    }
#define TEXT(literal) ((gguf_text)BYTES(literal))

enum { MOST = 300 };

static gguf_text text_of(const char *text)
{
    return (gguf_text){text, strlen(text)};
}

static pm_tokenizer *make(const tok_gguf_parts *parts, const char *kind)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    assert_int_equal(tok_from_gguf(&log, "some.gguf", parts, &tok), PM_OK);
    assert_string_equal(pm_tokenizer_kind(tok), kind);
    return tok;
}

/* ---- the two kinds ---- */

static const tok_gguf_parts none = {.begin = -1, .end = -1, .unknown = -1};

/* The 256 bytes, further tokens, and their types. */
static tok_gguf_parts bytes_with(const char *const *more, const int *types, const gguf_text *merges,
                                 uint32_t merge_count)
{
    static char spelled[256][UTF8_MAX];
    static gguf_text tokens[MOST];
    static int32_t kinds[MOST];
    uint32_t codes[256], count = 0;
    gpt2_spellings(codes);
    for (; count < 256; count++) {
        tokens[count] = (gguf_text){spelled[count], utf8_encode(codes[count], spelled[count])};
        kinds[count] = 1;
    }
    for (size_t i = 0; more[i]; i++, count++) {
        tokens[count] = text_of(more[i]);
        kinds[count] = types[i];
    }
    tok_gguf_parts parts = none;
    parts.model = TEXT("gpt2");
    parts.pre = TEXT("gpt-2");
    parts.tokens = tokens;
    parts.types = kinds;
    parts.count = count;
    parts.merges = merges;
    parts.merge_count = merge_count;
    return parts;
}

static void test_bytes(void **state)
{
    (void)state;
    static const char *const more[] = {"11", "ab", "abc", "<|end|>", "  ", "unused", NULL};
    static const int types[] = {1, 1, 1, 3, 4, 5};
    const gguf_text merges[] = {TEXT("1 1"), TEXT("a b")};
    tok_gguf_parts parts = bytes_with(more, types, merges, 2);
    parts.begin = parts.end = 259;
    pm_tokenizer *tok = make(&parts, "gpt2");
    test_expect_ids(tok, "ab11  <|end|>", "257 256 260 60 124 101 110 100 124 62");
    assert_int_equal(pm_tokenizer_end(tok), 259);
    assert_int_equal(pm_tokenizer_vocab(tok), 261);
    assert_false(pm_tokenizer_adds_begin(tok));
    pm_tokenizer_destroy(&tok);
    parts.pre = TEXT("smollm");
    tok = make(&parts, "bpe");
    test_expect_ids(tok, "ab11", "257 49 49");
    pm_tokenizer_destroy(&tok);
    parts.pre = TEXT("qwen2");
    tok = make(&parts, "bpe");
    test_expect_ids(tok, "ab11e\xCC\x81", "257 49 49 195 169");
    pm_tokenizer_destroy(&tok);
    parts.pre = TEXT("llama-bpe");
    tok = make(&parts, "bpe");
    test_expect_ids(tok, "abc abc11", "258 32 257 99 256");
    assert_true(pm_tokenizer_adds_begin(tok));
    pm_tokenizer_destroy(&tok);
    parts.puts_begin = TOK_NO;
    tok = make(&parts, "bpe");
    assert_false(pm_tokenizer_adds_begin(tok));
    pm_tokenizer_destroy(&tok);
}

static tok_gguf_parts some_pieces(void)
{
    static const gguf_text tokens[] = {BYTES("<unk>"),   BYTES("<s>"), BYTES(SPACE),   BYTES("a"),  BYTES("b"),
                                       BYTES(SPACE "a"), BYTES("ab"),  BYTES("[PAD]"), BYTES("aba")};
    static const float scores[] = {0, 0, -9, -9, -9, -1, 0, 0, -2};
    static const int32_t types[] = {2, 3, 1, 1, 1, 1, 1, 5, 4};
    tok_gguf_parts parts = none;
    parts.model = TEXT("llama");
    parts.pre = TEXT("default");
    parts.tokens = tokens;
    parts.scores = scores;
    parts.types = types;
    parts.count = 9;
    parts.begin = 1;
    parts.unknown = 0;
    return parts;
}

static void test_pieces(void **state)
{
    (void)state;
    tok_gguf_parts parts = some_pieces();
    size_t size = 1;
    pm_tokenizer *tok = make(&parts, "sentencepiece");
    test_expect_ids(tok, "ab abc", "2 6 2 6 0");
    test_expect_ids(tok, "ababa  a", "2 8 4 3 2 5");
    assert_true(pm_tokenizer_adds_begin(tok));
    assert_int_equal(pm_tokenizer_begin(tok), 1);
    assert_non_null(pm_tokenizer_piece(tok, 7, &size));
    assert_int_equal(size, 0);
    pm_tokenizer_destroy(&tok);
    parts.prefix = TOK_NO;
    parts.squeeze = TOK_YES;
    tok = make(&parts, "sentencepiece");
    test_expect_ids(tok, " ab  a ", "6 5");
    pm_tokenizer_destroy(&tok);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const more[] = {"ab", NULL}, *const bad[] = {"a b", NULL}, *const twice[] = {"a", NULL};
    static const int types[] = {1};
    const gguf_text merges[] = {TEXT("a b"), TEXT("a c"), TEXT("ab"), TEXT("x\xFF y"), TEXT("a b")};
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    tok_gguf_parts parts = bytes_with(more, types, merges, 1);
    test_log_reset();
#define EXPECT(words) test_expect_failure(tok_from_gguf(&log, "some.gguf", &parts, &tok), PM_FORMAT, "some.gguf", words)
    parts.model = TEXT("bert");
    EXPECT("tokenizer.ggml.model is bert, which Pumice does not read");
    parts.model = TEXT("");
    EXPECT("has no tokenizer.ggml.model");
    parts.model = TEXT("gpt2");
    parts.pre = TEXT("tekken\n");
    EXPECT("tokenizer.ggml.pre is tekken?, which");
    parts.pre = TEXT("");
    EXPECT("has no tokenizer.ggml.pre");
    parts.pre = TEXT("gpt-2");
    parts.end = 257;
    EXPECT("tokenizer.ggml.eos_token_id is 257, of 257 tokens");
    parts.end = -1;
    for (uint32_t i = 1; i < 4; i++) {
        parts.merges = merges + i;
        EXPECT("merge 1 m");
    }
    const gguf_text two[] = {TEXT("a b"), TEXT("a b")};
    parts.merges = two;
    parts.merge_count = 2;
    EXPECT("merge 2 is there twice");
    parts = bytes_with(bad, types, merges, 0);
    EXPECT("the token of id 256 must be bytes in GPT-2's spelling");
    parts = bytes_with(twice, types, merges, 0);
    EXPECT("is there twice");
    parts.count = 0;
    EXPECT("has no tokenizer.ggml.tokens");
    parts = some_pieces();
    parts.scores = NULL;
    EXPECT("has no tokenizer.ggml.scores");
#undef EXPECT
}

/* ---- writing ---- */

static void test_written(void **state)
{
    (void)state;
    static const char *const more[] = {"11", "ab", "abc", "<|end|>", "  ", NULL};
    static const int types[] = {1, 1, 1, 3, 4};
    const gguf_text merges[] = {TEXT("1 1"), TEXT("a b"), TEXT("ab c")},
                    pres[] = {TEXT("gpt-2"), TEXT("qwen2"), TEXT("smollm"), TEXT("llama-bpe")};
    tok_gguf_parts parts = bytes_with(more, types, merges, 3);
    parts.chat = TEXT("{% for m in messages %}{{ m.content }}\n\"'\xE2\x82\xAC{% endfor %}");
    parts.begin = parts.end = 259;
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++) {
        parts.pre = pres[i];
        pm_tokenizer *tok = make(&parts, i ? "bpe" : "gpt2");
        assert_int_equal(strlen(tok->chat), parts.chat.size);
        test_gguf_kept(tok);
        pm_tokenizer_destroy(&tok);
    }
    parts = some_pieces();
    parts.puts_end = parts.puts_begin = TOK_NO;
    for (int i = 0; i < 3; i++) {
        if (i == 1) parts.prefix = TOK_NO;
        if (i == 2) parts.squeeze = TOK_YES;
        pm_tokenizer *tok = make(&parts, "sentencepiece");
        test_gguf_kept(tok);
        pm_tokenizer_destroy(&tok);
    }
    /* bytes without merges */
    const pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    tok_gguf_model model = test_no_model;
    assert_int_equal(pm_tokenizer_bytes(&log, &tok), PM_OK);
    model.vocab = 256;
    test_gguf_write(test_path(test_root, "bytes.gguf"), tok, &model);
    pm_tokenizer *back = test_tok_load(test_path(test_root, "bytes.gguf"));
    test_expect_ids(back, "ab \xC3\xA9", "97 98 32 195 169");
    pm_tokenizer_destroy(&back);
    pm_tokenizer_destroy(&tok);
}

/* Tokens up to the model's, its ids before the tokenizer's, and types. */
static void test_filled(void **state)
{
    (void)state;
    gguf_file f;
    gguf_array list;
    uint32_t id;
    bool flag, found;
    tok_gguf_parts parts = some_pieces();
    pm_tokenizer *tok = make(&parts, "sentencepiece");
    const tok_gguf_model model = {.vocab = 12, .begin = 4, .end = 3, .turn = 5, .more = 6, .pad = 7};
    const char *path = test_path(test_root, "filled.gguf");
    test_gguf_write(path, tok, &model);
    pm_tokenizer_destroy(&tok);
    assert_int_equal(gguf_open(NULL, path, &f), PM_OK);
    static const char *const keys[] = {"bos_token_id", "eos_token_id",     "eot_token_id",
                                       "eom_token_id", "padding_token_id", "unknown_token_id"};
    static const uint32_t want[] = {4, 3, 5, 6, 7, 0};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char key[64];
        snprintf(key, sizeof key, "tokenizer.ggml.%s", keys[i]);
        assert_int_equal(gguf_u32(NULL, &f, key, NULL, &id), PM_OK);
        assert_int_equal(id, want[i]);
    }
    static const int types[] = {2, 3, 1, 1, 1, 1, 1, 5, 4, 5, 5, 5};
    assert_int_equal(gguf_integers(NULL, &f, "tokenizer.ggml.token_type", NULL, &list), PM_OK);
    assert_int_equal(list.count, 12);
    for (size_t i = 0; i < 12; i++) {
        int64_t type = 0;
        assert_true(gguf_array_integer(&list, i, &type) && type == types[i]);
    }
    assert_int_equal(gguf_strings(NULL, &f, "tokenizer.ggml.tokens", NULL, &list), PM_OK);
    assert_true(gguf_text_is(gguf_array_string(&list, 5), SPACE "a"));
    assert_true(gguf_text_is(gguf_array_string(&list, 11), "[PAD11]"));
    assert_int_equal(gguf_numbers(NULL, &f, "tokenizer.ggml.scores", NULL, &list), PM_OK);
    assert_true(gguf_array_number(&list, 6) > gguf_array_number(&list, 5)); /* "ab" merges before " a" */
    assert_int_equal(gguf_bool(NULL, &f, "tokenizer.ggml.add_bos_token", NULL, &flag), PM_OK);
    assert_true(flag);
    assert_int_equal(gguf_bool(NULL, &f, "tokenizer.ggml.add_space_prefix", &found, &flag), PM_OK);
    assert_true(found && flag);
    gguf_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes), cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_written),
                                       cmocka_unit_test(test_filled)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
