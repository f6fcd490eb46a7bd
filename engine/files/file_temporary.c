/* Temporary files are named TARGET.tmp-PID-MARK-NUMBER and locked by their writer. An unlocked one was left by a killed program, and is
 * removed. */
#include "files/file_temporary.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "files/file.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/path.h"

enum { NAME_TRIES = 100 };

static void remove_if_left(const char *folder, const char *name)
{
    os_info info;
    char *path = file_join(folder, name);
    const int file = path ? os_open(path, OS_CHANGE) : -1;
    if (file >= 0) {
        if (os_stat_file(file, &info) && info.kind == OS_FILE && os_try_lock(file) == OS_LOCKED) (void)os_remove(path);
        os_close(file);
    }
    free(path);
}

/* All of the target's temporary files begin with `prefix`, those of this process with `own`. These are skipped: a process does not see its own
 * locks, and closing a file drops them. */
static void remove_left(const char *prefix, const char *own)
{
    const char *slash = os_last_separator(prefix), *name;
    const size_t cut = slash ? (size_t)(slash - prefix) + 1 : 0;
    char *path = cut ? copy_part(prefix, cut) : copy_text(".");
    os_folder *folder = path ? os_folder_open(path) : NULL;
    const char *any = prefix + cut, *ours = own + cut;
    while (folder && (name = os_folder_next(folder)) != NULL)
        if (strncmp(name, any, strlen(any)) == 0 && strncmp(name, ours, strlen(ours)) != 0) remove_if_left(path, name);
    if (folder) os_folder_close(folder);
    free(path);
}

/* Makes the file and locks it. EEXIST: try another name. Before the lock, another writer may take the file for a leftover. */
static int open_locked(const char *name)
{
    os_info info;
    const int file = os_open(name, OS_NEW);
    if (file < 0) return -1;
    const bool taken = os_try_lock(file) == OS_LOCK_TAKEN || (os_stat_file(file, &info) && info.links == 0);
    if (!taken) return file;
    os_close(file);
    errno = EEXIST;
    return -1;
}

int file_temporary_open(const char *target, char *name, size_t room)
{
    char prefix[FILE_TEMPORARY_ROOM];
    snprintf(prefix, sizeof prefix, ".tmp-%ld-%08x-", (long)os_process_id(), os_process_mark());
    char *any = malloc(room);
    if (!any) {
        errno = ENOMEM;
        return -1;
    }
    snprintf(any, room, "%s.tmp-", target);
    snprintf(name, room, "%s%s", target, prefix);
    remove_left(any, name);
    free(any);
    int file = -1;
    for (int i = 0; i < NAME_TRIES && file < 0; i++) {
        snprintf(name, room, "%s%s%u", target, prefix, os_next_number());
        file = open_locked(name);
        if (file < 0 && errno != EEXIST) break;
    }
    return file;
}
