/* Cutting a text into pieces by regular expressions, one after the other, as Hugging Face's `tokenizers` does: each match is a piece, and so is
 * what lies between two. A later expression sees each piece as a text of its own. */
#ifndef TEXT_CUT_H
#define TEXT_CUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "text/form.h"

/* White_Space of the Unicode Character Database, PropList.txt, as the inside of a class of PCRE2. */
#define CUT_WHITE                                                                                                      \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

/* Rewrites a pattern of Oniguruma, which the files have, so that it means the same to PCRE2. NULL, or what it has that is not known to mean the
 * same: pattern.c. */
enum { CUT_REWRITTEN = 16 * TOK_PATTERN };
const char *cut_rewrite(const char *pattern, char out[CUT_REWRITTEN]);

/* A description's splits, compiled; threads share them. */
typedef struct cut_rules cut_rules;

/* Fails: PM_FORMAT, with a line that names `name` and the split. */
pm_status cut_rules_make(const pm_log *log, const char *name, const tok_form *form, cut_rules **out);
void cut_rules_free(cut_rules *rules);

/* One walk over a text. One thread at a time. */
typedef struct cut_walk cut_walk;
cut_walk *cut_walk_make(const cut_rules *rules); /* NULL when short of memory; the rules must outlive it */
void cut_walk_free(cut_walk *walk);

/* Begins another text, or another part of one. */
void cut_walk_again(cut_walk *walk);

/* Bytes of the piece at `at` < size, where the piece before ended. Joined, a text's pieces are the text. 0 when short of memory, or, with
 * *slow, where a pattern takes more steps than a text of this size is worth. Bytes that are not UTF-8 are a piece of their own. */
size_t cut_walk_next(cut_walk *walk, const char *text, size_t size, size_t at, bool *slow);

#endif
