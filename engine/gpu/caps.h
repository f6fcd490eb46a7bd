/* Capabilities as plain numbers: lowering them, without Vulkan, so that tests can do it to faked ones. */
#ifndef GPU_CAPS_H
#define GPU_CAPS_H

#include <pumice/device.h>

/* Lower two limits; 0 and larger values change nothing. */
void gpu_caps_limit(pm_caps *caps, uint64_t max_buffer_range, uint64_t max_allocation);

/* Without what the driver is known to get wrong: quirks.c. `vendor_id`: its own, where caps play another part. Tells the log. */
void gpu_quirks_apply(const pm_log *log, pm_caps *caps, uint32_t vendor_id);

/* Recompute what follows from other fields. */
void gpu_caps_derive(pm_caps *caps);

/* "bda serial timestamps", the features in use, cut to the size of `text`. */
void gpu_caps_features(const pm_caps *caps, char *text, size_t size);

#endif
