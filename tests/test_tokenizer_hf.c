/* tokenizer.json of the kinds beside GPT-2's: patterns, Unicode's form C, whole tokens, added tokens with white space, what stands around a text, and
 * SentencePiece's characters. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_dir.h"
#include "helper_log.h"
#include "helper_text.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */

enum { FILE_ROOM = 16384 };

/* Puts a file with these parts, and a list of added tokens, into the folder. */
static void put(const char *dir, const char *parts, const char *model, const char *vocab, const char *merges,
                const char *added)
{
    static char text[FILE_ROOM];
    const int size = snprintf(text, sizeof text,
                              "{\"added_tokens\":[%s],%s,\"model\":{\"type\":\"BPE\",%s\"vocab\":%s,\"merges\":%s}}",
                              added, parts, model, vocab, merges);
    assert_true(size > 0 && size < FILE_ROOM);
    test_write(test_path(dir, "tokenizer.json"), text, (size_t)size);
}

/* Loads the tokenizer, saves it, and loads that. */
static pm_tokenizer *load(const char *dir, const char *kind)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL, *again = NULL;
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", test_path(dir, "again"));
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_string_equal(pm_tokenizer_kind(tok), kind);
    assert_int_equal(pm_tokenizer_save(&log, tok, folder), PM_OK);
    assert_int_equal(pm_tokenizer_load(&log, folder, &again), PM_OK);
    test_expect_same(tok, again);
    assert_int_equal(pm_tokenizer_begin(tok), pm_tokenizer_begin(again));
    assert_int_equal(pm_tokenizer_end(tok), pm_tokenizer_end(again));
    assert_int_equal(pm_tokenizer_adds_begin(tok), pm_tokenizer_adds_begin(again));
    pm_tokenizer_destroy(&tok);
    return again;
}

static void expect_special(const pm_tokenizer *tok, const char *text, const char *wanted)
{
    char got[256] = "";
    uint32_t *ids = NULL;
    size_t count = 0;
    assert_int_equal(pm_tokenizer_encode_special(NULL, tok, "text", text, strlen(text), &ids, &count), PM_OK);
    for (size_t i = 0, used = 0; i < count; i++)
        used += (size_t)sprintf(got + used, i ? " %u" : "%u", (unsigned)ids[i]);
    assert_string_equal(got, wanted);
    free(ids);
}

/* ---- bytes ---- */

#define SPLITS(list)                                                                                                   \
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" list                                                \
    ",{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}"
#define SPLIT(pattern)                                                                                                 \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define LLAMA3                                                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "                             \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static void test_splits(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    const char *vocab = test_byte_vocab(",\"11\":256,\"111\":257,\"1111\":258,\"aa\":259,\"a1\":260");
    const char *merges = "[[\"1\",\"1\"],[\"11\",\"1\"],[\"11\",\"11\"],[\"a\",\"a\"],[\"a\",\"1\"]]";
    put(dir, SPLITS(SPLIT(LLAMA3)), "", vocab, merges, "");
    pm_tokenizer *tok = load(dir, "bpe");
    test_expect_ids(tok, "aa11111a1", "259 257 256 97 49");
    test_round_trip(tok, "aa \xFF\xC3 11\r\n\xE2\x82", 13);
    const uint64_t hash = pm_tokenizer_hash(tok);
    pm_tokenizer_destroy(&tok);
    put(dir, SPLITS(SPLIT("\\\\p{N}")), "", vocab, merges, "");
    tok = load(dir, "bpe");
    test_expect_ids(tok, "aa111a1", "259 49 49 49 97 49");
    assert_true(pm_tokenizer_hash(tok) != hash);
    pm_tokenizer_destroy(&tok);
    /* SmolLM2: each digit alone, then GPT-2's pattern */
    put(dir,
        "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}]}",
        "", vocab, merges, "");
    tok = load(dir, "bpe");
    test_expect_ids(tok, "aa111a1", "259 49 49 49 97 49");
    pm_tokenizer_destroy(&tok);
    /* a text as a pattern, and a pattern that keeps what it matches */
    put(dir, SPLITS("{\"type\":\"Split\",\"pattern\":{\"String\":\"1a\"},\"behavior\":\"Isolated\"}"), "", vocab,
        merges, "");
    tok = load(dir, "bpe");
    test_expect_ids(tok, "a11aa", "260 49 97 97");
    pm_tokenizer_destroy(&tok);
    put(dir, SPLITS("{\"type\":\"Split\",\"pattern\":{\"Regex\":\".\"},\"behavior\":\"Removed\",\"invert\":true}"), "",
        vocab, merges, "");
    tok = load(dir, "bpe");
    test_expect_ids(tok, "aa", "97 97");
    pm_tokenizer_destroy(&tok);
    /* no pattern at all */
    put(dir, "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}", "", vocab,
        merges, "");
    tok = load(dir, "bpe");
    test_expect_ids(tok, "aaa1", "259 260");
    pm_tokenizer_destroy(&tok);
    /* a pattern that takes too long */
    put(dir, SPLITS(SPLIT("(?:a+)+[bd]")), "", vocab, merges, "");
    tok = load(dir, "bpe");
    pm_log log = test_log();
    uint32_t *ids = NULL;
    size_t count = 0;
    char text[1000];
    memset(text, 'a', sizeof text);
    test_log_reset();
    test_expect_failure(pm_tokenizer_encode(&log, tok, "some/file", text, sizeof text, &ids, &count), PM_FORMAT,
                        "some/file", "at byte 0 a pattern of the tokenizer takes too many steps");
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

static void test_form_c(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    /* U+00E9 as one token; a normalized added token is looked for in the normal form, another one before */
    put(dir, "\"normalizer\":{\"type\":\"NFC\"}," SPLITS(SPLIT("\\\\s")), "",
        test_byte_vocab(",\"\xC3\x83\xC2\xA9\":256"), "[\"\xC3\x83 \xC2\xA9\"]",
        "{\"id\":300,\"content\":\"xe\xCC\x81\",\"normalized\":true},{\"id\":301,\"content\":\"ye\xCC\x81\","
        "\"normalized\":false}");
    pm_tokenizer *tok = load(dir, "bpe");
    test_expect_ids(tok, "\xC3\xA9 e\xCC\x81", "256 32 256");
    test_expect_ids(tok, "xe\xCC\x81 x\xC3\xA9", "300 32 300");
    test_expect_ids(tok, "ye\xCC\x81 y\xC3\xA9", "301 32 121 256");
    test_expect_ids(tok,
                    "\xFF"
                    "e\xCC\x81\xFF",
                    "255 256 255");
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* "ignore_merges": a piece of the vocabulary is taken whole, though merges make something else; an added token is none of these. */
static void test_whole(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    const char *vocab = test_byte_vocab(",\"ab\":256,\"bc\":257,\"abc\":258,\"<|end|>\":300");
    const char *added = "{\"id\":301,\"content\":\"zz\",\"special\":true}";
    for (int whole = 0; whole < 2; whole++) {
        put(dir, SPLITS(SPLIT(LLAMA3)), whole ? "\"ignore_merges\":true," : "", vocab, "[\"a b\"]", added);
        pm_tokenizer *tok = load(dir, "bpe");
        test_expect_ids(tok, "abc abcd", whole ? "258 32 256 99 100" : "256 99 32 256 99 100");
        test_expect_ids(tok, "zz", "122 122");
        expect_special(tok, "zz", "301");
        pm_tokenizer_destroy(&tok);
    }
    test_dir_remove(dir);
}

static void test_white_space(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    put(dir, SPLITS(SPLIT("\\\\s+")), "", test_byte_vocab(""), "[]",
        "{\"id\":300,\"content\":\"<l>\",\"lstrip\":true},{\"id\":301,\"content\":\"<r>\",\"rstrip\":true},"
        "{\"id\":302,\"content\":\"<b>\",\"lstrip\":true,\"rstrip\":true,\"special\":true},{\"id\":303,\"content\":\"<"
        "b>!\"}");
    pm_tokenizer *tok = load(dir, "bpe");
    test_expect_ids(tok, "a  <l> b", "97 300 32 98");
    test_expect_ids(tok,
                    "a <r> \n\xC2\x85\xE3\x80\x80"
                    "b",
                    "97 32 301 98");
    test_expect_ids(tok, " <r> <l> ", "32 301 300 32");
    expect_special(tok, "a <b> <b>\t", "97 302 302");
    expect_special(tok, "<b>!<b>x", "303 302 120");
    expect_special(tok, "<", "60");
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* ---- what is put around a text ---- */

static void test_template(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    static const struct {
        const char *single, *config;
        uint32_t begin, end;
        bool adds_begin, adds_end;
    } rows[] = {
        {"{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}", NULL, 256, PM_TOKEN_NONE, true, false},
        {"{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"</s>\"}}", NULL,
         256, 257, true, true},
        {"{\"Sequence\":{\"id\":\"A\"}}", "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"add_bos_token\":true}", 256,
         257, true, false},
        {"{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}",
         "{\"add_bos_token\":false,\"eos_token\":\"</s>\"}", 256, 257, false, false},
    };
    char parts[1024];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(parts, sizeof parts,
                 "\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
                 "\"TemplateProcessing\","
                 "\"single\":[%s]}]},%s",
                 rows[i].single, SPLITS(SPLIT("\\\\s")));
        put(dir, parts, "", test_byte_vocab(""), "[]",
            "{\"id\":256,\"content\":\"<s>\",\"special\":true},{\"id\":257,\"content\":\"</s>\",\"special\":true}");
        (void)remove(test_path(dir, "tokenizer_config.json"));
        if (rows[i].config) test_write(test_path(dir, "tokenizer_config.json"), rows[i].config, strlen(rows[i].config));
        pm_tokenizer *tok = load(dir, "bpe");
        assert_int_equal(pm_tokenizer_begin(tok), rows[i].begin);
        assert_int_equal(pm_tokenizer_end(tok), rows[i].end);
        assert_int_equal(pm_tokenizer_adds_begin(tok), rows[i].adds_begin);
        assert_int_equal(pm_tokenizer_adds_end(tok), rows[i].adds_end);
        test_expect_ids(tok, "a", "97");
        pm_tokenizer_destroy(&tok);
    }
    test_dir_remove(dir);
}

/* ---- SentencePiece's characters ---- */

#define LLAMA2                                                                                                         \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"" SPACE "\"},"         \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SPACE "\"}]},\"pre_tokenizer\":null,"        \
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"" SPACE          \
    "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" "       \
    "\",\"start\":1,\"stop\":0}]}"
#define GEMMA                                                                                                          \
    "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SPACE                         \
    "\"},\"pre_tokenizer\":{"                                                                                          \
    "\"type\":\"Split\",\"pattern\":{\"String\":\" \"},\"behavior\":\"MergedWithPrevious\",\"invert\":false}"
#define METASPACE(scheme, split)                                                                                       \
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" SPACE "\",\"prepend_scheme\":\"" scheme             \
    "\",\"split\":" split "}"
#define PIECES                                                                                                         \
    "{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"<0x0A>\":3,\"<0xC3>\":4,\"<0xA9>\":5,\"<0xFF>\":6,\"" SPACE                   \
    "\":7,\"a\":8,\"b\":9,\"" SPACE "a\":10,\"ab\":11,\"" SPACE "ab\":12,\"" SPACE SPACE                               \
    "\":13,\"n\":14,\"\xE4\xB8\xAD\":15,\"" SPACE SPACE SPACE SPACE "\":16}"
#define JOINS                                                                                                          \
    "[\"" SPACE " a\",\"a b\",\"" SPACE "a b\",\"" SPACE " ab\",\"" SPACE " " SPACE "\",\"" SPACE SPACE                \
    " " SPACE SPACE "\"]"

static void test_characters(void **state)
{
    (void)state;
    static const struct {
        const char *parts, *text, *plain, *special;
    } rows[] = {
        {LLAMA2, "ab ab", "12 12", "12 12"},
        {LLAMA2, "", "", ""},
        {LLAMA2, " a", "7 10", "7 10"},
        {LLAMA2, "   ab", "13 7 12", "13 7 12"},
        {LLAMA2, SPACE "ab", "7 12", "7 12"},
        {LLAMA2, "\xE4\xB8\xAD\n\xC3\xA9", "7 15 3 4 5", "7 15 3 4 5"},
        {LLAMA2, "a\xFF", "10 6", "10 6"},
        {LLAMA2, "axyb", "10 0 9", "10 0 9"},     /* unknown ones side by side are one token */
        {LLAMA2, "a<s>ab", "10 0 11", "10 1 12"}, /* behind a special token a text begins, with a blank */
        {GEMMA, "ab ab", "11 12", "11 12"},
        {GEMMA, "a<s>ab", "8 0 11", "8 1 11"},
        {METASPACE("first", "false"), "ab ab", "12 12", "12 12"},
        {METASPACE("first", "false"), " ab<s>ab", "12 0 11", "12 1 11"},
        {METASPACE("always", "false"), "ab<s>ab", "12 0 11", "12 1 12"},
        {METASPACE("never", "false"), "ab    ab", "11 13 7 12", "11 13 7 12"},
        {METASPACE("always", "true"), "ab    ab", "12 7 7 7 12", "12 7 7 7 12"},
    };
    char *dir = test_dir_make();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(dir, rows[i].parts, "\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,", PIECES, JOINS,
            "{\"id\":1,\"content\":\"<s>\",\"special\":true,\"normalized\":false}");
        pm_tokenizer *tok = load(dir, "sentencepiece");
        test_expect_ids(tok, rows[i].text, rows[i].plain);
        expect_special(tok, rows[i].text, rows[i].special);
        size_t size = 0;
        assert_memory_equal(pm_tokenizer_piece(tok, 12, &size), " ab", 3);
        assert_int_equal(size, 3);
        assert_memory_equal(pm_tokenizer_piece(tok, 3, &size), "\n", 1);
        assert_int_equal(size, 1);
        pm_tokenizer_destroy(&tok);
    }
    /* without tokens of bytes and without an unknown token, a character is refused at its place */
    pm_log log = test_log();
    uint32_t *ids = NULL;
    size_t count = 0;
    put(dir, GEMMA, "", PIECES, JOINS, "");
    pm_tokenizer *tok = load(dir, "sentencepiece");
    test_log_reset();
    test_expect_failure(pm_tokenizer_encode(&log, tok, "some/file", "ab\xC3\xA9", 4, &ids, &count), PM_FORMAT,
                        "some/file", "the character U+00E9 '\xC3\xA9' at byte 2");
    test_expect_failure(pm_tokenizer_encode(&log, tok, "some/file", "ab a\xFF", 5, &ids, &count), PM_FORMAT,
                        "some/file", "not UTF-8 at byte 4");
    pm_tokenizer_destroy(&tok);
    /* a normalized token has its blank before it, and no text begins behind it */
    put(dir, LLAMA2, "\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,", PIECES, JOINS,
        "{\"id\":1,\"content\":\"<s>\",\"special\":true,\"normalized\":true},{\"id\":20,\"content\":\"nn\"}");
    tok = load(dir, "sentencepiece");
    expect_special(tok, "<s>ab", "1 11");
    expect_special(tok, "a<s>nnab", "10 0 20 12");
    expect_special(tok, "nn <s>", "20 7 1");
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

static void test_bad(void **state)
{
    (void)state;
    static const char byte_level[] = "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}";
    const struct {
        const char *parts, *vocab, *merges, *words;
    } rows[] = {
        {LLAMA2, "{\"a\":0,\"b\":0}", "[]", "id 0 is there twice"},
        {LLAMA2, "{\"a\":0,\"b\":1}", "[\"a b\"]", "merge 1 makes a token that the vocabulary lacks"},
        {LLAMA2, "{\"a\":0,\"b\":1,\"ab\":2}", "[\"a b\",\"ab c\"]",
         "merge 2 merges a token that the vocabulary lacks"},
        {LLAMA2, "{\"a\":0,\"b\":1,\"ab\":2}", "[\"a b\",\"a b\"]", "merge 2 is there twice"},
        {LLAMA2, "{\"a\":0,\"b\":1,\"ab\":2}", "[[\"a\",\"\"]]", "merge 1 must be two tokens"},
        {LLAMA2, "{\"a\":0,\"b\":1e9}", "[]", "the id of entry 2 must be"},
        {"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "{\"a\":0}", "[]",
         "Metaspace with another sign"},
        {METASPACE("last", "false"), "{\"a\":0}", "[]", "Metaspace with another \"prepend_scheme\""},
        {GEMMA ",\"decoder\":{\"type\":\"WordPiece\"}", "{\"a\":0}", "[]", "decoder: WordPiece"},
        {GEMMA ",\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":2,\"stop\":0}", "{\"a\":0}", "[]",
         "decoder: Strip"},
        {"\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"x\"}", "{\"a\":0}", "[]", "normalizer: Prepend"},
        {"\"normalizer\":{\"type\":\"NFC\"}", "{\"a\":0}", "[]", "pre_tokenizer: none"},
        {byte_level, "{\"\xE2\x96\x81\":0}", "[]", "must be bytes in GPT-2's spelling"},
    };
    pm_log log = test_log();
    char *dir = test_dir_make();
    char path[1024];
    pm_tokenizer *tok = NULL;
    snprintf(path, sizeof path, "%s", test_path(dir, "tokenizer.json"));
    test_log_reset();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(dir, rows[i].parts, "", rows[i].vocab, rows[i].merges, "");
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, rows[i].words);
    }
    test_dir_remove(dir);
}

/* One id for two tokens, or two ids for one, within the file and between files; values of another type. */
static void test_contradictions(void **state)
{
    (void)state;
    static const struct {
        const char *more;    /* of the vocabulary */
        const char *added;   /* added_tokens */
        const char *decoder; /* tokenizer_config.json's added_tokens_decoder */
        const char *words;
    } rows[] = {
        {",\"ab\":97", "", "", "id 97 is there twice"},
        {"", "{\"id\":97,\"content\":\"<x>\"}", "", "the added token <x> has another token's id, 97"},
        {"", "{\"id\":256,\"content\":\"<x>\"},{\"id\":256,\"content\":\"<y>\"}", "",
         "the added token <y> has another token's id, 256"},
        {"", "{\"id\":256,\"content\":\"<x>\"},{\"id\":257,\"content\":\"<x>\"}", "",
         "the added token <x> has the id 257 here, and 256 in another entry or file"},
        {"", "{\"id\":256,\"content\":\"<x>\"}", "\"257\":{\"content\":\"<x>\"}",
         "the added token <x> has the id 256 here, and 257 in another entry or file"},
    };
    static const struct {
        const char *file, *text, *words;
    } types[] = {
        {"tokenizer_config.json", "{\"eos_token\":5}", "\"eos_token\" is neither a token's text nor"},
        {"tokenizer_config.json", "{\"bos_token\":{\"id\":1}}", "\"bos_token\" is neither a token's text nor"},
        {"special_tokens_map.json", "{\"unk_token\":[\"a\"]}", "\"unk_token\" is neither a token's text nor"},
        {"tokenizer_config.json", "{\"additional_special_tokens\":\"a\"}", "is not a list"},
        {"tokenizer_config.json", "{\"additional_special_tokens\":[7]}",
         "an entry of \"additional_special_tokens\" is neither a token's text nor"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":[]}", "\"added_tokens_decoder\" is not an object"},
        {"added_tokens.json", "[]", "must hold one JSON object"},
    };
    pm_log log = test_log();
    char *dir = test_dir_make();
    char path[1024];
    pm_tokenizer *tok = NULL;
    test_log_reset();
    snprintf(path, sizeof path, "%s", test_path(dir, "tokenizer.json"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char config[200];
        const int size = snprintf(config, sizeof config, "{\"added_tokens_decoder\":{%s}}", rows[i].decoder);
        test_write(test_path(dir, "tokenizer_config.json"), config, (size_t)size);
        put(dir, SPLITS(SPLIT("\\\\s")), "", test_byte_vocab(rows[i].more), "[]", rows[i].added);
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, rows[i].words);
    }
    static const char no_list[] =
        "{\"added_tokens\":{},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}," SPLITS(
            SPLIT("\\\\s")) "}";
    test_write(path, no_list, sizeof no_list - 1);
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "\"added_tokens\" is not a list");
    put(dir, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":5}," SPLITS(SPLIT("\\\\s")), "",
        test_byte_vocab(""), "[]", "");
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, "\"normalizers\" is not a list");
    put(dir, SPLITS(SPLIT("\\\\s")), "", test_byte_vocab(""), "[]", "");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        test_write(test_path(dir, "tokenizer_config.json"), "{}", 2);
        test_write(test_path(dir, types[i].file), types[i].text, strlen(types[i].text));
        test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, test_path(dir, types[i].file),
                            types[i].words);
        (void)remove(test_path(dir, types[i].file));
    }
    /* tokenizer_config.json counts before added_tokens.json */
    static const char decoder[] = "{\"added_tokens_decoder\":{\"256\":{\"content\":\"<x>\"}}}";
    static const char added[] = "{\"<x>\":257}";
    uint32_t *ids = NULL;
    size_t count = 0;
    test_write(test_path(dir, "tokenizer_config.json"), decoder, sizeof decoder - 1);
    test_write(test_path(dir, "added_tokens.json"), added, sizeof added - 1);
    put(dir, SPLITS(SPLIT("\\\\s")), "", test_byte_vocab(""), "[]", "{\"id\":256,\"content\":\"<x>\"}");
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_int_equal(pm_tokenizer_encode(&log, tok, "a text", "a<x>", 4, &ids, &count), PM_OK);
    assert_true(count == 2 && ids[1] == 256);
    free(ids);
    pm_tokenizer_destroy(&tok);
    (void)remove(test_path(dir, "added_tokens.json"));
    put(dir, SPLITS(SPLIT("\\\\s")), "", test_byte_vocab(""), "[]", "");
    /* a name that no token has: a warning */
    static const char config[] = "{\"bos_token\":null,\"eos_token\":\"</s>\",\"unk_token\":\"\"}";
    test_write(test_path(dir, "tokenizer_config.json"), config, sizeof config - 1);
    test_log_reset();
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "the eos_token </s> is no token of the vocabulary"));
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits),      cmocka_unit_test(test_form_c),         cmocka_unit_test(test_whole),
        cmocka_unit_test(test_white_space), cmocka_unit_test(test_template),       cmocka_unit_test(test_characters),
        cmocka_unit_test(test_bad),         cmocka_unit_test(test_contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
