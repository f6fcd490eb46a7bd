/* A text's cache of tokens, damaged, with its checksum put right. It is taken only where it fits the text, else made again. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "files/file.h"
#include "helper_fuzz.h"
#include "text/tokenizer.h"

enum { HEADER = 64, HASH_AT = 56 };

/* The file with the tokens of the text: the only one in the cache folder. */
static char *cache_of(const char *dir)
{
    DIR *d = opendir(dir);
    char *path = NULL;
    REQUIRE(d);
    for (struct dirent *e; !path && (e = readdir(d)) != NULL;)
        if (strncmp(e->d_name, "tokens-", 7) == 0) path = file_join(dir, e->d_name);
    closedir(d);
    REQUIRE(path);
    return path;
}

static const char *cache_dir;

static void open_and_read(const char *text, const pm_tokenizer *tok)
{
    pm_corpus *corpus = NULL;
    const pm_corpus_params params = {.cache_dir = cache_dir};
    REQUIRE(fuzz_done(pm_corpus_open_with(fuzz_log(), text, tok, &params, &corpus)));
    for (size_t i = 0; i < pm_corpus_size(corpus); i++) {
        int32_t token;
        pm_corpus_read(corpus, i, 1, &token);
        REQUIRE(token >= 0 && (uint32_t)token < pm_tokenizer_vocab(tok));
    }
    pm_corpus_close(&corpus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pm_tokenizer *tok;
    static char *cache, *good, *text;
    static size_t good_size;
    if (!tok) {
        char *dir = file_join(fuzz_dir(), "cache");
        text = file_join(fuzz_dir(), "text.txt");
        fuzz_file("text.txt", "twelve bytes", 12);
        REQUIRE(dir && text);
        cache_dir = dir;
        REQUIRE(fuzz_done(pm_tokenizer_bytes(fuzz_log(), &tok)));
        open_and_read(text, tok);
        cache = cache_of(dir);
        REQUIRE(file_read(NULL, cache, &good, &good_size) == PM_OK && good_size == HEADER + 2 * 12);
    }
    size_t damaged_size;
    unsigned char *damaged = fuzz_damage(good, good_size, data, size, &damaged_size);
    if (damaged_size >= HEADER) {
        const uint64_t hash = hash_bytes(HASH_INIT, damaged + HEADER, damaged_size - HEADER);
        memcpy(damaged + HASH_AT, &hash, sizeof hash);
    }
    REQUIRE(file_write(NULL, cache, damaged, damaged_size) == PM_OK);
    open_and_read(text, tok);
    free(damaged);
    return 0;
}
