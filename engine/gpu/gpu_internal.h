/* What the files of this folder share. Only they see Vulkan. */
#ifndef GPU_INTERNAL_H
#define GPU_INTERNAL_H

#include "base/log.h"
#include "gpu/caps.h"
#include "gpu/cut.h"
#include "gpu/features.h"
#include "gpu/gpu.h"
#include "gpu/table.h"
#include "os/atomic.h"
#include "profile/profile.h"
#include "spirv/spirv.h"

/* Evaluate a Vulkan call; on failure log it once, set the local `status` and go to the local `fail`. */
#define VK_TRY(device, expr)                                                                                           \
    do {                                                                                                               \
        VkResult vk_try_result = (expr);                                                                               \
        if (vk_try_result != VK_SUCCESS) {                                                                             \
            status = gpu_vk_fail(device, vk_try_result, #expr, __FILE__, __LINE__);                                    \
            goto fail;                                                                                                 \
        }                                                                                                              \
    } while (0)

/* ---- instance.c -------------------------------------------------------------------------------------------------- */

typedef struct gpu_instance {
    VkInstance handle; /* VK_NULL_HANDLE where the loader has no driver at all */
    PFN_vkGetInstanceProcAddr get;
    gpu_instance_table vk;
    uint32_t api_version;
    const pm_log *log;
    bool debug_utils;   /* VK_EXT_debug_utils is enabled */
    os_atomic messages; /* of the validation layer */
    os_atomic speaking; /* threads that log one */
    os_atomic silent;
    VkDebugUtilsMessengerEXT messenger;
} gpu_instance;

/* Neither *instance nor *log may move while the instance lives. `label` and `validate` enable VK_EXT_debug_utils where there is one. */
pm_status gpu_instance_open(const pm_log *log, bool validate, bool label, gpu_instance *instance);
void gpu_instance_close(gpu_instance *instance);
/* For an instance that cannot be closed: the layer's messages go nowhere once this returns. */
void gpu_instance_silence(gpu_instance *instance);
/* All adapters in malloc'd memory; *out is NULL where there are none. */
pm_status gpu_instance_adapters(const gpu_instance *instance, VkPhysicalDevice **out, uint32_t *count);

const char *gpu_vk_result_name(VkResult result);
pm_status gpu_vk_status(VkResult result);

/* ---- caps.c, adapter.c ------------------------------------------------------------------------------------------- */

/* What opening and checking need beyond pm_caps. */
typedef struct gpu_features {
    gpu_feature_set found; /* the optional features that the device has */
    uint32_t
        found_version; /* the Vulkan version of its features: the device's, or the instance's where that is lower */
    bool bda_core;     /* in the device's Vulkan 1.2, so that no extension is needed */
    bool portability_subset;
    const char *global_priority;         /* the extension for it; NULL: none */
    const char *calibrated;              /* the extension that relates device and host clocks; NULL: none */
    bool executable_info;                /* VK_KHR_pipeline_executable_properties */
    bool subgroup_control;               /* VK_EXT_subgroup_size_control: a required size, and full subgroups */
    VkSubgroupFeatureFlags subgroup_ops; /* in compute shaders */
    uint64_t max_buffer_size;            /* bytes; UINT64_MAX where the device does not say */
    uint32_t queue_family;               /* UINT32_MAX: no family computes */
    uint64_t timestamp_mask;
} gpu_features;

/* What a host's device was made with: the most that Pumice may use of the physical device. */
typedef struct gpu_given {
    gpu_feature_set on;
    uint32_t queue_family;
    const char *const *extensions;
    uint32_t extension_count;
} gpu_given;

/* `given`: NULL for a device of Pumice's own. `compile_only`: see pm_device_params. A Vulkan 1.0 driver must then have VK_KHR_get_physical_device_properties2. */
pm_status gpu_caps_fill(const gpu_instance *instance, VkPhysicalDevice physical, const gpu_given *given,
                        bool compile_only, pm_caps *caps, gpu_features *features);

/* ---- memory.c ---------------------------------------------------------------------------------------------------- */

typedef struct gpu_range {
    uint64_t offset, size;
} gpu_range;

/* One allocation with one VkBuffer over it. Buffers of one lifetime are cut from it. */
typedef struct gpu_block gpu_block;
struct gpu_block {
    gpu_block *next;
    gpu_lifetime lifetime;
    VkDeviceMemory memory;
    uint32_t heap;
    VkBuffer handle;
    VkDeviceAddress address; /* 0 without buffer device addresses */
    unsigned char *mapped;   /* NULL: the host does not see it */
    uint64_t size;
    bool cached;     /* the host reads it fast */
    bool foreign;    /* the VkBuffer is a host's, and memory is not known */
    uint32_t live;   /* buffers in it; the block is freed with the last one */
    gpu_range *free; /* sorted by offset, never adjacent */
    uint32_t free_count, free_capacity;
};

struct gpu_buffer {
    pm_device *device;
    gpu_buffer *next, *previous;
    gpu_block *block;
    uint64_t offset, size, reserved; /* bytes in the block; reserved is size rounded up */
    char name[48];
};

void gpu_memory_close(pm_device *device);
/* Bytes [offset, offset + size) of a host's VkBuffer as a buffer. */
pm_status gpu_buffer_wrap(pm_device *device, VkBuffer handle, uint64_t offset, uint64_t size, const char *name,
                          gpu_buffer **out);
/* NULL, or what is wrong with a span. */
const char *gpu_span_fault(gpu_span span);

static inline uint32_t gpu_bit_count(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask; mask &= mask - 1) count++;
    return count;
}

/* ---- pipeline.c, cache.c ----------------------------------------------------------------------------------------- */

typedef struct gpu_kernel {
    bool loaded;
    spirv_facts facts;
    VkShaderModule module;
    VkDescriptorSetLayout set_layout; /* VK_NULL_HANDLE where nothing is bound */
    VkPipelineLayout layout;
} gpu_kernel;

/* One of Pumice's kernels with shared bindings. */
typedef struct gpu_shared_kernel gpu_shared_kernel;
struct gpu_shared_kernel {
    gpu_shared_kernel *next;
    kernel_id kernel;
    uint64_t map; /* see gpu_places */
    gpu_kernel made;
};

typedef struct gpu_pipeline {
    kernel_id kernel;
    uint64_t map;
    const gpu_kernel *loaded; /* module and layout */
    uint32_t spec_count, spec[GPU_MAX_SPEC];
    uint64_t hash;
    uint64_t seen_by; /* serial number of the last program that counted it */
    size_t profiled;  /* the profile's kernel */
    double pace;      /* measured milliseconds of a guessed one; 0: none measured */
    VkPipeline handle;
} gpu_pipeline;

/* The operands that one of Pumice's kernels declares, a bit each by number; 0 for a kernel with buffer addresses. */
pm_status gpu_kernel_operands(pm_device *device, kernel_id kernel, uint32_t *mask);
/* The pipeline of a kernel whose operands have these bindings. Checks the module's capabilities against the device's. */
pm_status gpu_pipeline_get(pm_device *device, kernel_id kernel, uint64_t map, const uint32_t *spec, uint32_t spec_count,
                           gpu_pipeline **out);
void gpu_pipelines_close(pm_device *device);

/* Parts that module.c shares, for modules of users. The checks log one line, which begins with `name`. */
pm_status gpu_module_check(const pm_device *device, const char *name, const uint32_t *capabilities, uint32_t count);
/* PM_UNSUPPORTED, with a line. `there`: the device has it, but was opened without it. */
pm_status gpu_feature_missing(const pm_device *device, const char *name, const char *what, const char *feature,
                              bool there);
pm_status gpu_layout_check(const pm_device *device, const char *name, uint32_t binding_mask, uint32_t push_size);
pm_status gpu_shared_check(const pm_device *device, const char *name, uint64_t shared_size);
pm_status gpu_set_layout_make(pm_device *device, uint32_t mask, VkDescriptorSetLayout *out);
/* Makes layout and module of a kernel. Its facts (bindings, push_size) and its set_layout must be set. */
pm_status gpu_kernel_make(pm_device *device, const uint32_t *words, size_t count, gpu_kernel *kernel);
pm_status gpu_pipeline_make(pm_device *device, const gpu_kernel *kernel, const char *entry,
                            const VkSpecializationInfo *spec, VkPipelineCreateFlags flags, VkPipeline *out);

/* A user's module and its one pipeline. */
struct gpu_module {
    char name[96];
    gpu_kernel kernel;
    gpu_pipeline pipeline;
};

/* ---- statistics.c ------------------------------------------------------------------------------------------------ */

/* The driver's statistics of a pipeline that was made with this flag, at most `capacity` entries. *count is 0 where there are none. */
enum { GPU_CAPTURE_STATISTICS = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR };
pm_status gpu_pipeline_statistics(pm_device *device, VkPipeline pipeline, pm_kernel_statistic *out, size_t capacity,
                                  size_t *count);

/* Makes the VkPipelineCache, filled from the file where that is valid. */
pm_status gpu_cache_open(pm_device *device);
void gpu_cache_close(pm_device *device);
/* ---- choice_list.c, choices.c, faults.c -------------------------------------------------------------------------- */

typedef struct gpu_choice {
    char key[GPU_CHOICE_KEY];
    uint32_t choice; /* 0: none */
} gpu_choice;

typedef struct gpu_choice_list {
    gpu_choice *all;
    uint32_t count;
    char *path; /* as of gpu_kept_read; NULL: it is not kept */
} gpu_choice_list;

/* ---- kept.c ------------------------------------------------------------------------------------------------------ */

/* Files that outlive the device: in the cache folder, or kept by the program's functions. A path is a file's or, with functions, the name that they get. */
typedef struct gpu_keeper {
    pm_status (*load)(void *user, const char *name, const void **data, size_t *size);
    pm_status (*store)(void *user, const char *name, const void *data, size_t size);
    void *user;
} gpu_keeper;

/* PM_NO_FILE: there is none. Malloc'd, with a 0 byte behind it; no failure has a line. */
pm_status gpu_kept_read(const pm_device *device, const char *path, char **data, size_t *size);
/* A failure has one line, in `log`. */
pm_status gpu_kept_write(const pm_device *device, const pm_log *log, const char *path, const void *data, size_t size);

enum { GPU_HEAD_MAX = 200 }; /* bytes of a file's first line up to its hash */

gpu_choice *gpu_list_find(const gpu_choice_list *list, const char *key);
pm_status gpu_list_set(pm_device *device, gpu_choice_list *list, const char *key, uint32_t choice);
/* Reads the file, if it is there and its first line is `head`, with a hash behind it; with `any_build` the build's number in it may be another one.
 * *fault: what keeps the file from being used, or NULL; then the list is empty. Fails: PM_NO_HOST_MEMORY. */
pm_status gpu_list_read(pm_device *device, gpu_choice_list *list, const char *path, const char *head, bool any_build,
                        const char **fault);
pm_status gpu_list_write(pm_device *device, const gpu_choice_list *list, const char *head);
void gpu_list_close(gpu_choice_list *list);

/* Both read their file. Fail: PM_NO_HOST_MEMORY, for without what it says the bits would be others. */
pm_status gpu_choices_open(pm_device *device);
pm_status gpu_faults_open(pm_device *device);
/* Switches off in device->caps what is faulty. */
pm_status gpu_faults_apply(pm_device *device);

/* ---- queue.c ----------------------------------------------------------------------------------------------------- */

enum { GPU_TICKETS = 8 }; /* that may be open at once */

typedef struct gpu_queue {
    VkQueue handle;
    void (*lock)(void *user), (*unlock)(void *user); /* around each call on the queue; NULL: nobody else uses it */
    void *user;
    VkFence fences[GPU_TICKETS]; /* by ticket modulo GPU_TICKETS */
    uint64_t submitted, done;    /* the last ticket, and the last one known to be done */
} gpu_queue;

/* The device's handle and functions must be there. */
pm_status gpu_queue_open(pm_device *device);
void gpu_queue_close(pm_device *device);
/* Where GPU_TICKETS are open it waits for the oldest. */
pm_status gpu_queue_submit(pm_device *device, const VkSubmitInfo *info, uint64_t *ticket);
/* Signals a host's semaphore behind all that was submitted. */
pm_status gpu_queue_signal(pm_device *device, VkSemaphore timeline, uint64_t value);
/* Looks, without a wait, which tickets are done. */
pm_status gpu_queue_poll(pm_device *device);
/* Waits until this ticket's work, and all before it, is done. After a failure it is done too, or the device is lost. */
pm_status gpu_queue_wait(pm_device *device, uint64_t ticket);

/* ---- program.c, prepare.c, cut.c, submit.c, timing.c, run.c--------------------------------------------------------- */

typedef enum gpu_command_kind { GPU_DISPATCH, GPU_FILL, GPU_COPY } gpu_command_kind;

/* What a command belongs to. */
typedef struct gpu_label {
    const char *layer, *op; /* may be NULL */
    pm_direction direction;
    uint32_t shape[3];
} gpu_label;

typedef struct gpu_command {
    gpu_command_kind kind;
    kernel_id kernel;
    gpu_module *module; /* not NULL: replaces the kernel */
    gpu_label label;
    double flops, bytes;
    uint32_t first_arg, arg_count; /* in the program's args; fill: to; copy: to, from */
    uint32_t first_spec, spec_count;
    uint32_t first_push,
        push_size; /* index in words, size in bytes: the kernel's struct, after gpu_program_finish the whole block */
    uint32_t word; /* of a fill */
    gpu_pipeline *pipeline;
    VkDescriptorSet set;
} gpu_command;

/* A first run that has begun. */
typedef struct gpu_first gpu_first;

/* Command buffers made from a cut. */
typedef struct gpu_recording {
    gpu_cut cut;
    double limit_ms;          /* the submit_ms of its cut */
    VkCommandBuffer *buffers; /* one a submission */
    VkSubmitInfo *infos;
    VkQueryPool queries; /* time stamps; none where the device has none */
    uint32_t *stamps;    /* [submissions + 1] the first stamp of each. A submission has one at its start, then */
    bool profiled;       /* one behind each part; otherwise one behind the last part */
    uint64_t *ticks;     /* their values */
    double *ms;          /* what each submission took */
    uint32_t barriers;
} gpu_recording;

struct gpu_program {
    pm_device *device;
    gpu_program *next, *previous;
    char name[48];
    gpu_label label; /* of what is recorded next */
    uint64_t serial;
    pm_status status; /* the first failure of recording */
    bool finished;
    bool first_run;   /* the next run is the first, which is cut while it runs */
    gpu_first *first; /* and this is how far it is; NULL: it has not begun */

    gpu_command *commands;
    gpu_work *work; /* of each command */
    uint32_t command_count, command_capacity, work_capacity;
    gpu_arg *args;
    uint32_t arg_count, arg_capacity;
    uint32_t *words; /* specialization values and push constants */
    uint32_t word_count, word_capacity;

    uint32_t *rows;         /* the profile's, of each command; NULL: none */
    uint32_t submitted_row; /* and of a submission */

    VkDescriptorPool descriptors;
    gpu_recording recording;
    const void *owner;  /* runs of one owner go in order; NULL is one too */
    bool whole;         /* a run that began goes on to its end, with no other's work between */
    uint32_t waiting;   /* runs in the device's list */
    uint32_t upcoming;  /* the submission that comes next, of the first of these */
    uint32_t in_flight; /* submissions */
    uint32_t ended;     /* runs whose time stamps were not read yet; the last one has them */
    pm_status outcome;  /* of the runs since the last wait: the first failure */
    bool closing;
    bool late;        /* the host did not see at once when the last run's submissions ended */
    double submitted; /* when the last run's first submission was queued, by os_seconds() */
    uint32_t runs_measured;
    uint32_t splits, merges; /* new cuts after measuring */
    gpu_program_stats stats;
};

const char *gpu_command_name(const gpu_command *command); /* of a dispatch: its kernel's or module's */

/* Makes room for so many more commands, arguments and words; a failure sticks. It may move the arrays: pointers into them are invalid
 * afterwards. */
bool gpu_program_reserve(gpu_program *program, uint32_t commands, uint32_t args, uint32_t words);
/* Appends words, for which there must be room. Returns the index of the first. */
uint32_t gpu_program_put(gpu_program *program, const void *words, uint32_t count);

/* Record the program's commands into command buffers, in place of the earlier ones. */
pm_status gpu_recording_make(gpu_program *program, double limit_ms);
/* Records a cut's parts. The recording owns the cut from then on; a failure frees it. */
pm_status gpu_recording_of(gpu_program *program, const gpu_cut *cut, bool profiled, gpu_recording *out);
void gpu_recording_free(pm_device *device, gpu_recording *recording);
/* After a run: reads the program's time stamps and cuts again where that helps. The run is done: only a lost device fails. */
pm_status gpu_program_measured(gpu_program *program, uint32_t runs);

/* The first run of a program that may take longer than one submission, as estimates have it: short submissions first. Each is timed before the next is
 * cut. */
bool gpu_first_run_needed(const gpu_program *program);
/* Records such a program at once, in submissions that are short even if it takes as long as it may. Later runs are cut by the times of the first. */
pm_status gpu_recording_with_caution(gpu_program *program);
/* What to submit next, and the time that it is expected to take; *last: it is the run's last. */
pm_status gpu_first_next(gpu_program *program, const VkSubmitInfo **info, double *ms, bool *last);
/* It has ended, after `host_ms` by the host's clock. */
pm_status gpu_first_landed(gpu_program *program, double host_ms);
/* Records for later runs. */
pm_status gpu_first_finish(gpu_program *program);
/* Forgets a first run that began. */
void gpu_first_drop(gpu_program *program);

/* All earlier commands are done, and their writes visible to compute, transfers and, with `host`, to the host. */
void gpu_full_barrier(pm_device *device, VkCommandBuffer commands, bool host);

/* ---- binding.c --------------------------------------------------------------------------------------------------- */

/* Where a dispatch's operands are bound. Each has the binding of its own number, or several share one, each with an offset in words. */
typedef struct gpu_places {
    uint64_t map;                                   /* four bits an operand: its binding */
    uint32_t words[GPU_MAX_BINDINGS];               /* by operand: its offset from the start of its binding */
    uint32_t mask;                                  /* bit by binding */
    VkDescriptorBufferInfo infos[GPU_MAX_BINDINGS]; /* by binding */
} gpu_places;
#define GPU_OWN_BINDINGS UINT64_C(0xfedcba9876543210)

/* What an operand is bound to: its span, or for an absent one that of an operand which the command writes. */
gpu_span gpu_arg_bound(const gpu_program *program, const gpu_command *command, uint32_t index);
/* The places of a dispatch's operands. Fails, with a line: PM_UNSUPPORTED where the device cannot bind them. */
pm_status gpu_places_of(const gpu_program *program, const gpu_command *command, gpu_places *out);
/* Turns a mask of operands into a mask of bindings. */
uint32_t gpu_map_mask(uint64_t map, uint32_t mask);

/* ---- profile.c ---------------------------------------------------------------------------------------------------- */

/* How device ticks become the host's seconds. */
typedef struct gpu_clock {
    PFN_vkGetCalibratedTimestampsEXT read; /* NULL: the device cannot read both clocks at once */
    uint64_t ticks;                        /* the device's clock at the moment */
    double seconds;                        /* of the host's clock here; 0: not read yet */
} gpu_clock;

/* Makes device->profile and readies the clock. */
pm_status gpu_profile_open(pm_device *device, uint32_t events);
/* Adds rows for a program's commands. Their pipelines must be made. */
pm_status gpu_profile_program(gpu_program *program);
/* Turns the last of `runs` runs into events. Its ticks must be read. `runs` is 0 for the second and later recordings of one run. */
void gpu_profile_run(gpu_program *program, const gpu_recording *recording, uint32_t runs);
/* Adds the driver's statistics of a new pipeline. */
pm_status gpu_profile_pipeline(pm_device *device, gpu_pipeline *pipeline);
/* Whether programs are to be recorded with a stamp behind each part. */
bool gpu_profile_armed(const pm_device *device);

/* ---- debug.c: names and labels for RenderDoc, validation and vendors' tools; nothing without VK_EXT_debug_utils ---- */

typedef struct gpu_debug {
    PFN_vkSetDebugUtilsObjectNameEXT name;
    PFN_vkCmdBeginDebugUtilsLabelEXT begin;
    PFN_vkCmdEndDebugUtilsLabelEXT end;
} gpu_debug;

void gpu_debug_open(pm_device *device);
/* `handle` is any Vulkan object, converted by GPU_HANDLE. */
void gpu_debug_name(pm_device *device, VkObjectType type, uint64_t handle, const char *format, ...) PM_PRINTF(4, 5);
/* Groups of commands; each begin needs an end in the same command buffer. */
void gpu_debug_begin(pm_device *device, VkCommandBuffer commands, const char *text);
void gpu_debug_end(pm_device *device, VkCommandBuffer commands);
/* "h.3 backward" and "matmul 256x768x3072", or the names of a program without labels. */
const char *gpu_debug_part(const gpu_label *label, char text[80]);
const char *gpu_debug_command(const gpu_command *command, char text[80]);

/* Handles are pointers, or 64-bit numbers where pointers have 32 bits. */
#define GPU_HANDLE(handle) ((uint64_t)(handle))

/* ---- device.c ---------------------------------------------------------------------------------------------------- */

#include "gpu/run.h"

enum { GPU_SET_LAYOUTS = 1 << GPU_MAX_ARGS };

struct pm_device {
    pm_log log;
    gpu_instance instance;
    VkPhysicalDevice physical;
    VkPhysicalDeviceMemoryProperties heaps;
    pm_caps caps;
    uint32_t vendor_id; /* the device's own, not a preset's */
    gpu_features features;
    gpu_feature_set enabled; /* of features.found */
    bool compile_only;
    bool imported;          /* instance, device and queue are a host's */
    bool subgroup_disabled; /* asked for by name; the device may have them */
    double submit_ms;
    pm_profile *profile; /* NULL: none */
    gpu_clock clock;
    gpu_debug debug;

    VkDevice handle;
    gpu_device_table vk;
    gpu_queue queue;
    VkCommandPool pool;
    VkCommandBuffer transfer; /* for blocking copies */
    bool lost;
    bool abandoned;      /* and its work goes on: nothing of it is destroyed (abandon.c) */
    uint32_t timeout_ms; /* of a wait; 0: none */
    double wait_seconds;
    double landed;  /* when the last submission was seen to have ended, by os_seconds() */
    double pace[3]; /* of fills and copies, by gpu_command_kind, as a pipeline's */

    gpu_block *blocks;
    gpu_buffer *buffers;
    gpu_buffer *staging; /* made when first needed */
    uint64_t bytes_now, bytes_peak;
    uint64_t max_memory;                     /* of bytes_now; UINT64_MAX: no cap */
    uint64_t heap_used[VK_MAX_MEMORY_HEAPS]; /* bytes */
    bool spilled;                            /* device memory ran out once, and host memory was used instead */

    gpu_kernel kernels[KERNEL_COUNT];
    gpu_shared_kernel *shared_kernels;
    VkDescriptorSetLayout set_layouts[GPU_SET_LAYOUTS]; /* by mask of bindings */
    gpu_pipeline **pipelines;                           /* open addressing, by hash */
    uint32_t pipeline_count, pipeline_capacity;
    VkPipelineCache cache;
    gpu_keeper keeper;   /* of the three files */
    char *cache_path;    /* as of gpu_kept_read; NULL: it is not kept */
    uint64_t cache_hash; /* of what was loaded */
    char identity[80];   /* "device VENDOR:DEVICE driver VERSION-HASH", of the device itself, however it is lowered */
    uint64_t caps_hash;  /* of what is in use of its capabilities */
    gpu_choice_list choices; /* from autotuning, by caps_hash */
    gpu_choice_list faults;  /* of the device itself */
    char *old_choices_path;  /* of builds that kept both in one file */
    bool faults_lost;        /* there was a file, and it could not be used */
    kernel_id broken;        /* by gpu_kernel_break */

    gpu_program *programs;
    uint64_t program_serial;

    os_atomic user; /* in debug builds: the thread that is in a call; 0: none */
    uint32_t calls; /* of that thread, within each other */
    gpu_run *runs;  /* in the order in which they were submitted */
    uint32_t run_count, run_capacity;
    uint64_t serving;
    gpu_flight flights[GPU_TICKETS]; /* by ticket modulo GPU_TICKETS */
    uint64_t retired;                /* the last ticket whose flight was seen to have ended */
    pm_control *control;             /* what calls obey; NULL: nothing */
    gpu_sync sync;                   /* of the call that comes next: see pm_vulkan_wait */
    double period_ms;                /* of which Pumice takes submit_ms; 0: all */
    double due;                      /* when the next submission may follow then, by os_seconds() */
};

/* ---- device.c, import.c ------------------------------------------------------------------------------------------ */

/* Sets device->enabled: what Pumice's own kernels use, after lowering, and what the caller asked for beyond that. */
void gpu_choose_features(pm_device *device, const pm_device_params *params);

typedef struct pm_vulkan_device gpu_host;
/* NULL for a device of Pumice's own. */
pm_status gpu_device_open_on(const pm_device_params *params, const gpu_host *host, bool with_faults, pm_device **out);
/* The host's instance and physical device, with capabilities that are lowered to what was switched on. */
pm_status gpu_host_adopt(pm_device *device, const gpu_host *host);
/* The host's device and queue. */
pm_status gpu_host_attach(pm_device *device, const gpu_host *host);

/* Logs a failed Vulkan call and returns its status. A lost device stays lost. */
pm_status gpu_vk_fail(pm_device *device, VkResult result, const char *call, const char *file, int line);
/* The device is lost, and its work may go on: nothing of it is destroyed any more. */
void gpu_keep_all(pm_device *device);
/* The same, of a device whose work does not end: PM_DEVICE_LOST, with a line. */
pm_status gpu_abandon(pm_device *device);
/* PM_OK, or PM_DEVICE_LOST with a line. */
pm_status gpu_check_lost(const pm_device *device);

#endif
