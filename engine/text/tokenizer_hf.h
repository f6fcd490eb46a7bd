/* tokenizer.json of Hugging Face's library `tokenizers`: a whole tokenizer as a chain of parts, each an object with a "type". */
#ifndef TEXT_TOKENIZER_HF_H
#define TEXT_TOKENIZER_HF_H

#include <cjson/cJSON.h>

#include "files/json.h"
#include "text/tokenizer.h"

typedef struct hf_file {
    const pm_log *log;
    const char *path;
    const cJSON *root;
    tok_settings *settings;
} hf_file;

/* A part of an object; NULL where it is absent or null. */
static inline const cJSON *hf_item(const cJSON *object, const char *key)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(found) ? NULL : found;
}

/* Its text, or NULL. */
static inline const char *hf_text(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(hf_item(object, key));
}

/* A part's type, or words for its absence. */
const char *hf_type(const cJSON *part);
/* Whether a text is this one; NULL is none. */
bool hf_is(const char *text, const char *wanted);
/* A line: "PATH: PART: WHAT, which Pumice does not read". */
pm_status hf_refuse(const hf_file *f, const char *part, const char *what);
/* Fails, with a line, where a key is there and is no list. */
pm_status hf_list(const hf_file *f, const cJSON *part, const char *key);
/* A flag of a part. */
pm_status hf_flag(const hf_file *f, const cJSON *part, const char *key, bool *value);

/* Patterns that Pumice writes for SentencePiece's remove_extra_whitespaces: blanks at a text's ends, which become none, and several, which become one. */
#define HF_ENDS "(?<![\\s\\S]) +| +(?![\\s\\S])"
#define HF_BLANKS " {2,}"

/* The description, from the model's flags and from the parts before and behind it: hf_form.c. */
pm_status hf_read_form(const hf_file *f, tok_form *out);

#endif
