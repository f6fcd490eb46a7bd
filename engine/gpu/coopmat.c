/* The sizes of matrices that a device's matrix units take. */
#include "gpu/coopmat.h"
#include "gpu/gpu_internal.h"

#include <stdlib.h>

#include "base/log.h"
#include "push.h"

typedef VkResult(VKAPI_PTR *get_properties)(VkPhysicalDevice, uint32_t *, coopmat_properties *);

/* matmul_coop.comp's slices are at most MATMUL_COOP_DEPTH of k deep and read in eights. */
static bool suits(const coopmat_properties *p)
{
    return p->AType == COOPMAT_FLOAT16 && p->BType == COOPMAT_FLOAT16 && p->CType == COOPMAT_FLOAT32 &&
           p->ResultType == COOPMAT_FLOAT32 && !p->saturatingAccumulation && p->scope == COOPMAT_SUBGROUP &&
           p->MSize % 8 == 0 && p->NSize % 8 == 0 && p->KSize % 8 == 0 && p->MSize <= 16 && p->NSize <= 16 &&
           MATMUL_COOP_DEPTH % p->KSize == 0;
}

pm_status gpu_coopmat_read(const gpu_instance *instance, VkPhysicalDevice physical, pm_caps *caps)
{
    get_properties get =
        (get_properties)instance->get(instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    uint32_t count = 0;
    if (!get || get(physical, &count, NULL) != VK_SUCCESS || count == 0) return PM_OK;
    coopmat_properties *all = calloc(count, sizeof *all);
    if (!all) return log_fail(instance->log, PM_NO_HOST_MEMORY, "gpu: no memory for %u sizes of matrices", count);
    for (uint32_t i = 0; i < count; i++) all[i].sType = COOPMAT_PROPERTIES_TYPE;
    if (get(physical, &count, all) >= VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++) {
            const coopmat_properties *p = &all[i];
            if (!suits(p) || p->MSize * p->NSize * p->KSize <= caps->coopmat_m * caps->coopmat_n * caps->coopmat_k)
                continue;
            caps->coopmat_m = p->MSize;
            caps->coopmat_n = p->NSize;
            caps->coopmat_k = p->KSize;
        }
    free(all);
    /* Intel's units work in the narrowest subgroups, 8 or 16. Wider subgroups have too few registers. */
    caps->coopmat_subgroup = caps->vendor_id == VENDOR_INTEL ? caps->subgroup_min : caps->subgroup_size;
    return PM_OK;
}
