/* What needs no operating system's own calls. */
#include "files.h"

#include <stdlib.h>
#include <string.h>

char *files_join(const char *dir, const char *name)
{
    const size_t length = strlen(dir);
    const bool slash = length > 0 && dir[length - 1] != '/' && dir[length - 1] != '\\';
    char *path = malloc(length + strlen(name) + 2);
    if (!path) return NULL;
    memcpy(path, dir, length + 1);
    strcat(path, slash ? "/" : "");
    return strcat(path, name);
}

bool files_has(const char *dir, const char *name)
{
    char *path = files_join(dir, name);
    const bool there = path && files_exist(path);
    free(path);
    return there;
}

bool files_list_add(files_list *list, const char *name, bool folder)
{
    files_entry *grown = realloc(list->entries, (list->count + 1) * sizeof *grown);
    if (!grown) return false;
    list->entries = grown;
    char *copy = malloc(strlen(name) + 1);
    if (!copy) return false;
    list->entries[list->count++] = (files_entry){strcpy(copy, name), folder};
    return true;
}

static int compare(const void *pa, const void *pb)
{
    const files_entry *a = pa, *b = pb;
    if (a->folder != b->folder) return a->folder ? -1 : 1;
    return strcmp(a->name, b->name);
}

void files_list_sort(files_list *list)
{
    if (list->count > 1) qsort(list->entries, list->count, sizeof *list->entries, compare);
}

void files_list_free(files_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->entries[i].name);
    free(list->entries);
    *list = (files_list){0};
}
