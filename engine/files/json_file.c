#include "files/json_file.h"

#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "files/json.h"

pm_status json_file_read(const pm_log *log, const char *path, const char *nul_spelling, cJSON **out)
{
    char *text;
    size_t size;
    cJSON *json = NULL;
    pm_status status = file_read(log, path, &text, &size);
    if (status != PM_OK) return status;
    status = json_read(log, &(json_place){.path = path, .nul = nul_spelling}, text, size, &json);
    free(text);
    if (status == PM_OK && !cJSON_IsObject(json))
        status = log_fail(log, PM_FORMAT, "%s: must hold one JSON object", path);
    if (status == PM_OK)
        *out = json;
    else
        cJSON_Delete(json);
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
