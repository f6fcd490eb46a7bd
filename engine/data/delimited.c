#include "data/delimited.h"

#include <stdlib.h>
#include <string.h>

#include <pumice/text.h>

#include "base/number.h"
#include "files/file.h"
#include "files/foreign.h"

enum { MOST_COLUMNS = 10000 };

/* By the first line, of which the head is enough. What is not a regular file is not looked at, since it can be read only once. */
static char guess(const char *path)
{
    char head[4096];
    size_t size = 0;
    if (!file_peek(path, head, sizeof head - 1, &size)) return 0;
    head[size] = 0;
    const char *first = head + text_mark(head, size);
    first += strspn(first, " \t\r\n");
    const size_t length = strcspn(first, "\n");
    if (*first == '{' || *first == '[') return 0;
    return memchr(first, '\t', length) ? '\t' : memchr(first, ',', length) ? ',' : 0;
}

char delimited_separator(const char *path)
{
    if (strncmp(path, "/dev/", 5) == 0)
        return guess(path); /* a pipe's copy, or standard input: a name without an ending */
    const size_t size = strlen(path);
    if (size < 4 || path[size - 4] != '.') return 0;
    char end[3];
    for (size_t i = 0; i < 3; i++) end[i] = letter_small(path[size - 3 + i]);
    return memcmp(end, "tsv", 3) == 0 ? '\t' : memcmp(end, "csv", 3) == 0 ? ',' : 0;
}

/* Whether lines end in CR alone, as on a Mac before 2001: within a quoted cell it ends none. */
static bool has_cr_lines(const delimited *file)
{
    bool quoted = false;
    if (memchr(file->text, '\n', file->size)) return false;
    for (const char *c = file->text; *c; c++) {
        if (*c == '"' && file->separator == ',') quoted = !quoted;
        if (*c == '\r' && !quoted && c[strspn(c, " \t\r")]) return true;
    }
    return false;
}

pm_status delimited_open(const pm_log *log, const char *path, delimited *out)
{
    delimited f = {.log = log, .path = path, .separator = delimited_separator(path), .next_line = 1};
    pm_status status = file_read(log, path, &f.text, &f.size);
    if (status != PM_OK) return status;
    const char *foreign = pm_text_foreign(f.text, f.size, false);
    if (foreign) {
        status = log_fail(log, PM_FORMAT, "%s: %s", path, foreign);
    } else if (memchr(f.text, 0, f.size)) {
        size_t line = 1;
        for (const char *c = f.text; *c; c++) line += *c == '\n';
        status = log_fail(log, PM_FORMAT, "%s:%zu: holds U+0000, which is not text", path, line);
    } else if (has_cr_lines(&f)) {
        status = log_fail(log, PM_FORMAT, "%s: its lines end in CR alone; save it with LF or CRLF line ends", path);
    }
    f.at = text_mark(f.text, f.size);
    if (status == PM_OK)
        *out = f;
    else
        free(f.text);
    return status;
}

void delimited_close(delimited *file)
{
    free(file->text);
    free(file->cells);
    *file = (delimited){0};
}

/* Lines of white space. A line of tabs in TSV is a row of empty cells. */
static void skip_blank_lines(delimited *file)
{
    const char *blanks = file->separator == '\t' ? " \r\v\f" : " \t\r\v\f";
    for (;;) {
        const size_t end = file->at + strspn(file->text + file->at, blanks);
        if (file->text[end] == 0) file->at = file->size;
        if (file->text[end] != '\n') return;
        file->at = end + 1;
        file->next_line++;
    }
}

static pm_status add_cell(delimited *file, char *cell)
{
    if (file->count == MOST_COLUMNS)
        return log_fail(file->log, PM_FORMAT, "%s:%zu: more than %d columns", file->path, file->line, MOST_COLUMNS);
    if (file->count == file->capacity) {
        const size_t wanted = file->capacity ? 2 * file->capacity : 16;
        char **more = realloc(file->cells, wanted * sizeof *more);
        if (!more) return log_fail(file->log, PM_NO_HOST_MEMORY, "%s: out of memory for a row", file->path);
        file->cells = more;
        file->capacity = wanted;
    }
    file->cells[file->count++] = cell;
    return PM_OK;
}

/* The quoted cell that begins at text[at], unquoted in place. Returns what follows it, or NULL where no quote ends it. */
static char *unquote(delimited *file)
{
    char *to = file->text + file->at, *from = to + 1, *end = file->text + file->size;
    for (; from < end; from++) {
        if (*from == '"' && from[1] != '"') {
            *to = 0;
            return from + 1;
        }
        if (*from == '"') from++;
        file->next_line += *from == '\n';
        *to++ = *from;
    }
    return NULL;
}

pm_status delimited_next(delimited *file, bool *more)
{
    file->count = 0;
    skip_blank_lines(file);
    file->line = file->next_line;
    *more = file->at < file->size;
    for (bool last = !*more; !last;) {
        char *cell = file->text + file->at, *end;
        if (file->separator == ',' && *cell == '"') {
            end = unquote(file);
            if (!end)
                return log_fail(file->log, PM_FORMAT, "%s:%zu: a quote in this row has no end", file->path, file->line);
            if (*end == '\r' && (end[1] == '\n' || !end[1])) end++;
            if (*end && *end != ',' && *end != '\n')
                return log_fail(file->log, PM_FORMAT,
                                "%s:%zu: text stands behind a quoted cell; a quote within one must be doubled",
                                file->path, file->next_line);
        } else {
            const char stops[] = {file->separator, '\n', 0};
            end = cell + strcspn(cell, stops);
            if (end > cell && end[-1] == '\r' && *end != file->separator) end[-1] = 0;
        }
        last = *end != file->separator;
        file->next_line += *end == '\n';
        file->at = (size_t)(end - file->text) + (*end != 0);
        *end = 0;
        pm_status status = add_cell(file, cell);
        if (status != PM_OK) return status;
    }
    return PM_OK;
}
