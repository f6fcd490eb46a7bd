/* What is in a folder before a command writes to it. */
#include "folder.h"

#include <stdlib.h>
#include <string.h>

#include "os/file.h"

bool folder_is_free(const char *dir, unsigned kinds, bool overwrite)
{
    if (!*dir) {
        app_error("--out: give the name of a folder");
        return false;
    }
    const char *file = overwrite ? NULL : pm_folder_find(dir, kinds);
    if (file)
        app_error("--out %s: %s/%s is there already, and belongs to no run; give another folder, or add --overwrite to "
                  "replace it",
                  dir, dir, file);
    return !file;
}

/* Whether a file begins with this text. */
static bool begins_with(const char *dir, const char *name, const char *text)
{
    char head[64] = "", *path = app_join(dir, name);
    const int file = path ? os_open(path, OS_READ) : -1;
    const int64_t got = file >= 0 ? os_read(file, head, sizeof head) : -1;
    const size_t size = got > 0 ? (size_t)got : 0;
    if (file >= 0) os_close(file);
    free(path);
    return size >= strlen(text) && memcmp(head, text, strlen(text)) == 0;
}

static bool may_profile(const char *dir)
{
    /* In the order in which they are written. A picture belongs to the profile whose table is beside it. */
    static const struct {
        const char *name, *begins, *with;
    } written[] = {
        {"trace.json", "trace.json", "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"device_clock\":"},
        {"kernels.csv", "kernels.csv", "kind,program,op,layer,direction,shape,kernel,constants,"},
        {"kernels.json", "kernels.csv", "kind,program,op,"},
        {"roofline.png", "kernels.csv", "kind,program,op,"},
    };
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        if (!pm_folder_has(dir, written[i].name) || begins_with(dir, written[i].begins, written[i].with)) continue;
        app_error("--profile %s: %s/%s exists and is not a profile's; give another folder", dir, dir, written[i].name);
        return false;
    }
    return true;
}

bool folder_for_profile(const char *dir)
{
    const pm_log log = app_log_of("--profile");
    return may_profile(dir) && pm_folder_make(&log, dir) == PM_OK;
}
