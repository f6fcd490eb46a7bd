/* Pumice on a VkDevice of the host's. The one header with Vulkan's types; it needs <vulkan/vulkan_core.h>. Where a program uses volk, <volk.h> comes first.
 * A program that renders lets Pumice work on its own device: no second device, no second copy of what both use. */
#ifndef PUMICE_VULKAN_H
#define PUMICE_VULKAN_H

#include <vulkan/vulkan_core.h>

#include <pumice/infer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what Pumice would like ---- */

/* What makes Pumice faster on a physical device: extensions and features for the host's own VkDeviceCreateInfo. All of it is optional. Pumice needs a
 * device of Vulkan 1.1 and a queue that computes. */
typedef struct pm_vulkan_wishes pm_vulkan_wishes;

/* `api_version`: VkApplicationInfo's of the instance. `get`: NULL for the loader's own. Fails: PM_INVALID, PM_UNSUPPORTED (Vulkan 1.0), PM_NO_DEVICE (no
 * loader), PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_vulkan_wishes_make(const pm_log *log, VkInstance instance, uint32_t api_version,
                                                    VkPhysicalDevice physical, PFN_vkGetInstanceProcAddr get,
                                                    pm_vulkan_wishes **out);
/* *wishes may be NULL; it becomes NULL. */
PM_API void pm_vulkan_wishes_free(pm_vulkan_wishes **wishes);
/* Names for ppEnabledExtensionNames. They live as long as the wishes. */
PM_API const char *const *pm_vulkan_wishes_extensions(const pm_vulkan_wishes *wishes, uint32_t *count);
/* The features, with their chain, for VkDeviceCreateInfo.pNext (pEnabledFeatures is NULL then). The host may switch on more in it, and put
 * other structs behind it, but not VkPhysicalDeviceVulkan11Features to 13Features, which Vulkan allows in place of these alone. A host that has those
 * copies what it finds here. It lives as long as the wishes. */
PM_API VkPhysicalDeviceFeatures2 *pm_vulkan_wishes_features(pm_vulkan_wishes *wishes);

/* ---- the host's device ---- */

typedef struct pm_vulkan_device {
    VkInstance instance;
    uint32_t api_version; /* VkApplicationInfo's of the instance */
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t queue_family; /* of the queue; it must compute */
    /* What the device was made with: pEnabledFeatures, or the chain of structs in pNext. What is not in it counts as off. NULL: nothing is on. Read
     * during the import alone. */
    const VkPhysicalDeviceFeatures2 *features;
    const char *const *extensions;
    uint32_t extension_count;
    PFN_vkGetInstanceProcAddr get; /* NULL: the loader's own */
    /* Called around each use of the queue, on the thread that calls Pumice; both or none. They are needed where another thread uses the queue. Pumice
     * calls nothing of the host's between the two. */
    void (*lock)(void *user);
    void (*unlock)(void *user);
    void *user;
} pm_vulkan_device;

/* Opens Pumice on the host's device. Its capabilities are those of the physical device, less what was not switched on. params: as of
 * pm_device_open; `select`, `validate` and `compile_only` mean nothing here, and `robust` takes what the host switched on. All of the host's must live until pm_device_close, which waits for Pumice's own work,
 * and destroys nothing of the host's. Where `timeout_ms` ran out, that work goes on, and the VkDevice may not be destroyed. Pumice never waits for the queue or the device to be idle.
 * Fails as pm_device_open, and: PM_INVALID (something is missing, the queue's family does not compute, a feature is claimed that the physical device
 * does not have). */
PM_API PM_NODISCARD pm_status pm_device_import_sized(const pm_device_params *params, size_t params_size,
                                                     const pm_vulkan_device *host, size_t host_size, pm_device **out);
PM_NODISCARD static inline pm_status pm_device_import(const pm_device_params *params, const pm_vulkan_device *host,
                                                      pm_device **out)
{
    return pm_device_import_sized(params, sizeof *params, host, sizeof *host, out);
}

/* ---- buffers and moments that the two share ---- */

/* Bytes [offset, offset + size) of a buffer. */
typedef struct pm_vulkan_buffer {
    VkBuffer buffer;
    VkDeviceSize offset, size;
} pm_vulkan_buffer;

/* Where Pumice keeps a parameter of a model: rows x cols floats, as pm_model_read. A storage buffer, which may also be copied from and to. It stays
 * there as long as the model. The host may read it, and write it between Pumice's calls. Fails: PM_INVALID; PM_UNSUPPORTED where it is kept in 16
 * bits. */
PM_API PM_NODISCARD pm_status pm_vulkan_param(const pm_model *model, size_t index, pm_vulkan_buffer *out);
/* Where a session's logits lie on the device: vocab floats, those of pm_session_logits. It stays there as long as the session. */
PM_API void pm_vulkan_logits(const pm_session *session, pm_vulkan_buffer *out);

/* The host's buffers for a session. A `buffer` of VK_NULL_HANDLE: none, and Pumice has its own. They are storage buffers; the logits' may also be copied from.
 * With Pumice's feature bda (pm_caps) they have VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, and their memory the flag for it. Offsets are multiples of
 * pm_caps.offset_alignment. They must outlive the session. */
typedef struct pm_vulkan_session {
    pm_vulkan_buffer token;  /* one int32: what pm_vulkan_session_begin reads */
    pm_vulkan_buffer logits; /* vocab floats, where the logits are written */
} pm_vulkan_session;
PM_API PM_NODISCARD pm_status pm_vulkan_session_create_sized(pm_model *model, const pm_vulkan_session *buffers,
                                                             size_t buffers_size, pm_session **out);
PM_NODISCARD static inline pm_status pm_vulkan_session_create(pm_model *model, const pm_vulkan_session *buffers,
                                                              pm_session **out)
{
    return pm_vulkan_session_create_sized(model, buffers, sizeof *buffers, out);
}
/* As pm_session_begin, of one token, which lies in the host's buffer when the device reads it: so the host's own kernel may draw it from the logits, and
 * no token passes through the CPU. An id outside the vocabulary gives logits without meaning. Pumice does not know these tokens, and cannot read them again:
 * PM_INVALID where the context is full. */
PM_API PM_NODISCARD pm_status pm_vulkan_session_begin(pm_session *session);

/* Order between Pumice's work and the host's. The call that comes next and begins work on the device (a step, a feed, their begin) starts on the device when
 * `timeline` has reached `value`. What signals it must be submitted before anything that follows Pumice's work on the same queue. Fails: PM_INVALID,
 * PM_UNSUPPORTED (the device was made without timelineSemaphore, one of the wishes). */
PM_API PM_NODISCARD pm_status pm_vulkan_wait(pm_device *device, VkSemaphore timeline, uint64_t value);
/* The step, feed or begin that comes next signals `value` when its work has ended, with its writes available to what waits for it. Where it fails, is
 * cancelled or destroyed, the value is signalled all the same, behind what was submitted. The values of one semaphore must be reached in order: use one
 * for each trainer or session, for their works take turns. Without a semaphore, work that is submitted to the same queue behind Pumice's needs a barrier
 * from its compute and transfer writes, and Pumice has one towards its own reads. */
PM_API PM_NODISCARD pm_status pm_vulkan_signal(pm_device *device, VkSemaphore timeline, uint64_t value);

#ifdef __cplusplus
}
#endif
#endif
