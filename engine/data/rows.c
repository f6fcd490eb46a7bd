#include "data/rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/number.h"
#include "base/utf8.h"
#include "data/task.h"

pm_status rows_fail(const row_file *file, const char *format, ...)
{
    char what[800];
    va_list args;
    va_start(args, format);
    number_vprint(what, sizeof what, format, args);
    va_end(args);
    return log_fail(file->log, PM_FORMAT, "%s:%zu: %s", file->path, file->line, what);
}

static pm_status no_memory(const row_file *file)
{
    return log_fail(file->log, PM_NO_HOST_MEMORY, "%s: out of memory for its rows", file->path);
}

void rows_list(char *list, size_t size, const char *name)
{
    static const char more[] = ", …";
    const size_t used = strlen(list), end = sizeof more - 1;
    if (used >= end && strcmp(list + used - end, more) == 0) return;
    if (used + 2 + strlen(name) + sizeof more > size)
        snprintf(list + used, size - used, "%s", used ? more : more + 2);
    else
        snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
}

/* ---- names of fields ---- */

static rows_name *find_name(row_file *file, const char *key, size_t size)
{
    for (rows_name *n = file->names; n < file->names + ROWS_FIELDS && n->key; n++)
        if (strlen(n->key) == size && memcmp(n->key, key, size) == 0) return n;
    return NULL;
}

static pm_status bad_fields(const row_file *file, const char *what, const char *part, size_t size)
{
    char known[160] = "";
    for (const rows_name *n = file->names; n < file->names + ROWS_FIELDS && n->key; n++)
        rows_list(known, sizeof known, n->key);
    return log_fail(file->log, PM_INVALID, "fields %.*s: %s; give KEY=NAME,… for one or more of %s",
                    (int)utf8_valid(part, size < 200 ? size : 200), part, what, known);
}

static pm_status read_fields(row_file *file, pm_task_kind kind, bool scores, const char *fields)
{
    enum { CLASSIFY_SCORES = PM_TASK_COUNT };
    static const char *const keys[PM_TASK_COUNT + 1][ROWS_FIELDS] = {
        [PM_TASK_CLASSIFY] = {"text", "label"},
        [PM_TASK_ENTAIL] = {"premise", "hypothesis", "label"},
        [PM_TASK_SIMILAR] = {"text_a", "text_b", "score", "label"},
        [PM_TASK_CHOICE] = {"passage", "question", "choices", "answer"},
        [CLASSIFY_SCORES] = {"text", "score"},
    };
    const int row = scores && kind == PM_TASK_CLASSIFY ? CLASSIFY_SCORES : (int)kind;
    for (int i = 0; i < ROWS_FIELDS; i++) file->names[i].key = keys[row][i];
    for (const char *at = fields, *end; at; at = *end ? end + 1 : NULL) {
        end = at + strcspn(at, ",");
        const size_t size = (size_t)(end - at), key = strcspn(at, "=,"), name = size > key ? size - key - 1 : 0;
        rows_name *n = find_name(file, at, key);
        if (name == 0) return bad_fields(file, "is not KEY=NAME", at, size);
        if (!n) return bad_fields(file, "the task has no such field", at, size);
        if (n->name[0]) return bad_fields(file, "is there twice", at, size);
        if (name >= ROWS_NAME_MAX) return bad_fields(file, "a name has up to 255 bytes", at, size);
        memcpy(n->name, at + key + 1, name);
    }
    return PM_OK;
}

pm_status task_fields_check(const pm_log *log, pm_task_kind kind, const char *fields)
{
    row_file file = {.log = log};
    return read_fields(&file, kind, false, fields);
}

static bool is_number_of_column(const char *name)
{
    return name[0] == '#' && name[1] && name[1 + strspn(name + 1, "0123456789")] == 0;
}

/* Whether columns are named by number, in a file without a header. */
static bool by_number(const row_file *file)
{
    for (int i = 0; i < ROWS_FIELDS; i++)
        if (is_number_of_column(file->names[i].name)) return true;
    return false;
}

/* A file has a header or none: numbers of columns do not go with names. */
static pm_status check_names(const row_file *file)
{
    const rows_name *name = NULL, *number = NULL;
    for (const rows_name *n = file->names; n < file->names + ROWS_FIELDS && n->key; n++) {
        for (const char *at = n->name, *end; *at; at = *end ? end + 1 : end) {
            char one[ROWS_NAME_MAX];
            end = at + (strcmp(n->key, "choices") == 0 ? strcspn(at, "+") : strlen(at));
            snprintf(one, sizeof one, "%.*s", (int)(end - at), at);
            if (is_number_of_column(one))
                number = n;
            else
                name = n;
        }
    }
    if (!name || !number) return PM_OK;
    return log_fail(file->log, PM_INVALID,
                    "fields %s=%s,%s=%s: a file with a header has names only, and one without has numbers only; name "
                    "all fields alike",
                    number->key, number->name, name->key, name->name);
}

/* ---- columns ---- */

/* A header that is a line of JSON. */
static bool is_json(const char *cell)
{
    cell += strspn(cell, "[ \t");
    return *cell == '{' && cell[1 + strspn(cell + 1, " \t")] == '"';
}

/* The first row is the header; without one, columns are called #1, #2, … */
static pm_status name_columns(row_file *file, bool numbered)
{
    const delimited *table = &file->table;
    if (!numbered && is_json(table->cells[0]))
        return rows_fail(file, "looks like JSON, not like a header of columns; the name of a file of JSON lines must "
                               "not end in .tsv or .csv");
    file->columns = calloc(table->count + 1, sizeof *file->columns);
    if (!file->columns) return no_memory(file);
    for (size_t i = 0; i < table->count; i++) {
        char number[24];
        snprintf(number, sizeof number, "#%zu", i + 1);
        file->columns[i] = copy_text(numbered ? number : table->cells[i]);
        if (!file->columns[i]) return no_memory(file);
        file->column_count++;
        const size_t length = strlen(file->columns[i]), shown = length < 100 ? length : 100;
        for (size_t k = 0; k < i; k++)
            if (length > 0 && strcmp(file->columns[i], file->columns[k]) == 0)
                return rows_fail(file, "the header has the column \"%.*s\" twice",
                                 (int)utf8_valid(file->columns[i], shown), file->columns[i]);
    }
    return PM_OK;
}

static pm_status next_cells(row_file *file, bool *more)
{
    const delimited *table = &file->table;
    const bool numbered = by_number(file);
    pm_status status = delimited_next(&file->table, more);
    file->line = table->line;
    if (status == PM_OK && *more && !file->columns) {
        status = name_columns(file, numbered);
        if (status == PM_OK && !numbered) status = delimited_next(&file->table, more);
        file->line = table->line;
    }
    if (status != PM_OK || !*more) return status;
    if (table->count != file->column_count)
        return rows_fail(file, "has %zu columns, %s %zu%s", table->count, numbered ? "the first line" : "the header",
                         file->column_count,
                         table->separator == '\t' ? "" : "; a cell with a comma or a line end in it needs quotes");
    file->row = file->cells = cJSON_CreateObject();
    for (size_t i = 0; i < table->count; i++)
        if (!cJSON_AddStringToObject(file->cells, file->columns[i], table->cells[i])) return no_memory(file);
    return PM_OK;
}

/* "A+B+C": choices that are fields of their own. */
static pm_status join_choices(row_file *file)
{
    const rows_name *name = find_name(file, "choices", 7);
    if (!name || !strchr(name->name, '+')) return PM_OK;
    file->choices = cJSON_CreateArray();
    for (const char *at = name->name, *end; at; at = *end ? end + 1 : NULL) {
        char one[ROWS_NAME_MAX];
        end = at + strcspn(at, "+");
        snprintf(one, sizeof one, "%.*s", (int)(end - at), at);
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(file->row, one);
        if (!item) return rows_missing(file, one);
        cJSON *copy = cJSON_Duplicate(item, 1);
        if (!copy || !cJSON_AddItemToArray(file->choices, copy)) {
            cJSON_Delete(copy);
            return no_memory(file);
        }
    }
    return PM_OK;
}

/* ---- rows ---- */

pm_status rows_open(const pm_log *log, const char *path, pm_task_kind kind, bool scores, const char *fields,
                    row_file *out)
{
    *out = (row_file){.log = log, .path = path, .typed = !delimited_separator(path)};
    pm_status status = read_fields(out, kind, scores, fields);
    if (status != PM_OK) return status;
    if (out->typed) return jsonl_open(log, path, &out->lines);
    status = check_names(out);
    return status == PM_OK ? delimited_open(log, path, &out->table) : status;
}

void rows_close(row_file *file)
{
    jsonl_close(&file->lines);
    delimited_close(&file->table);
    cJSON_Delete(file->cells);
    cJSON_Delete(file->choices);
    for (size_t i = 0; i < file->column_count; i++) free(file->columns[i]);
    free(file->columns);
    *file = (row_file){0};
}

pm_status rows_next(row_file *file, bool *more)
{
    pm_status status;
    cJSON_Delete(file->cells);
    cJSON_Delete(file->choices);
    file->cells = file->choices = NULL;
    if (file->typed) {
        status = jsonl_next(&file->lines, more);
        file->row = file->lines.object;
        file->line = file->lines.line;
    } else {
        status = next_cells(file, more);
        if (status == PM_OK && !*more && file->count == 0)
            return log_fail(file->log, PM_FORMAT, "%s: is empty; it needs %srows of columns", file->path,
                            by_number(file) ? "" : "a header and ");
    }
    if (status == PM_OK && *more) {
        file->count++;
        status = join_choices(file);
    }
    return status;
}

void rows_warn_header(const row_file *file)
{
    for (const rows_name *n = file->names; n < file->names + ROWS_FIELDS && n->key && by_number(file); n++) {
        const cJSON *cell = rows_get(file, n->key);
        const char *text = cJSON_GetStringValue(cell);
        size_t same = 0;
        while (text && text[same] && letter_small(text[same]) == n->key[same]) same++;
        if (!same || text[same] || n->key[same]) continue;
        log_line(file->log, PM_LOG_WARN,
                 "%s:%zu: this row has \"%s\" as its %s, as a header would, but is read as an example, because fields "
                 "have numbers; remove it, or give fields by its names",
                 file->path, file->line, text, n->key);
        return;
    }
}

bool rows_named(const row_file *file, const char *key)
{
    const rows_name *name = find_name((row_file *)file, key, strlen(key));
    return name && name->name[0];
}

const cJSON *rows_get(const row_file *file, const char *key)
{
    const rows_name *name = find_name((row_file *)file, key, strlen(key));
    if (file->choices && strcmp(key, "choices") == 0) return file->choices;
    return cJSON_GetObjectItemCaseSensitive(file->row, name && name->name[0] ? name->name : key);
}

pm_status rows_missing(const row_file *file, const char *key)
{
    const rows_name *name = find_name((row_file *)file, key, strlen(key));
    const bool named = name && name->name[0];
    char there[300] = "";
    const cJSON *item;
    cJSON_ArrayForEach(item, file->row)
    {
        char quoted[ROWS_NAME_MAX + 4];
        snprintf(quoted, sizeof quoted, "\"%.*s\"", ROWS_NAME_MAX, item->string);
        rows_list(there, sizeof there, quoted);
    }
    return rows_fail(file, "\"%s\" is missing; the %s has %s%s%s%s", named ? name->name : key,
                     file->typed ? "line" : "file", there[0] ? there : "no fields",
                     name && !named && there[0] ? "; fields " : "", name && !named && there[0] ? key : "",
                     !name || named || !there[0] ? ""
                     : file->typed               ? "=NAME tells which is meant"
                                                 : "=NAME, or =#1 without a header, tells which is meant");
}

pm_status rows_string(const row_file *file, const char *key, const char **out)
{
    const cJSON *v = rows_get(file, key);
    const rows_name *name = find_name((row_file *)file, key, strlen(key));
    const char *shown = name && name->name[0] ? name->name : key;
    if (!v) return rows_missing(file, key);
    if (!cJSON_IsString(v)) return rows_fail(file, "\"%s\" must be a string", shown);
    if (v->valuestring[strspn(v->valuestring, " \t\r\n\v\f")] == 0) return rows_fail(file, "\"%s\" is empty", shown);
    *out = v->valuestring;
    return PM_OK;
}
