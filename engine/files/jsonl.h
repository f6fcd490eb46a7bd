/* Lines of JSON, one object each, with errors that name file and line. */
#ifndef FILES_JSONL_H
#define FILES_JSONL_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "files/file.h"

typedef struct jsonl {
    const pm_log *log;
    const char *path; /* the caller's */
    char *text;
    size_t size, at;
    size_t line;  /* of the object given last; 1 is the first */
    size_t count; /* lines that were not blank */
    cJSON *object;
} jsonl;

pm_status jsonl_open(const pm_log *log, const char *path, jsonl *out);
void jsonl_close(jsonl *file);

/* The next line's object, which lives until the next call; lines of white space are skipped. *more is false behind the last line. Fails where
 * there is none at all. */
pm_status jsonl_next(jsonl *file, bool *more);

#endif
