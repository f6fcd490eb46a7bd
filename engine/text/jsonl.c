/* Lines of JSON. */
#include "text/jsonl.h"

#include "text/foreign.h"
#include "text/json_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pm_status jsonl_open(const pm_log *log, const char *path, jsonl *out)
{
    *out = (jsonl){.log = log, .path = path};
    pm_status status = file_read(log, path, &out->text, &out->size);
    if (status != PM_OK) return status;
    const char *foreign = text_foreign(out->text, out->size);
    if (foreign) {
        jsonl_close(out);
        return log_fail(log, PM_FORMAT, "%s: %s", path, foreign);
    }
    out->at = text_mark(out->text, out->size);
    if (out->size == 0) {
        jsonl_close(out);
        return log_fail(log, PM_FORMAT, "%s: is empty; it needs one JSON object a line", path);
    }
    return PM_OK;
}

void jsonl_close(jsonl *file)
{
    cJSON_Delete(file->object);
    free(file->text);
    file->object = NULL;
    file->text = NULL;
}

pm_status jsonl_fail(const jsonl *file, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return log_fail(file->log, PM_FORMAT, "%s:%zu: %s", file->path, file->line, what);
}

pm_status jsonl_next(jsonl *file, bool *more)
{
    cJSON_Delete(file->object);
    file->object = NULL;
    *more = file->at < file->size;
    if (!*more) return PM_OK;
    char *line = file->text + file->at, *end = memchr(line, '\n', file->size - file->at);
    size_t size = end ? (size_t)(end - line) : file->size - file->at;
    file->at += size + 1;
    file->line++;
    if (size > 0 && line[size - 1] == '\r') size--;
    if (size == 0) return jsonl_fail(file, "the line is empty; each needs one JSON object");
    line[size] = 0; /* where the line ends, or file_read's own 0 byte stands */
    if (json_holds_nul(line, size)) return jsonl_fail(file, "U+0000 is no text");
    const char *stop = line;
    errno = 0; /* cJSON tells bad text and no memory alike */
    file->object = cJSON_ParseWithLengthOpts(line, size + 1, &stop, 1);
    if (!file->object && errno == ENOMEM)
        return log_fail(file->log, PM_NO_HOST_MEMORY, "%s:%zu: out of memory", file->path, file->line);
    if (!file->object) return jsonl_fail(file, "not valid JSON, at column %zu", (size_t)(stop - line) + 1);
    if (!cJSON_IsObject(file->object)) return jsonl_fail(file, "not a JSON object");
    return PM_OK;
}

pm_status jsonl_string(const jsonl *file, const char *key, const char **out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(file->object, key);
    if (!v) return jsonl_fail(file, "\"%s\" is missing", key);
    if (!cJSON_IsString(v)) return jsonl_fail(file, "\"%s\" must be a string", key);
    if (v->valuestring[strspn(v->valuestring, " \t\r\n\v\f")] == 0) return jsonl_fail(file, "\"%s\" is empty", key);
    *out = v->valuestring;
    return PM_OK;
}
