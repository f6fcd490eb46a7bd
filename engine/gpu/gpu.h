/* The Vulkan layer as the rest of the engine sees it: buffers, kernels by name, programs recorded once and replayed.
 * No Vulkan type leaves this folder. */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include <pumice/profile.h>

#include "gpu/kernels.h"

/* PCI ids of vendors (pm_caps.vendor_id). Kernels and tiles are chosen by them. */
enum {
    VENDOR_AMD = 0x1002,
    VENDOR_APPLE = 0x106b,
    VENDOR_ARM = 0x13b5,
    VENDOR_BROADCOM = 0x14e4,
    VENDOR_GOOGLE = 0x1ae0, /* SwiftShader */
    VENDOR_INTEL = 0x8086,
    VENDOR_MESA = 0x10005, /* llvmpipe; Khronos's number for it */
    VENDOR_NVIDIA = 0x10de,
    VENDOR_QUALCOMM = 0x5143
};

/* As pm_device_open. `with_faults`: kernels and features that the doctor switched off stay on. */
pm_status gpu_device_open(const pm_device_params *params, bool with_faults, pm_device **out);

const pm_log *gpu_log(const pm_device *device);
/* The profile that host code adds its spans to; NULL where nothing is profiled. */
pm_profile *gpu_profile(const pm_device *device);

/* ---- memory -------------------------------------------------------------------------------------------------------- */

/* How long a buffer lives. Each lifetime has its own blocks of device memory, so that blocks become free as a whole. */
typedef enum gpu_lifetime {
    GPU_WEIGHTS,   /* parameters, gradients, optimiser state: as long as a model */
    GPU_WORKSPACE, /* activations and scratch: as long as a program */
    GPU_SHARED,    /* host-visible and coherent: inputs, scalars, results */
    GPU_LIFETIMES
} gpu_lifetime;

typedef struct gpu_buffer gpu_buffer;

/* A range of a buffer. Bytes; the offset must be a multiple of 4. */
typedef struct gpu_span {
    gpu_buffer *buffer;
    uint64_t offset, size;
} gpu_span;

/* The largest buffer that can be created: one allocation (bytes). */
uint64_t gpu_max_buffer(const pm_device *device);

/* Content is undefined. Fails: PM_NO_DEVICE_MEMORY, PM_NO_HOST_MEMORY. */
pm_status gpu_buffer_create(pm_device *device, gpu_lifetime lifetime, uint64_t size, const char *name,
                            gpu_buffer **out);
/* The range of a host's VkBuffer, as pumice/vulkan.h has it, as a buffer. The host keeps it. Fails: PM_INVALID (smaller than `size`, or its offset is not
 * aligned), PM_NO_HOST_MEMORY. */
struct pm_vulkan_buffer;
pm_status gpu_buffer_of_host(pm_device *device, const struct pm_vulkan_buffer *host, uint64_t size, const char *name,
                             gpu_buffer **out);
/* Where a span lies, for a host. */
void gpu_span_for_host(gpu_span span, struct pm_vulkan_buffer *out);
/* The caller makes sure that no submitted program still uses it. */
void gpu_buffer_destroy(gpu_buffer **buffer);

gpu_span gpu_span_of(gpu_buffer *buffer); /* all of it */
/* The host's view of a span; NULL unless it is host-visible (GPU_SHARED always is). */
void *gpu_map(gpu_span span);

/* Copy in or out, or fill with a 32-bit word. They block until done, behind all that is in flight; runs that are not submitted yet come later. Memory
 * that the host maps is reached directly, other memory through a staging buffer. They obey the device's control. */
pm_status gpu_write(gpu_span to, const void *data);
pm_status gpu_read(gpu_span from, void *data);
pm_status gpu_fill(gpu_span to, uint32_t word);

/* Bytes of device memory allocated now, and at the peak. */
void gpu_memory_stats(const pm_device *device, uint64_t *now, uint64_t *peak);

/* ---- programs ------------------------------------------------------------------------------------------------------ */

enum { GPU_MAX_ARGS = 8, GPU_MAX_SPEC = 16, GPU_MAX_PUSH = 64 };
enum { GPU_MAX_BINDINGS = 16 }; /* arguments of a user's module */

typedef struct gpu_module gpu_module;

typedef enum gpu_access { GPU_READ = 1, GPU_WRITE = 2, GPU_READ_WRITE = 3 } gpu_access;

typedef struct gpu_arg {
    gpu_span span; /* a NULL buffer where the kernel variant does not touch this argument */
    gpu_access access;
} gpu_arg;

typedef struct gpu_dispatch {
    kernel_id kernel;
    gpu_module *module;   /* not NULL: replaces `kernel`; args go by binding, push is the whole block, spec is unused */
    const uint32_t *spec; /* specialization constants by number, SPEC_… of shaders/spec.h */
    uint32_t spec_count;
    const gpu_arg *args; /* as the shader's BUFFER(0..) */
    uint32_t arg_count;
    const void *push; /* the kernel's struct of shaders/push.h, at most GPU_MAX_PUSH bytes */
    uint32_t push_size;
    uint32_t groups[3];  /* work groups, each within its limit: see gpu_groups() */
    double flops, bytes; /* for cutting submissions and for profiles */
} gpu_dispatch;

/* A list of commands, recorded once and run many times. Barriers are derived from the arguments' ranges and accesses.
 * The list is cut into submissions of at most the device's submit_ms each. Where estimates leave room for a longer one, the first run
 * measures: it begins with short submissions and times each before it cuts the next. Later runs are cut by these times, and cut again
 * where times change. Time stamps give the times, or the host's clock on devices without them. */
typedef struct gpu_program gpu_program;

pm_status gpu_program_create(pm_device *device, const char *name, gpu_program **out);
void gpu_program_destroy(gpu_program **program); /* waits for its submissions */

const pm_caps *gpu_program_caps(const gpu_program *program);
/* Labels the commands that follow with a part of the model, such as a layer, and a direction. It ends the label of the operation.
 * The program keeps the pointers: the texts must outlive it. */
void gpu_program_label(gpu_program *program, const char *layer, pm_direction direction);
/* Labels the commands that follow with an operation and its shape. A 0 in the shape means fewer dimensions; NULL means none. */
void gpu_program_op(gpu_program *program, const char *op, const uint32_t shape[3]);

/* Recording returns nothing: the first failure sticks and comes out of gpu_program_finish. Arguments are copied. */
void gpu_record(gpu_program *program, const gpu_dispatch *dispatch);
void gpu_record_fill(gpu_program *program, gpu_span to, uint32_t word);
void gpu_record_copy(gpu_program *program, gpu_span to, gpu_span from); /* sizes must agree */
void gpu_record_fail(gpu_program *program, pm_status status);

/* Ends recording: creates pipelines and command buffers. */
pm_status gpu_program_finish(gpu_program *program);

/* Before its first run. Runs of one owner's programs go in the order of gpu_submit, and those of several owners take turns. A `whole` program changes what
 * others read: once it begins, it is neither paused nor cancelled, and no other's work comes between. At first the owner is NULL. */
void gpu_program_own(gpu_program *program, const void *owner, bool whole);

/* Queues one run. A few submissions go to the device at a time; the rest follow during later calls of gpu_poll and of the waits. The run obeys the
 * device's control, as it is now. */
pm_status gpu_submit(gpu_program *program);
/* Sees what has ended, and submits what is due. It does not wait. Fails where the device does; a run's failure comes from the wait for it. */
pm_status gpu_poll(pm_device *device);
/* Whether all of its runs have ended, as the last poll or wait saw it. */
bool gpu_done(const gpu_program *program);
/* Whether one of them failed; the wait for it returns why. */
bool gpu_failed(const gpu_program *program);
/* Block until all runs of the program, or of all programs, have ended. Return the first failure: PM_CANCELLED where a run was. */
pm_status gpu_wait_for(gpu_program *program);
pm_status gpu_wait(pm_device *device);
/* Drops the program's runs, but for a whole one that has begun, waits for what is in flight, and takes the outcome. */
void gpu_forget(gpu_program *program);

/* A value of a host's timeline semaphore. `semaphore`: the VkSemaphore as a number; 0: none. */
typedef struct gpu_moment {
    uint64_t semaphore, value;
} gpu_moment;
/* What the runs of a call obey, what its first one waits for, and what its last one signals. */
typedef struct gpu_sync {
    pm_control *control; /* NULL: nothing */
    gpu_moment after, signals;
} gpu_sync;
/* The device's control as it is now, and what the host asked for, for the call that begins now. Whoever takes it sees to it that `signals` is signalled, once. */
gpu_sync gpu_take_sync(pm_device *device);
/* As gpu_submit. Where the run fails, `signals` is signalled all the same; so it is where this returns a failure. */
pm_status gpu_submit_sync(gpu_program *program, const gpu_sync *sync);
/* Behind all that was submitted; nothing for none. */
void gpu_signal(pm_device *device, gpu_moment moment);
/* Of a call that could not begin. */
void gpu_drop_sync(pm_device *device);

/* What calls with the device obey; NULL: nothing. */
pm_control *gpu_control(const pm_device *device);
/* Waits while it is paused. Fails: PM_CANCELLED, without a line; PM_DEVICE_LOST. */
pm_status gpu_gate(const pm_device *device);

typedef struct gpu_program_stats {
    uint32_t dispatches, barriers, submissions; /* of one run */
    uint32_t pipelines;                         /* distinct ones used */
    double flops, bytes;                        /* of one run */
    double longest_ms;                          /* the longest submission measured so far */
    double run_ms;                              /* of all submissions of the last run; 0 without time stamps */
} gpu_program_stats;
void gpu_program_get_stats(const gpu_program *program, gpu_program_stats *out);
/* The kernels of its dispatches, each once, in the order of their first use: writes at most `capacity`, returns how many there are. */
uint32_t gpu_program_kernels(const gpu_program *program, kernel_id *out, uint32_t capacity);
/* A number for what a recorded program does: kernels, values, work groups, and where operands lie. Equal programs on one device or on
 * another of the same driver have equal ones, whatever features either lacks. 0: the device cannot bind the operands. */
uint64_t gpu_program_fingerprint(gpu_program *program);
/* What a pipeline is made of; `spec` is the program's. */
typedef struct gpu_pipeline_key {
    kernel_id kernel;
    bool bda;             /* operands by address */
    uint64_t map;         /* without: where they are bound, equal numbers, equal bindings; 0: each has its own */
    const uint32_t *spec; /* [spec_count] */
    uint32_t spec_count;
} gpu_pipeline_key;
/* Of a recorded dispatch of one of Pumice's kernels, by its number among these. False: there is none, or the device cannot bind its operands. */
bool gpu_program_pipeline(const gpu_program *program, uint32_t index, gpu_pipeline_key *out);

/* ---- choices: which of several kernel variants to take, as autotuning measured on this device ------------------------- */

enum { GPU_CHOICE_KEY = 64 }; /* bytes of a key, with its 0 */
/* What is stored for the key; 0: nothing. */
uint32_t gpu_chosen(const gpu_program *program, const char *key);
/* Store a choice for programs recorded from now on; 0 removes it. gpu_choices_save keeps all choices for later processes. */
pm_status gpu_choice_set(pm_device *device, const char *key, uint32_t choice);
pm_status gpu_choices_save(pm_device *device);
/* All of them that were measured with these capabilities, on disk and then in memory. */
pm_status gpu_choices_forget(pm_device *device);

/* ---- faults: what gives wrong numbers on this device ----------------------------------------------------------------- */

/* Switch a row's kernels off, or on again, for programs recorded from now on; a feature, for when the device is opened again. gpu_faults_save keeps
 * both for later processes, where there is a place for it. Fails: PM_NO_HOST_MEMORY; PM_UNSUPPORTED where PM_KERNELS_OFF rows are off. */
pm_status gpu_row_switch(pm_device *device, kernel_row row, bool on);
pm_status gpu_feature_switch(pm_device *device, const char *name, bool on);
/* Whether the list of faults has it, used or not. */
bool gpu_row_switched_off(const pm_device *device, kernel_row row);
bool gpu_feature_switched_off(const pm_device *device, const char *name);
bool gpu_faults_kept(const pm_device *device); /* whether there is a place for them */
pm_status gpu_faults_save(pm_device *device);
/* Forgets all of them in memory. Whether there were any, or a file that could not be used. */
bool gpu_faults_forget(pm_device *device);
/* For tests: this kernel does nothing from now on, like one that a driver computes wrongly. KERNEL_COUNT: none. */
void gpu_kernel_break(pm_device *device, kernel_id kernel);

/* Spread `count` work groups over x and y so that no dimension exceeds its limit. Shaders read the flat index by flat_group(). */
void gpu_groups(const pm_caps *caps, uint64_t count, uint32_t groups[3]);

#endif
