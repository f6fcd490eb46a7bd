/* Tokens to text, in whole characters. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

struct pm_detokenizer {
    const pm_tokenizer *tok;
    bool begins; /* no token of the text itself came yet */
    size_t held; /* bytes of a character that is not whole, which stand at `from` */
    size_t from;
    char bytes[]; /* room for these and the longest piece */
};

pm_status pm_detokenizer_create(const pm_log *log, const pm_tokenizer *tok, bool goes_on, pm_detokenizer **out)
{
    size_t most = 0;
    for (uint32_t id = 0; id < tok->vocab; id++) most = tok_entry_size(tok, id) > most ? tok_entry_size(tok, id) : most;
    pm_detokenizer *d = calloc(1, sizeof *d + most + UTF8_MAX);
    if (!d) return log_fail(log, PM_NO_HOST_MEMORY, "tokenizer: out of memory");
    d->tok = tok;
    d->begins = !goes_on;
    *out = d;
    return PM_OK;
}

void pm_detokenizer_destroy(pm_detokenizer **d)
{
    free(*d);
    *d = NULL;
}

static bool is_special(const pm_tokenizer *tok, uint32_t id)
{
    for (size_t i = 0; i < tok->added_count; i++)
        if (tok->added[i].kind == TOK_ADDED_SPECIAL && tok_entry_id(tok->vocab, tok->same, tok->added[i].entry) == id)
            return true;
    return false;
}

/* Bytes at the end that may begin a character, which the next token continues. */
static size_t open_bytes(const char *text, size_t size)
{
    for (size_t open = size < UTF8_MAX - 1 ? size : UTF8_MAX - 1; open > 0; open--) {
        const unsigned char *lead = (const unsigned char *)text + size - open;
        const size_t length = *lead >= 0xF0 ? 4 : *lead >= 0xE0 ? 3 : *lead >= 0xC0 ? 2 : 1;
        if (length <= open) continue;
        for (int fill = 0x80; fill <= 0xBF;
             fill += 0x3F) { /* what may follow a lead byte has one of these at its end */
            char whole[UTF8_MAX];
            uint32_t code;
            memset(whole, fill, sizeof whole);
            memcpy(whole, lead, open);
            if (utf8_decode(whole, length, &code) == length) return open;
        }
    }
    return 0;
}

const char *pm_detokenizer_put(pm_detokenizer *d, uint32_t token, size_t *size)
{
    size_t length = 0;
    const char *piece = pm_tokenizer_piece(d->tok, token, &length);
    if (piece && length && d->begins && !is_special(d->tok, token)) {
        d->begins = false;
        if (d->tok->form.drops && piece[0] == ' ') {
            piece++;
            length--;
        }
    }
    memmove(d->bytes, d->bytes + d->from, d->held);
    if (piece && length) memcpy(d->bytes + d->held, piece, length);
    const size_t all = d->held + (piece ? length : 0);
    d->held = open_bytes(d->bytes, all);
    d->from = *size = all - d->held;
    return d->bytes;
}

const char *pm_detokenizer_end(pm_detokenizer *d, size_t *size)
{
    *size = d->held;
    d->held = 0;
    return d->bytes + d->from;
}
