/* The text behind a path: a file, mapped where possible, or a folder's *.txt files joined in byte-wise name order. */
#ifndef DATA_CORPUS_TEXT_H
#define DATA_CORPUS_TEXT_H

#include "files/file.h"

/* One file of a folder, and where its bytes begin in the joined text. */
typedef struct text_part {
    char *path;
    size_t start;
} text_part;

typedef struct corpus_text {
    const char *data; /* size > 0 bytes, in map or in memory */
    size_t size;
    file_map map;
    char *memory;
    text_part *parts; /* of a folder; else NULL */
    size_t part_count;
} corpus_text;

/* Fails: PM_IO, PM_FORMAT (empty, or a folder without *.txt), PM_NO_HOST_MEMORY. */
pm_status corpus_text_open(const pm_log *log, const char *path, corpus_text *out);
void corpus_text_close(corpus_text *text);

/* The file that holds the text's byte *offset: `path` itself if it is a file. *offset becomes the offset in that file. */
const char *corpus_text_where(const corpus_text *text, const char *path, size_t *offset);

/* The byte behind a folder's file; with part 0, also behind the text of a file. */
size_t corpus_text_part_end(const corpus_text *text, size_t part);

/* What pm_text_foreign says of the first file that it names, with the file's path in *file; else NULL. */
const char *corpus_text_foreign(const corpus_text *text, const char *path, const char **file);

#endif
