/* Files and folders. Paths are UTF-8. */
#ifndef STUDIO_FILES_H
#define STUDIO_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* A whole file, with a 0 behind it, malloc'd. NULL: it is not there or cannot be read. */
char *files_read(const char *path, size_t *size);
/* Writes a file at once or not at all. */
bool files_write(const char *path, const void *data, size_t size);
bool files_remove(const char *path);
bool files_exist(const char *path);
bool files_is_folder(const char *path);
/* Makes a folder and those above it. */
bool files_make_folder(const char *path);

/* DIR/NAME in malloc'd memory; NULL without memory. */
char *files_join(const char *dir, const char *name);
bool files_has(const char *dir, const char *name);

/* What is in a folder, folders first, in name order; hidden names are left out. Free it with files_list_free. */
typedef struct files_entry {
    char *name;
    bool folder;
} files_entry;
typedef struct files_list {
    files_entry *entries;
    size_t count;
} files_list;
bool files_list_make(const char *dir, files_list *out);
void files_list_free(files_list *list);
bool files_list_add(files_list *list, const char *name, bool folder);
void files_list_sort(files_list *list);

/* The folder for settings of the user's programs; NULL: none is known. */
char *files_config_folder(void);
/* The current folder; NULL on failure. */
char *files_here(void);

/* A variable of the environment, malloc'd; NULL: it is not set. */
char *files_variable(const char *name);

/* The command line in UTF-8. */
void files_arguments(int *argc, char ***argv);

#endif
