/* Optional features of a Vulkan device: read, switched on, and what a module's capabilities ask for. */
#ifndef GPU_FEATURES_H
#define GPU_FEATURES_H

#include <stdbool.h>

#include <volk.h>

#include "gpu/coopmat.h"

/* Vulkan's structs of features that Pumice knows: field, type, the last feature in it, the number of its type, the Vulkan version that has it in its core, and the
 * extension that brings it to earlier ones. */
#define FEATURE_STRUCT_LIST(X)                                                                                         \
    X(storage16, VkPhysicalDevice16BitStorageFeatures, storageInputOutput16,                                           \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES, VK_API_VERSION_1_1, "VK_KHR_16bit_storage")            \
    X(pointers, VkPhysicalDeviceVariablePointersFeatures, variablePointers,                                            \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VARIABLE_POINTERS_FEATURES, VK_API_VERSION_1_1, "VK_KHR_variable_pointers")    \
    X(storage8, VkPhysicalDevice8BitStorageFeatures, storagePushConstant8,                                             \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES, VK_API_VERSION_1_2, "VK_KHR_8bit_storage")              \
    X(narrow, VkPhysicalDeviceShaderFloat16Int8Features, shaderInt8,                                                   \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, VK_API_VERSION_1_2,                              \
      "VK_KHR_shader_float16_int8")                                                                                    \
    X(address, VkPhysicalDeviceBufferDeviceAddressFeatures, bufferDeviceAddressMultiDevice,                            \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES, VK_API_VERSION_1_2,                            \
      "VK_KHR_buffer_device_address")                                                                                  \
    X(atomic64, VkPhysicalDeviceShaderAtomicInt64Features, shaderSharedInt64Atomics,                                   \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_INT64_FEATURES, VK_API_VERSION_1_2,                              \
      "VK_KHR_shader_atomic_int64")                                                                                    \
    X(model, VkPhysicalDeviceVulkanMemoryModelFeatures, vulkanMemoryModelAvailabilityVisibilityChains,                 \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, VK_API_VERSION_1_2,                              \
      "VK_KHR_vulkan_memory_model")                                                                                    \
    X(subgroup_types, VkPhysicalDeviceShaderSubgroupExtendedTypesFeatures, shaderSubgroupExtendedTypes,                \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES, VK_API_VERSION_1_2,                   \
      "VK_KHR_shader_subgroup_extended_types")                                                                         \
    X(scalar_layout, VkPhysicalDeviceScalarBlockLayoutFeatures, scalarBlockLayout,                                     \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SCALAR_BLOCK_LAYOUT_FEATURES, VK_API_VERSION_1_2,                              \
      "VK_EXT_scalar_block_layout")                                                                                    \
    X(timeline, VkPhysicalDeviceTimelineSemaphoreFeatures, timelineSemaphore,                                          \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, VK_API_VERSION_1_2, "VK_KHR_timeline_semaphore")  \
    X(maintenance4, VkPhysicalDeviceMaintenance4Features, maintenance4,                                                \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES, VK_API_VERSION_1_3, "VK_KHR_maintenance4")             \
    X(zero_shared, VkPhysicalDeviceZeroInitializeWorkgroupMemoryFeatures, shaderZeroInitializeWorkgroupMemory,         \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ZERO_INITIALIZE_WORKGROUP_MEMORY_FEATURES, VK_API_VERSION_1_3,                 \
      "VK_KHR_zero_initialize_workgroup_memory")                                                                       \
    X(dot_product, VkPhysicalDeviceShaderIntegerDotProductFeatures, shaderIntegerDotProduct,                           \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES, VK_API_VERSION_1_3,                       \
      "VK_KHR_shader_integer_dot_product")                                                                             \
    X(subgroup_sizes, VkPhysicalDeviceSubgroupSizeControlFeatures, computeFullSubgroups,                               \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES, VK_API_VERSION_1_3,                            \
      "VK_EXT_subgroup_size_control")                                                                                  \
    X(atomic_float, VkPhysicalDeviceShaderAtomicFloatFeaturesEXT, sparseImageFloat32AtomicAdd,                         \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_FLOAT_FEATURES_EXT, UINT32_MAX, "VK_EXT_shader_atomic_float")    \
    X(coopmat, coopmat_features, cooperativeMatrixRobustBufferAccess, COOPMAT_FEATURES_TYPE, UINT32_MAX,               \
      COOPMAT_EXTENSION)                                                                                               \
    X(priority, VkPhysicalDeviceMemoryPriorityFeaturesEXT, memoryPriority,                                             \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PRIORITY_FEATURES_EXT, UINT32_MAX, "VK_EXT_memory_priority")            \
    X(executable, VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR, pipelineExecutableInfo,                     \
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, UINT32_MAX,                       \
      "VK_KHR_pipeline_executable_properties")

enum { GPU_FEATURE_STRUCTS = 18 };

/* Each of them; zeros where the device does not know it, or where nothing of it is on. */
typedef struct gpu_feature_set {
    VkPhysicalDeviceFeatures core;
#define FEATURE_STRUCT_FIELD(field, type, last, number, version, extension) type field;
    FEATURE_STRUCT_LIST(FEATURE_STRUCT_FIELD)
#undef FEATURE_STRUCT_FIELD
} gpu_feature_set;

/* What a device has. `knows` says whether it has an extension. */
void gpu_features_read(PFN_vkGetPhysicalDeviceFeatures2 read, VkPhysicalDevice physical, uint32_t api_version,
                       bool (*knows)(const void *user, const char *name), const void *user, gpu_feature_set *out);
/* What a host switched on: the features behind a VkDeviceCreateInfo, with Vulkan 1.1's, 1.2's and 1.3's collective structs. An extension's struct
 * counts where the extension was enabled, or is in the core of this version. */
void gpu_features_of_host(const VkPhysicalDeviceFeatures2 *head, uint32_t api_version, const char *const *extensions,
                          uint32_t extension_count, gpu_feature_set *out);
/* Takes from *found what is not in `on`. Returns false, and changes nothing, where `on` has something that *found has not. */
bool gpu_features_mask(gpu_feature_set *found, const gpu_feature_set *on);
/* Puts the structs of which something is on behind *head, and the extensions that they need, at most GPU_FEATURE_STRUCTS, into `extensions`.
 * Returns how many. The set must not move while *head is in use. */
uint32_t gpu_features_enable(gpu_feature_set *set, uint32_t api_version, VkPhysicalDeviceFeatures2 *head,
                             const char **extensions);
/* Adds to *set what `found` has of what kernels from outside may ask for, whether or not Pumice's own do. */
void gpu_features_add_outside(const gpu_feature_set *found, gpu_feature_set *set);

/* The feature that a SPIR-V capability stands for: whether the set has it, and its name in Vulkan. NULL: not by a feature of the set. */
const char *gpu_capability_feature(const gpu_feature_set *set, uint32_t capability, bool *on);

#endif
