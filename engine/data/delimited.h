/* Files of columns: TSV as GLUE has it, without quoting; CSV by RFC 4180, where a quoted cell may hold commas, quotes and line ends. */
#ifndef DATA_DELIMITED_H
#define DATA_DELIMITED_H

#include <stdbool.h>

#include "files/file.h"

typedef struct delimited {
    const pm_log *log;
    const char *path; /* the caller's */
    char *text;
    size_t size, at;
    char separator;
    size_t line, next_line; /* where the present row begins, from 1; where the next one does */
    char **cells;           /* [count] of the present row, in `text` */
    size_t count, capacity;
} delimited;

/* '\t' or ',' where the file's name ends with .tsv or .csv, in any case; 0 for other names. A file below /dev, such as a pipe's copy, has no such name:
 * its first line decides. */
char delimited_separator(const char *path);

/* Fails: PM_IO; PM_FORMAT for UTF-16, and where the text holds U+0000 or its lines end in CR alone. */
pm_status delimited_open(const pm_log *log, const char *path, delimited *out);
void delimited_close(delimited *file);

/* The next row's cells, which live until the file is closed; lines of white space are skipped. *more is false behind the last row. Fails:
 * PM_FORMAT for quotes that do not match. */
pm_status delimited_next(delimited *file, bool *more);

#endif
