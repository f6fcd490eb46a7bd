/* Features that drivers report but compute wrongly, a row each, with its source. `pumice doctor` finds unknown ones (faults.c). */
#include "gpu/caps.h"
#include "gpu/gpu.h"

#include <stddef.h>

#include "base/log.h"

typedef struct quirk {
    uint32_t vendor_id; /* PCI id, or Khronos' */
    pm_device_type type;
    bool gpu_kernels; /* only where GPU kernels run on a software driver: without `serial` */
    size_t off;       /* the feature to switch off: offset of its field in pm_caps */
    const char *fault, *source;
} quirk;

#define OFF(feature) offsetof(pm_caps, feature)

static const quirk quirks[] = {
    {VENDOR_GOOGLE, PM_DEVICE_CPU, true, OFF(bda),
     "SwiftShader: a 128-bit access through a buffer's address becomes an illegal instruction",
     "the SwiftShader of Chromium 156, x86-64: test_ops with PUMICE_DISABLE=serial ends by SIGILL, with "
     "serial,bda it passes"},
};

void gpu_quirks_apply(const pm_log *log, pm_caps *caps, uint32_t vendor_id)
{
    for (size_t i = 0; i < sizeof quirks / sizeof *quirks; i++) {
        const quirk *q = &quirks[i];
        const bool here = vendor_id == q->vendor_id && caps->type == q->type && !(q->gpu_kernels && caps->serial);
        bool *feature = (bool *)((char *)caps + q->off);
        if (!here || !*feature) continue;
        *feature = false;
        log_line(log, PM_LOG_INFO, "gpu: a feature is done without. %s (%s)", q->fault, q->source);
    }
}
