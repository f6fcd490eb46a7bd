/* Capabilities as plain numbers: lowering them, without Vulkan, so that tests can do it to faked ones. */
#ifndef GPU_CAPS_H
#define GPU_CAPS_H

#include <pumice/device.h>

/* Switch off the features that `names` lists ("bda,fused" or "all"; NULL and "": none). `origin` says in the error
 * line where the list comes from. Features that follow from others (fused) follow. Fails: PM_INVALID, naming the
 * unknown feature; caps keep their value. */
pm_status gpu_caps_disable(const pm_log *log, pm_caps *caps, const char *origin, const char *names);

/* Lower two limits; 0 and larger values change nothing. */
void gpu_caps_limit(pm_caps *caps, uint64_t max_buffer_range, uint64_t max_allocation);

/* Recompute what follows from other fields. */
void gpu_caps_derive(pm_caps *caps);

/* "bda serial timestamps", the features in use, cut to the size of `text`. */
void gpu_caps_features(const pm_caps *caps, char *text, size_t size);

#endif
