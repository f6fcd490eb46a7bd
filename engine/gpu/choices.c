/* What `pumice tune` measured on this device with this driver and this build: which of several ways to take. A text file beside the pipeline
 * cache: a line that says whose it is, with a hash of what follows; then "choice key", a line each. One that does not match is told of, not
 * used, and replaced when something is stored again. */
#include "gpu/gpu_internal.h"
#include "gpu/spirv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"

enum { CHOICES_FORMAT = 1, HEAD_MAX = 160 };

/* The first line. A build counts as another where a kernel has another name or size. */
static void head_of(const pm_device *device, const char *body, size_t size, char head[HEAD_MAX])
{
    uint64_t build = HASH_INIT;
    for (int k = 0; k < KERNEL_COUNT; k++) {
        const char *name = gpu_kernel_name((kernel_id)k);
        size_t count;
        gpu_kernel_words((kernel_id)k, true, &count);
        build = hash_bytes(hash_bytes(build, name, strlen(name)), &count, sizeof count);
    }
    uint64_t driver = hash_bytes(HASH_INIT, device->caps.pipeline_uuid, sizeof device->caps.pipeline_uuid);
    snprintf(head, HEAD_MAX, "pumice-tuning %d device %04x:%04x driver %08x-%016llx build %016llx hash %016llx\n",
             CHOICES_FORMAT, device->caps.vendor_id, device->caps.device_id, device->caps.driver_version,
             (unsigned long long)driver, (unsigned long long)build,
             (unsigned long long)hash_bytes(HASH_INIT, body, size));
}

static gpu_choice *find(const pm_device *device, const char *key)
{
    for (uint32_t i = 0; i < device->choice_count; i++)
        if (strcmp(device->choices[i].key, key) == 0) return &device->choices[i];
    return NULL;
}

uint32_t gpu_chosen(const gpu_program *program, const char *key)
{
    const gpu_choice *found = find(program->device, key);
    return found ? found->choice : 0;
}

pm_status gpu_choice_set(pm_device *device, const char *key, uint32_t choice)
{
    gpu_choice *there = find(device, key);
    if (there) {
        there->choice = choice;
        return PM_OK;
    }
    gpu_choice *more = realloc(device->choices, (device->choice_count + 1) * sizeof *more);
    if (!more) return log_fail(&device->log, PM_NO_HOST_MEMORY, "gpu: no memory for another tuned choice");
    device->choices = more;
    gpu_choice *last = &more[device->choice_count++];
    *last = (gpu_choice){.choice = choice};
    snprintf(last->key, sizeof last->key, "%s", key);
    return PM_OK;
}

/* One "choice key" a line; PM_FORMAT, without a line of the log, where there is anything else. */
static pm_status read_body(pm_device *device, char *body)
{
    for (char *line = body, *end; *line; line = end + 1) {
        char *key;
        end = strchr(line, '\n');
        if (!end) return PM_FORMAT;
        *end = 0;
        unsigned long choice = strtoul(line, &key, 10);
        if (key == line || *key != ' ' || strlen(key + 1) >= GPU_CHOICE_KEY || choice == 0 || choice > UINT16_MAX)
            return PM_FORMAT;
        pm_status status = gpu_choice_set(device, key + 1, (uint32_t)choice);
        if (status != PM_OK) return status;
    }
    return PM_OK;
}

/* PM_FORMAT, with *fault telling what keeps the choices from being used. The file's name is of the device and the driver: only the build may be
 * another one. */
static pm_status take_choices(pm_device *device, char *file, size_t size, const char **fault)
{
    static const char build[] = " build ";
    char head[HEAD_MAX];
    char *body = strchr(file, '\n');
    body = body ? body + 1 : file + size;
    const size_t first = (size_t)(body - file);
    head_of(device, body, size - first, head);
    const char *at = strstr(head, build);
    const size_t same = (size_t)(at - head) + sizeof build - 1, end = same + strcspn(at + sizeof build - 1, " ");
    *fault = "is damaged";
    if (strlen(head) != first || memcmp(file, head, same) != 0) return PM_FORMAT;
    if (memcmp(file + end, head + end, first - end) != 0) return PM_FORMAT;
    if (memcmp(file, head, first) != 0) {
        *fault = "is of another build";
        return PM_FORMAT;
    }
    return read_body(device, body);
}

pm_status gpu_choices_open(pm_device *device)
{
    char *file = NULL;
    size_t size = 0;
    const char *fault = "cannot be read";
    if (!device->choices_path || !file_exists(device->choices_path)) return PM_OK;
    pm_status status = file_read(NULL, device->choices_path, &file, &size);
    if (status == PM_NO_HOST_MEMORY) return log_fail(&device->log, status, "gpu: %s: no memory", device->choices_path);
    if (status == PM_OK) status = take_choices(device, file, size, &fault);
    if (status == PM_OK) {
        log_line(&device->log, PM_LOG_DEBUG, "gpu: %s: %u tuned choices read", device->choices_path,
                 (unsigned)device->choice_count);
    } else if (status != PM_NO_HOST_MEMORY) { /* gpu_choice has told of that */
        log_line(&device->log, PM_LOG_WARN,
                 "gpu: %s: what was tuned %s; the usual kernels are taken until pumice tune runs again",
                 device->choices_path, fault);
        device->choice_count = 0;
        status = PM_OK;
    }
    free(file);
    return status;
}

void gpu_choices_close(pm_device *device)
{
    free(device->choices);
    free(device->choices_path);
    device->choices = NULL;
    device->choices_path = NULL;
    device->choice_count = 0;
}

void gpu_choices_forget(pm_device *device)
{
    for (uint32_t i = 0; i < device->choice_count; i++)
        if (!gpu_is_fault(&device->choices[i])) device->choices[i].choice = 0;
}

bool gpu_choices_kept(const pm_device *device)
{
    return device->choices_path != NULL;
}

pm_status gpu_choices_save(pm_device *device)
{
    if (!device->choices_path)
        return log_fail(&device->log, PM_INVALID,
                        "autotune: there is no cache folder to keep the choices in (PUMICE_CACHE_DIR)");
    size_t room = HEAD_MAX + (size_t)device->choice_count * (GPU_CHOICE_KEY + 8), size = 0;
    char *text = malloc(room), *body, head[HEAD_MAX];
    if (!text) return log_fail(&device->log, PM_NO_HOST_MEMORY, "autotune: no memory for the file");
    body = text + HEAD_MAX;
    for (uint32_t i = 0; i < device->choice_count; i++)
        if (device->choices[i].choice)
            size += (size_t)snprintf(body + size, room - HEAD_MAX - size, "%u %s\n",
                                     (unsigned)device->choices[i].choice, device->choices[i].key);
    head_of(device, body, size, head);
    char *start = body - strlen(head);
    memcpy(start, head, strlen(head));
    pm_status status = file_make_dir_of(&device->log, device->choices_path);
    if (status == PM_OK) status = file_write(&device->log, device->choices_path, start, strlen(head) + size);
    free(text);
    return status;
}
