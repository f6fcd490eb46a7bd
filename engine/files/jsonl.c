/* Lines of JSON. */
#include "files/jsonl.h"

#include <stdlib.h>
#include <string.h>

#include <pumice/text.h>

#include "files/foreign.h"
#include "files/json.h"

pm_status jsonl_open(const pm_log *log, const char *path, jsonl *out)
{
    *out = (jsonl){.log = log, .path = path};
    pm_status status = file_read(log, path, &out->text, &out->size);
    if (status != PM_OK) return status;
    const char *foreign = pm_text_foreign(out->text, out->size, false);
    out->at = text_mark(out->text, out->size);
    if (!foreign && !memchr(out->text, '\n', out->size) && strstr(out->text, "}\r{"))
        foreign = "its lines end in CR alone; save it with LF or CRLF line ends";
    if (!foreign) return PM_OK;
    jsonl_close(out);
    return log_fail(log, PM_FORMAT, "%s: %s", path, foreign);
}

void jsonl_close(jsonl *file)
{
    cJSON_Delete(file->object);
    free(file->text);
    file->object = NULL;
    file->text = NULL;
}

static pm_status fail(const jsonl *file, const char *what)
{
    return log_fail(file->log, PM_FORMAT, "%s:%zu: %s", file->path, file->line, what);
}

/* The next line that is not blank, and its number; false behind the last one. */
static bool next_line(jsonl *file, char **line, size_t *size)
{
    while (file->at < file->size) {
        const char *end = memchr(file->text + file->at, '\n', file->size - file->at);
        *line = file->text + file->at;
        *size = end ? (size_t)(end - *line) : file->size - file->at;
        file->at += *size + 1;
        file->line++;
        for (size_t i = 0; i < *size; i++)
            if (!memchr(" \t\r\v\f", (*line)[i], 5)) return true;
    }
    return false;
}

pm_status jsonl_next(jsonl *file, bool *more)
{
    char *line;
    size_t size;
    cJSON_Delete(file->object);
    file->object = NULL;
    *more = next_line(file, &line, &size);
    if (!*more && file->count == 0)
        return log_fail(file->log, PM_FORMAT, "%s: is empty; it needs one JSON object a line", file->path);
    if (!*more) return PM_OK;
    line[size] = 0; /* where the line ends, or file_read's own 0 byte stands */
    if (file->count++ == 0 && line[strspn(line, " \t\r")] == '[')
        return fail(file, "begins a JSON array; JSON lines are one object a line (jq -c '.[]' makes them of it)");
    if (file->count == 1 && line[strspn(line, " \t\r")] != '{')
        return fail(
            file, "is not a JSON object; JSON lines are one a line, and columns belong in a file NAME.tsv or NAME.csv");
    pm_status status =
        json_read(file->log, &(json_place){.path = file->path, .line = file->line}, line, size, &file->object);
    if (status == PM_OK && !cJSON_IsObject(file->object)) status = fail(file, "is not a JSON object");
    return status;
}
