#include "text/json_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/foreign.h"

bool json_holds_nul(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == 0) return true;
        if (text[i] != '\\') continue;
        if (size - i >= 6 && memcmp(text + i + 1, "u0000", 5) == 0) return true;
        i++; /* what it escapes, another backslash too */
    }
    return false;
}

pm_status json_file_read(const pm_log *log, const char *path, const char *nul_spelling, cJSON **out)
{
    char *text;
    size_t size;
    pm_status status = file_read(log, path, &text, &size);
    if (status != PM_OK) return status;
    const char *foreign = text_foreign(text, size), *end = memchr(text, 0, size);
    const size_t mark = text_mark(text, size);
    if (foreign) {
        status = log_fail(log, PM_FORMAT, "%s: %s", path, foreign);
        free(text);
        return status;
    }
    if (end) {
        status = log_fail(log, PM_FORMAT, "%s: is not valid JSON, at byte %zu", path, (size_t)(end - text));
        free(text);
        return status;
    }
    errno = 0; /* cJSON tells bad text and no memory alike */
    cJSON *json = cJSON_ParseWithLengthOpts(text + mark, size - mark + 1, &end, 1);
    if (!json && errno == ENOMEM) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory reading it", path);
    } else if (!json || end != text + size) {
        status = log_fail(log, PM_FORMAT, "%s: is not valid JSON, at byte %zu", path, (size_t)(end - text));
    } else if (!cJSON_IsObject(json)) {
        status = log_fail(log, PM_FORMAT, "%s: must hold one JSON object", path);
    } else if (json_holds_nul(text, size)) {
        status = log_fail(log, PM_FORMAT, "%s: holds \\u0000; spell this character %s", path, nul_spelling);
    }
    free(text);
    if (status == PM_OK)
        *out = json;
    else
        cJSON_Delete(json);
    return status;
}

pm_status json_file_write(const pm_log *log, const char *dir, const char *name, const cJSON *json, bool indented)
{
    pm_status status;
    char *path = file_join(dir, name), *text = indented ? cJSON_Print(json) : cJSON_PrintUnformatted(json);
    if (path && text)
        status = file_write(log, path, text, strlen(text));
    else
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s/%s: out of memory", dir, name);
    cJSON_free(text);
    free(path);
    return status;
}
