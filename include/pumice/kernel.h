/* A compute kernel of the caller's own, from SPIR-V: described, checked against the device, and run on storage buffers.
 *
 * Modules may come from anywhere. Reading one never goes beyond its words, and no driver gets one that declares or uses what the device does
 * not report. That does not replace a validator (spirv-val): drivers assume that the instructions inside the functions are valid. */
#ifndef PUMICE_KERNEL_H
#define PUMICE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/device.h>
#include <pumice/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PM_KERNEL_BINDINGS = 16, PM_KERNEL_MEMBERS = 64, PM_KERNEL_SPECS = 32, PM_KERNEL_CAPABILITIES = 32 };

/* Scalars: name in GLSL's words, bytes. */
#define PM_SCALAR_LIST(X)                                                                                              \
    X(OTHER, "struct", 0)                                                                                              \
    X(F16, "float16", 2)                                                                                               \
    X(F32, "float", 4)                                                                                                 \
    X(F64, "double", 8)                                                                                                \
    X(I8, "int8", 1)                                                                                                   \
    X(U8, "uint8", 1)                                                                                                  \
    X(I16, "int16", 2)                                                                                                 \
    X(U16, "uint16", 2)                                                                                                \
    X(I32, "int", 4)                                                                                                   \
    X(U32, "uint", 4)                                                                                                  \
    X(I64, "int64", 8)                                                                                                 \
    X(U64, "uint64", 8)                                                                                                \
    X(BOOL, "bool", 4)                                                                                                 \
    X(ADDRESS, "address", 8)

typedef enum pm_scalar {
#define PM_SCALAR_ENUM(name, text, size) PM_SCALAR_##name,
    PM_SCALAR_LIST(PM_SCALAR_ENUM)
#undef PM_SCALAR_ENUM
} pm_scalar;

PM_API const char *pm_scalar_name(pm_scalar scalar);
PM_API size_t pm_scalar_size(pm_scalar scalar); /* bytes; 0 for OTHER */

/* The number that the 16 bits of an F16 stand for (IEEE 754 binary16), and the bits of the nearest F16: ties go to the even one, numbers
 * from 65520 on become infinity, a NaN stays one. */
PM_API double pm_half_value(uint16_t bits);
PM_API uint16_t pm_half_bits(double value);

/* What a buffer holds: elements of `components` scalars, rows of `columns` where it is a matrix. */
typedef struct pm_kernel_type {
    pm_scalar scalar;
    uint32_t components; /* 1, or 2 to 4 of a vector */
    uint32_t columns;    /* 1, or those of a matrix */
    uint32_t elements;   /* of an array; 1: none; 0: as many as there is room for */
} pm_kernel_type;

typedef struct pm_kernel_binding {
    char name[48]; /* of the variable, else of its only member, else of its block; "" where the module has no names */
    uint32_t set, binding;
    bool readable, writable;
    bool storage_buffer; /* false: a uniform buffer, an image or a sampler, which Pumice does not bind */
    pm_kernel_type type; /* of the block's last member */
    uint64_t fixed_size; /* bytes before an array without a size, or of all of it: the least that must be bound */
} pm_kernel_binding;

typedef struct pm_kernel_member {
    char name[48];         /* "scale", "p.rows" of a struct in the block */
    uint32_t offset, size; /* bytes */
    pm_kernel_type type;
} pm_kernel_member;

typedef struct pm_kernel_spec {
    char name[48];
    uint32_t id;
    pm_scalar scalar;
    uint64_t value; /* the default's bits */
} pm_kernel_spec;

/* A value for a specialization constant: bits, as wide as the constant. */
typedef struct pm_kernel_value {
    uint32_t id;
    uint64_t value;
} pm_kernel_value;

typedef struct pm_kernel_info {
    char entry[48];
    uint32_t version;           /* as the header has it: 0x00010300 is 1.3 */
    uint32_t local_size[3];     /* with the specialization values given */
    uint32_t local_size_ids[3]; /* constants that set them; UINT32_MAX: none */
    bool local_size_by_id;      /* by LocalSizeId, which needs the feature maintenance4 */
    bool shared_initialized;    /* some work-group memory begins as zeros: needs shaderZeroInitializeWorkgroupMemory */
    uint64_t shared_size;       /* bytes of work-group memory, with the specialization values given */
    uint32_t push_size;         /* bytes of the block of push constants; 0: none */
    uint32_t binding_count, member_count, spec_count, capability_count;
    pm_kernel_binding bindings[PM_KERNEL_BINDINGS]; /* by set and number */
    pm_kernel_member members[PM_KERNEL_MEMBERS];    /* of the push constants */
    pm_kernel_spec specs[PM_KERNEL_SPECS];          /* by id */
    uint32_t capabilities[PM_KERNEL_CAPABILITIES];  /* SPIR-V specification, section 3.31 */
} pm_kernel_info;

/* "Shader", "Float16"; "" for those that Pumice has no name for. */
PM_API const char *pm_capability_name(uint32_t capability);

/* Reads a module's interface, with no device. `name` stands in error lines. Fails: PM_FORMAT (it cannot be read, or is no compute shader),
 * PM_UNSUPPORTED (more of something than pm_kernel_info holds), PM_INVALID (a value for a constant that is not there). */
PM_API PM_NODISCARD pm_status pm_kernel_describe(const pm_log *log, const char *name, const uint32_t *words,
                                                 size_t count, const pm_kernel_value *spec, size_t spec_count,
                                                 pm_kernel_info *out);

/* Threads: as the device. Lives: closed before its device. */
typedef struct pm_kernel pm_kernel;

/* Builds the module's pipeline; the words are not kept. Fails as pm_kernel_describe, and PM_UNSUPPORTED with a line that names what the device
 * lacks, PM_SHADER where the driver refuses the module. */
PM_API PM_NODISCARD pm_status pm_kernel_create(pm_device *device, const char *name, const uint32_t *words, size_t count,
                                               const pm_kernel_value *spec, size_t spec_count, pm_kernel **out);
PM_API void pm_kernel_destroy(pm_kernel **kernel);
/* Lives as long as the kernel. */
PM_API const pm_kernel_info *pm_kernel_get_info(const pm_kernel *kernel);

/* Makes the buffer of a binding of set 0: bytes, rounded up to a multiple of 4, filled with zeros. Once for each, before the first run. */
PM_API PM_NODISCARD pm_status pm_kernel_buffer(pm_kernel *kernel, uint32_t binding, uint64_t size);
/* Copy all of a buffer's bytes in or out. */
PM_API PM_NODISCARD pm_status pm_kernel_write(pm_kernel *kernel, uint32_t binding, const void *data, size_t size);
PM_API PM_NODISCARD pm_status pm_kernel_read(pm_kernel *kernel, uint32_t binding, void *data, size_t size);

/* Says what the coming runs are: work groups, and the whole block of push constants. Fails: PM_INVALID where a binding has no buffer or one
 * that is too small, or where sizes do not fit. */
PM_API PM_NODISCARD pm_status pm_kernel_prepare(pm_kernel *kernel, const uint32_t groups[3], const void *push,
                                                size_t push_size);
/* One dispatch, to its end. *ms by the device's time stamps; by the host's clock where it has none. It is one submission: a kernel that takes
 * seconds can meet a driver's watchdog. */
PM_API PM_NODISCARD pm_status pm_kernel_run(pm_kernel *kernel, double *ms);

/* What the driver says about the compiled kernel. */
typedef struct pm_kernel_statistic {
    char executable[64]; /* "SIMD16 compute", "main" */
    uint32_t subgroup_size;
    char name[64];
    char description[160];
    double value;
} pm_kernel_statistic;

/* Writes at most `capacity` entries, and the number there are to *count: 0 where the driver has none to give. */
PM_API PM_NODISCARD pm_status pm_kernel_statistics(pm_kernel *kernel, pm_kernel_statistic *out, size_t capacity,
                                                   size_t *count);

/* Pumice's own kernels: their number, and each one's name and module, with buffer addresses or without. NULL beyond the last. */
PM_API const char *pm_builtin_name(size_t index);
PM_API const uint32_t *pm_builtin_words(size_t index, bool bda, size_t *count);

/* One of them as a device uses it: with its values of the specialization constants 0, 1, 2 … */
typedef struct pm_kernel_used {
    size_t index; /* of pm_builtin_name */
    uint32_t spec_count, spec[PM_KERNEL_SPECS];
} pm_kernel_used;

/* Those that the programs of this device have used so far: writes at most `capacity`, returns how many there are. */
PM_API size_t pm_device_kernels(const pm_device *device, pm_kernel_used *out, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
