/* Devices, with what the environment says of them. The library reads no variable of its own. */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "os/file.h"
#include "os/path.h"
#include "process.h"

pm_device_params app_device_params(const app_common *common)
{
    const char *validate = process_variable("PUMICE_VALIDATE");
    return (pm_device_params){.log = app_log(common),
                              .select = common->device,
                              .disable = process_variable("PUMICE_DISABLE"),
                              .cache_dir = app_cache_dir(),
                              .validate = validate && strcmp(validate, "1") == 0};
}

const char *app_cache_dir(void)
{
    return process_variable("PUMICE_CACHE_DIR");
}

bool app_lower_caps(pm_caps *caps)
{
    const app_common quiet = {0};
    const pm_log log = app_log(&quiet);
    return pm_caps_lower(&log, caps, "PUMICE_DISABLE", process_variable("PUMICE_DISABLE")) == PM_OK;
}

/* The first path of a list that is not there, or NULL; its bytes in *size. */
static const char *find_missing(const char *list, size_t *size)
{
    os_info info;
    char path[1024];
    for (const char *at = list; *at; at += *size, at += *at != 0) {
        *size = strcspn(at, OS_LIST_SEPARATOR);
        if (*size == 0 || *size >= sizeof path) continue;
        memcpy(path, at, *size);
        path[*size] = 0;
        if (!os_stat(path, &info)) return at;
    }
    return NULL;
}

void app_say_drivers(void)
{
    static const char *const variables[] = {"VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"};
    const char *only = NULL;
    for (int i = 0; i < 3; i++) {
        const char *list = process_variable(variables[i]);
        if (!list || (i == 1 && only)) continue; /* the first overrides the second */
        if (!*list && i < 2) {
            app_say("%s is set, and empty: then no driver is looked for; unset it", variables[i]);
            return;
        }
        size_t size;
        const char *missing = find_missing(list, &size);
        if (missing) {
            app_say("%s names %.*s, which is not there", variables[i], (int)size, missing);
            return;
        }
        if (i < 2) only = variables[i];
    }
    if (only) app_say("only the drivers that %s names were asked: %s", only, process_variable(only));
}

pm_status app_open(const pm_device_params *params, pm_device **out)
{
    pm_caps any = {0};
    if (!app_lower_caps(&any)) return PM_INVALID;
    const pm_status status = pm_device_open(params, out);
    if (status == PM_NO_DEVICE) app_say_drivers();
    return status;
}

bool app_adapters(const pm_log *log, pm_caps **list, size_t *count)
{
    size_t room = 16;
    for (;;) {
        pm_caps *caps = malloc(room * sizeof *caps);
        if (!caps) {
            app_error("out of host memory for a list of %zu devices", room);
            return false;
        }
        if (pm_adapters_list(log, caps, room, count) != PM_OK) {
            free(caps);
            return false;
        }
        if (*count <= room) {
            *list = caps;
            return true;
        }
        room = *count;
        free(caps);
    }
}
