/* Byte-pair encoding: merging against a plain reference, GPT-2's pieces, learning, files good and hostile. GPT-1 is in test_gpt1.c, the real
 * vocabularies are in test_vocabularies.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "base/rng.h"
#include "helper_log.h"
#include "helper_text.h"
#include "text/tokenizer.h"

enum {
    MEGABYTE = 1 << 20,
    LIMIT_SECONDS = 20
}; /* enough for a slow machine and sanitizers; a run that is not linear takes hours */

static const char TEXT[] =
    "the cat sat on the mat; the other cat didn't. It's 1234 times the cats' mat!\n\n  the   end, <|endoftext|>\t"
    "na\xC3\xAFve caf\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80 the theme then thaw";

static pm_tokenizer *learn(const char *text, size_t size, uint32_t vocab)
{
    pm_log log = test_log();
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_train(&log, "text", text, size, vocab, &tok), PM_OK);
    assert_int_equal(pm_tokenizer_vocab(tok), vocab);
    return tok;
}

/* ---- merging ---- */

/* Merges by the published algorithm, pass by pass. */
static size_t merge_plainly(const bpe_table *table, uint32_t *ids, size_t count)
{
    for (;;) {
        const bpe_slot *best = NULL;
        for (size_t i = 0; i + 1 < count; i++) {
            const bpe_slot *slot = bpe_find(table, ids[i], ids[i + 1]);
            if (slot && (!best || slot->rank < best->rank)) best = slot;
        }
        if (!best) return count;
        const bpe_merge merge = table->merges[best->rank];
        size_t to = 0;
        for (size_t i = 0; i < count; to++) {
            const bool both = i + 1 < count && ids[i] == merge.left && ids[i + 1] == merge.right;
            ids[to] = both ? merge.made : ids[i];
            i += both ? 2 : 1;
        }
        count = to;
    }
}

/* Random tables, some of whose merges make the same token in two ways, on random rows, short ones and long ones. */
static void test_merging(void **state)
{
    (void)state;
    enum { LETTERS = 3, MERGES = 60, MOST = 3000 };
    bpe_row row = {0};
    uint32_t plain[MOST];
    for (uint32_t round = 0; round < 400; round++) {
        bpe_merge *merges = malloc(MERGES * sizeof *merges);
        assert_non_null(merges);
        uint32_t count = 0, ids = LETTERS, twice;
        for (uint32_t i = 0; i < MERGES; i++) {
            rng_block b = rng_philox(round, i, 0, 0, 0);
            bpe_merge one = {b.v[0] % ids, b.v[1] % ids,
                             b.v[2] % 4 || ids == LETTERS ? ids : LETTERS + b.v[3] % (ids - LETTERS)};
            bool known = false;
            for (uint32_t j = 0; j < count; j++)
                known = known || (merges[j].left == one.left && merges[j].right == one.right);
            if (known) continue;
            ids += one.made == ids;
            merges[count++] = one;
        }
        bpe_table table;
        assert_true(bpe_table_make(&table, merges, count, &twice));
        assert_int_equal(twice, BPE_NONE);
        for (uint32_t i = 0; i < 8; i++) {
            static const size_t sizes[] = {1, 2, 3, 17, 96, 97, 300, MOST};
            assert_true(bpe_row_reserve(&row, sizes[i]));
            row.count = sizes[i];
            for (uint32_t j = 0; j < sizes[i]; j++) {
                uint32_t v = rng_philox(round, j, i, 1, 0).v[0];
                plain[j] = row.ids[j] = v % 50 == 0 ? BPE_NONE : v % LETTERS;
            }
            size_t want = merge_plainly(&table, plain, sizes[i]);
            assert_true(bpe_row_merge(&table, &row));
            assert_int_equal(row.count, want);
            assert_memory_equal(row.ids, plain, want * sizeof *plain);
        }
        bpe_table_free(&table);
    }
    bpe_row_free(&row);
}

/* The pair of the least rank and then the leftmost, one after the other. */
static size_t merge_one_by_one(const bpe_table *table, uint32_t *ids, size_t count)
{
    for (;;) {
        const bpe_slot *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const bpe_slot *slot = bpe_find(table, ids[i], ids[i + 1]);
            if (!slot || (best && slot->rank >= best->rank)) continue;
            best = slot;
            at = i;
        }
        if (!best) return count;
        ids[at] = best->made;
        memmove(ids + at + 1, ids + at + 2, (count - at - 2) * sizeof *ids);
        count--;
    }
}

/* Ordered merges in random tables, in which a token may go into earlier merges, with ranks of their own and without. */
static void test_ordered(void **state)
{
    (void)state;
    enum { LETTERS = 3, MERGES = 40, MOST = 2000 };
    bpe_row row = {0};
    uint32_t plain[MOST], ordered = 0;
    for (uint32_t round = 0; round < 300; round++) {
        bpe_merge *merges = malloc(MERGES * sizeof *merges);
        uint32_t *ranks = malloc(MERGES * sizeof *ranks), count = 0, twice;
        assert_non_null(merges);
        assert_non_null(ranks);
        for (uint32_t i = 0; i < MERGES; i++) {
            rng_block b = rng_philox(round, i, 0, 2, 0);
            const uint32_t most =
                LETTERS + (round % 3 ? MERGES : i); /* every third table has no token before its parts */
            bpe_merge one = {b.v[0] % most, b.v[1] % most, LETTERS + (round % 3 ? b.v[2] % MERGES : i)};
            bool known = false;
            for (uint32_t j = 0; j < count; j++)
                known = known || (merges[j].left == one.left && merges[j].right == one.right);
            if (known) continue;
            ranks[count] = count ? ranks[count - 1] + b.v[3] % 2 : 0;
            merges[count++] = one;
        }
        bpe_table table;
        assert_true(bpe_table_make(&table, merges, count, &twice));
        assert_true(bpe_table_order(&table, round % 2 ? ranks : NULL));
        if (round % 2 == 0) free(ranks);
        ordered += table.ordered;
        for (uint32_t i = 0; i < 6; i++) {
            static const size_t sizes[] = {2, 3, 17, 96, 97, MOST};
            assert_true(bpe_row_reserve(&row, sizes[i]));
            row.count = sizes[i];
            for (uint32_t j = 0; j < sizes[i]; j++) {
                uint32_t v = rng_philox(round, j, i, 3, 0).v[0];
                plain[j] = row.ids[j] = v % 50 == 0 ? BPE_NONE : v % LETTERS;
            }
            size_t want = merge_one_by_one(&table, plain, sizes[i]);
            assert_true(bpe_row_merge(&table, &row));
            assert_int_equal(row.count, want);
            assert_memory_equal(row.ids, plain, want * sizeof *plain);
        }
        bpe_table_free(&table);
    }
    assert_true(ordered > 150 && ordered < 300);
    bpe_row_free(&row);
}

/* ---- pieces ---- */

static void test_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pieces; /* | between pieces */
    } rows[] = {
        {"", ""},
        {"Hello world", "Hello| world"},
        {"I'm don't it's we'll you've they'd we're", "I|'m| don|'t| it|'s| we|'ll| you|'ve| they|'d| we|'re"},
        {"DON'T 'tis 'x", "DON|'|T| '|tis| '|x"},
        {"a1b22 333", "a|1|b|22| 333"},
        {"x!? ...y", "x|!?| ...|y"},
        {"  a", " | a"},
        {"a  ", "a|  "},
        {"a \n b", "a| \n| b"},
        {"a\n\nb", "a|\n|\n|b"},
        {"a\t\tb\n", "a|\t|\t|b|\n"},
        {"a\xC2\xA0"
         "b",
         "a|\xC2\xA0|b"}, /* U+00A0 is white */
        {"a\xC2\x85\xC2\x85"
         "b",
         "a|\xC2\x85|\xC2\x85|b"}, /* so is U+0085, */
        {"a\xE1\xA0\x8E"
         "b",
         "a|\xE1\xA0\x8E|b"},                 /* U+180E is not: */
        {" \xE1\xA0\x8E!", " \xE1\xA0\x8E!"}, /* it goes with other characters */
        {"a\x1c b", "a|\x1c| b"},             /* nor is U+001C to `regex` */
        {"\xE3\x80\x80\xE3\x80\x80x", "\xE3\x80\x80|\xE3\x80\x80|x"},
        {"caf\xC3\xA9 e\xCC\x81t", "caf\xC3\xA9| e|\xCC\x81|t"}, /* a combining accent is no letter */
        {"\xE4\xB8\xAD\xE6\x96\x87"
         "12\xD9\xA3\xC2\xBD",
         "\xE4\xB8\xAD\xE6\x96\x87|12\xD9\xA3\xC2\xBD"},
        {" \xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x98\x80 a", " \xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x98\x80| a"},
        {"ab\xFF\xFE"
         "cd",
         "ab|\xFF\xFE|cd"},          /* invalid bytes are a piece, */
        {"a \x80 b", "a| |\x80| b"}, /* and the text ends before them */
        {"a  \xE2\x82z", "a|  |\xE2\x82|z"},
        {"'\xC3", "'|\xC3"},
    };
    gpt2_pattern *pattern = gpt2_pattern_make();
    assert_non_null(pattern);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gpt2_cutter *cutter = gpt2_cutter_make(pattern);
        char got[256] = "";
        size_t size = strlen(rows[i].text), used = 0;
        for (size_t at = 0, length; at < size; at += length) {
            length = gpt2_cutter_next(cutter, rows[i].text, size, at);
            assert_true(length > 0 && length <= size - at);
            used += (size_t)sprintf(got + used, "%s%.*s", at ? "|" : "", (int)length, rows[i].text + at);
        }
        assert_string_equal(got, rows[i].pieces);
        gpt2_cutter_free(cutter);
    }
    gpt2_pattern_free(pattern);
}

/* ---- any bytes, any size ---- */

static void test_random_bytes(void **state)
{
    (void)state;
    pm_tokenizer *tok = learn(TEXT, sizeof TEXT - 1, 269);
    static const unsigned masks[] = {0xFF, 0x7F, 0x1F, 0xBF, 0xE3};
    char text[4000];
    for (uint32_t round = 0; round < 500; round++) {
        size_t size = rng_philox(round, 0, 0, 0, 7).v[0] % sizeof text;
        for (uint32_t i = 0; i < size; i++) text[i] = (char)(rng_philox(round, i, 1, 0, 7).v[0] & masks[round % 5]);
        if (round % 3 == 0) memcpy(text, TEXT, size < sizeof TEXT ? size : sizeof TEXT);
        test_round_trip(tok, text, size);
    }
    assert_int_equal(test_round_trip(tok, "", 0), 0);
    pm_tokenizer_destroy(&tok);
}

/* A million equal characters: no limit of PCRE2 is met, and time stays linear. */
static void test_long_pieces(void **state)
{
    (void)state;
    static const char *const units[] = {
        "a", " ", "1", "'", "!", "\n", "\t ", "\x80", "\xC3", "th", "the ", "\xE4\xB8\xAD", "\xE3\x80\x80", "'s"};
    pm_tokenizer *tok = learn(TEXT, sizeof TEXT - 1, 269);
    char *text = malloc(MEGABYTE);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i]);
        for (size_t j = 0; j < MEGABYTE; j++) text[j] = units[i][j % length];
        const double begin = os_seconds();
        test_round_trip(tok, text, MEGABYTE);
        assert_true(os_seconds() - begin < LIMIT_SECONDS);
    }
    for (size_t j = 0; j < MEGABYTE; j++) text[j] = (char)('a' + rng_philox(9, (uint32_t)j, 0, 0, 0).v[0] % 26);
    test_round_trip(tok, text, MEGABYTE);
    free(text);
    pm_tokenizer_destroy(&tok);
}

/* The tokens are the same however few are asked for at a time. */
static void test_borders(void **state)
{
    (void)state;
    pm_tokenizer *tok = learn(TEXT, sizeof TEXT - 1, 262);
    uint32_t *want = NULL, got[1024];
    size_t count = 0, made;
    assert_int_equal(pm_tokenizer_encode(NULL, tok, "text", TEXT, sizeof TEXT - 1, &want, &count), PM_OK);
    for (size_t capacity = 1; capacity < 40; capacity++) {
        tok_walk walk;
        tok_fault fault;
        size_t used = 0;
        assert_true(tok_walk_begin(tok, TEXT, sizeof TEXT - 1, &walk));
        do {
            assert_true(tok_walk_next(&walk, got + used, capacity, &made, &fault));
            assert_true(made <= capacity);
            used += made;
        } while (made);
        assert_int_equal(used, count);
        assert_memory_equal(got, want, count * sizeof *got);
        assert_int_equal(walk.at, sizeof TEXT - 1);
        tok_walk_end(&walk);
    }
    free(want);
    pm_tokenizer_destroy(&tok);
}

/* ---- learning ---- */

static void expect_piece(const pm_tokenizer *tok, uint32_t id, const char *want)
{
    size_t size = 0;
    const char *piece = pm_tokenizer_piece(tok, id, &size);
    assert_non_null(piece);
    assert_int_equal(size, strlen(want));
    assert_memory_equal(piece, want, size);
}

static void test_learning(void **state)
{
    (void)state;
    /* " a": 6, "ab": 5, then " ab": 5, then " abc": 3 and "xy": 3, of which the smaller left id is x's. */
    static const char text[] = " ab ab abc abc abc a xyxy xy";
    pm_tokenizer *tok = learn(text, sizeof text - 1, 257 + 4);
    assert_string_equal(pm_tokenizer_kind(tok), "gpt2");
    expect_piece(tok, 0, "!");
    expect_piece(tok, 93, "~");
    expect_piece(tok, 94, "\xA1");
    size_t one = 0;
    assert_int_equal(*pm_tokenizer_piece(tok, 188, &one), 0);
    assert_int_equal(one, 1);
    expect_piece(tok, 220, " ");
    expect_piece(tok, 255, "\xAD");
    expect_piece(tok, 256, " a");
    expect_piece(tok, 257, " ab");
    expect_piece(tok, 258, "xy");
    expect_piece(tok, 259, " abc");
    expect_piece(tok, 260, "<|endoftext|>");
    test_expect_ids(tok, " abc xyxab", "259 220 258 87 64 65");
    test_expect_ids(tok, "<|endoftext|>", "27 91 68 77 67 78 69 83 68 87 83 91 29");
    pm_tokenizer_destroy(&tok);

    pm_tokenizer *a = learn(TEXT, sizeof TEXT - 1, 269), *b = learn(TEXT, sizeof TEXT - 1, 269),
                 *c = learn(TEXT, sizeof TEXT - 1, 262);
    test_expect_same(a, b);
    assert_true(pm_tokenizer_hash(a) != pm_tokenizer_hash(c));
    for (uint32_t id = 0; id < 261; id++) {
        size_t size, other;
        assert_string_equal(pm_tokenizer_piece(a, id, &size) ? "" : "none", "");
        pm_tokenizer_piece(c, id, &other);
        assert_int_equal(size, other);
    }
    pm_tokenizer_destroy(&a);
    pm_tokenizer_destroy(&b);
    pm_tokenizer_destroy(&c);

    pm_log log = test_log();
    test_log_reset();
    test_expect_failure(pm_tokenizer_train(&log, "in.txt", text, sizeof text - 1, 256, &tok), PM_INVALID,
                        "tokenizer: ", "at least 257");
    test_expect_failure(pm_tokenizer_train(&log, "in.txt", text, sizeof text - 1, 300, &tok), PM_FORMAT,
                        "in.txt: ", "gives at most 262 tokens, not 300");
    test_expect_failure(pm_tokenizer_train(&log, "in.txt", "", 0, 300, &tok), PM_FORMAT, "in.txt: ", "at most 257");
    assert_null(tok);
}

/* One word of a million letters, and a million words. */
static void test_learning_long(void **state)
{
    (void)state;
    char *text = malloc(MEGABYTE);
    assert_non_null(text);
    const double begin = os_seconds();
    memset(text, 'a', MEGABYTE);
    pm_tokenizer *tok = learn(text, MEGABYTE, 257 + 19); /* 2^19 letters are the longest that are there twice */
    size_t size = 0;
    pm_tokenizer_piece(tok, 256 + 18, &size);
    assert_int_equal(size, 1 << 19);
    pm_tokenizer_destroy(&tok);
    for (size_t j = 0; j < MEGABYTE; j++) text[j] = " etaoinsh"[rng_philox(9, (uint32_t)j, 0, 0, 0).v[0] % 9];
    tok = learn(text, MEGABYTE, 4096);
    test_round_trip(tok, text, MEGABYTE);
    pm_tokenizer_destroy(&tok);
    assert_true(os_seconds() - begin < LIMIT_SECONDS);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merging),      cmocka_unit_test(test_ordered),       cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_long_pieces),   cmocka_unit_test(test_borders),
        cmocka_unit_test(test_learning),     cmocka_unit_test(test_learning_long),
    };
    return cmocka_run_group_tests_name("bpe", tests, NULL, NULL);
}
