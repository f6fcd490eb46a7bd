/* SentencePiece's tokenizer.model: its ids against a plain reference, its flags, and files that are damaged or of another kind. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_text.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
enum { FILE_ROOM = 65536, PIECES_ROOM = 1024 };

/* ---- writing such a file ---- */

typedef struct file {
    unsigned char bytes[FILE_ROOM];
    size_t size;
} file;

static void put_varint(file *f, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) f->bytes[f->size++] = (unsigned char)(value | 0x80);
    f->bytes[f->size++] = (unsigned char)value;
}

static void put_number(file *f, unsigned field, uint64_t value)
{
    put_varint(f, field << 3);
    put_varint(f, value);
}

static void put_bytes(file *f, unsigned field, const void *data, size_t size)
{
    put_varint(f, field << 3 | 2);
    put_varint(f, size);
    memcpy(f->bytes + f->size, data, size);
    f->size += size;
    assert_true(f->size < FILE_ROOM);
}

static void put_piece(file *f, const char *text, float score, int type)
{
    static file one;
    one.size = 0;
    put_bytes(&one, 1, text, strlen(text));
    put_varint(&one, 2 << 3 | 5);
    memcpy(one.bytes + one.size, &score, 4); /* little-endian, as all of Pumice's hosts */
    one.size += 4;
    if (type != NORMAL) put_number(&one, 3, (uint64_t)type);
    put_bytes(f, 1, one.bytes, one.size);
}

/* <unk>, <s>, </s>, the bytes, then those of the list, each of a score below the one before. */
static void put_pieces(file *f, bool bytes, const char *const *list)
{
    char name[8];
    float score = 0;
    put_piece(f, "<unk>", 0, UNKNOWN);
    put_piece(f, "<s>", 0, CONTROL);
    put_piece(f, "</s>", 0, CONTROL);
    for (unsigned b = 0; bytes && b < 256; b++) {
        snprintf(name, sizeof name, "<0x%02X>", b);
        put_piece(f, name, 0, BYTE);
    }
    for (; *list; list++) put_piece(f, *list, score--, NORMAL);
}

/* model_type, byte_fallback; add_dummy_prefix, remove_extra_whitespaces. */
static void put_specs(file *f, unsigned type, bool fallback, bool prefix, bool squeeze)
{
    static file one;
    one.size = 0;
    put_number(&one, 3, type);
    put_number(&one, 35, fallback);
    put_bytes(f, 2, one.bytes, one.size);
    one.size = 0;
    put_bytes(&one, 1, "identity", 8);
    put_number(&one, 3, prefix);
    put_number(&one, 4, squeeze);
    put_bytes(f, 3, one.bytes, one.size);
}

/* Loads it, saves it, and loads that. */
static pm_tokenizer *load_file(const char *dir, const file *f)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL, *again = NULL;
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", test_path(dir, "again"));
    test_write(test_path(dir, "tokenizer.model"), (const char *)f->bytes, f->size);
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_string_equal(pm_tokenizer_kind(tok), "sentencepiece");
    assert_int_equal(pm_tokenizer_save(&log, tok, folder), PM_OK);
    assert_int_equal(pm_tokenizer_load(&log, folder, &again), PM_OK);
    test_expect_same(tok, again);
    pm_tokenizer_destroy(&tok);
    return again;
}

static const char *const some[] = {SPACE, "a",   "b",         "c",        "ab",       SPACE "a",
                                   "bc",  "abc", SPACE SPACE, SPACE "ab", "\xC3\xA9", NULL};

enum { FIRST = 259, A = FIRST + 1 }; /* ids of the list with bytes before it */

static void test_ids(void **state)
{
    (void)state;
    static file f;
    char *dir = test_dir_make();
    f.size = 0;
    put_pieces(&f, true, some);
    put_specs(&f, 2, true, true, false);
    pm_tokenizer *tok = load_file(dir, &f);
    size_t size = 0;
    assert_int_equal(pm_tokenizer_vocab(tok), FIRST + 11);
    assert_int_equal(pm_tokenizer_begin(tok), 1);
    assert_int_equal(pm_tokenizer_end(tok), 2);
    assert_true(pm_tokenizer_adds_begin(tok));
    assert_false(pm_tokenizer_adds_end(tok));
    test_expect_ids(tok, "", "");
    test_expect_ids(tok, "abc", "259 266"); /* ab, then abc, which beats _ab */
    test_expect_ids(tok, "  ab", "267 268");
    test_expect_ids(tok, "cabc \xC3\xA9\xE4\xB8\xAD\xFF", "259 262 266 259 269 231 187 176 258");
    test_expect_ids(tok, "<s>", "259 63 118 65");
    test_expect_prompt(tok, "abc", false, 2, "1 259 266"); /* the token that the tokenizer puts before texts */
    test_expect_prompt(tok, "<s>", false, 2, "1 259 63 118 65");
    test_expect_prompt(tok, "<s>", true, 2, "1"); /* once, where the prompt spells it */
    test_expect_prompt(tok, "", false, 2, "2");
    assert_memory_equal(pm_tokenizer_piece(tok, 268, &size), " ab", 3);
    assert_memory_equal(pm_tokenizer_piece(tok, 258, &size), "\xFF", 1);
    assert_memory_equal(pm_tokenizer_piece(tok, 1, &size), "<s>", 3);
    pm_tokenizer_destroy(&tok);

    f.size = 0; /* without a blank before it, and with extra ones removed */
    put_pieces(&f, true, some);
    put_specs(&f, 2, true, false, true);
    tok = load_file(dir, &f);
    test_expect_ids(tok, "  ab   ab  ", "263 268");
    test_expect_ids(tok, "   ", "");
    pm_tokenizer_destroy(&tok);

    f.size =
        0; /* unknown characters side by side are one token; a user's piece is always whole, and nothing merges with it */
    put_pieces(&f, false, some);
    put_piece(&f, "bca", 0, USER);
    put_piece(&f, SPACE "b", 0, USER);
    put_specs(&f, 2, false, true, false);
    tok = load_file(dir, &f);
    test_expect_ids(tok,
                    "axyz\xFF"
                    "a",
                    "8 0 4");
    test_expect_ids(tok, "abcab", "8 14 5"); /* _a, bca, b */
    test_expect_ids(tok, "b b", "15 15");
    pm_tokenizer_destroy(&tok);
    /* what the small files say goes before */
    static const char config[] =
        "{\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":false,\"eos_token\":\"<end>\","
        "\"added_tokens_decoder\":{\"1\":{\"content\":\"<s>\",\"special\":true},\"20\":{\"content\":\"<end>\"}}}";
    test_write(test_path(dir, "tokenizer_config.json"), config, strlen(config));
    tok = load_file(dir, &f);
    assert_int_equal(pm_tokenizer_vocab(tok), 21);
    assert_int_equal(pm_tokenizer_end(tok), 20);
    assert_false(pm_tokenizer_adds_begin(tok));
    test_expect_ids(tok, "a<end>a", "8 0 4");
    uint32_t *ids = NULL;
    size_t count = 0;
    assert_int_equal(pm_tokenizer_encode_special(NULL, tok, "text", "a<end>a", 7, &ids, &count), PM_OK);
    assert_int_equal(count, 3);
    assert_int_equal(ids[1], 20);
    assert_int_equal(ids[2], 8);
    free(ids);
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* The blank before a text is left out where the text begins with it; bytes become characters. */
static void test_detokenizer(void **state)
{
    (void)state;
    static file f;
    static const uint32_t ids[] = {1, 268, 268, 231, 187, 176, 267, 258};
    char *dir = test_dir_make();
    pm_log log = test_log();
    f.size = 0;
    put_pieces(&f, true, some);
    put_specs(&f, 2, true, true, false);
    pm_tokenizer *tok = load_file(dir, &f);
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        pm_detokenizer *d = NULL;
        char got[64] = "";
        size_t size = 0;
        assert_int_equal(pm_detokenizer_create(&log, tok, goes_on, &d), PM_OK);
        for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
            const char *text = pm_detokenizer_put(d, ids[i], &size);
            strncat(got, text, size);
        }
        pm_detokenizer_destroy(&d);
        assert_string_equal(got, goes_on ? "<s> ab ab\xE4\xB8\xAD  \xFF" : "<s>ab ab\xE4\xB8\xAD  \xFF");
    }
    pm_tokenizer_destroy(&tok);
    test_dir_remove(dir);
}

/* ---- a plain reference: pieces of UTF-8 with scores, merged one pair after the other ---- */

typedef struct plain {
    const char *pieces[PIECES_ROOM]; /* (count) as pm_tokenizer_piece gives them: a blank for U+2581 */
    size_t sizes[PIECES_ROOM];
    float scores[PIECES_ROOM]; /* of normal pieces; NAN: not one */
    uint32_t count, first_byte;
} plain;

static uint32_t find_plain(const plain *p, const char *text, size_t size)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->scores[i] == p->scores[i] && p->sizes[i] == size && memcmp(p->pieces[i], text, size) == 0) return i;
    return PM_TOKEN_NONE;
}

/* Ids of a text that begins with its blank; returns how many. */
static size_t encode_plain(const plain *p, const char *text, size_t size, uint32_t *out)
{
    size_t starts[512], count = 0, made = 0;
    for (size_t at = 0; at < size; at++)
        if (((unsigned char)text[at] & 0xC0) != 0x80) starts[count++] = at;
    starts[count] = size;
    for (;;) {
        size_t best = count;
        float score = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const uint32_t id = find_plain(p, text + starts[i], starts[i + 2] - starts[i]);
            if (id == PM_TOKEN_NONE || (best < count && p->scores[id] <= score)) continue;
            best = i;
            score = p->scores[id];
        }
        if (best == count) break;
        memmove(starts + best + 1, starts + best + 2, (count - best - 1) * sizeof *starts);
        count--;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t length = starts[i + 1] - starts[i];
        const uint32_t id = find_plain(p, text + starts[i], length);
        if (id != PM_TOKEN_NONE) out[made++] = id;
        for (size_t b = 0; b < length && id == PM_TOKEN_NONE; b++)
            out[made++] = p->first_byte + (unsigned char)text[starts[i] + b];
    }
    return made;
}

static void compare_plain(const pm_tokenizer *tok, const plain *p, const char *text, size_t size)
{
    uint32_t want[1024], *got = NULL;
    char spaced[512];
    size_t count = 0;
    spaced[0] = ' ';
    memcpy(spaced + 1, text, size);
    const size_t wanted = encode_plain(p, spaced, size + 1, want);
    assert_int_equal(pm_tokenizer_encode(NULL, tok, "text", text, size, &got, &count), PM_OK);
    if (count != wanted || memcmp(got, want, count * sizeof *want) != 0) print_error("of: %.*s\n", (int)size, text);
    assert_int_equal(count, wanted);
    assert_memory_equal(got, want, count * sizeof *want);
    free(got);
}

/* Random vocabularies, with equal scores and pieces that are better than their parts. */
static void test_random(void **state)
{
    (void)state;
    static file f;
    static plain p;
    char *dir = test_dir_make();
    for (uint32_t round = 0; round < 60; round++) {
        char names[40][8];
        f.size = 0;
        p = (plain){.first_byte = 3};
        put_pieces(&f, true, (const char *const[]){NULL});
        uint32_t id = 259;
        for (uint32_t i = 0; i < 40; i++) {
            const rng_block b = rng_philox(round, i, 0, 0, 0);
            const uint32_t length = i < 4 ? 1 : 2 + b.v[0] % 4;
            bool known = false;
            for (uint32_t c = 0; c < length; c++) names[i][c] = " abc"[i < 4 ? i : (b.v[1] >> 2 * c) % 4];
            names[i][length] = 0;
            for (uint32_t j = 0; j < i; j++) known = known || strcmp(names[i], names[j]) == 0;
            if (known) continue;
            char spelled[32] = "";
            for (uint32_t c = 0; c < length; c++)
                strcat(spelled, names[i][c] == ' ' ? SPACE : (char[]){names[i][c], 0});
            const float score = i < 4 ? -100.0f : -(float)(b.v[2] % 12);
            put_piece(&f, spelled, score, NORMAL);
            for (; p.count < id; p.count++) p.scores[p.count] = (float)(0.0 / 0.0);
            p.pieces[id] = names[i];
            p.sizes[id] = length;
            p.scores[id] = score;
            p.count = ++id;
        }
        put_specs(&f, 2, true, true, false);
        pm_tokenizer *tok = load_file(dir, &f);
        for (uint32_t t = 0; t < 40; t++) {
            char text[160];
            const uint32_t size = 1 + rng_philox(round, t, 1, 0, 0).v[0] % (sizeof text - 1);
            for (uint32_t i = 0; i < size; i++) text[i] = " abcd"[rng_philox(round, t, 2, i, 0).v[0] % (t % 2 ? 5 : 3)];
            compare_plain(tok, &p, text, size);
        }
        pm_tokenizer_destroy(&tok);
    }
    test_dir_remove(dir);
}

/* The tokenizer of a real model, where a folder has it. */
static void test_real(void **state)
{
    (void)state;
    static plain p;
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    const char *path;
    char dir[4096];
    if (!test_shared_file("llama/stories260K/tokenizer.model", &path)) skip();
    snprintf(dir, sizeof dir, "%.*s", (int)(strlen(path) - strlen("/tokenizer.model")), path);
    assert_int_equal(pm_tokenizer_load(&log, dir, &tok), PM_OK);
    assert_int_equal(pm_tokenizer_vocab(tok), 512);
    p = (plain){.count = 512, .first_byte = 3};
    for (uint32_t id = 0; id < 512; id++) { /* pieces of this file have scores 0, -1, ... */
        p.pieces[id] = pm_tokenizer_piece(tok, id, &p.sizes[id]);
        p.scores[id] = id < 259 ? (float)(0.0 / 0.0) : -(float)(id - 259);
    }
    test_expect_ids(tok, "Once upon a time, there was a little girl named Lily.",
                    "403 407 261 378 432 383 286 261 376 298 315 421 395 317 426");
    static const char text[] =
        "Lily's mom said, \"Lily, let's go to the park.\" She didn't know 12 things\tabout na\xC3\xAFve \xE4\xB8\xAD!";
    for (size_t from = 0; from < sizeof text - 1; from++) {
        if (((unsigned char)text[from] & 0xC0) == 0x80 || text[from] == ' ') continue;
        compare_plain(tok, &p, text + from, sizeof text - 1 - from);
    }
    pm_tokenizer_destroy(&tok);
}

/* ---- files that are not ---- */

static void expect_refused(const char *dir, const file *f, const char *words)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    char path[1024];
    snprintf(path, sizeof path, "%s", test_path(dir, "tokenizer.model"));
    test_write(path, (const char *)f->bytes, f->size);
    test_log_reset();
    test_expect_failure(pm_tokenizer_load(&log, dir, &tok), PM_FORMAT, path, words);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        float score;
        int type;
        const char *words;
    } pieces[] = {
        {"", 0, NORMAL, "piece 259 is empty"},
        {"a\xFF", 0, NORMAL, "piece 259 is not UTF-8"},
        {"x", (float)(0.0 / 0.0), NORMAL, "piece 259 has a score that is no number"},
        {"x", (float)(1 / 0.0), NORMAL, "piece 259 has a score"},
        {"x", 0, UNUSED, "piece 259 is of a type"},
        {"x", 0, 7, "piece 259 is of a type"},
        {"x", 0, BYTE, "piece 259 is no byte"},
        {"<0x41>", 0, BYTE, "piece 259 is there twice"},
        {"<0x4g>", 0, BYTE, "piece 259 is no byte"},
    };
    static const struct {
        unsigned type;
        const char *words;
    } types[] = {{1, "is of type unigram; Pumice reads SentencePiece's BPE"},
                 {3, "of type word"},
                 {4, "of type char"},
                 {9, "of no type"}};
    static file f;
    char *dir = test_dir_make();
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        f.size = 0;
        put_pieces(&f, true, (const char *const[]){NULL});
        put_piece(&f, pieces[i].text, pieces[i].score, pieces[i].type);
        put_specs(&f, 2, true, true, false);
        expect_refused(dir, &f, pieces[i].words);
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        f.size = 0;
        put_pieces(&f, true, some);
        put_specs(&f, types[i].type, true, true, false);
        expect_refused(dir, &f, types[i].words);
    }
    static char big[2000];
    memset(big, 'x', sizeof big - 1);
    f.size = 0;
    put_piece(&f, big, 0, NORMAL);
    put_specs(&f, 2, false, true, false);
    expect_refused(dir, &f, "piece 0 has more than 1023 bytes");
    f.size = 0;
    put_piece(&f, "a", 0, NORMAL);
    put_piece(&f, "a", -1, NORMAL);
    put_specs(&f, 2, false, true, false);
    expect_refused(dir, &f, "the token of id 1 is there twice");
    f.size = 0;
    put_pieces(&f, false, some);
    put_specs(&f, 2, true, true, false);
    expect_refused(dir, &f, "has no piece for the byte 0x00");
    f.size = 0;
    put_specs(&f, 2, true, true, false);
    expect_refused(dir, &f, "has no pieces");
    f.size = 0;
    put_pieces(&f, true, some);
    put_specs(&f, 2, true, true, false);
    static file one;
    one.size = 0;
    put_bytes(&one, 1, "nmt_nfkc", 8);
    put_bytes(&one, 2, "map", 3);
    put_bytes(&f, 3, one.bytes, one.size);
    expect_refused(dir, &f, "normalises texts by nmt_nfkc");
    test_dir_remove(dir);
}

/* A file that is cut at any byte, or has a byte changed, gives a tokenizer or one line. */
static void test_damaged(void **state)
{
    (void)state;
    static file f, bad;
    char *dir = test_dir_make();
    const char *path;
    f.size = 0;
    put_pieces(&f, false, some);
    put_piece(&f, "bca", 0, USER);
    put_specs(&f, 2, false, true, false);
    pm_log log = test_log();
    size_t whole = 0;
    for (size_t i = 0; i < 3 * f.size; i++) {
        pm_tokenizer *tok = NULL;
        bad = f;
        if (i < f.size)
            bad.size = i;
        else
            bad.bytes[i % f.size] = i < 2 * f.size ? 0xFF : (unsigned char)rng_philox(i, 0, 0, 0, 0).v[0];
        path = test_path(dir, "tokenizer.model");
        test_write(path, (const char *)bad.bytes, bad.size);
        test_log_reset();
        const pm_status status = pm_tokenizer_load(&log, dir, &tok);
        assert_true(status == PM_OK || status == PM_FORMAT);
        assert_int_equal(test_log_count(PM_LOG_ERROR), status != PM_OK);
        whole += i < f.size && status == PM_OK;
        pm_tokenizer_destroy(&tok);
    }
    assert_int_equal(whole, 1); /* cut before the normalizer_spec, which has defaults */
    static const unsigned char huge[][12] = {
        {0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}, /* a piece of 2^64 - 1 bytes */
        {0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F},
        {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F},
        {0x0B},
        {0x08, 0x01},
        {0x02, 0x00},
    };
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        bad.size = sizeof huge[i];
        memcpy(bad.bytes, huge[i], bad.size);
        expect_refused(dir, &bad, "is it SentencePiece's tokenizer.model, and whole?");
    }
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),  cmocka_unit_test(test_detokenizer), cmocka_unit_test(test_random),
        cmocka_unit_test(test_real), cmocka_unit_test(test_bad),         cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
