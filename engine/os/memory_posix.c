#define _POSIX_C_SOURCE 200809L
#include "os/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/file.h"

enum { TEXT_MAX = 1 << 14, PATH_SIZE = 4096 };

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t without(uint64_t limit, uint64_t used)
{
    return limit > used ? limit - used : 0;
}

/* Reads a small file and puts a 0 behind it. */
static bool read_text(const char *path, char text[TEXT_MAX])
{
    const int file = os_open(path, OS_READ);
    size_t used = 0;
    if (file < 0) return false;
    for (int64_t n; used + 1 < TEXT_MAX && (n = os_read(file, text + used, TEXT_MAX - 1 - used)) > 0;)
        used += (size_t)n;
    os_close(file);
    text[used] = 0;
    return used > 0;
}

/* ---- control groups ---- */

/* Where a version of control groups keeps its numbers. */
typedef struct layout {
    const char *folder; /* below the root */
    const char *limit, *used, *droppable;
} layout;

static const layout version1 = {"/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "\ntotal_inactive_file "};
static const layout version2 = {"", "memory.max", "memory.current", "\ninactive_file "};

static bool read_group(const char *root, const layout *l, const char *group, const char *name, char text[TEXT_MAX])
{
    char path[PATH_SIZE];
    const int n = snprintf(path, sizeof path, "%s%s%s/%s", root, l->folder, group, name);
    return n > 0 && n < PATH_SIZE && read_text(path, text);
}

/* Bytes left in one group; UINT64_MAX where it has no limit or cannot be read. */
static uint64_t group_left(const char *root, const layout *l, const char *group)
{
    char text[TEXT_MAX];
    if (!read_group(root, l, group, l->limit, text) || text[0] < '0' || text[0] > '9') return UINT64_MAX; /* "max" */
    const uint64_t limit = strtoull(text, NULL, 10);
    if (limit >= (uint64_t)1 << 62 || !read_group(root, l, group, l->used, text))
        return UINT64_MAX; /* version 1: none */
    uint64_t used = strtoull(text, NULL, 10);
    text[0] = '\n'; /* so that the first line begins like the others */
    char stat[TEXT_MAX];
    if (read_group(root, l, group, "memory.stat", stat)) {
        snprintf(text + 1, TEXT_MAX - 1, "%.*s", TEXT_MAX - 2, stat);
        const char *found = strstr(text, l->droppable);
        if (found) used = without(used, strtoull(found + strlen(l->droppable), NULL, 10));
    }
    return without(limit, used);
}

/* The least of the group and all above it. A container may see its own group at the root, under another name. */
static uint64_t path_left(const char *root, const layout *l, char *group)
{
    uint64_t left = UINT64_MAX;
    for (;;) {
        char *slash = strrchr(group, '/');
        left = least(left, group_left(root, l, group));
        if (!slash) return left;
        *slash = 0;
    }
}

uint64_t os_cgroup_left(const char *proc, const char *root)
{
    char text[TEXT_MAX], *rest;
    uint64_t left = UINT64_MAX;
    if (!read_text(proc, text)) return left;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        /* "0::/path", and of version 1 "4:memory:/path" */
        char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        const size_t length = strlen(group);
        if (length > 0 && group[length - 1] == '/') group[length - 1] = 0;
        if (names[1] == 0)
            left = least(left, path_left(root, &version2, group));
        else if (strcmp(names + 1, "memory") == 0)
            left = least(left, path_left(root, &version1, group));
    }
    return left;
}

/* ---- resource limits ---- */

static uint64_t limit_left(int which, uint64_t used)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return without((uint64_t)limit.rlim_cur, used);
}

uint64_t os_memory_left(void)
{
    unsigned long long all = 0, data = 0;
    char text[TEXT_MAX];
    if (read_text("/proc/self/statm", text)) { /* pages: size resident shared text lib data dirty */
        char *at = text;
        all = strtoull(at, &at, 10);
        for (int i = 0; i < 5; i++) data = strtoull(at, &at, 10);
    }
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t left = least(limit_left(RLIMIT_AS, all * page), limit_left(RLIMIT_DATA, data * page));
    return least(left, os_cgroup_left("/proc/self/cgroup", "/sys/fs/cgroup"));
}
