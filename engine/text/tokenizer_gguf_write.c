/* A tokenizer as keys of a GGUF file. Merges of characters become scores, which llama.cpp's tokenizer of the model "llama" has in their place. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/scored.h"
#include "text/spelling.h"
#include "text/tokenizer_gguf.h"

typedef struct output {
    const pm_log *log;
    const char *from; /* what lines begin with */
    const pm_tokenizer *tok;
    uint32_t count;  /* tokens, with those that fill up */
    char **texts;    /* [count] owned, with a 0 behind each */
    int32_t *types;  /* [count] */
    float *scores;   /* [count] or NULL */
    char **merges;   /* [tok->merges.count] or NULL */
    gguf_text *list; /* room for either */
} output;

static pm_status no_memory(const output *o)
{
    return log_fail(o->log, PM_NO_HOST_MEMORY, "%s: out of memory for a tokenizer in GGUF", o->from);
}

static void free_output(output *o)
{
    for (uint32_t i = 0; o->texts && i < o->count; i++) free(o->texts[i]);
    for (uint32_t i = 0; o->merges && i < o->tok->merges.count; i++) free(o->merges[i]);
    free(o->texts);
    free(o->types);
    free(o->scores);
    free(o->merges);
    free(o->list);
}

/* ---- tokens ---------------------------------------------------------------------------------------------------------- */

static char *print(const char *format, uint32_t value)
{
    char text[32];
    snprintf(text, sizeof text, format, (unsigned)value);
    char *own = malloc(strlen(text) + 1);
    return own ? strcpy(own, text) : NULL;
}

/* The bytes of a piece as they are. */
static char *copy_piece(const pm_tokenizer *tok, uint32_t id)
{
    const size_t size = tok_entry_size(tok, id);
    char *own = malloc(size + 1);
    if (!own) return NULL;
    memcpy(own, tok->pieces + tok->starts[id], size);
    own[size] = 0;
    return own;
}

/* What a text must have for an added token. llama.cpp looks for those of users in the text itself, with blanks in it. */
static char *added_text(const pm_tokenizer *tok, const tok_added *added, bool users)
{
    char *text = tok_added_content(tok, added);
    if (text && users) text[spelling_named(&tok->form, text, text)] = 0;
    return text;
}

/* A token's text and type; `only`: no merge makes it. */
static char *text_of(const pm_tokenizer *tok, uint32_t id, const tok_added *added, bool only, int32_t *type)
{
    const bool chars = tok->form.unit == TOK_UNIT_CHAR;
    *type = SCORED_NORMAL;
    if (id >= tok->vocab || tok_entry_size(tok, id) == 0) {
        *type = SCORED_UNUSED;
        return print("[PAD%u]", id);
    }
    if (chars && tok_is_byte(tok, id)) {
        *type = SCORED_BYTE;
        return print("<0x%02X>", (unsigned char)tok->pieces[tok->starts[id]]);
    }
    if (chars && id == tok->unknown)
        *type = SCORED_UNKNOWN;
    else if (added)
        *type = added->kind == TOK_ADDED_SPECIAL ? SCORED_CONTROL : SCORED_USER;
    if (added) return added_text(tok, added, chars && *type == SCORED_USER);
    return chars && only ? copy_piece(tok, id) : tok_bpe_spell(tok, id);
}

static pm_status make_tokens(output *o, uint32_t count)
{
    const pm_tokenizer *tok = o->tok;
    const tok_added **added = calloc((size_t)count + 1, sizeof *added);
    const size_t most = count > tok->merges.count ? count : tok->merges.count;
    o->count = count;
    o->texts = calloc((size_t)count + 1, sizeof *o->texts);
    o->types = malloc(((size_t)count + 1) * sizeof *o->types);
    o->list = malloc((most + 1) * sizeof *o->list);
    bool fine = added && o->texts && o->types && o->list, spaces = false;
    for (size_t i = 0; i < tok->added_count && fine; i++) {
        added[tok->added[i].entry] = &tok->added[i]; /* there are no second names */
        spaces = spaces || tok->added[i].lstrip || tok->added[i].rstrip;
    }
    for (uint32_t id = 0, at = 0; id < count && fine; id++) {
        const bool only = tok_is_only(tok->only, tok->only_count, &at, id);
        o->texts[id] = text_of(tok, id, added[id], only, &o->types[id]);
        fine = o->texts[id] != NULL;
    }
    free(added);
    if (!fine) return no_memory(o);
    if (spaces)
        log_line(o->log, PM_LOG_WARN, "%s: GGUF cannot say that added tokens take the white space beside them",
                 o->from);
    return PM_OK;
}

static void put_texts(output *o, gguf_writer *w, const char *key, char *const *texts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) o->list[i] = (gguf_text){texts[i], strlen(texts[i])};
    gguf_put_strings(w, key, o->list, count);
}

/* ---- merges ---------------------------------------------------------------------------------------------------------- */

static pm_status make_merges(output *o)
{
    const pm_tokenizer *tok = o->tok;
    bool fine = (o->merges = calloc((size_t)tok->merges.count + 1, sizeof *o->merges)) != NULL;
    for (uint32_t i = 0; i < tok->merges.count && fine; i++) {
        const bpe_merge *m = &tok->merges.merges[i];
        char *left = tok_bpe_spell(tok, m->left), *right = tok_bpe_spell(tok, m->right);
        const size_t size = left && right ? strlen(left) + strlen(right) + 2 : 0;
        o->merges[i] = size ? malloc(size) : NULL;
        if (o->merges[i]) snprintf(o->merges[i], size, "%s %s", left, right);
        fine = o->merges[i] != NULL;
        free(left);
        free(right);
    }
    return fine ? PM_OK : no_memory(o);
}

static pm_status refuse_merges(const output *o, uint32_t id)
{
    return log_fail(o->log, PM_INVALID,
                    "%s: the merges that make token %u are others than a score of its own gives; GGUF has "
                    "tokenizers of SentencePiece's kind only where scores say the same",
                    o->from, (unsigned)id);
}

/* Merges of one rank make tokens of one score. `made`: how many make each, which must be all that there can be. Added tokens are in a text whole. */
static pm_status make_scores(output *o, const tok_index *index, uint32_t *made)
{
    const pm_tokenizer *tok = o->tok;
    const bpe_table *m = &tok->merges;
    uint32_t rank = 0, last = UINT32_MAX; /* the merge before */
    for (uint32_t i = 0; i < m->count; i++) {
        const uint32_t id = m->merges[i].made;
        if (o->types[id] != SCORED_NORMAL) continue;
        if (last != UINT32_MAX && (m->ranks ? m->ranks[i] != m->ranks[last] : id != m->merges[last].made)) rank++;
        last = i;
        if (made[id]++ && o->scores[id] != -(float)rank) return refuse_merges(o, id);
        o->scores[id] = -(float)rank;
    }
    for (uint32_t id = 0; id < tok->vocab; id++) {
        if (o->types[id] != SCORED_NORMAL) {
            o->scores[id] = 0;
        } else if (tok_index_entry(index, tok->pieces + tok->starts[id], tok_entry_size(tok, id)) == id) {
            if (scored_merges(tok->pieces, tok->starts, index, id, NULL) != made[id]) return refuse_merges(o, id);
            if (!made[id]) o->scores[id] = -(float)(rank + 1);
        }
    }
    return PM_OK;
}

static pm_status score(output *o)
{
    const pm_tokenizer *tok = o->tok;
    const tok_bpe_parts view = {.pieces = tok->pieces,
                                .starts = tok->starts,
                                .vocab = tok->vocab,
                                .only = tok->only,
                                .only_count = tok->only_count};
    tok_index index = {0};
    uint32_t twice, *made = calloc((size_t)tok->vocab + 1, sizeof *made);
    o->scores = calloc((size_t)o->count + 1, sizeof *o->scores);
    pm_status status = made && o->scores && tok_index_make(&view, &index, &twice) ? PM_OK : no_memory(o);
    if (status == PM_OK) status = make_scores(o, &index, made);
    tok_index_free(&index);
    free(made);
    return status;
}

/* ---- what GGUF has --------------------------------------------------------------------------------------------------- */

/* Each blank begins a piece there: the same where no token has a blank behind its first byte. */
static bool has_inner_blank(const pm_tokenizer *tok)
{
    for (uint32_t i = 0; i < tok->merges.count; i++) {
        const uint32_t id = tok->merges.merges[i].made;
        const size_t size = tok_entry_size(tok, id);
        if (size > 1 && memchr(tok->pieces + tok->starts[id] + 1, ' ', size - 1)) return true;
    }
    return false;
}

static pm_status check(const output *o, uint32_t vocab)
{
    const pm_log *log = o->log;
    const pm_tokenizer *tok = o->tok;
    const tok_form *form = &tok->form;
    const char *from = o->from;
    if (tok->vocab > vocab)
        return log_fail(log, PM_FORMAT, "%s: the tokenizer has %u tokens, the model only %u", from,
                        (unsigned)tok->vocab, (unsigned)vocab);
    if (form->unit == TOK_UNIT_WORD || (form->unit == TOK_UNIT_CHAR && !form->merges))
        return log_fail(log, PM_INVALID,
                        "%s: GGUF has no tokenizers of kind \"%s\"; it has \"byte\", \"gpt2\", \"bpe\" and "
                        "\"sentencepiece\"",
                        from, tok_form_kind(form));
    if (tok->same_count)
        return log_fail(log, PM_INVALID, "%s: token %u has two names, and GGUF can say one", from,
                        (unsigned)tok->same[0]);
    if (form->unit == TOK_UNIT_BYTE && form->merges && (!tok_gguf_pre(form) || tok->merges.ranks))
        return log_fail(log, PM_INVALID,
                        "%s: GGUF has no name for the way that this tokenizer cuts texts; it has them for GPT-2, "
                        "Llama 3, Qwen 2 and SmolLM",
                        from);
    if (form->unit == TOK_UNIT_CHAR && (form->whole || tok_form_splits(form) || (form->apart && has_inner_blank(tok))))
        return log_fail(log, PM_INVALID,
                        "%s: programs that read GGUF do not cut a text before they merge characters, as this tokenizer "
                        "does",
                        from);
    if (form->unit == TOK_UNIT_CHAR && !form->fallback)
        log_line(log, PM_LOG_WARN,
                 "%s: the tokenizer has no tokens of bytes; llama.cpp fails on characters that it lacks", from);
    if (form->unit == TOK_UNIT_CHAR && form->unless && form->prefix != TOK_PREFIX_NONE)
        log_line(log, PM_LOG_WARN,
                 "%s: programs that read GGUF put a blank before each text, also before one that begins with a blank",
                 from);
    return PM_OK;
}

static void put_id(gguf_writer *w, const char *key, uint32_t id, uint32_t otherwise)
{
    if (id == TOK_NONE) id = otherwise;
    if (id != TOK_NONE) gguf_put_u32(w, key, id);
}

static void put_ids(const tok_gguf_model *model, uint32_t begin, uint32_t end, gguf_writer *w)
{
    put_id(w, "tokenizer.ggml.bos_token_id", model->begin, begin);
    put_id(w, "tokenizer.ggml.eos_token_id", model->end, end);
    put_id(w, "tokenizer.ggml.eot_token_id", model->turn, TOK_NONE);
    put_id(w, "tokenizer.ggml.eom_token_id", model->more, TOK_NONE);
    put_id(w, "tokenizer.ggml.padding_token_id", model->pad, TOK_NONE);
}

static void put_rest(const pm_tokenizer *tok, const tok_gguf_model *model, gguf_writer *w)
{
    put_ids(model, tok->begin, tok->end, w);
    put_id(w, "tokenizer.ggml.unknown_token_id", tok->unknown, TOK_NONE);
    gguf_put_bool(w, "tokenizer.ggml.add_bos_token", tok->puts_begin);
    gguf_put_bool(w, "tokenizer.ggml.add_eos_token", tok->puts_end);
    if (tok->chat) gguf_put_text(w, "tokenizer.chat_template", tok->chat);
}

pm_status tok_gguf_put(const pm_log *log, const char *from, const pm_tokenizer *tok, const tok_gguf_model *model,
                       gguf_writer *w)
{
    output o = {.log = log, .from = from, .tok = tok};
    const tok_form *form = &tok->form;
    const bool chars = form->unit == TOK_UNIT_CHAR;
    pm_status status = check(&o, model->vocab);
    if (status == PM_OK) status = make_tokens(&o, model->vocab);
    if (status == PM_OK) status = chars ? score(&o) : make_merges(&o);
    if (status == PM_OK) {
        gguf_put_text(w, "tokenizer.ggml.model", chars ? "llama" : "gpt2");
        gguf_put_text(w, "tokenizer.ggml.pre", chars ? "default" : form->merges ? tok_gguf_pre(form) : "gpt-2");
        put_texts(&o, w, "tokenizer.ggml.tokens", o.texts, o.count);
        if (chars) gguf_put_f32s(w, "tokenizer.ggml.scores", o.scores, o.count);
        gguf_put_i32s(w, "tokenizer.ggml.token_type", o.types, o.count);
        if (!chars) put_texts(&o, w, "tokenizer.ggml.merges", o.merges, tok->merges.count);
        if (chars) gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", form->prefix != TOK_PREFIX_NONE);
        if (chars && form->squeeze) gguf_put_bool(w, "tokenizer.ggml.remove_extra_whitespaces", true);
        put_rest(tok, model, w);
    }
    free_output(&o);
    return status;
}

void tok_gguf_put_none(const tok_gguf_model *model, gguf_writer *w)
{
    gguf_put_text(w, "tokenizer.ggml.model", "none");
    put_ids(model, TOK_NONE, TOK_NONE, w);
}
