/* The loader, an instance, the validation layer, and the list of adapters. */
#include "gpu/gpu_internal.h"

#include <stdlib.h>
#include <string.h>

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

/* VK_EXT_layer_settings, for Vulkan headers older than it (1.3.268). */
#ifndef VK_EXT_layer_settings
#define VK_EXT_LAYER_SETTINGS_EXTENSION_NAME "VK_EXT_layer_settings"
#define VK_STRUCTURE_TYPE_LAYER_SETTINGS_CREATE_INFO_EXT ((VkStructureType)1000496000)
#define VK_LAYER_SETTING_TYPE_BOOL32_EXT 0
typedef struct VkLayerSettingEXT {
    const char *pLayerName, *pSettingName;
    int type;
    uint32_t valueCount;
    const void *pValues;
} VkLayerSettingEXT;
typedef struct VkLayerSettingsCreateInfoEXT {
    VkStructureType sType;
    const void *pNext;
    uint32_t settingCount;
    const VkLayerSettingEXT *pSettings;
} VkLayerSettingsCreateInfoEXT;
#endif

#define RESULT_LIST(X)                                                                                                 \
    X(NOT_READY)                                                                                                       \
    X(TIMEOUT)                                                                                                         \
    X(INCOMPLETE)                                                                                                      \
    X(ERROR_OUT_OF_HOST_MEMORY)                                                                                        \
    X(ERROR_OUT_OF_DEVICE_MEMORY)                                                                                      \
    X(ERROR_INITIALIZATION_FAILED)                                                                                     \
    X(ERROR_DEVICE_LOST)                                                                                               \
    X(ERROR_MEMORY_MAP_FAILED)                                                                                         \
    X(ERROR_LAYER_NOT_PRESENT)                                                                                         \
    X(ERROR_EXTENSION_NOT_PRESENT)                                                                                     \
    X(ERROR_FEATURE_NOT_PRESENT)                                                                                       \
    X(ERROR_INCOMPATIBLE_DRIVER)                                                                                       \
    X(ERROR_TOO_MANY_OBJECTS)                                                                                          \
    X(ERROR_FRAGMENTED_POOL)                                                                                           \
    X(ERROR_OUT_OF_POOL_MEMORY)                                                                                        \
    X(ERROR_FRAGMENTATION)                                                                                             \
    X(ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS)                                                                            \
    X(ERROR_INVALID_SHADER_NV)                                                                                         \
    X(ERROR_UNKNOWN)

const char *gpu_vk_result_name(VkResult result)
{
    switch (result) {
#define RESULT_NAME(name)                                                                                              \
    case VK_##name: return "VK_" #name;
        RESULT_LIST(RESULT_NAME)
#undef RESULT_NAME
    default: return "an unknown VkResult";
    }
}

pm_status gpu_vk_status(VkResult result)
{
    switch (result) {
    case VK_SUCCESS: return PM_OK;
    case VK_ERROR_OUT_OF_HOST_MEMORY: return PM_NO_HOST_MEMORY;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_FRAGMENTATION:
    case VK_ERROR_TOO_MANY_OBJECTS: return PM_NO_DEVICE_MEMORY;
    case VK_ERROR_DEVICE_LOST: return PM_DEVICE_LOST;
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_INCOMPATIBLE_DRIVER: return PM_UNSUPPORTED;
    case VK_ERROR_INVALID_SHADER_NV: return PM_SHADER;
    default: return PM_INTERNAL;
    }
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void)severity;
    (void)types;
    gpu_instance *instance = user;
    os_atomic_add(&instance->messages, 1);
    os_atomic_add(&instance->speaking, 1);
    if (!os_atomic_load(&instance->silent))
        (void)log_fail(instance->log, PM_OK, "validation: %s", data->pMessage ? data->pMessage : "(no text)");
    os_atomic_add(&instance->speaking, UINT32_MAX);
    return VK_FALSE;
}

void gpu_instance_silence(gpu_instance *instance)
{
    os_atomic_store(&instance->silent, 1);
    while (os_atomic_load(&instance->speaking) > 0) continue; /* one is with the host's log now */
}

static bool has_extension(const gpu_loader_table *vk, const char *layer, const char *name)
{
    uint32_t count = 0;
    if (vk->vkEnumerateInstanceExtensionProperties(layer, &count, NULL) != VK_SUCCESS || count == 0) return false;
    VkExtensionProperties *list = calloc(count, sizeof *list);
    bool found = false;
    if (list && vk->vkEnumerateInstanceExtensionProperties(layer, &count, list) >= VK_SUCCESS)
        for (uint32_t i = 0; i < count && !found; i++) found = strcmp(list[i].extensionName, name) == 0;
    free(list);
    return found;
}

static bool has_layer(const gpu_loader_table *vk, const char *name)
{
    uint32_t count = 0;
    if (vk->vkEnumerateInstanceLayerProperties(&count, NULL) != VK_SUCCESS || count == 0) return false;
    VkLayerProperties *list = calloc(count, sizeof *list);
    bool found = false;
    if (list && vk->vkEnumerateInstanceLayerProperties(&count, list) >= VK_SUCCESS)
        for (uint32_t i = 0; i < count && !found; i++) found = strcmp(list[i].layerName, name) == 0;
    free(list);
    return found;
}

/* The validation layer must offer both: messages to a callback, and synchronisation validation. */
static pm_status check_validation(const pm_log *log, const gpu_loader_table *vk)
{
    if (!has_layer(vk, VALIDATION_LAYER))
        return log_fail(log, PM_UNSUPPORTED,
                        "gpu: validation was asked for, but the loader finds no layer " VALIDATION_LAYER
                        "; install it or point VK_LAYER_PATH at its folder");
    if (!has_extension(vk, VALIDATION_LAYER, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME))
        return log_fail(log, PM_UNSUPPORTED,
                        "gpu: this " VALIDATION_LAYER " lacks " VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME
                        ", which synchronisation validation needs");
    if (!has_extension(vk, NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME) &&
        !has_extension(vk, VALIDATION_LAYER, VK_EXT_DEBUG_UTILS_EXTENSION_NAME))
        return log_fail(log, PM_UNSUPPORTED,
                        "gpu: the loader lacks " VK_EXT_DEBUG_UTILS_EXTENSION_NAME ", which validation messages need");
    return PM_OK;
}

/* The structs chained to the instance for validation. */
typedef struct gpu_validation {
    VkDebugUtilsMessengerCreateInfoEXT messenger;
    VkValidationFeaturesEXT features;
    VkLayerSettingEXT setting;
    VkLayerSettingsCreateInfoEXT settings;
} gpu_validation;

static const VkValidationFeatureEnableEXT enabled_features[] = {
    VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
static const VkBool32 enabled_setting = VK_TRUE;

/* Fills in the chain, the layer and the extensions. *validation must live until the instance is created. */
static void add_validation(gpu_instance *instance, const gpu_loader_table *vk, gpu_validation *validation,
                           VkInstanceCreateInfo *info, const char **extensions)
{
    static const char *const layers[] = {VALIDATION_LAYER};
    validation->messenger =
        (VkDebugUtilsMessengerCreateInfoEXT){.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
                                             .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                                                                VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
                                             .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
                                             .pfnUserCallback = on_message,
                                             .pUserData = instance};
    validation->features = (VkValidationFeaturesEXT){.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                                     .pNext = &validation->messenger,
                                                     .enabledValidationFeatureCount = 1,
                                                     .pEnabledValidationFeatures = enabled_features};
    info->pNext = &validation->features;
    info->enabledLayerCount = 1;
    info->ppEnabledLayerNames = layers;
    extensions[info->enabledExtensionCount++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    if (!has_extension(vk, VALIDATION_LAYER, VK_EXT_LAYER_SETTINGS_EXTENSION_NAME)) return;
    /* Layers from 2024 on check shader accesses only on request; older ones always do. The extension's name is not
     * enabled, because older loaders refuse it. The layer reads the struct without it. */
    validation->setting = (VkLayerSettingEXT){.pLayerName = VALIDATION_LAYER,
                                              .pSettingName = "syncval_shader_accesses_heuristic",
                                              .type = VK_LAYER_SETTING_TYPE_BOOL32_EXT,
                                              .valueCount = 1,
                                              .pValues = &enabled_setting};
    validation->settings = (VkLayerSettingsCreateInfoEXT){.sType = VK_STRUCTURE_TYPE_LAYER_SETTINGS_CREATE_INFO_EXT,
                                                          .pNext = info->pNext,
                                                          .settingCount = 1,
                                                          .pSettings = &validation->setting};
    info->pNext = &validation->settings;
}

static VkResult create_instance(gpu_instance *instance, const gpu_loader_table *vk, bool validate, bool label)
{
    const VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                   .pApplicationName = "pumice",
                                   .pEngineName = "pumice",
                                   .apiVersion = instance->api_version};
    const char *extensions[3];
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &app,
                                 .ppEnabledExtensionNames = extensions};
    gpu_validation validation;
    if (validate) add_validation(instance, vk, &validation, &info, extensions);
    instance->debug_utils = validate || (label && has_extension(vk, NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME));
    if (instance->debug_utils) extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    if (has_extension(vk, NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) { /* MoltenVK */
        info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
        extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    }
    VkResult result = vk->vkCreateInstance(&info, NULL, &instance->handle);
    if (result != VK_SUCCESS) {
        instance->handle = VK_NULL_HANDLE;
        return result;
    }
    gpu_instance_table_fill(instance->get, instance->handle, &instance->vk);
    if (!validate) return VK_SUCCESS;
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT)instance->get(instance->handle, "vkCreateDebugUtilsMessengerEXT");
    if (!create) return VK_ERROR_EXTENSION_NOT_PRESENT;
    return create(instance->handle, &validation.messenger, NULL, &instance->messenger);
}

pm_status gpu_instance_open(const pm_log *log, bool validate, bool label, gpu_instance *instance)
{
    *instance = (gpu_instance){.log = log, .get = gpu_loader()};
    if (!instance->get)
        return log_fail(log, PM_NO_DEVICE, "gpu: no Vulkan loader found; install a Vulkan driver and libvulkan");
    gpu_loader_table vk;
    gpu_loader_table_fill(instance->get, &vk);
    uint32_t loader = VK_API_VERSION_1_0; /* whose loader does not have the function */
    if (vk.vkEnumerateInstanceVersion) (void)vk.vkEnumerateInstanceVersion(&loader);
    if (loader < VK_API_VERSION_1_1)
        return log_fail(log, PM_NO_DEVICE, "gpu: the Vulkan loader is of version 1.0; 1.1 or later is needed");
    pm_status status = validate ? check_validation(log, &vk) : PM_OK;
    if (status != PM_OK) return status;
    instance->api_version = loader < VK_API_VERSION_1_3 ? loader : VK_API_VERSION_1_3;
    VkResult result = create_instance(instance, &vk, validate, label);
    if (result == VK_SUCCESS || result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return PM_OK; /* the second: no driver is installed */
    gpu_instance_close(instance);
    return log_fail(log, gpu_vk_status(result), "gpu: creating a Vulkan instance gave %s", gpu_vk_result_name(result));
}

void gpu_instance_close(gpu_instance *instance)
{
    if (instance->messenger) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy =
            (PFN_vkDestroyDebugUtilsMessengerEXT)instance->get(instance->handle, "vkDestroyDebugUtilsMessengerEXT");
        if (destroy) destroy(instance->handle, instance->messenger, NULL);
    }
    if (instance->handle) instance->vk.vkDestroyInstance(instance->handle, NULL);
    instance->messenger = VK_NULL_HANDLE;
    instance->handle = VK_NULL_HANDLE;
}

pm_status gpu_instance_adapters(const gpu_instance *instance, VkPhysicalDevice **out, uint32_t *out_count)
{
    uint32_t count = 0;
    VkPhysicalDevice *list = NULL;
    VkResult result = VK_SUCCESS;
    if (instance->handle) result = instance->vk.vkEnumeratePhysicalDevices(instance->handle, &count, NULL);
    if (result == VK_SUCCESS && count > 0) {
        list = calloc(count, sizeof(VkPhysicalDevice));
        if (!list) return log_fail(instance->log, PM_NO_HOST_MEMORY, "gpu: no memory for the list of adapters");
        result = instance->vk.vkEnumeratePhysicalDevices(instance->handle, &count, list);
        if (result == VK_INCOMPLETE) result = VK_SUCCESS; /* an adapter appeared between the two calls */
    }
    if (result == VK_ERROR_INITIALIZATION_FAILED) { /* every driver failed to start: an empty list */
        count = 0;
        result = VK_SUCCESS;
    }
    if (result != VK_SUCCESS || count == 0) {
        free(list);
        list = NULL;
    }
    if (result != VK_SUCCESS)
        return log_fail(instance->log, gpu_vk_status(result), "gpu: vkEnumeratePhysicalDevices gave %s",
                        gpu_vk_result_name(result));
    *out = list;
    *out_count = count;
    return PM_OK;
}
