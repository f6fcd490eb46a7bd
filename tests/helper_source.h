/* A folder's files in memory, and given out by functions that count their calls, fail where the test wants it, and lie. */
#ifndef HELPER_SOURCE_H
#define HELPER_SOURCE_H

#include <stdbool.h>

#include <pumice/source.h>

enum { ARCHIVE_MOST = 16 };

typedef struct archive {
    pm_memory_file files[ARCHIVE_MOST];
    size_t count;
    bool with_view;        /* give a view of each file */
    size_t calls, fail_at; /* of open and read; the one that fails, from 1; 0: none */
    pm_status answer;      /* its answer */
    const char *lied;      /* a file whose size is told as `told` */
    uint64_t told;
    bool endless;           /* bytes beyond its end are zeros, not a failure */
    size_t largest, copied; /* the largest read, bytes of all */
    int opened;             /* files that are open */
    pm_source by_functions; /* named "archive" */
    pm_source in_memory;    /* named "memory" */
} archive;

/* Reads all files of a folder. The archive must stay where it is. */
void archive_make(archive *a, const char *dir);
void archive_free(archive *a);
/* The file; the test fails where it is not there. */
pm_memory_file *archive_file(archive *a, const char *name);
/* Takes it out. */
void archive_drop(archive *a, const char *name);
/* The three ways to the same files. */
typedef enum way { WAY_MEMORY, WAY_READ, WAY_VIEW, WAYS } way;
const pm_source *archive_source(archive *a, way w);

/* Folders of all kinds of tokenizers that are read, from 0: makes one in `root`. Its name is the caller's to free. */
enum { ARCHIVE_TOKENIZERS = 6 };
char *archive_tokenizer(const char *root, int kind);
/* The text that they know. */
extern const char archive_text[];

/* Starts counting anew. */
void archive_count(archive *a, size_t fail_at, pm_status answer);

#endif
