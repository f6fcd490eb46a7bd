/* Folders of tokenizers as other programs write them: tokenizer.json, special and added tokens, add_prefix_space, vocabularies with holes, missing
 * bytes and second names, byte order marks, and files of another kind. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"
#include "helper_text.h"
#include "text/gpt2.h"
#include "base/utf8.h"

enum { VOCAB_ROOM = 8192 };

/* {"spelling": id} of all bytes except those below `from`, by their value, with `more` behind them. In a static buffer. */
static const char *vocab_from(unsigned from, const char *more)
{
    static char text[VOCAB_ROOM];
    uint32_t codes[256];
    size_t used = 0;
    gpt2_spellings(codes);
    for (unsigned b = from; b < 256; b++) {
        char one[UTF8_MAX + 1] = "";
        utf8_encode(codes[b], one);
        used += (size_t)sprintf(text + used, "%c\"%s%s\":%u", b > from ? ',' : '{', b == '"' || b == '\\' ? "\\" : "",
                                one, b);
    }
    sprintf(text + used, "%s}", more);
    return text;
}

static const char *vocab(const char *more)
{
    return vocab_from(0, more);
}

static void put(const char *dir, const char *name, const char *text)
{
    test_write(test_path(dir, name), text, strlen(text));
}

static pm_tokenizer *load(const char *dir)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_string_equal(pm_tokenizer_kind(tok), "gpt2");
    return tok;
}

/* Compares the ids of both kinds of encoding. */
static void expect(const pm_tokenizer *tok, const char *text, const char *plain, const char *special)
{
    char got[256] = "";
    uint32_t *ids = NULL;
    size_t count = 0;
    test_expect_ids(tok, text, plain);
    assert_int_equal(pm_tokenizer_encode_special(NULL, tok, "text", text, strlen(text), &ids, &count), PM_OK);
    for (size_t i = 0, used = 0; i < count; i++)
        used += (size_t)sprintf(got + used, i ? " %u" : "%u", (unsigned)ids[i]);
    assert_string_equal(got, special);
    free(ids);
}

/* After saving and loading it is the same tokenizer. */
static void expect_kept(const char *dir, pm_tokenizer *tok)
{
    pm_log log = test_log();
    assert_int_equal(pm_tokenizer_save(&log, tok, test_path(dir, "again")), PM_OK);
    pm_tokenizer *again = load(test_path(dir, "again"));
    test_expect_same(tok, again);
    assert_int_equal(pm_tokenizer_begin(tok), pm_tokenizer_begin(again));
    assert_int_equal(pm_tokenizer_end(tok), pm_tokenizer_end(again));
    pm_tokenizer_destroy(&again);
}

static void test_end_of_text(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    put(dir, "vocab.json", vocab(",\"ab\":256,\"<|endoftext|>\":257"));
    put(dir, "merges.txt", "a b\n");
    pm_tokenizer *tok = load(dir);
    assert_int_equal(pm_tokenizer_end(tok), 257);
    assert_int_equal(pm_tokenizer_begin(tok), 257);
    expect(tok, "ab<|endoftext|>", "256 60 124 101 110 100 111 102 116 101 120 116 124 62", "256 257");
    expect(tok, "<|endoftext|><|endoftext|>b",
           "60 124 101 110 100 111 102 116 101 120 116 124 62 60 124 101 110 100 111 102 "
           "116 101 120 116 124 62 98",
           "257 257 98");
    expect(tok, "a<|endoftext", "97 60 124 101 110 100 111 102 116 101 120 116",
           "97 60 124 101 110 100 111 102 116 101 120 116");
    expect_kept(dir, tok);
    const uint64_t hash = pm_tokenizer_hash(tok);
    pm_tokenizer_destroy(&tok);
    /* GPT-2's own configurations change nothing */
    put(dir, "special_tokens_map.json",
        "{\"bos_token\":\"<|endoftext|>\",\"eos_token\":{\"content\":\"<|endoftext|>\"},"
        "\"unk_token\":\"<|endoftext|>\"}");
    tok = load(dir);
    assert_true(pm_tokenizer_hash(tok) == hash);
    pm_tokenizer_destroy(&tok);
    /* other tokens, one of them behind the vocabulary */
    put(dir, "tokenizer_config.json",
        "{\"tokenizer_class\":\"GPT2Tokenizer\",\"bos_token\":\"ab\",\"eos_token\":\"<|end|>\"}");
    put(dir, "added_tokens.json", "{\"<|end|>\":300,\"<|\":299}");
    tok = load(dir);
    assert_int_equal(pm_tokenizer_vocab(tok), 301);
    assert_int_equal(pm_tokenizer_end(tok), 300);
    assert_int_equal(pm_tokenizer_begin(tok), 256);
    expect(tok, "x<|end|>", "120 299 101 110 100 124 62", "120 300"); /* the longest; one not special always */
    assert_true(pm_tokenizer_hash(tok) != hash);
    expect_kept(dir, tok);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

static void test_prefix(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    put(dir, "vocab.json",
        vocab(",\"\xC4\xA0"
              "a\":256,\"<|endoftext|>\":257"));
    put(dir, "merges.txt", "\xC4\xA0 a\n");
    put(dir, "tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_prefix_space\":true}");
    pm_tokenizer *tok = load(dir);
    expect(tok, "a", "256", "256");
    expect(tok, " a", "256", "256");
    expect(tok, "ba a", "32 98 97 256", "32 98 97 256");
    expect(tok, "\n\na", "32 10 10 97", "32 10 10 97");
    expect(tok, "a<|endoftext|>a", "256 60 124 101 110 100 111 102 116 101 120 116 124 62 97", "256 257 256");
    expect(tok, "\xFF", "32 255", "32 255");
    expect(tok, "", "", "");
    /* a first piece that is longer than the part that is read first */
    enum { LONG = 1000 };
    char text[LONG + 1];
    uint32_t *ids = NULL;
    size_t count = 0;
    memset(text, 'a', LONG);
    text[LONG] = 0;
    assert_int_equal(pm_tokenizer_encode(NULL, tok, "text", text, LONG, &ids, &count), PM_OK);
    assert_int_equal(count, LONG);
    assert_int_equal(ids[0], 256);
    free(ids);
    expect_kept(dir, tok);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* Ids that no token has, two names for one, bytes without a token, marks. */
static void test_vocabularies(void **state)
{
    (void)state;
    pm_log log = test_log();
    char *dir = test_dir_make();
    uint32_t *ids = NULL;
    size_t count = 0, size = 1;
    put(dir, "merges.txt", "\xEF\xBB\xBF#version: 0.2\na b\n");
    char marked[VOCAB_ROOM + 8];
    sprintf(marked, "\xEF\xBB\xBF%s", vocab(",\"ab\":400,\"<|endoftext|>\":500,\"<pad>\":500,\"A\xC4\xA0\":97"));
    put(dir, "vocab.json", marked);
    pm_tokenizer *tok = load(dir);
    assert_int_equal(pm_tokenizer_vocab(tok), 501);
    assert_int_equal(pm_tokenizer_end(tok), 500);
    test_expect_ids(tok, "aab", "97 400");
    assert_non_null(pm_tokenizer_piece(tok, 300, &size));
    assert_int_equal(size, 0);
    assert_non_null(pm_tokenizer_piece(tok, 97, &size));
    assert_int_equal(size, 1);
    expect_kept(dir, tok);
    pm_tokenizer_destroy(&tok);

    /* a merge of a second name is written by that name */
    put(dir, "merges.txt", "#version: 0.2\na b\nab ab\n");
    put(dir, "vocab.json", vocab(",\"ab\":128,\"abab\":300,\"<|endoftext|>\":500"));
    tok = load(dir);
    test_expect_ids(tok, "ababa", "300 97");
    expect_kept(dir, tok);
    pm_tokenizer_destroy(&tok);
    put(dir, "merges.txt", "#version: 0.2\na b\n");

    put(dir, "vocab.json", vocab_from(32, ",\"ab\":400,\"<unk>\":10,\"<|endoftext|>\":500"));
    tok = load(dir);
    test_expect_ids(tok, "ab c", "400 32 99");
    test_log_reset();
    test_expect_failure(pm_tokenizer_encode(&log, tok, "some/file", "ab c\nd", 6, &ids, &count), PM_FORMAT, "some/file",
                        "byte 4 is 0x0A, for which");
    expect_kept(dir, tok);
    pm_tokenizer_destroy(&tok);
    /* the blank that add_prefix_space puts first has no place in the text; its line names the stretch's beginning */
    put(dir, "vocab.json", vocab_from(33, ""));
    put(dir, "merges.txt", "");
    put(dir, "tokenizer_config.json",
        "{\"add_prefix_space\":true,\"added_tokens_decoder\":{\"300\":{\"content\":\"<x>\"}}}");
    tok = load(dir);
    test_expect_failure(pm_tokenizer_encode(&log, tok, "some/file", "<x>abc", 6, &ids, &count), PM_FORMAT, "some/file",
                        "byte 3 is 0x20, for which");
    test_expect_failure(pm_tokenizer_encode(&log, tok, "some/file", "a<x>", 4, &ids, &count), PM_FORMAT, "some/file",
                        "byte 0 is 0x20, for which");
    pm_tokenizer_destroy(&tok);
    put(dir, "merges.txt", "#version: 0.2\na b\n");
    put(dir, "vocab.json", vocab_from(32, ",\"ab\":400,\"<unk>\":10,\"<|endoftext|>\":500"));
    put(dir, "tokenizer_config.json", "{\"unk_token\":\"<unk>\"}");
    tok = load(dir);
    test_expect_ids(tok, "ab c\nd", "400 32 99 10 100");
    expect_kept(dir, tok);
    pm_tokenizer_destroy(&tok);
    put(dir, "tokenizer_config.json",
        "{\"unk_token\":\"<|endoftext|>\"}"); /* a byte never becomes an end-of-text token */
    tok = load(dir);
    assert_int_equal(pm_tokenizer_encode(NULL, tok, "text", "\n", 1, &ids, &count), PM_FORMAT);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* An added token with the bytes of another token, and an id of its own. Merges make the other; a text's spelling is the added one. */
static void test_own_ids(void **state)
{
    (void)state;
    static const struct {
        const char *added, *config; /* NULL: no such file */
    } rows[] = {
        {"{\"\\n\\n\":300,\"\\t\":299}", NULL},
        {NULL, "{\"added_tokens_decoder\":{\"300\":{\"content\":\"\\n\\n\"},\"299\":{\"content\":\"\\t\"}}}"},
        {"{\"\\n\\n\":301}", /* the first file counts */
         "{\"added_tokens_decoder\":{\"299\":{\"content\":\"\\t\"},\"300\":{\"content\":\"\\n\\n\"}}}"},
    };
    pm_log log = test_log();
    char *dir = test_dir_make();
    pm_tokenizer *tok = NULL;
    put(dir, "vocab.json", vocab(",\"\xC4\x8A\xC4\x8A\":256,\"\xC4\x8A\xC4\x8A\xC4\x8A\":257,\"<|endoftext|>\":258"));
    put(dir, "merges.txt", "\xC4\x8A \xC4\x8A\n\xC4\x8A\xC4\x8A \xC4\x8A\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)remove(test_path(dir, "added_tokens.json"));
        (void)remove(test_path(dir, "tokenizer_config.json"));
        if (rows[i].added) put(dir, "added_tokens.json", rows[i].added);
        if (rows[i].config) put(dir, "tokenizer_config.json", rows[i].config);
        tok = load(dir);
        assert_int_equal(pm_tokenizer_vocab(tok), 301);
        expect(tok, "a\n\n\nb\tc", "97 300 10 98 299 99", "97 300 10 98 299 99");
        size_t size;
        assert_memory_equal(pm_tokenizer_piece(tok, 300, &size), "\n\n", 2);
        assert_memory_equal(pm_tokenizer_piece(tok, 256, &size), "\n\n", 2);
        expect_kept(dir, tok);
        pm_tokenizer_destroy(&tok);
    }
    (void)remove(test_path(dir, "added_tokens.json"));
    put(dir, "tokenizer_config.json", /* special: the other one where the caller does not ask for it */
        "{\"eos_token\":\"\\n\\n\",\"added_tokens_decoder\":{\"300\":{\"content\":\"\\n\\n\",\"special\":true}}}");
    tok = load(dir);
    assert_int_equal(pm_tokenizer_end(tok), 300);
    expect(tok, "a\n\n\n", "97 257", "97 300 10");
    expect_kept(dir, tok);
    pm_tokenizer_destroy(&tok);
    (void)remove(test_path(dir, "tokenizer_config.json"));

    static const struct {
        const char *added, *words;
    } bad[] = {
        {"{\"<|endoftext|>\":300}",
         "the token <|endoftext|> has the id 258 in the vocabulary, and 300 as an added token"},
        {"{\"\\n\\n\":97}", "has another token's id, 97"},
        {"{\"\\n\\n\":300,\"x y\":300}", "the added token x y has another token's id, 300"},
        {"{\"x y\":300,\"\\n\\n\":300}", "has another token's id, 300"},
    };
    char path[1024];
    snprintf(path, sizeof path, "%s", test_path(dir, "vocab.json"));
    test_log_reset();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(dir, "added_tokens.json", bad[i].added);
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, bad[i].words);
    }
    test_dir_remove(dir);
}

/* ---- tokenizer.json ---- */

#define BYTE_LEVEL(prefix)                                                                                             \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix ",\"trim_offsets\":true,\"use_regex\":true}"
#define SPLIT(pattern)                                                                                                 \
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"          \
    "\"" pattern                                                                                                       \
    "\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}"
#define ADDED                                                                                                          \
    "{\"id\":258,\"content\":\"<|endoftext|>\",\"single_word\":false,\"lstrip\":false,\"special\":true},"              \
    "{\"id\":259,\"content\":\"  \",\"special\":false}"

/* A file with these parts; the model's vocabulary is the bytes and three tokens. In a static buffer. */
static const char *whole(const char *parts, const char *model, const char *merges, const char *added)
{
    static char text[2 * VOCAB_ROOM];
    sprintf(text,
            "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[%s],%s,\"model\":{%s,"
            "\"vocab\":%s,\"merges\":%s}}",
            added, parts, model,
            vocab(",\"ab\":256,\"\xC4\xA0"
                  "ab\":257"),
            merges);
    return text;
}

static void test_whole(void **state)
{
    (void)state;
    static const struct {
        const char *parts, *merges;
        bool prefix;
    } rows[] = {
        {"\"normalizer\":null,\"pre_tokenizer\":" BYTE_LEVEL("false") ",\"post_processor\":" BYTE_LEVEL(
             "true") ",\"decoder\":" BYTE_LEVEL("true"),
         "[\"a b\",\"\xC4\xA0 ab\"]", false},
        {"\"pre_tokenizer\":" BYTE_LEVEL("true"), "[[\"a\",\"b\"],[\"\xC4\xA0\",\"ab\"]]", true},
        {"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[]},\"pre_tokenizer\":{\"type\":\"Sequence\","
         "\"pretokenizers\":["
         "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| "
         "?[^\\\\s\\\\p{L}\\\\p{N}]+|"
         "\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},"
         "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}",
         "[\"a b\",\"\xC4\xA0 ab\"]", false},
    };
    static const char *const configs[] = {NULL, "{}", "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}",
                                          "{\"tokenizer_class\":\"GPT2TokenizerFast\"}",
                                          "{\"tokenizer_class\":\"CodeGenTokenizer\",\"eos_token\":\"<|endoftext|>\"}"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t c = 0; c < sizeof configs / sizeof *configs; c++) {
            char *dir = test_dir_make();
            put(dir, "tokenizer.json",
                whole(rows[i].parts, "\"type\":\"BPE\",\"unk_token\":null,\"dropout\":null", rows[i].merges, ADDED));
            if (configs[c]) put(dir, "tokenizer_config.json", configs[c]);
            pm_tokenizer *tok = load(dir);
            assert_int_equal(pm_tokenizer_end(tok), 258);
            expect(tok, "ab ab  ab", rows[i].prefix ? "257 257 259 257" : "256 257 259 256",
                   rows[i].prefix ? "257 257 259 257" : "256 257 259 256");
            expect(tok, "ab<|endoftext|>",
                   rows[i].prefix ? "257 60 124 101 110 100 111 102 116 101 120 116 124 62"
                                  : "256 60 124 101 110 100 111 102 116 101 120 116 124 62",
                   rows[i].prefix ? "257 258" : "256 258");
            expect_kept(dir, tok);
            pm_tokenizer_destroy(&tok);
            /* the configuration counts */
            put(dir, "tokenizer_config.json",
                rows[i].prefix ? "{\"add_prefix_space\":false}" : "{\"add_prefix_space\":true}");
            tok = load(dir);
            expect(tok, "ab", rows[i].prefix ? "256" : "257", rows[i].prefix ? "256" : "257");
            pm_tokenizer_destroy(&tok);
            test_dir_remove(dir);
        }
    }
}

/* Tokenizers of other kinds are refused, and one line names the part. */
static void test_other_kinds(void **state)
{
    (void)state;
    static const char bpe[] = "\"type\":\"BPE\"", merges[] = "[\"a b\"]";
    static const char byte_level[] = "\"pre_tokenizer\":" BYTE_LEVEL("false");
    const struct {
        const char *parts, *model, *merges, *added, *words;
    } rows[] = {
        {"\"pre_tokenizer\":null", bpe, merges, "", "pre_tokenizer: none"},
        {"\"pre_tokenizer\":{\"type\":\"Whitespace\"}", bpe, merges, "",
         "pre_tokenizer: Whitespace, which Pumice does not read"},
        {"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"}]}", bpe, merges, "",
         "pre_tokenizer: Digits"},
        {"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]}",
         bpe, merges, "", "pre_tokenizer: a part behind ByteLevel"},
        {"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"x\"}"
         ","
         "\"behavior\":\"Removed\"},{\"type\":\"ByteLevel\"}]}",
         bpe, merges, "", "pre_tokenizer: a Split whose \"behavior\" is not \"Isolated\""},
        {"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},{\"type\":\"ByteLevel\"}]}",
         bpe, merges, "", "ByteLevel with \"add_prefix_space\" behind a Split"},
        {SPLIT("\\\\w+"), bpe, merges, "", "pattern 1 has an escape other than"},
        {SPLIT("(a"), bpe, merges, "", "pattern 1: missing closing parenthesis"},
        {"\"normalizer\":{\"type\":\"NFKC\"},\"pre_tokenizer\":" BYTE_LEVEL("false"), bpe, merges, "",
         "normalizer: NFKC"},
        {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" "
         "\"},\"content\":\"\xE2\x96\x81\"},\"pre_tokenizer\":" BYTE_LEVEL("false"),
         bpe, merges, "", "normalizer: Prepend or Replace before ByteLevel"},
        {"\"post_processor\":{\"type\":\"BertProcessing\"},\"pre_tokenizer\":" BYTE_LEVEL("false"), bpe, merges, "",
         "post_processor: BertProcessing"},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"a\"}}]},\"pre_"
         "tokenizer\":" BYTE_LEVEL("false"),
         bpe, merges, "", "post_processor: a template without a text"},
        {"\"decoder\":{\"type\":\"WordPiece\"},\"pre_tokenizer\":" BYTE_LEVEL("false"), bpe, merges, "",
         "decoder: WordPiece"},
        {byte_level, "\"type\":\"Unigram\"", merges, "", "model: Unigram"},
        {byte_level, "\"type\":\"BPE\",\"byte_fallback\":true", merges, "", "model: \"byte_fallback\" with ByteLevel"},
        {byte_level, "\"type\":\"BPE\",\"byte_fallback\":\"\"", merges, "", "\"byte_fallback\" is not true or false"},
        {byte_level, "\"type\":\"BPE\",\"ignore_merges\":\"no\"", merges, "", "\"ignore_merges\" is not true or false"},
        {"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"use_regex\":\"no\"}", bpe, merges, "",
         "\"use_regex\" is not true or false"},
        {byte_level, bpe, merges, "{\"id\":300,\"content\":\"<m>\",\"single_word\":1}",
         "added token <m> has \"single_word\""},
        {byte_level, bpe, merges, "{\"id\":300,\"content\":\"<m>\",\"special\":\"true\"}", "\"special\" is not true"},
        {byte_level, "\"type\":\"BPE\",\"dropout\":0.1", merges, "", "model: with \"dropout\""},
        {byte_level, "\"type\":\"BPE\",\"continuing_subword_prefix\":\"##\"", merges, "",
         "\"continuing_subword_prefix\""},
        {byte_level, bpe, "{}", "", "model: no list \"merges\""},
        {byte_level, bpe, "[\"a b\",\"ab\"]", "", "merge 2 must be two tokens"},
        {byte_level, bpe, "[[\"a\",\"b\",\"c\"]]", "", "merge 1 must be two tokens"},
        {byte_level, bpe, "[[\"a\",7]]", "", "merge 1 must be two tokens"},
        {byte_level, bpe, "[\"a c\"]", "", "merge 1 makes a token that the vocabulary lacks"},
        {byte_level, bpe, merges, "{\"content\":\"<m>\"}", "must have \"content\" and \"id\""},
        {byte_level, bpe, merges, "{\"id\":16777216,\"content\":\"<m>\"}", "must have \"content\" and \"id\""},
    };
    pm_log log = test_log();
    char *dir = test_dir_make();
    char path[1024];
    pm_tokenizer *tok = NULL;
    snprintf(path, sizeof path, "%s", test_path(dir, "tokenizer.json"));
    test_log_reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(dir, "tokenizer.json", whole(rows[i].parts, rows[i].model, rows[i].merges, rows[i].added));
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, rows[i].words);
    }
    put(dir, "tokenizer.json", "{}");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "model: none");
    /* GPT-1's kind is read from its other files; where there are none, the error line names the kind */
    put(dir, "tokenizer.json",
        "{\"model\":{\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\",\"vocab\":{},\"merges\":[]}}");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, dir, "holds no tokenizer");
    put(dir, "vocab.json", "{\"<unk>\":0,\"a\":1,\"b\":2,\"a</w>\":3,\"b</w>\":4,\"ab</w>\":5}");
    put(dir, "merges.txt", "a b</w>\n");
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_string_equal(pm_tokenizer_kind(tok), "gpt1");
    test_expect_ids(tok, "AB b", "5 4");
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* A file that is there but cannot be read, such as a link to nothing in a cache of downloads, is told and not left out. */
static void test_dangling(void **state)
{
    (void)state;
    static const char *const names[] = {"tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "tokenizer.json",
                                        "merges.txt",
                                        "vocab.json"};
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    test_log_reset();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *dir = test_dir_make();
        char path[1024];
        put(dir, "vocab.json", vocab(""));
        put(dir, "merges.txt", "");
        put(dir, "encoder.json", vocab("")); /* not taken in place of the others */
        put(dir, "vocab.bpe", "");
        snprintf(path, sizeof path, "%s", test_path(dir, names[i]));
        (void)remove(path);
        if (test_link("../blobs/none", path))
            test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, path, "cannot open: No such file");
        test_dir_remove(dir);
    }
}

/* The error line says what a foreign file is. */
static void test_foreign(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        size_t size;
        const char *words;
    } rows[] = {
        {"vocab.json", "\xFF\xFE{\0}\0", 6, "is UTF-16; save it as UTF-8"},
        {"vocab.json",
         "{\0\"\0a\0\"\0:\0"
         "1\0}\0",
         14, "is UTF-16; save it as UTF-8"},
        {"merges.txt", "\xFE\xFF\0a\0 \0b", 8, "is UTF-16; save it as UTF-8"},
        {"tokenizer_config.json", "\xFF\xFE\0\0{\0\0\0", 8, "is UTF-32; save it as UTF-8"},
        {"vocab.json", "version https://git-lfs.github.com/spec/v1\noid", 46, "is a Git LFS pointer"},
        {"tokenizer.json", "\n<!DOCTYPE HTML><html>", 22, "is an HTML page; download the file itself"},
        {"vocab.json", "\x1F\x8B\x08", 3, "is a gzip file; unpack it"},
    };
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    test_log_reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *dir = test_dir_make();
        char path[1024];
        put(dir, "vocab.json", vocab(""));
        put(dir, "merges.txt", "");
        snprintf(path, sizeof path, "%s", test_path(dir, rows[i].name));
        test_write(path, rows[i].text, rows[i].size);
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, rows[i].words);
        test_expect_failure(pm_tokenizer_load(&log, path, &tok), PM_FORMAT, path, "; give ");
        test_dir_remove(dir);
    }
    char *dir = test_dir_make();
    put(dir, "spiece.model", "x");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, dir, "its spiece.model is SentencePiece's");
    put(dir, "tokenizer_config.json", "{\"tokenizer_class\":\"LlamaTokenizer\"}");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, test_path(dir, "tokenizer_config.json"),
                        "\"tokenizer_class\" is \"LlamaTokenizer\"");
    put(dir, "tokenizer_config.json", "{\"add_bos_token\":false}");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_IO, dir, "holds no tokenizer");
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    put(dir, "vocab.json", vocab(""));
    put(dir, "merges.txt", "");
    put(dir, "tokenizer_config.json", "{\"add_bos_token\":true}");
    tok = load(dir);
    test_expect_ids(tok, "a", "97");
    assert_false(pm_tokenizer_adds_begin(tok)); /* there is no such token */
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    pm_tokenizer_destroy(&tok);
    put(dir, "tokenizer_config.json", "{\"add_bos_token\":true,\"bos_token\":\"a\",\"add_eos_token\":true}");
    tok = load(dir);
    assert_true(pm_tokenizer_adds_begin(tok));
    assert_false(pm_tokenizer_adds_end(tok));
    assert_int_equal(pm_tokenizer_begin(tok), 97);
    test_expect_ids(tok, "b", "98");
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* A boolean is true or false, or 1 or 0; null is none. Other values are refused. */
static void test_flags(void **state)
{
    (void)state;
    static const struct {
        const char *config, *words;
    } bad[] = {
        {"{\"add_prefix_space\":\"true\"}", "\"add_prefix_space\" is not true or false"},
        {"{\"add_prefix_space\":2}", "\"add_prefix_space\" is not true or false"},
        {"{\"add_bos_token\":[]}", "\"add_bos_token\" is not true or false"},
        {"{\"added_tokens_decoder\":{\"256\":{\"content\":\"<m>\",\"single_word\":1}}}",
         "token <m> has \"single_word\""},
        {"{\"added_tokens_decoder\":{\"256\":{\"content\":\"<m>\",\"lstrip\":\"\"}}}", "\"lstrip\" is not true"},
        {"{\"added_tokens_decoder\":{\"256\":{\"content\":\"<m>\",\"special\":{}}}}", "\"special\" is not true"},
    };
    static const struct {
        const char *config, *ids;
    } good[] = {{"{\"add_prefix_space\":1}", "32 97"},
                {"{\"add_prefix_space\":0,\"add_bos_token\":0}", "97"},
                {"{\"add_prefix_space\":null,\"add_bos_token\":null}", "97"}};
    pm_log log = test_log();
    char *dir = test_dir_make();
    pm_tokenizer *tok = NULL;
    put(dir, "vocab.json", vocab(""));
    put(dir, "merges.txt", "");
    test_log_reset();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(dir, "tokenizer_config.json", bad[i].config);
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, test_path(dir, "tokenizer_config.json"),
                            bad[i].words);
    }
    test_log_reset();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        put(dir, "tokenizer_config.json", good[i].config);
        tok = load(dir);
        test_expect_ids(tok, "a", good[i].ids);
        pm_tokenizer_destroy(&tok);
    }
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_of_text), cmocka_unit_test(test_prefix),   cmocka_unit_test(test_vocabularies),
        cmocka_unit_test(test_own_ids),     cmocka_unit_test(test_dangling), cmocka_unit_test(test_whole),
        cmocka_unit_test(test_other_kinds), cmocka_unit_test(test_foreign),  cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
