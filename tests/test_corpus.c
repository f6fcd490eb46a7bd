/* Corpora: files and folders, cached, damaged and in memory, all with the same tokens. */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pumice/text.h>

#include "base/hash.h"
#include "base/rng.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"
#include "os/file.h"
#include "base/utf8.h"

static char cache_dir[1024];

/* A folder with cache/ inside, which corpora are kept in. */
static char *setup(void)
{
    char *dir = test_dir_make();
    snprintf(cache_dir, sizeof cache_dir, "%s", test_path(dir, "cache"));
    test_log_reset();
    return dir;
}

static void teardown(char *dir)
{
    test_dir_remove(dir);
}

static pm_status open_with_cache(const pm_log *log, const char *path, const pm_tokenizer *tok, pm_corpus **out)
{
    return pm_corpus_open_with(log, path, tok, &(pm_corpus_params){.cache_dir = cache_dir}, out);
}

static pm_corpus *open_corpus(const char *path, const pm_tokenizer *tok)
{
    pm_log log = test_log();
    pm_corpus *corpus = NULL;
    assert_int_equal(open_with_cache(&log, path, tok, &corpus), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    return corpus;
}

/* The corpus has exactly the tokens of the text, read whole and in parts. */
static void expect_tokens(const pm_corpus *corpus, const pm_tokenizer *tok, const char *text, size_t size)
{
    uint32_t *want = NULL;
    size_t count = 0;
    assert_int_equal(pm_tokenizer_encode(NULL, tok, "text", text, size, &want, &count), PM_OK);
    assert_int_equal(pm_corpus_size(corpus), count);
    int32_t *got = malloc((count + 1) * sizeof *got);
    assert_non_null(got);
    got[count] = -7;
    pm_corpus_read(corpus, 0, count, got);
    assert_int_equal(got[count], -7);
    for (size_t i = 0; i < count; i++) assert_int_equal(got[i], want[i]);
    pm_corpus_read(corpus, count, 0, got);
    pm_corpus_read(corpus, count - 1, 1, got);
    assert_int_equal(got[0], want[count - 1]);
    size_t third = count / 3;
    pm_corpus_read(corpus, third, third, got);
    for (size_t i = 0; i < third; i++) assert_int_equal(got[i], want[third + i]);
    free(got);
    free(want);
}

/* The only file of the cache folder. */
static const char *cache_file(const char *dir)
{
    const char *folder = test_path(dir, "cache"), *found = NULL;
    assert_int_equal(test_dir_count(folder, ""), 1);
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strncmp(e->d_name, "tokens-", 7) == 0) found = test_path(folder, e->d_name);
    }
    closedir(d);
    assert_non_null(found);
    return found;
}

static const char TEXT[] = "First Citizen:\nBefore we proceed any further, hear me speak. caf\xC3\xA9 \xE2\x82\xAC\n";

static void test_cached(void **state)
{
    (void)state;
    char *dir = setup();
    const char *path = test_path(dir, "in.txt");
    size_t size = sizeof TEXT - 1;
    test_write(path, TEXT, size);
    pm_tokenizer *bytes = NULL, *chars = NULL;
    assert_int_equal(pm_tokenizer_bytes(NULL, &bytes), PM_OK);
    assert_int_equal(pm_tokenizer_chars(NULL, path, TEXT, size, &chars), PM_OK);

    pm_corpus *made = open_corpus(path, chars);
    expect_tokens(made, chars, TEXT, size);
    os_info first, second;
    char cache[1024];
    snprintf(cache, sizeof cache, "%s", cache_file(dir));
    assert_true(os_stat(cache, &first));
    assert_int_equal(first.size, 64 + 2 * pm_corpus_size(made));
    pm_corpus *again = open_corpus(path, chars);
    expect_tokens(again, chars, TEXT, size);
    assert_true(pm_corpus_hash(made) == pm_corpus_hash(again));
    assert_true(os_stat(cache, &second));
    assert_true(first.number == second.number); /* it is not written again */

    pm_corpus *other = open_corpus(path, bytes); /* another tokenizer has its own file */
    expect_tokens(other, bytes, TEXT, size);
    assert_true(pm_corpus_hash(other) != pm_corpus_hash(made));
    assert_int_equal(test_dir_count(test_path(dir, "cache"), "tokens-"), 2);
    pm_corpus_close(&other);
    test_write(path, TEXT, size - 1); /* another text has its own file, too */
    other = open_corpus(path, chars);
    expect_tokens(other, chars, TEXT, size - 1);
    assert_int_equal(test_dir_count(test_path(dir, "cache"), ""), 3);
    pm_corpus_close(&other);

    assert_int_equal(remove(cache), 0); /* a map outlives its name */
    expect_tokens(made, chars, TEXT, size);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    pm_corpus_close(&made);
    assert_null(made);
    pm_corpus_close(&made);
    pm_corpus_close(&again);
    pm_tokenizer_destroy(&bytes);
    pm_tokenizer_destroy(&chars);
    teardown(dir);
}

/* Without a cache folder, and with one that cannot be made or written, nothing but a debug line differs. */
static void test_in_memory(void **state)
{
    (void)state;
    char *dir = setup();
    const char *path = test_path(dir, "in.txt");
    size_t size = sizeof TEXT - 1;
    test_write(path, TEXT, size);
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_bytes(NULL, &tok), PM_OK);
    pm_corpus *cached = open_corpus(path, tok);
    char blocked[1024], unusable[1024], name[1024];
    snprintf(blocked, sizeof blocked, "%s/below", path);
    snprintf(name, sizeof name, "%s", cache_file(dir));
    snprintf(unusable, sizeof unusable, "%s", test_path(dir, "unusable"));
    test_make_folder(unusable);
    test_make_folder(test_path(unusable, strrchr(name, '/') + 1)); /* a folder has the file's name */
    const char *const folders[] = {"", blocked, unusable};
    for (int i = 0; i < 3; i++) {
        snprintf(cache_dir, sizeof cache_dir, "%s", folders[i]);
        test_log_reset();
        pm_corpus *corpus = open_corpus(path, tok);
        expect_tokens(corpus, tok, TEXT, size);
        assert_true(pm_corpus_hash(corpus) == pm_corpus_hash(cached));
        assert_int_equal(test_log_count(PM_LOG_DEBUG), 1);
        assert_int_equal(test_log_count(PM_LOG_WARN), i == 2);
        pm_corpus_close(&corpus);
    }
    pm_corpus_close(&cached);
    pm_tokenizer_destroy(&tok);
    teardown(dir);
}

/* Each byte of the cache flipped, each length cut: a warning, the right tokens, and a whole cache afterwards. */
static void test_damaged(void **state)
{
    (void)state;
    char *dir = setup();
    const char *path = test_path(dir, "in.txt");
    static const char text[] = "abracadabra";
    size_t size = sizeof text - 1;
    test_write(path, text, size);
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_chars(NULL, path, text, size, &tok), PM_OK);
    pm_corpus *corpus = open_corpus(path, tok);
    uint64_t hash = pm_corpus_hash(corpus);
    pm_corpus_close(&corpus);
    char cache[1024];
    snprintf(cache, sizeof cache, "%s", cache_file(dir));
    size_t whole_size, now_size;
    char *whole = test_read(cache, &whole_size);
    assert_int_equal(whole_size, 64 + 2 * size);
    for (size_t i = 0; i < 2 * whole_size + 1; i++) {
        char damaged[256];
        memcpy(damaged, whole, whole_size);
        size_t length = i < whole_size ? whole_size : i - whole_size;
        if (i < whole_size) damaged[i] ^= (char)(1 << i % 8);
        if (i == 2 * whole_size) damaged[length++] = 0; /* longer than it should be */
        test_write(cache, damaged, length);
        test_log_reset();
        corpus = open_corpus(path, tok);
        expect_tokens(corpus, tok, text, size);
        assert_true(pm_corpus_hash(corpus) == hash);
        assert_int_equal(test_log_count(PM_LOG_WARN), 1);
        assert_ptr_equal(strstr(test_last_warning(), cache), test_last_warning());
        pm_corpus_close(&corpus);
        char *now = test_read(cache, &now_size);
        assert_int_equal(now_size, whole_size);
        assert_memory_equal(now, whole, whole_size);
        free(now);
    }
    /* a token outside the vocabulary is refused though the checksum fits */
    uint16_t token = (uint16_t)pm_tokenizer_vocab(tok);
    memcpy(whole + 64, &token, sizeof token);
    uint64_t fitting = hash_bytes(HASH_INIT, whole + 64, 2 * size);
    memcpy(whole + 56, &fitting, sizeof fitting);
    test_write(cache, whole, whole_size);
    test_log_reset();
    corpus = open_corpus(path, tok);
    expect_tokens(corpus, tok, text, size);
    assert_non_null(strstr(test_last_warning(), "unknown tokens"));
    pm_corpus_close(&corpus);
    free(whole);
    pm_tokenizer_destroy(&tok);
    teardown(dir);
}

/* A text of `codes` different characters, three times over: more than one chunk of the encoder. */
static void expect_width(uint32_t codes, size_t token_bytes)
{
    char *dir = setup();
    const char *path = test_path(dir, "in.txt");
    char *text = malloc((size_t)3 * codes * UTF8_MAX);
    assert_non_null(text);
    size_t size = 0;
    for (uint32_t i = 0; i < 3 * codes; i++) size += utf8_encode(0x10000 + (i * 7919u) % codes, text + size);
    test_write(path, text, size);
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_chars(NULL, path, text, size, &tok), PM_OK);
    assert_int_equal(pm_tokenizer_vocab(tok), codes);
    for (int i = 0; i < 3; i++) {
        if (i == 2) cache_dir[0] = 0;
        pm_corpus *corpus = open_corpus(path, tok);
        expect_tokens(corpus, tok, text, size);
        pm_corpus_close(&corpus);
    }
    assert_int_equal(test_size(cache_file(dir)), 64 + token_bytes * 3 * codes);
    free(text);
    pm_tokenizer_destroy(&tok);
    teardown(dir);
}

static void test_widths(void **state)
{
    (void)state;
    expect_width(65536, 2);
    expect_width(65537, 4);
}

static void test_folder(void **state)
{
    (void)state;
    char *dir = setup();
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", test_path(dir, "data"));
    test_make_folder(folder);
    test_make_folder(test_path(folder, "sub.txt"));
    /* byte-wise: 10 before 2, capitals before small letters, UTF-8 last */
    static const char *const files[][2] = {{"b.txt", "five"},  {"10.txt", "two\n"},   {"\xC3\xA4.txt", "\x82\xAC six"},
                                           {"D.txt", ""},      {"a.txt", "four\xE2"}, {"2.txt", "three "},
                                           {".txt", "no"},     {".h.txt", "no"},      {"readme.md", "no"},
                                           {"x.txt.gz", "no"}, {"0.txt", "one "},     {"x.TXT", "no"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        test_write(test_path(folder, files[i][0]), files[i][1], strlen(files[i][1]));
    }
    /* files are joined with nothing between: b.txt then parts the bytes of a character, and the error line names the
     * file */
    pm_log log = test_log();
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(pm_corpus_text(&log, folder, &text, &size), PM_OK);
    static const char joined[] = "one two\nthree four\xE2"
                                 "five\x82\xAC six";
    assert_int_equal(size, sizeof joined - 1);
    assert_string_equal(text, joined);
    free(text);
    pm_tokenizer *tok = NULL, *bytes = NULL;
    assert_int_equal(pm_tokenizer_chars(&log, "abc", "one two\nthree four five six\xE2\x82\xAC", 30, &tok), PM_OK);
    pm_corpus *corpus = NULL;
    test_expect_failure(open_with_cache(&log, folder, tok, &corpus), PM_FORMAT, test_path(folder, "a.txt: "),
                        "not UTF-8 at byte 4;");
    assert_null(corpus);
    /* An entry that is not a regular file is reported, not left out: a dangling link, and a pipe, which can be read
     * only once. */
    if (test_link("nowhere", test_path(folder, "d.txt"))) {
        test_expect_failure(open_with_cache(&log, folder, tok, &corpus), PM_IO, test_path(folder, "d.txt: "),
                            "is a link");
        assert_int_equal(remove(test_path(folder, "d.txt")), 0);
    }
    if (test_make_pipe(test_path(folder, "d.txt"))) {
        test_expect_failure(open_with_cache(&log, folder, tok, &corpus), PM_IO, test_path(folder, "d.txt: "),
                            "regular");
        assert_int_equal(remove(test_path(folder, "d.txt")), 0);
    }
    assert_int_equal(remove(test_path(folder, "b.txt")), 0); /* now the character is whole */
    corpus = open_corpus(folder, tok);
    expect_tokens(corpus, tok, "one two\nthree four\xE2\x82\xAC six", 25);
    pm_corpus_close(&corpus);
    test_write(test_path(folder, "c.txt"), "siX", 3);
    test_write(test_path(folder, "b.txt"), "\x82\xAC", 2);
    test_expect_failure(open_with_cache(&log, folder, tok, &corpus), PM_FORMAT, test_path(folder, "c.txt: "),
                        "U+0058 'X' at byte 2 is");
    assert_int_equal(pm_tokenizer_bytes(NULL, &bytes), PM_OK);
    corpus = open_corpus(folder, bytes);
    assert_int_equal(pm_corpus_size(corpus), 30);
    pm_corpus_close(&corpus);
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&bytes);
    teardown(dir);
}

/* Tokens of a path, as decimal numbers. */
static void expect_corpus(const char *path, const pm_tokenizer *tok, pm_documents documents, bool special,
                          const char *ids, size_t ends)
{
    pm_log log = test_log();
    const pm_corpus_params params = {.documents = documents, .special = special, .cache_dir = cache_dir};
    for (int again = 0; again < 2; again++) { /* made, then read from the cache */
        pm_corpus *corpus = NULL;
        char got[256] = "";
        assert_int_equal(pm_corpus_open_with(&log, path, tok, &params, &corpus), PM_OK);
        for (size_t i = 0, used = 0; i < pm_corpus_size(corpus); i++) {
            int32_t id;
            pm_corpus_read(corpus, i, 1, &id);
            used += (size_t)sprintf(got + used, i ? " %d" : "%d", id);
        }
        assert_string_equal(got, ids);
        assert_int_equal(pm_corpus_documents(corpus), ends);
        pm_corpus_close(&corpus);
    }
}

/* Archives and the like are refused as texts; tokens of bytes take them, with a warning. A web page is a text. */
static void expect_foreign(const char *folder, const char *file, const pm_tokenizer *tok, const pm_tokenizer *bytes)
{
    static const struct {
        const char *bytes, *words;
        size_t size;
    } rows[] = {{"\x1F\x8B\x08..", "a.txt: is a gzip file; unpack it", 5},
                {"PK\3\4...", "a.txt: is a PyTorch or a zip file; unpack it", 7},
                {"BZh91AY&SY.", "a.txt: is a bzip2 file; unpack it", 11},
                {"\xFD\x37zXZ\0", "a.txt: is an xz file; unpack it", 6},
                {"\x28\xB5\x2F\xFD.", "a.txt: is a Zstandard file; unpack it", 5},
                {"\x93NUMPY", "a.txt: is a NumPy file; it holds no text", 6},
                {"%PDF-1.7", "a.txt: is a PDF file; save its text as UTF-8", 8},
                {"<html>! \"#", NULL, 10},
                {"GGUF is a word", NULL, 14}};
    const pm_log log = test_log();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pm_corpus *corpus = NULL;
        char *text = NULL;
        size_t size = 0;
        test_write(file, rows[i].bytes, rows[i].size);
        test_log_reset();
        if (rows[i].words) {
            test_expect_failure(pm_corpus_open(&log, file, tok, &corpus), PM_FORMAT, file, rows[i].words);
            test_expect_failure(pm_corpus_open(&log, folder, tok, &corpus), PM_FORMAT, file, rows[i].words);
            test_expect_failure(pm_corpus_text(&log, file, &text, &size), PM_FORMAT, file, rows[i].words);
        }
        test_log_reset();
        corpus = open_corpus(file, bytes);
        assert_int_equal(pm_corpus_size(corpus), rows[i].size);
        assert_int_equal(test_log_count(PM_LOG_WARN), rows[i].words != NULL);
        if (rows[i].words) assert_non_null(strstr(test_last_warning(), rows[i].words));
        pm_corpus_close(&corpus);
    }
}

/* A document ends in a token, which no text becomes by accident. */
static void test_documents(void **state)
{
    (void)state;
    char *dir = setup();
    char folder[1024], file[1024];
    snprintf(folder, sizeof folder, "%s", test_path(dir, "data"));
    snprintf(file, sizeof file, "%s", test_path(folder, "a.txt"));
    test_make_folder(folder);
    test_write(file, "!\"", 2);
    test_write(test_path(folder, "b.txt"), "", 0);
    test_write(test_path(folder, "c.txt"), "#", 1);
    pm_log log = test_log();
    pm_tokenizer *tok = NULL, *bytes = NULL;
    pm_corpus *corpus = NULL;
    assert_int_equal(pm_tokenizer_train(&log, "text", "! ! ! !", 7, 258, &tok), PM_OK);
    assert_int_equal(pm_tokenizer_bytes(&log, &bytes), PM_OK);
    expect_corpus(folder, tok, PM_DOCUMENTS_AUTO, false, "0 1 257 2 257", 2);
    expect_corpus(folder, tok, PM_DOCUMENTS_OFF, false, "0 1 2", 0);
    expect_corpus(file, tok, PM_DOCUMENTS_AUTO, false, "0 1", 0);
    expect_corpus(file, tok, PM_DOCUMENTS_ON, false, "0 1 257", 1);
    expect_corpus(folder, bytes, PM_DOCUMENTS_AUTO, false, "33 34 35", 0);
    const pm_corpus_params on = {.documents = PM_DOCUMENTS_ON};
    test_log_reset();
    test_expect_failure(pm_corpus_open_with(&log, folder, bytes, &on, &corpus), PM_INVALID, folder,
                        "of kind byte, has no token");
    corpus = open_corpus(folder, tok);
    assert_true(pm_corpus_has(corpus, 0, 3, 257) && !pm_corpus_has(corpus, 0, 2, 257));
    assert_true(pm_corpus_has(corpus, 3, 2, 257) && !pm_corpus_has(corpus, 0, 5, 3));
    pm_corpus_close(&corpus);
    /* the same text cut elsewhere has other tokens */
    test_write(file, "!", 1);
    test_write(test_path(folder, "c.txt"), "\"#", 2);
    expect_corpus(folder, tok, PM_DOCUMENTS_AUTO, false, "0 257 1 2 257", 2);
    /* a text that spells the token */
    test_write(file, "!<|endoftext|>", 14);
    test_log_reset();
    expect_corpus(file, tok, PM_DOCUMENTS_AUTO, false, "0 27 91 68 77 67 78 69 83 68 87 83 91 29", 0);
    assert_int_equal(test_log_count(PM_LOG_WARN), 2);
    assert_non_null(strstr(test_last_warning(), "a.txt: spells <|endoftext|> at byte 1,"));
    test_log_reset();
    expect_corpus(file, tok, PM_DOCUMENTS_AUTO, true, "0 257", 0);
    expect_corpus(folder, tok, PM_DOCUMENTS_AUTO, true, "0 257 257 1 2 257", 2);
    /* a tokenizer that adds a token before each text */
    static const char adds[] =
        "{\"bos_token\": \"<|endoftext|>\", \"eos_token\": \"<|endoftext|>\", \"add_bos_token\": true}";
    pm_tokenizer *begins = NULL;
    assert_int_equal(pm_tokenizer_save(&log, tok, dir), PM_OK);
    test_write(test_path(dir, "tokenizer_config.json"), adds, sizeof adds - 1);
    assert_int_equal(pm_tokenizer_load(&log, dir, &begins), PM_OK);
    assert_true(pm_tokenizer_adds_begin(begins));
    test_write(file, "!", 1);
    expect_corpus(folder, begins, PM_DOCUMENTS_AUTO, false, "257 0 257 257 1 2 257", 2);
    expect_corpus(folder, tok, PM_DOCUMENTS_AUTO, false, "0 257 1 2 257", 2);
    expect_corpus(folder, begins, PM_DOCUMENTS_OFF, false, "0 1 2", 0);
    pm_tokenizer_destroy(&begins);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    /* no text at all */
    test_write(file, "\xFF\xFEx\0", 4);
    test_expect_failure(open_with_cache(&log, file, tok, &corpus), PM_FORMAT, file, "is UTF-16; save it as UTF-8");
    test_expect_failure(open_with_cache(&log, folder, tok, &corpus), PM_FORMAT, file, "is UTF-16; save it as UTF-8");
    char *text = NULL;
    size_t size = 0;
    test_expect_failure(pm_corpus_text(&log, folder, &text, &size), PM_FORMAT, file, "is UTF-16; save it as UTF-8");
    test_log_reset();
    expect_corpus(file, bytes, PM_DOCUMENTS_AUTO, false, "255 254 120 0", 0); /* bytes take all, with a word */
    assert_non_null(
        strstr(test_last_warning(), "a.txt: is UTF-16; save it as UTF-8, or its bytes are read as they are"));
    expect_foreign(folder, file, tok, bytes);
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&bytes);
    teardown(dir);
}

static void test_failures(void **state)
{
    (void)state;
    char *dir = setup();
    pm_log log = test_log();
    char path[1024], folder[1024];
    snprintf(path, sizeof path, "%s", test_path(dir, "in.txt"));
    snprintf(folder, sizeof folder, "%s", test_path(dir, "data"));
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_chars(&log, "ab", "ab", 2, &tok), PM_OK);
    pm_corpus *corpus = NULL;
    char *text = NULL;
    size_t size = 77;
    test_expect_failure(open_with_cache(&log, path, tok, &corpus), PM_IO, path, "No such file");
    test_expect_failure(pm_corpus_text(&log, path, &text, &size), PM_IO, path, "No such file");
    test_write(path, "", 0);
    test_expect_failure(open_with_cache(&log, path, tok, &corpus), PM_FORMAT, path, "is empty;");
    test_expect_failure(pm_corpus_text(&log, path, &text, &size), PM_FORMAT, path, "is empty;");
    test_write(path, "abab\nab", 7);
    test_expect_failure(open_with_cache(&log, path, tok, &corpus), PM_FORMAT, path, "U+000A at byte 4");
    test_write(path, "ab\xC3", 3);
    test_expect_failure(open_with_cache(&log, path, tok, &corpus), PM_FORMAT, path, "not UTF-8 at byte 2;");
    test_write(path, "ab\x80", 3);
    test_expect_failure(open_with_cache(&log, path, tok, &corpus), PM_FORMAT, path, "not UTF-8 at byte 2;");
    test_make_folder(folder);
    test_expect_failure(open_with_cache(&log, folder, tok, &corpus), PM_FORMAT, folder, "holds no .txt file;");
    test_write(test_path(folder, "a.txt"), "", 0);
    test_expect_failure(open_with_cache(&log, folder, tok, &corpus), PM_FORMAT, folder, "its .txt files are empty;");
    /* a fault far behind the first chunk */
    enum { FAR = 100000 };
    char *long_text = malloc(FAR);
    assert_non_null(long_text);
    memset(long_text, 'a', FAR);
    long_text[FAR - 3] = 'c';
    test_write(path, long_text, FAR);
    test_expect_failure(open_with_cache(&log, path, tok, &corpus), PM_FORMAT, path, "U+0063 'c' at byte 99997 is");
    free(long_text);
    assert_null(corpus);
    assert_null(text);
    assert_int_equal(size, 77);
    assert_int_equal(test_dir_count(test_path(dir, "cache"), ""), 0); /* no cache of what failed */
    pm_tokenizer_destroy(&tok);
    teardown(dir);
}

/* Tokens of kinds with merges. The encoder's chunks may end anywhere, even within a piece that spans several, and change nothing. */
static void test_merges(void **state)
{
    (void)state;
    enum { LETTERS = 60000, SIZE = LETTERS + 40000 };
    char *dir = setup(), *text = malloc(SIZE);
    const char *path = test_path(dir, "in.txt");
    assert_non_null(text);
    for (uint32_t i = 0; i < SIZE; i++) {
        const uint32_t v = rng_philox(4, i, 0, 0, 0).v[0];
        text[i] = i < LETTERS ? (char)('a' + v % 7) : "the cat\n sat \xE4\xB8\xAD "[v % 17];
    }
    test_write(path, text, SIZE);
    pm_tokenizer *tok = NULL, *gpt1 = NULL;
    assert_int_equal(pm_tokenizer_train(NULL, path, text, SIZE, 300, &tok), PM_OK);
    static const char vocab[] = "{\"<unk>\":0,\"a\":1,\"b</w>\":2,\"ab</w>\":3,\"\\n</w>\":4}", merges[] = "a b</w>\n";
    test_write(test_path(dir, "vocab.json"), vocab, sizeof vocab - 1);
    test_write(test_path(dir, "merges.txt"), merges, sizeof merges - 1);
    assert_int_equal(pm_tokenizer_load(NULL, dir, &gpt1), PM_OK);
    for (int i = 0; i < 6; i++) {
        if (i == 4) cache_dir[0] = 0;
        pm_corpus *corpus = open_corpus(path, i % 2 ? gpt1 : tok);
        assert_true(pm_corpus_size(corpus) > 32768); /* chunks */
        expect_tokens(corpus, i % 2 ? gpt1 : tok, text, SIZE);
        pm_corpus_close(&corpus);
    }
    /* GPT-1 leaves out white space: a text of only white space has no tokens */
    pm_log log = test_log();
    pm_corpus *corpus = NULL;
    test_write(path, " \n\t ", 4);
    test_expect_failure(open_with_cache(&log, path, gpt1, &corpus), PM_FORMAT, path, "nothing but white space");
    assert_null(corpus);
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&gpt1);
    free(text);
    teardown(dir);
}

static void test_text(void **state)
{
    (void)state;
    char *dir = setup();
    const char *path = test_path(dir, "in.txt");
    test_write(path, "a\0b", 3);
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(pm_corpus_text(NULL, path, &text, &size), PM_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(text, "a\0b", 4);
    free(text);
    teardown(dir);
}

/* Cancelled while it encodes: no line, no file, and the next call does all of it. */
static void test_cancelled(void **state)
{
    (void)state;
    char *dir = setup();
    const char *path = test_path(dir, "in.txt");
    test_write(path, TEXT, sizeof TEXT - 1);
    pm_tokenizer *bytes = NULL;
    pm_control *control = NULL;
    pm_corpus *corpus = NULL;
    const pm_log log = test_log();
    assert_int_equal(pm_tokenizer_bytes(NULL, &bytes), PM_OK);
    assert_int_equal(pm_control_create(&control), PM_OK);
    const pm_corpus_params params = {.cache_dir = test_path(dir, "cache"), .control = control};
    pm_control_cancel(control);
    assert_int_equal(pm_corpus_open_with(&log, path, bytes, &params, &corpus), PM_CANCELLED);
    assert_null(corpus);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    assert_string_equal(pm_control_progress(control).what, "encode");
    assert_int_equal(pm_control_progress(control).all, sizeof TEXT - 1);
    assert_int_equal(test_dir_count(dir, "cache/tokens-"), 0);
    pm_control_clear(control);
    assert_int_equal(pm_corpus_open_with(&log, path, bytes, &params, &corpus), PM_OK);
    expect_tokens(corpus, bytes, TEXT, sizeof TEXT - 1);
    pm_corpus_close(&corpus);
    pm_control_destroy(&control);
    pm_tokenizer_destroy(&bytes);
    teardown(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cached),    cmocka_unit_test(test_in_memory), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_widths),    cmocka_unit_test(test_folder),    cmocka_unit_test(test_failures),
        cmocka_unit_test(test_documents), cmocka_unit_test(test_merges),    cmocka_unit_test(test_text),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests_name("corpus", tests, NULL, NULL);
}
