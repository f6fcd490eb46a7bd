/* A list of choices and its file: a line that says whose it is, with a hash of what follows; then "choice key", a line each. */
#include "gpu/gpu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define BUILD " build "

enum { SEAL_BYTES = 22 }; /* " hash " and 16 digits */

static void seal_of(const char *body, size_t size, char seal[SEAL_BYTES + 1])
{
    snprintf(seal, SEAL_BYTES + 1, " hash %016llx", (unsigned long long)hash_bytes(HASH_INIT, body, size));
}

gpu_choice *gpu_list_find(const gpu_choice_list *list, const char *key)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->all[i].key, key) == 0) return &list->all[i];
    return NULL;
}

pm_status gpu_list_set(pm_device *device, gpu_choice_list *list, const char *key, uint32_t choice)
{
    gpu_choice *there = gpu_list_find(list, key);
    if (there) {
        there->choice = choice;
        return PM_OK;
    }
    gpu_choice *more = realloc(list->all, (list->count + 1) * sizeof *more);
    if (!more) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for another choice");
    list->all = more;
    gpu_choice *last = &more[list->count++];
    *last = (gpu_choice){.choice = choice};
    snprintf(last->key, sizeof last->key, "%s", key);
    return PM_OK;
}

/* One "choice key" a line; PM_FORMAT, without a line of the log, where there is anything else. */
static pm_status read_body(pm_device *device, char *body, gpu_choice_list *list)
{
    for (char *line = body, *end; *line; line = end + 1) {
        char *key;
        end = strchr(line, '\n');
        if (!end) return PM_FORMAT;
        *end = 0;
        unsigned long choice = strtoul(line, &key, 10);
        if (key == line || *key != ' ' || strlen(key + 1) >= GPU_CHOICE_KEY || choice == 0 || choice > UINT16_MAX)
            return PM_FORMAT;
        pm_status status = gpu_list_set(device, list, key + 1, (uint32_t)choice);
        if (status != PM_OK) return status;
    }
    return PM_OK;
}

/* What keeps a file from being used, or NULL. The file's name is of the device and the driver: only the build may be another one, and with
 * `any_build` that is none. */
static const char *fault_of(const char *file, size_t size, const char *head, bool any_build, size_t *body)
{
    static const char damaged[] = "is damaged";
    char seal[SEAL_BYTES + 1];
    const char *end = memchr(file, '\n', size), *build = strstr(head, BUILD);
    if (!end) return damaged;
    *body = (size_t)(end - file) + 1;
    const size_t line = *body - 1, length = strlen(head),
                 same = build ? (size_t)(build - head) + strlen(BUILD) : length;
    seal_of(file + *body, size - *body, seal);
    if (line != length + SEAL_BYTES || memcmp(file + length, seal, SEAL_BYTES) != 0 || memcmp(file, head, same) != 0)
        return damaged;
    return any_build || memcmp(file, head, length) == 0 ? NULL : "is of another build of Pumice";
}

pm_status gpu_list_read(pm_device *device, gpu_choice_list *list, const char *path, const char *head, bool any_build,
                        const char **fault)
{
    char *file = NULL;
    size_t size = 0, body = 0;
    *fault = NULL;
    if (!path) return PM_OK;
    pm_status status = gpu_kept_read(device, path, &file, &size);
    if (status == PM_NO_FILE) return PM_OK;
    if (status == PM_NO_HOST_MEMORY) return log_fail(&device->log, status, "gpu: %s: no memory", path);
    *fault = status == PM_OK ? fault_of(file, size, head, any_build, &body) : "cannot be read";
    status = *fault ? PM_OK : read_body(device, file + body, list);
    if (status == PM_FORMAT) {
        *fault = "is damaged";
        status = PM_OK;
    }
    if (*fault) list->count = 0;
    free(file);
    return status;
}

pm_status gpu_list_write(pm_device *device, const gpu_choice_list *list, const char *head)
{
    const size_t before = strlen(head) + SEAL_BYTES + 1, room = before + (size_t)list->count * (GPU_CHOICE_KEY + 8) + 1;
    char *text = malloc(room), seal[SEAL_BYTES + 1];
    if (!text) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: %s: no memory to write it", list->path);
    size_t size = before;
    for (uint32_t i = 0; i < list->count; i++)
        if (list->all[i].choice)
            size +=
                (size_t)snprintf(text + size, room - size, "%u %s\n", (unsigned)list->all[i].choice, list->all[i].key);
    seal_of(text + before, size - before, seal);
    memcpy(text, head, strlen(head));
    memcpy(text + strlen(head), seal, SEAL_BYTES);
    text[before - 1] = '\n';
    const pm_status status = gpu_kept_write(device, &device->log, list->path, text, size);
    free(text);
    return status;
}

void gpu_list_close(gpu_choice_list *list)
{
    free(list->all);
    free(list->path);
    *list = (gpu_choice_list){0};
}
