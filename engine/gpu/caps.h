/* Lowers capabilities. It needs no Vulkan, so that tests can lower invented devices. */
#ifndef GPU_CAPS_H
#define GPU_CAPS_H

#include <pumice/device.h>

/* Lower two limits; 0 and larger values change nothing. */
void gpu_caps_limit(pm_caps *caps, uint64_t max_buffer_range, uint64_t max_allocation);

/* Switches off what the driver is known to compute wrongly (quirks.c), and logs it. `vendor_id` is the real device's, not a preset's. */
void gpu_quirks_apply(const pm_log *log, pm_caps *caps, uint32_t vendor_id);

/* Recomputes the fields that follow from others, and what the host leaves of its memory. */
void gpu_caps_derive(pm_caps *caps);

/* Differs where kernels may be chosen or measured otherwise: what varies from run to run, such as free memory, is none of it. */
uint64_t gpu_caps_hash(const pm_caps *caps);

/* "bda serial timestamps", the features in use, cut to the size of `text`. */
void gpu_caps_features(const pm_caps *caps, char *text, size_t size);

#endif
