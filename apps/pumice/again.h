/* Devices, and what is done again where one is lost. */
#ifndef APPS_AGAIN_H
#define APPS_AGAIN_H

#include "profile.h"

/* Opens the device that --device selects. `lost`: the one that was lost before, as pm_device_open_again takes it; NULL: none. */
pm_status app_device_open(const app_common *common, const pm_caps *lost, pm_device **out);

/* Advice for an error line. */
#define LOSSES_ADVICE "a smaller --submit-ms, a newer driver or more cooling may help"

/* A folder's model, its tokenizer, and the device they are on. */
typedef struct app_model {
    pm_device *device;
    pm_tokenizer *tokenizer;
    pm_model *model;
} app_model;

typedef pm_status (*app_work)(void *user, app_model *model, app_profile *profile);
/* Opens a model and a profile, and calls `work` with them. After a lost device it does all of it again; `user` knows what is done already. Returns
 * the exit code. */
int app_with_model(const app_common *common, const char *dir, app_work work, void *user);
/* What it hands to pm_model_load_as, by --weights. */
pm_model_params app_model_params(const app_common *common);

#endif
