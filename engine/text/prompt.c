/* A prompt's tokens: what stands before a text that a model goes on with. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

static bool is_piece(const pm_tokenizer *tok, uint32_t id, const char *wanted)
{
    size_t size = 0;
    const char *piece = pm_tokenizer_piece(tok, id, &size);
    return piece && size == strlen(wanted) && memcmp(piece, wanted, size) == 0;
}

/* The token before a text without a prompt. GPT-1's end of a line has a blank behind it. */
static uint32_t first_token(const pm_tokenizer *tok, uint32_t begin)
{
    static const char *const starts[] = {"\n", "\n ", " "};
    if (begin != PM_TOKEN_NONE) return begin;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        for (uint32_t id = 0; id < pm_tokenizer_vocab(tok); id++)
            if (is_piece(tok, id, starts[i])) return id;
    return 0;
}

pm_status pm_tokenizer_encode_prompt(const pm_log *log, const pm_tokenizer *tok, const char *name, const char *text,
                                     size_t size, bool special, uint32_t begin, uint32_t **tokens, size_t *count)
{
    uint32_t *ids = NULL, before = PM_TOKEN_NONE;
    size_t n = 0;
    pm_status status = PM_OK;
    *tokens = NULL;
    *count = 0;
    if (size > 0) /* a tokenizer may put a blank before any text */
        status = (special ? pm_tokenizer_encode_special : pm_tokenizer_encode)(log, tok, name, text, size, &ids, &n);
    if (status != PM_OK) return status;
    if (n == 0)
        before = first_token(tok, begin);
    else if (pm_tokenizer_adds_begin(tok) && ids[0] != pm_tokenizer_begin(tok))
        before = pm_tokenizer_begin(tok);
    const size_t shift = before != PM_TOKEN_NONE;
    uint32_t *all = malloc((n + shift) * sizeof *all);
    if (!all) {
        free(ids);
        return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", name);
    }
    if (shift) all[0] = before;
    if (n) memcpy(all + shift, ids, n * sizeof *ids);
    free(ids);
    *tokens = all;
    *count = n + shift;
    return PM_OK;
}
