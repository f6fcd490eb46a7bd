/* Devices that are lost, and what a command does about it: it opens the device again and goes on from what it has. */
#ifndef APPS_AGAIN_H
#define APPS_AGAIN_H

#include "profile.h"

/* A command's losses so far. {0} at first. Three are no accident: then it ends, with advice. */
enum { LOSSES_MOST = 3 };
typedef struct app_losses {
    uint32_t count;
    pm_caps caps; /* of the device that was opened first */
} app_losses;

/* Opens the device that --device selects. After a loss it waits some seconds for one that does not come at once, and takes no other than
 * before: on another one the bits would be others. */
pm_status app_device_open(const app_common *common, const app_losses *losses, pm_device **out);

/* A device was lost: counts it and says so. False when there have been too many; saying that is left to the caller. */
bool app_losses_go_on(app_losses *losses, const pm_caps *caps);
/* What may help, for an error line. */
#define LOSSES_ADVICE "a smaller --submit-ms, a newer driver or more cooling may help"

/* A folder's model, its tokenizer, and the device they are on. */
typedef struct app_model {
    pm_device *device;
    pm_tokenizer *tokenizer;
    pm_model *model;
} app_model;

typedef pm_status (*app_work)(void *user, app_model *model, app_profile *profile);
/* Opens a model and a profile, and has `work` done with them; all of it again where the device is lost: work's user knows what is done
 * already. The exit code. */
int app_with_model(const app_common *common, const char *dir, app_work work, void *user);

#endif
