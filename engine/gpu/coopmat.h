/* VK_KHR_cooperative_matrix as its specification has it, for headers older than the extension (Vulkan 1.3.255). */
#ifndef GPU_COOPMAT_H
#define GPU_COOPMAT_H

#include <volk.h>

#include <pumice/device.h>

#define COOPMAT_EXTENSION "VK_KHR_cooperative_matrix"
#define COOPMAT_FEATURES_TYPE ((VkStructureType)1000506000)
#define COOPMAT_PROPERTIES_TYPE ((VkStructureType)1000506001)

typedef struct coopmat_features { /* VkPhysicalDeviceCooperativeMatrixFeaturesKHR */
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrix, cooperativeMatrixRobustBufferAccess;
} coopmat_features;

enum { COOPMAT_FLOAT16 = 0, COOPMAT_FLOAT32 = 1 }; /* VkComponentTypeKHR */
enum { COOPMAT_SUBGROUP = 3 };                     /* VkScopeKHR */

typedef struct coopmat_properties { /* VkCooperativeMatrixPropertiesKHR */
    VkStructureType sType;
    void *pNext;
    uint32_t MSize, NSize, KSize;
    uint32_t AType, BType, CType, ResultType; /* enums are 32 bits */
    VkBool32 saturatingAccumulation;
    uint32_t scope;
} coopmat_properties;

/* Sets caps->coopmat_m, _n, _k: the largest size with fp16 factors and fp32 sums that matmul_coop.comp can use; 0 where there is none. */
struct gpu_instance;
pm_status gpu_coopmat_read(const struct gpu_instance *instance, VkPhysicalDevice physical, pm_caps *caps);

#endif
