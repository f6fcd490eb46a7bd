/* A task's file row by row: JSON lines, TSV or CSV; and what the file calls the fields. */
#ifndef DATA_ROWS_H
#define DATA_ROWS_H

#include <pumice/task.h>

#include "data/delimited.h"
#include "files/jsonl.h"

enum { ROWS_FIELDS = 6, ROWS_NAME_MAX = 256 };

/* What a file calls a field of the task. */
typedef struct rows_name {
    const char *key;          /* the task's name */
    char name[ROWS_NAME_MAX]; /* the file's; empty: the same */
} rows_name;

typedef struct row_file {
    const pm_log *log;
    const char *path; /* the caller's */
    bool typed;       /* JSON, where numbers differ from text; in columns everything is text */
    size_t line;      /* of the present row */
    const cJSON *row; /* its fields by the file's names */
    rows_name names[ROWS_FIELDS];
    /* ---- of one form only ---- */
    jsonl lines;
    delimited table;
    cJSON *cells;   /* the present row of a table */
    cJSON *choices; /* where they are several fields */
    char **columns; /* [column_count] the header's names */
    size_t column_count, count;
} row_file;

/* scores: a classifier's field is a score in place of a label. fields: as pm_task_learn takes them. Fails: PM_INVALID for bad `fields`; PM_IO, PM_FORMAT. */
pm_status rows_open(const pm_log *log, const char *path, pm_task_kind kind, bool scores, const char *fields,
                    row_file *out);
void rows_close(row_file *file);

/* The next row; *more is false behind the last one. Fails where there is none at all. */
pm_status rows_next(row_file *file, bool *more);

/* Warns where the present row, the first, looks like a header and is none, because columns are named by number. */
void rows_warn_header(const row_file *file);

/* "path:line: …" */
pm_status rows_fail(const row_file *file, const char *format, ...) PM_PRINTF(2, 3);
/* Fails for a missing field; the line names the row's fields. */
pm_status rows_missing(const row_file *file, const char *key);

/* A field by the task's name for it; NULL where the row has none. "choices" may join several fields. */
const cJSON *rows_get(const row_file *file, const char *key);
/* A field that must be text, and more than white space. */
pm_status rows_string(const row_file *file, const char *key, const char **out);
/* Whether `fields` renames it. */
bool rows_named(const row_file *file, const char *key);

/* Appends `name` to a comma-separated list; "…" where `name` and a later "…" would not fit. */
void rows_list(char *list, size_t size, const char *name);

#endif
