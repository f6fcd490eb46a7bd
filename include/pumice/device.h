/* Vulkan adapters, what they can do, and opening one.
 * No Vulkan type appears here: an adapter is described by one plain struct. */
#ifndef PUMICE_DEVICE_H
#define PUMICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/control.h>
#include <pumice/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pm_device_type {
    PM_DEVICE_OTHER,
    PM_DEVICE_INTEGRATED,
    PM_DEVICE_DISCRETE,
    PM_DEVICE_VIRTUAL,
    PM_DEVICE_CPU, /* a software driver, such as llvmpipe or SwiftShader */
} pm_device_type;

/* Optional features: the name is both a field of pm_caps and a word for pm_caps_lower; then its use. Each has a fallback. */
#define PM_FEATURE_LIST(X)                                                                                             \
    X(bda, "buffer device addresses: operands by pointer, no binding limit")                                           \
    X(serial, "kernels without barriers, one lane a row: what suits a software driver")                                \
    X(timestamps, "device time stamps: each submission measured, not the host's clock over all")                       \
    X(memory_budget, "VK_EXT_memory_budget: how much memory is free now")                                              \
    X(unified, "device memory that the host can map: no staging copies")                                               \
    X(fused, "matmul epilogues: bias, GELU, dropout and residual in the product's own kernel")                         \
    X(subgroup, "subgroup operations: a software driver's kernels broadcast from registers")                           \
    X(int64, "64-bit integers: two floats in one load, on a software driver")                                          \
    X(storage16, "16-bit storage: fp16 activations")                                                                   \
    X(f16, "16-bit float arithmetic: what matrix units need beside")                                                   \
    X(coopmat, "KHR cooperative matrix: products of fp16 matrices on matrix units")

/* Presets lower a device to the features and limits of a real part: identifier in C, name for pm_caps_lower, the part.
 * engine/gpu/lower.c has the numbers. */
#define PM_PRESET_LIST(X)                                                                                              \
    X(baseline, "baseline", "the least that Vulkan 1.1 promises")                                                      \
    X(adreno, "adreno", "Adreno 630 under Qualcomm's driver: no addresses, no 16-bit storage, bindings of 128 MiB")    \
    X(mali, "mali", "Mali: few registers, no 16-bit arithmetic, no time stamps")                                       \
    X(videocore, "videocore",                                                                                          \
      "VideoCore 7.1, Raspberry Pi 5: few registers, 16 KiB of shared memory, no 64-bit integers")                     \
    X(intel_xe, "intel-xe", "Tiger Lake's Iris Xe: no matrix units")                                                   \
    X(arc, "arc", "Arc A770: matrix units, which only `pumice tune` chooses")                                          \
    X(rdna3, "rdna3", "Radeon RX 7900")                                                                                \
    X(apple, "apple", "M1 under MoltenVK without Metal 3: no addresses, no matrix units")

/* The most kernels that may be off on a device that is used. */
enum { PM_KERNELS_OFF = 64 };

/* An adapter's features and limits as plain numbers. They are the device's own, or lower where it was opened so. */
typedef struct pm_caps {
    char name[256];     /* UTF-8, as all text here */
    char driver[256];   /* driver name and version text */
    uint32_t vendor_id; /* PCI id; a preset's, where one lowered it */
    uint32_t device_id; /* PCI id */
    uint32_t driver_version;
    uint32_t api_version; /* as Vulkan packs it: major << 22 | minor << 12 | patch */
    uint8_t pipeline_uuid[16];
    pm_device_type type;

    uint64_t device_memory; /* bytes of the largest device-local heap */
    /* Bytes left of it by VK_EXT_memory_budget; device_memory where that is absent. Of a software driver and an integrated GPU, whose memory is the
     * host's, no more than control groups and `ulimit` leave this process. Of an open device no more than max_memory. */
    uint64_t device_memory_free;
    uint64_t max_allocation;      /* bytes, maxMemoryAllocationSize */
    uint64_t max_buffer_range;    /* bytes, maxStorageBufferRange */
    uint32_t offset_alignment;    /* bytes, minStorageBufferOffsetAlignment */
    uint32_t max_storage_buffers; /* per stage */
    uint32_t max_shared_memory;   /* bytes a workgroup */
    uint32_t max_workgroup_size;  /* invocations */
    uint32_t max_group_count[3];
    uint32_t max_push_constants; /* bytes */
    uint32_t subgroup_size;
    uint32_t subgroup_min, subgroup_max;
    uint32_t coopmat_m, coopmat_n, coopmat_k; /* with coopmat: a matrix unit's M x K times K x N, fp16 with fp32 sums */
    uint32_t coopmat_subgroup;                /* and invocations of the subgroup that shares them */
    float timestamp_period_ns;

#define PM_FEATURE_FIELD(name, meaning) bool name;
    PM_FEATURE_LIST(PM_FEATURE_FIELD)
#undef PM_FEATURE_FIELD
    /* Of an open device: kernels that gave wrong numbers (pumice/doctor.h), by their row in this build's list, counted from 1; 0 ends them. */
    uint16_t kernels_off[PM_KERNELS_OFF];
} pm_caps;

/* Lists every adapter the loader finds, in its order: writes at most `capacity` entries, and the number found to *count.
 * Fails: PM_NO_DEVICE (no Vulkan loader), PM_NO_HOST_MEMORY. Zero adapters is PM_OK. */
PM_API PM_NODISCARD pm_status pm_adapters_list(const pm_log *log, pm_caps *out, size_t capacity, size_t *count);

/* Returns the index of the adapter that `select` names, or -1. `select` is a decimal index, a part of a name in any case, or "auto".
 * "auto" and NULL take a discrete GPU, then an integrated one, then a virtual one, then a CPU driver. *why says why this one was taken,
 * or why none was. */
PM_API int pm_adapter_choose(const pm_caps *adapters, size_t count, const char *select, char why[160]);

/* Lowers caps by a list of names with commas: features to switch off ("bda,fused", or "all") and presets ("videocore"). NULL and "" change
 * nothing. It never raises a limit. A feature that needs one switched off goes with it. The error line names `origin` as the list's source.
 * Fails: PM_INVALID for an unknown name; caps stay as they were. */
PM_API PM_NODISCARD pm_status pm_caps_lower(const pm_log *log, pm_caps *caps, const char *origin, const char *names);

/* An open device. Threads: one at a time. Lives: longer than everything made from it.
 * A driver may lose the device. The call that notices, and every later one that needs the device, returns PM_DEVICE_LOST, and its memory
 * cannot be read. To recover, destroy everything made from the device, close it, open it again and load the last checkpoint:
 * pm_trainer_load, into a trainer with the old one's pm_trainer_precision. The run then has the bits of one without the loss.
 * Destroying and closing always work. */
typedef struct pm_device pm_device;

/* How the device's scheduler treats Pumice's work beside other programs', by VK_KHR_global_priority. Without that, or where a driver does not permit it, the
 * usual one. */
typedef enum pm_device_priority {
    PM_DEVICE_PRIORITY_USUAL,
    PM_DEVICE_PRIORITY_LOW, /* behind what draws */
    PM_DEVICE_PRIORITY_HIGH,
} pm_device_priority;

typedef struct pm_device_params {
    pm_log log;
    const char *select;    /* see pm_adapter_choose */
    const char *disable;   /* as `names` of pm_caps_lower */
    const char *cache_dir; /* of pipelines and choices. NULL: pumice/ in the user's cache folder; "": none */
    bool validate;         /* the Khronos validation layer with synchronisation validation */
    uint64_t max_buffer_range, max_allocation; /* bytes; 0: the device's own. Larger values are ignored. */
    uint32_t submit_ms;                        /* bound of a submission's measured time; 0: 100 */
    bool profile;            /* see pumice/profile.h; also names kernels, buffers, commands for debuggers */
    uint32_t profile_events; /* capacity of the time line; 0: 131072, 4 MiB */
    /* pm_kernel_create may use every optional feature that Pumice knows and the device has, such as double and 8-bit numbers; without it
     * those that Pumice's own kernels use. */
    bool user_kernels;
    /* Reads and writes beyond a buffer's end do no harm where the device has robustBufferAccess: they stay within Pumice's buffers. It costs
     * time. */
    bool robust;
    /* The longest wait for the device's work; 0: no limit. What takes longer cannot be cancelled: the device counts as lost, and what is on it
     * keeps its memory until the process ends. */
    uint32_t timeout_ms;
    bool compile_only; /* build kernels and programs, run none: for drivers without their GPU. Vulkan 1.0 suffices */
    uint64_t
        max_memory; /* bytes that Pumice may have of the device's memory at once; 0: no cap. What needs more fails: PM_NO_DEVICE_MEMORY */
    /* The device's share: Pumice's work takes about submit_ms of every period_ms, one submission at a time, and leaves the rest to others, such as a
     * window. 0, or no more than submit_ms: all of it. */
    uint32_t period_ms;
    pm_device_priority priority; /* an imported device has the host's */
    pm_control *control;         /* what calls obey, from the opening on: see pm_device_control; NULL: none */
    /* Keep what would be files in cache_dir, which means nothing then: pipelines, choices, and what pumice/doctor.h switched off. Both or neither. A name is a
     * file's, of device and driver, such as "pipelines-10005-0000-c7f8….bin". The bytes mean something to Pumice alone; damaged ones are told of and ignored.
     * cache_load: the bytes must stay until the next call of either, or the end of the call of Pumice's. PM_NO_FILE: there are none. cache_store: the
     * bytes are Pumice's, and replace those of that name. A failure is told of; where only time is lost, it is a warning.
     * Threads: they are called within pm_device_open, pm_device_close and those calls that autotune and check, on their thread, while Pumice holds no lock. */
    pm_status (*cache_load)(void *user, const char *name, const void **data, size_t *size);
    pm_status (*cache_store)(void *user, const char *name, const void *data, size_t size);
    void *cache_user; /* the first argument of both */
} pm_device_params;

/* Opens an adapter; params: NULL for zeros. Fails: PM_NO_DEVICE, PM_INVALID (an unknown feature or preset), PM_UNSUPPORTED, PM_NO_*_MEMORY. */
PM_API PM_NODISCARD pm_status pm_device_open_sized(const pm_device_params *params, size_t params_size, pm_device **out);
PM_NODISCARD static inline pm_status pm_device_open(const pm_device_params *params, pm_device **out)
{
    return pm_device_open_sized(params, sizeof *params, out);
}

/* Saves the pipeline cache and frees the device. *device may be NULL; it becomes NULL. */
PM_API void pm_device_close(pm_device **device);

/* The device's caps after lowering. They live as long as the device. */
PM_API const pm_caps *pm_device_caps(const pm_device *device);

/* From now on calls that work on the device obey this control (pumice/control.h), which must outlive them; NULL: none, as at first. What was begun
 * before goes on to obey the one of then. */
PM_API void pm_device_control(pm_device *device, pm_control *control);

/* Sees what the device has done, and submits more of what was begun (pm_trainer_begin and the like). It never waits. A program that draws may call it
 * once a frame. Fails: PM_DEVICE_LOST, PM_NO_*_MEMORY. */
PM_API PM_NODISCARD pm_status pm_device_poll(pm_device *device);
/* The same behind a wait: until a piece of work has ended, or where none is in flight for at most `seconds`, up to 2 ms. */
PM_API PM_NODISCARD pm_status pm_device_wait(pm_device *device, double seconds);

/* Seconds that the host has waited for the device so far. */
PM_API double pm_device_wait_seconds(const pm_device *device);

/* The number of validation warnings and errors so far; 0 without validation. */
PM_API uint32_t pm_device_validation_messages(const pm_device *device);

#ifdef __cplusplus
}
#endif
#endif
