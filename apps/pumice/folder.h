/* Folders that commands write to: which file names matter in them, and whether these are free. */
#ifndef APPS_FOLDER_H
#define APPS_FOLDER_H

#include "app.h"

/* Kinds of files. A command asks for all names that it writes, or that would be read together with what it writes. */
enum { FOLDER_MODEL = 1, FOLDER_TOKENIZER = 2, FOLDER_RUN = 4, FOLDER_WEIGHTS = 8 };

/* The row of an option table. */
#define APP_OPTION_OVERWRITE(field)                                                                                    \
    {                                                                                                                  \
        ARG_FLAG, "--overwrite", NULL, &(field), NULL, 0, 0,                                                           \
            "replace files that --out has already; never a model's weights or a run's checkpoints", false, false       \
    }

/* Makes the folder and those above it; false after an error line that begins with the option. */
bool folder_make(const char *option, const char *dir);
bool folder_has(const char *dir, const char *name);
/* Whether the folder has a model's weights in any format. No command replaces them, and none writes others beside them. */
bool folder_has_weights(const char *dir);

/* Whether the folder has no file of these kinds, or --overwrite was given. Files with other names may be there: they are neither read nor written.
 * False after an error line that begins with the option. */
bool folder_is_free(const char *option, const char *dir, unsigned kinds, bool overwrite);

/* Whether a run of train or finetune began in this folder and has not come to its first checkpoint: it makes metrics.jsonl before all else. */
bool folder_of_begun_run(const char *dir);

/* Whether --profile may write there: the folder has none of the files that it writes, or they are an earlier profile. False after an error line. */
bool folder_may_profile(const char *dir);

/* The names of a tokenizer's files, one by one; NULL behind the last. */
const char *folder_tokenizer_file(size_t index);
/* Removes them, so that none is read together with those of another tokenizer. */
void folder_clear_tokenizer(const char *dir);
/* The same for what is read beside a model: the tokenizer, and generation_config.json. */
void folder_clear_for_model(const char *dir);

#endif
