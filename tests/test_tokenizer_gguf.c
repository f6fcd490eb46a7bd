/* Tokenizers of GGUF files, from the arrays that such a file has: both kinds, what is refused; written and read again; and real files, where a folder
 * has them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pumice/folder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_text.h"
#include "text/gpt2.h"
#include "text/tokenizer_gguf.h"

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

static const tok_gguf_model no_model = {
    .begin = TOK_NONE, .end = TOK_NONE, .turn = TOK_NONE, .more = TOK_NONE, .pad = TOK_NONE};

/* A file of this tokenizer alone, for a model of so many tokens. */
static void write_file(const char *path, const pm_tokenizer *tok, const tok_gguf_model *model)
{
    const pm_log log = test_log();
    gguf_writer *w;
    test_log_reset();
    assert_int_equal(gguf_writer_make(&log, path, &w), PM_OK);
    if (tok_gguf_put(&log, tok, model, w) != PM_OK) fail_msg("%s", test_last_error());
    assert_int_equal(gguf_write_begin(w), PM_OK);
    assert_int_equal(gguf_write_commit(&w), PM_OK);
}

/* The tokenizer of a file, or of a folder. */
static pm_tokenizer *load(const char *path)
{
    const pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    if (pm_tokenizer_load(&log, path, &tok) != PM_OK) fail_msg("%s", test_last_error());
    return tok;
}

/* Through a file and through a folder, each tokenizer is the same one. */
static void expect_kept(const pm_tokenizer *tok)
{
    const pm_log log = test_log();
    tok_gguf_model model = no_model;
    char path[512], dir[512];
    snprintf(path, sizeof path, "%s", test_path(test_root, "kept.gguf"));
    snprintf(dir, sizeof dir, "%s", test_path(test_root, "kept"));
    model.vocab = pm_tokenizer_vocab(tok);
    write_file(path, tok, &model);
    pm_tokenizer *back = load(path);
    test_expect_same(back, tok);
    assert_int_equal(pm_tokenizer_begin(back), pm_tokenizer_begin(tok));
    assert_int_equal(pm_tokenizer_adds_begin(back), pm_tokenizer_adds_begin(tok));
    assert_int_equal(pm_tokenizer_save(&log, back, dir), PM_OK);
    pm_tokenizer_destroy(&back);
    back = load(dir);
    test_expect_same(back, tok);
    if (tok->chat) assert_string_equal(back->chat, tok->chat);
    pm_tokenizer_destroy(&back);
    test_dir_clear(dir);
}

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
        expect_kept(tok);
        pm_tokenizer_destroy(&tok);
    }
    parts = some_pieces();
    parts.puts_end = parts.puts_begin = TOK_NO;
    for (int i = 0; i < 3; i++) {
        if (i == 1) parts.prefix = TOK_NO;
        if (i == 2) parts.squeeze = TOK_YES;
        pm_tokenizer *tok = make(&parts, "sentencepiece");
        expect_kept(tok);
        pm_tokenizer_destroy(&tok);
    }
    /* bytes without merges */
    const pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    tok_gguf_model model = no_model;
    assert_int_equal(pm_tokenizer_bytes(&log, &tok), PM_OK);
    model.vocab = 256;
    write_file(test_path(test_root, "bytes.gguf"), tok, &model);
    pm_tokenizer *back = load(test_path(test_root, "bytes.gguf"));
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
    write_file(path, tok, &model);
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

static void expect_unwritten(const pm_tokenizer *tok, uint32_t vocab, pm_status status, const char *words)
{
    const pm_log log = test_log();
    tok_gguf_model model = no_model;
    gguf_writer *w;
    model.vocab = vocab;
    assert_int_equal(gguf_writer_make(&log, test_path(test_root, "none.gguf"), &w), PM_OK);
    test_log_reset();
    test_expect_failure(tok_gguf_put(&log, tok, &model, w), status, "GGUF", words);
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
    pm_tokenizer *tok = load(dir);
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
                 "\"a\":0,\"" SPACE "\":1,\"a" SPACE "\":2", "\"a " SPACE "\"", "does not cut a text");
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
        pm_tokenizer *tok = load(path);
        assert_string_equal(pm_tokenizer_kind(tok), i ? "sentencepiece" : "gpt2");
        expect_kept(tok);
        tok_gguf_model model = no_model;
        model.vocab = pm_tokenizer_vocab(tok) + 3;
        write_file(test_path(test_root, "real.gguf"), tok, &model);
        pm_tokenizer *back = load(test_path(test_root, "real.gguf"));
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
            pm_tokenizer *pair = load(dir);
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
        pm_tokenizer *tok = load(dir);
        if (i == 0) assert_non_null(tok->chat);
        expect_kept(tok);
        pm_tokenizer_destroy(&tok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),   cmocka_unit_test(test_pieces),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_written), cmocka_unit_test(test_filled),       cmocka_unit_test(test_unwritten),
        cmocka_unit_test(test_real),    cmocka_unit_test(test_real_folders),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
