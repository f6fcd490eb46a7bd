#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/cut.h"

#include <stdlib.h>
#include <string.h>

#include <pcre2.h>

#include "base/utf8.h"
#include "text/gpt2.h"

/* Longest stretch of valid text that is looked at in one go: positions in rows of symbols have 32 bits. */
#define MOST_STRETCH ((size_t)1 << 30)

/* A match may take FEW_STEPS and look at WINDOW bytes. What takes more is paid for: a text has FIRST_STEPS, and BYTE_STEPS more for each byte that
 * was cut. So the time is linear in the size for any pattern, and patterns in use never come near. PCRE2 counts steps back only, not the bytes of a
 * run; so a text is shown in windows, and its partial matches tell where one is too small. */
enum { FEW_STEPS = 4096, WINDOW = 4096, BYTE_STEPS = 256, FIRST_STEPS = 10000000 };

typedef struct rule {
    gpt2_pattern *gpt2; /* GPT-2's own, which has a faster form, */
    pcre2_code *here;   /* or one that matches where it begins, */
    pcre2_code *ahead;  /* and the same that looks for the next place */
} rule;

struct cut_rules {
    rule list[TOK_SPLITS];
    uint32_t count;
};

/* A split's present piece, and the match behind a piece that lies between two. */
typedef struct level {
    gpt2_cutter *gpt2;
    pcre2_match_data *match;
    size_t start, end;
    size_t kept, kept_end; /* kept_end 0: none */
} level;

struct cut_walk {
    const cut_rules *rules;
    pcre2_match_context *context;
    level levels[TOK_SPLITS];
    size_t valid_start, valid_end; /* the text is known to be UTF-8 there */
    uint64_t steps;                /* that may be taken beyond the few */
};

/* ---- compiling ---- */

static pcre2_code *compile(const char *pattern, uint32_t options, char *why, size_t room)
{
    int error = 0;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) return NULL;
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | options, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (code)
        (void)pcre2_jit_compile(code,
                                PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD); /* without a JIT it is only slower */
    else if (error == PCRE2_ERROR_HEAP_FAILED || pcre2_get_error_message(error, (PCRE2_UCHAR *)why, room) < 0)
        *why = 0;
    return code;
}

static pm_status make_rule(const pm_log *log, const char *name, const char *pattern, uint32_t number, rule *out)
{
    char rewritten[CUT_REWRITTEN], why[256] = "";
    if (strcmp(pattern, TOK_GPT2_PATTERN) == 0) {
        out->gpt2 = gpt2_pattern_make();
        return out->gpt2 ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", name);
    }
    const char *fault = cut_rewrite(pattern, rewritten);
    if (fault)
        return log_fail(log, PM_FORMAT, "%s: pattern %u has %s, which Pumice does not read", name, (unsigned)number + 1,
                        fault);
    out->here = compile(rewritten, PCRE2_ANCHORED, why, sizeof why);
    if (out->here) out->ahead = compile(rewritten, 0, why, sizeof why);
    if (out->here && out->ahead) return PM_OK;
    if (*why) return log_fail(log, PM_FORMAT, "%s: pattern %u: %s", name, (unsigned)number + 1, why);
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", name);
}

pm_status cut_rules_make(const pm_log *log, const char *name, const tok_form *form, cut_rules **out)
{
    cut_rules *rules = calloc(1, sizeof *rules);
    if (!rules) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", name);
    rules->count = form->cut == TOK_CUT_SPLITS ? tok_form_splits(form) : 0;
    for (uint32_t i = 0; i < rules->count; i++) {
        const pm_status status = make_rule(log, name, form->splits[i], i, &rules->list[i]);
        if (status == PM_OK) continue;
        cut_rules_free(rules);
        return status;
    }
    *out = rules;
    return PM_OK;
}

void cut_rules_free(cut_rules *rules)
{
    if (!rules) return;
    for (uint32_t i = 0; i < rules->count; i++) {
        gpt2_pattern_free(rules->list[i].gpt2);
        pcre2_code_free(rules->list[i].here);
        pcre2_code_free(rules->list[i].ahead);
    }
    free(rules);
}

/* ---- cutting ---- */

cut_walk *cut_walk_make(const cut_rules *rules)
{
    cut_walk *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->rules = rules;
    c->steps = FIRST_STEPS;
    c->context = pcre2_match_context_create(NULL);
    bool fine = c->context != NULL;
    for (uint32_t i = 0; i < rules->count && fine; i++) {
        const rule *one = &rules->list[i];
        if (one->gpt2)
            fine = (c->levels[i].gpt2 = gpt2_cutter_make(one->gpt2)) != NULL;
        else
            fine = (c->levels[i].match = pcre2_match_data_create(1, NULL)) != NULL;
    }
    if (!fine) {
        cut_walk_free(c);
        return NULL;
    }
    cut_walk_again(c);
    return c;
}

void cut_walk_free(cut_walk *c)
{
    if (!c) return;
    for (uint32_t i = 0; i < c->rules->count; i++) {
        gpt2_cutter_free(c->levels[i].gpt2);
        pcre2_match_data_free(c->levels[i].match);
    }
    pcre2_match_context_free(c->context);
    free(c);
}

void cut_walk_again(cut_walk *c)
{
    c->valid_start = c->valid_end = 0;
}

/* Matches with a limit. Returns 1, 0 for no match, PCRE2's error below 0. */
static int match(cut_walk *c, const pcre2_code *code, level *v, const char *text, size_t size, size_t at, bool window,
                 uint32_t limit)
{
    const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | (window ? PCRE2_PARTIAL_HARD : 0);
    (void)pcre2_set_match_limit(c->context, limit);
    int got = pcre2_match(code, (PCRE2_SPTR)text, size, at, options, v->match, c->context);
    if (got == PCRE2_ERROR_JIT_STACKLIMIT)
        got = pcre2_match(code, (PCRE2_SPTR)text, size, at, options | PCRE2_NO_JIT, v->match, c->context);
    return got >= 0 ? 1 : got == PCRE2_ERROR_NOMATCH ? 0 : got;
}

static bool pay(cut_walk *c, uint64_t steps)
{
    if (steps > c->steps) return false;
    c->steps -= steps;
    return true;
}

/* The end of a window of `size` bytes from `at`, between characters. */
static size_t window_end(const char *text, size_t end, size_t at, size_t size)
{
    if (end - at <= size) return end;
    size_t cut = at + size;
    while (((unsigned char)text[cut] & 0xC0) == 0x80) cut--;
    return cut;
}

/* A match that begins at `at` in the text [start, end), as far as it is paid for. */
static int match_here(cut_walk *c, const rule *one, level *v, const char *text, size_t start, size_t end, size_t at)
{
    uint64_t limit = FEW_STEPS;
    for (size_t size = WINDOW;;) {
        const size_t cut = window_end(text, end, at, size);
        const int got = match(c, one->here, v, text + start, cut - start, at - start, cut < end, (uint32_t)limit);
        if (got == PCRE2_ERROR_PARTIAL)
            size *= 8;
        else if (got == PCRE2_ERROR_MATCHLIMIT && limit < UINT32_MAX / 4)
            limit *= 4;
        else
            return got;
        if (!pay(c, got == PCRE2_ERROR_PARTIAL ? size : limit)) return PCRE2_ERROR_MATCHLIMIT;
    }
}

/* The next match that begins behind `at`. */
static int match_ahead(cut_walk *c, const rule *one, level *v, const char *text, size_t start, size_t end, size_t at)
{
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(v->match);
    int got = 0;
    while (at < end && got == 0) {
        const size_t cut = window_end(text, end, at, WINDOW);
        got = match(c, one->ahead, v, text + start, cut - start, at - start, cut < end, FEW_STEPS);
        if (got == 0) at = cut;
        if (got != PCRE2_ERROR_PARTIAL) continue;
        at = start + found[0];
        got = match_here(c, one, v, text, start, end, at);
        if (got == 0) at++;
        while (got == 0 && at < end && ((unsigned char)text[at] & 0xC0) == 0x80) at++;
    }
    return got;
}

/* The end of the split's piece at `at`, within the text [start, end); 0 at a failure. */
static size_t level_next(cut_walk *c, uint32_t l, const char *text, size_t start, size_t end, size_t at, bool *slow)
{
    level *v = &c->levels[l];
    const rule *one = &c->rules->list[l];
    if (v->gpt2) {
        if (at == start) gpt2_cutter_again(v->gpt2);
        const size_t length = gpt2_cutter_next(v->gpt2, text, end, at);
        return length ? at + length : 0;
    }
    if (v->kept_end && v->kept == at) return v->kept_end;
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(v->match);
    int got = match_here(c, one, v, text, start, end, at);
    if (got == 1) {
        c->steps += BYTE_STEPS * (uint64_t)(found[1] - (at - start));
        return start + found[1];
    }
    if (got == 0) got = match_ahead(c, one, v, text, start, end, at);
    if (got < 0) {
        *slow = got != PCRE2_ERROR_NOMEMORY;
        return 0;
    }
    if (got == 0 || found[0] < at - start) return end;
    v->kept = start + found[0];
    v->kept_end = start + found[1];
    return v->kept > at ? v->kept : v->kept_end;
}

static size_t invalid_run(const char *text, size_t size)
{
    size_t length = 1;
    uint32_t code;
    if (size > MOST_STRETCH) size = MOST_STRETCH;
    while (length < size && !utf8_decode(text + length, size - length, &code)) length++;
    return length;
}

size_t cut_walk_next(cut_walk *c, const char *text, size_t size, size_t at, bool *slow)
{
    *slow = false;
    if (at >= c->valid_end) {
        c->valid_start = at;
        c->valid_end = at + utf8_valid(text + at, size - at < MOST_STRETCH ? size - at : MOST_STRETCH);
        if (at == c->valid_end) return invalid_run(text + at, size - at);
        for (uint32_t l = 0; l < c->rules->count; l++) c->levels[l].end = c->levels[l].kept_end = 0;
    }
    size_t start = c->valid_start, end = c->valid_end;
    for (uint32_t l = 0; l < c->rules->count; l++) {
        level *v = &c->levels[l];
        if (at >= v->end) {
            v->end = level_next(c, l, text, start, end, at, slow);
            v->start = at;
            if (!v->end) return 0;
        }
        start = v->start;
        end = v->end;
    }
    return end - at;
}
