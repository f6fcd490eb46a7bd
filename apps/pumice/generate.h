/* `pumice generate`: its parts. */
#ifndef APPS_GENERATE_H
#define APPS_GENERATE_H

#include "app.h"

/* The exit code: EXIT_DONE where the model of `dir` and its cache fit the device, else it is refused with settings that would. `print`: prints the
 * plan first; then a config.json is enough. */
int generate_fits(const app_common *common, const char *dir, const pm_session_params *params, bool print);

#endif
