/* The entries of a vocabulary while it is read: names of tokens with their ids. Ids may be missing, and two names may have the same. */
#ifndef TEXT_ENTRIES_H
#define TEXT_ENTRIES_H

#include "text/tokenizer.h"

typedef struct entry {
    size_t start, size; /* in the list's bytes */
    uint32_t id;
    bool only; /* no merge makes it: an added token with another token's bytes, or a byte's */
} entry;

typedef struct entry_list {
    tok_form form;
    entry *list; /* in the file's order */
    size_t count;
    char *bytes;
    size_t used;
    uint32_t *byte_ids; /* (256) of <0x00> to <0xFF>, where the form has them, or NULL */
} entry_list;

/* With room for `count` tokens of so many bytes in all, and for those of the settings. False when short of memory. */
bool entries_make(entry_list *out, const tok_form *form, const tok_settings *settings, size_t count, size_t bytes);
void entries_free(entry_list *entries);

/* Where the next token's piece goes. */
static inline char *entries_room(entry_list *entries)
{
    return entries->bytes + entries->used;
}

/* Adds the token whose piece lies there. */
void entries_put(entry_list *entries, size_t size, uint32_t id, bool only);
/* Adds the token of a byte that a character without a token becomes. */
void entries_put_byte(entry_list *entries, unsigned char byte, uint32_t id);

/* Adds the settings' tokens that have ids, and makes the parts, but for the merges, and their index. Fails: PM_FORMAT where a token is there twice; the
 * line names `path`. The caller frees both, whatever the answer. */
pm_status entries_finish(const pm_log *log, const char *path, entry_list *entries, const tok_settings *settings,
                         tok_bpe_parts *parts, tok_index *index);

/* A merge, "LEFT RIGHT" in spellings, into ids; `room` has as many bytes. NULL, or what is wrong with it. */
struct speller;
const char *tok_merge_parse(const struct speller *spell, const tok_index *index, const char *line, size_t size,
                            char *room, bpe_merge *out);

#endif
