/* Lost devices: a command opens the device again and continues from what it has. */
#ifndef APPS_AGAIN_H
#define APPS_AGAIN_H

#include "profile.h"

/* A command's lost devices so far; {0} at first. After the third, the command ends with advice. */
enum { LOSSES_MOST = 3 };
typedef struct app_losses {
    uint32_t count;
    pm_caps caps; /* of the device that was opened first */
} app_losses;

/* Opens the device that --device selects. After a loss it waits some seconds for the same device. It refuses another one, because the bits would
 * differ. */
pm_status app_device_open(const app_common *common, const app_losses *losses, pm_device **out);

/* Counts a lost device and says so. False when there have been too many: the caller reports that. */
bool app_losses_go_on(app_losses *losses, const pm_caps *caps);
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

#endif
