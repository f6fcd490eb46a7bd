#include "files/json_file.h"

#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "files/json.h"

pm_status json_file_parse(const pm_log *log, const char *path, const char *nul_spelling, const char *text, size_t size,
                          cJSON **out)
{
    cJSON *json = NULL;
    pm_status status = json_read(log, &(json_place){.path = path, .nul = nul_spelling}, text, size, &json);
    if (status == PM_OK && !cJSON_IsObject(json))
        status = log_fail(log, PM_FORMAT, "%s: must hold one JSON object", path);
    if (status == PM_OK)
        *out = json;
    else
        cJSON_Delete(json);
    return status;
}

pm_status json_file_read(const pm_log *log, const file_ref *ref, const char *nul_spelling, bool *found, cJSON **out)
{
    bool there = true;
    char *text;
    size_t size;
    pm_status status = file_ref_read(log, ref, found ? &there : NULL, &text, &size);
    if (found) *found = there;
    if (status != PM_OK || !there) return status;
    status = json_file_parse(log, ref->path, nul_spelling, text, size, out);
    free(text);
    return status;
}

pm_status json_file_write(const pm_log *log, const char *dir, const char *name, const cJSON *json, bool indented)
{
    pm_status status;
    char *path = file_join(dir, name), *text = json_print(json, indented);
    if (path && text)
        status = file_write(log, path, text, strlen(text));
    else
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s/%s: out of memory", dir, name);
    cJSON_free(text);
    free(path);
    return status;
}
