#include "gpu/gpu_internal.h"

#include <stdlib.h>
#include <string.h>

#include "files/file.h"

pm_status gpu_kept_read(const pm_device *device, const char *path, char **data, size_t *size)
{
    const gpu_keeper *keeper = &device->keeper;
    const void *there = NULL;
    size_t count = 0;
    if (!keeper->load) return file_exists(path) ? file_read(NULL, path, data, size) : PM_NO_FILE;
    const pm_status status = keeper->load(keeper->user, path, &there, &count);
    if (status != PM_OK) return status;
    if (count && !there) return PM_IO;
    char *copy = count < SIZE_MAX ? malloc(count + 1) : NULL;
    if (!copy) return PM_NO_HOST_MEMORY;
    if (count) memcpy(copy, there, count);
    copy[count] = 0;
    *data = copy;
    *size = count;
    return PM_OK;
}

pm_status gpu_kept_write(const pm_device *device, const pm_log *log, const char *path, const void *data, size_t size)
{
    const gpu_keeper *keeper = &device->keeper;
    if (!keeper->store) {
        const pm_status status = file_make_dir_of(log, path);
        return status == PM_OK ? file_write(log, path, data, size) : status;
    }
    const pm_status answer = keeper->store(keeper->user, path, data, size);
    if (answer == PM_OK) return PM_OK;
    return log_fail(log, log_answer(answer), "gpu: %s: the program's function could not keep it: %s", path,
                    pm_status_text(log_answer(answer)));
}
