/* Checks a device's memory: reads return what was written, filled and copied. */
#ifndef CHECK_MEMORY_CHECK_H
#define CHECK_MEMORY_CHECK_H

#include "gpu/gpu.h"

/* *copies is the number of comparisons. `wrong` (size bytes) says what differed; "" where nothing did. Fails: as buffers and programs do. */
pm_status memory_check(pm_device *device, uint32_t *copies, char *wrong, size_t size);

#endif
