#include "helper_text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "helper_log.h"
#include "text/gpt2.h"

size_t test_round_trip(const pm_tokenizer *tok, const char *text, size_t size)
{
    pm_log log = test_log();
    uint32_t *tokens = NULL;
    size_t count = 0, at = 0;
    assert_int_equal(pm_tokenizer_encode(&log, tok, "text", text, size, &tokens, &count), PM_OK);
    for (size_t i = 0; i < count; i++) {
        size_t length = 0;
        const char *piece = pm_tokenizer_piece(tok, tokens[i], &length);
        assert_non_null(piece);
        assert_true(length > 0 && length <= size - at);
        assert_memory_equal(piece, text + at, length);
        at += length;
    }
    assert_int_equal(at, size);
    free(tokens);
    return count;
}

/* Frees the tokens. */
static void expect(const char *text, uint32_t *tokens, size_t count, const char *ids)
{
    size_t used = 0;
    char *got = malloc(12 * count + 1);
    assert_non_null(got);
    got[0] = 0;
    for (size_t i = 0; i < count; i++) used += (size_t)sprintf(got + used, i ? " %u" : "%u", (unsigned)tokens[i]);
    if (strcmp(got, ids) != 0) print_error("of: %s\n", text);
    assert_string_equal(got, ids);
    free(got);
    free(tokens);
}

void test_expect_ids(const pm_tokenizer *tok, const char *text, const char *ids)
{
    pm_log log = test_log();
    uint32_t *tokens = NULL;
    size_t count = 0;
    assert_int_equal(pm_tokenizer_encode(&log, tok, "text", text, strlen(text), &tokens, &count), PM_OK);
    expect(text, tokens, count, ids);
}

void test_expect_prompt(const pm_tokenizer *tok, const char *text, bool special, uint32_t begin, const char *ids)
{
    pm_log log = test_log();
    uint32_t *tokens = NULL;
    size_t count = 0;
    assert_int_equal(pm_tokenizer_encode_prompt(&log, tok, "text", text, strlen(text), special, begin, &tokens, &count),
                     PM_OK);
    expect(text, tokens, count, ids);
}

void test_expect_same(const pm_tokenizer *a, const pm_tokenizer *b)
{
    assert_string_equal(pm_tokenizer_kind(a), pm_tokenizer_kind(b));
    assert_int_equal(pm_tokenizer_vocab(a), pm_tokenizer_vocab(b));
    assert_true(pm_tokenizer_hash(a) == pm_tokenizer_hash(b));
    for (uint32_t id = 0; id < pm_tokenizer_vocab(a); id++) {
        size_t size = 0, other = 1;
        const char *piece = pm_tokenizer_piece(a, id, &size), *second = pm_tokenizer_piece(b, id, &other);
        assert_int_equal(size, other);
        assert_memory_equal(piece, second, size);
    }
}

const char *test_byte_vocab(const char *more)
{
    static char text[8192];
    uint32_t codes[256];
    size_t used = 0;
    gpt2_spellings(codes);
    for (unsigned b = 0; b < 256; b++) {
        char one[UTF8_MAX + 1] = "";
        utf8_encode(codes[b], one);
        used += (size_t)sprintf(text + used, "%c\"%s%s\":%u", b ? ',' : '{', b == '"' || b == '\\' ? "\\" : "", one, b);
    }
    assert_true(used + strlen(more) + 2 < sizeof text);
    sprintf(text + used, "%s}", more);
    return text;
}

bool test_shared_file(const char *name, const char **path)
{
    static char buffer[4096];
    const char *dir = getenv("PUMICE_DATA");
    snprintf(buffer, sizeof buffer, "%s/%s", dir && *dir ? dir : TEST_DATA_DIR "/../../shared/data", name);
    FILE *file = fopen(buffer, "rb");
    if (file) fclose(file);
    *path = buffer;
    return file != NULL;
}
