/* Folders that commands write to: whether they are free. */
#ifndef APPS_FOLDER_H
#define APPS_FOLDER_H

#include "app.h"

/* The row of an option table. */
#define APP_OPTION_OVERWRITE(field)                                                                                    \
    {                                                                                                                  \
        ARG_FLAG, "--overwrite", NULL, &(field), NULL, 0, 0,                                                           \
            "replace files that --out has already; never a model's weights or a run's checkpoints", false, false       \
    }

/* Whether --out has no file of these kinds (pumice/folder.h), or --overwrite was given. A command asks for all that it writes, or that would be read
 * together with what it writes. Files with other names may be there: they are neither read nor written. False after an error line. */
bool folder_is_free(const char *dir, unsigned kinds, bool overwrite);

/* Whether --profile may write there: the folder has none of the files that it writes, or they are an earlier profile. Makes the folder. False after an
 * error line. */
bool folder_for_profile(const char *dir);

#endif
