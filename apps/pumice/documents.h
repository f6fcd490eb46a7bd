/* The options of subcommands that read a corpus: where documents end, and special tokens in their text. */
#ifndef APPS_DOCUMENTS_H
#define APPS_DOCUMENTS_H

#include <string.h>

#include <pumice/text.h>

#include "app.h"

#define APP_OPTION_DOCUMENTS(field)                                                                                    \
    {                                                                                                                  \
        ARG_CHOICE, "--documents", "auto|on|off", &(field), "auto", 0, 0,                                              \
            "each file is a document and ends in the tokenizer's end-of-text token; auto: where --data is a folder "   \
            "and the tokenizer has one",                                                                               \
            false, false                                                                                               \
    }
#define APP_OPTION_SPECIAL(field)                                                                                      \
    {                                                                                                                  \
        ARG_FLAG, "--special", NULL, &(field), NULL, 0, 0,                                                             \
            "text that spells a special token, such as <|endoftext|>, is that token; else it is text like any other",  \
            false, false                                                                                               \
    }

static inline pm_corpus_params documents_params(const char *documents, bool special)
{
    const pm_documents how = strcmp(documents, "on") == 0    ? PM_DOCUMENTS_ON
                             : strcmp(documents, "off") == 0 ? PM_DOCUMENTS_OFF
                                                             : PM_DOCUMENTS_AUTO;
    return (pm_corpus_params){.documents = how, .special = special, .cache_dir = app_cache_dir()};
}

#endif
