/* Tokenizers of GGUF files, from the arrays that such a file has: both kinds, what is refused, and real files, where a folder has them. */
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
#include "helper_text.h"
#include "text/gpt2.h"
#include "text/tokenizer_gguf.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */
#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        literal, sizeof literal - 1                                                                                    \
    }
#define TEXT(literal) ((tok_gguf_text)BYTES(literal))

enum { MOST = 300 };

static tok_gguf_text text_of(const char *text)
{
    return (tok_gguf_text){text, strlen(text)};
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
static tok_gguf_parts bytes_with(const char *const *more, const int *types, const tok_gguf_text *merges,
                                 uint32_t merge_count)
{
    static char spelled[256][UTF8_MAX];
    static tok_gguf_text tokens[MOST];
    static int32_t kinds[MOST];
    uint32_t codes[256], count = 0;
    gpt2_spellings(codes);
    for (; count < 256; count++) {
        tokens[count] = (tok_gguf_text){spelled[count], utf8_encode(codes[count], spelled[count])};
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
    const tok_gguf_text merges[] = {TEXT("1 1"), TEXT("a b")};
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
    static const tok_gguf_text tokens[] = {BYTES("<unk>"),   BYTES("<s>"), BYTES(SPACE),   BYTES("a"),  BYTES("b"),
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
    const tok_gguf_text merges[] = {TEXT("a b"), TEXT("a c"), TEXT("ab"), TEXT("x\xFF y"), TEXT("a b")};
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
    const tok_gguf_text two[] = {TEXT("a b"), TEXT("a b")};
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

/* ---- real files ---- */

/* A reader of such a file's metadata, for values of known types only. */
typedef struct reader {
    const unsigned char *at, *end;
} reader;

static uint64_t number(reader *r, size_t bytes)
{
    uint64_t value = 0;
    assert_true((size_t)(r->end - r->at) >= bytes);
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)r->at[i] << (8 * i);
    r->at += bytes;
    return value;
}

static tok_gguf_text string(reader *r)
{
    const size_t size = (size_t)number(r, 8);
    assert_true((size_t)(r->end - r->at) >= size);
    r->at += size;
    return (tok_gguf_text){(const char *)r->at - size, size};
}

enum { VALUE_STRING = 8, VALUE_ARRAY = 9 };
static const unsigned char value_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static tok_gguf_text *strings(reader *r, size_t count)
{
    tok_gguf_text *list = malloc(count * sizeof *list);
    assert_non_null(list);
    for (size_t i = 0; i < count; i++) list[i] = string(r);
    return list;
}

/* The tokenizer's keys; arrays are malloc'd. */
static tok_gguf_parts read_parts(const char *data, size_t size)
{
    reader r = {(const unsigned char *)data + 8, (const unsigned char *)data + size};
    tok_gguf_parts parts = none;
    number(&r, 8);
    for (uint64_t left = number(&r, 8); left > 0; left--) {
        const tok_gguf_text key = string(&r);
        uint64_t type = number(&r, 4), count = 1;
        const bool array = type == VALUE_ARRAY;
        if (array) {
            type = number(&r, 4);
            count = number(&r, 8);
        }
        const bool tokens = key.size > 7 && memcmp(key.data + key.size - 7, ".tokens", 7) == 0;
        const bool merges = key.size > 7 && memcmp(key.data + key.size - 7, ".merges", 7) == 0;
        if (type == VALUE_STRING) {
            tok_gguf_text *list = strings(&r, (size_t)count);
            if (tokens) {
                parts.tokens = list;
                parts.count = (uint32_t)count;
            } else if (merges) {
                parts.merges = list;
                parts.merge_count = (uint32_t)count;
            } else {
                if (key.size == 20 && memcmp(key.data, "tokenizer.ggml.model", 20) == 0) parts.model = list[0];
                if (key.size == 18 && memcmp(key.data, "tokenizer.ggml.pre", 18) == 0) parts.pre = list[0];
                free(list);
            }
            continue;
        }
        const size_t bytes = value_bytes[type] * (size_t)count;
        assert_true((size_t)(r.end - r.at) >= bytes);
        if (array && (type == 5 || type == 6)) {
            void *own = malloc(bytes);
            assert_non_null(own);
            memcpy(own, r.at, bytes); /* little-endian, as all of Pumice's hosts */
            if (type == 6)
                parts.scores = own;
            else
                parts.types = own;
        } else if (type == 4) {
            reader one = r;
            const int64_t id = (int64_t)number(&one, 4);
            if (key.size == 27 && memcmp(key.data, "tokenizer.ggml.bos_token_id", 27) == 0) parts.begin = id;
            if (key.size == 27 && memcmp(key.data, "tokenizer.ggml.eos_token_id", 27) == 0) parts.end = id;
            if (key.size == 31 && memcmp(key.data, "tokenizer.ggml.unknown_token_id", 31) == 0) parts.unknown = id;
        }
        r.at += bytes;
    }
    return parts;
}

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
        size_t size, other;
        snprintf(name, sizeof name, "tokenizers/fixtures/%s.gguf", names[i]);
        if (!test_shared_file(name, &path)) skip();
        char *data = test_read(path, &size);
        tok_gguf_parts parts = read_parts(data, size);
        pm_tokenizer *tok = make(&parts, i ? "sentencepiece" : "gpt2");
        snprintf(name, sizeof name, "tokenizers/fixtures/%s.inp", names[i]);
        assert_true(test_shared_file(name, &path));
        char *texts = test_read(path, &other);
        snprintf(name, sizeof name, "tokenizers/fixtures/%s.out", names[i]);
        assert_true(test_shared_file(name, &path));
        char *ids = test_read(path, &other);
        expect_lines(tok, texts, ids);
        if (i == 0) {
            pm_log log = test_log();
            pm_tokenizer *pair = NULL;
            char dir[4096];
            assert_true(test_shared_file("tokenizers/gpt2/encoder.json", &path));
            snprintf(dir, sizeof dir, "%.*s", (int)(strlen(path) - strlen("/encoder.json")), path);
            assert_int_equal(pm_tokenizer_load(&log, dir, &pair), PM_OK);
            test_expect_same(tok, pair); /* OpenAI's files are the same tokenizer */
            pm_tokenizer_destroy(&pair);
        }
        pm_tokenizer_destroy(&tok);
        free(texts);
        free(ids);
        free((void *)parts.tokens);
        free((void *)parts.merges);
        free((void *)parts.scores);
        free((void *)parts.types);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
