/* Checks that a module uses only types, instructions and extensions that it declares. pipeline.c compares the declarations with the
 * device. Together they keep a driver from modules that its features do not cover. */
#include "spirv/reader.h"
#include "spirv/spirv.h"

#include <string.h>

/* Number in SPIR-V's specification, section 3.31, and name. */
#define CAPABILITY_LIST(X)                                                                                             \
    X(0, Matrix)                                                                                                       \
    X(1, Shader)                                                                                                       \
    X(4, Addresses)                                                                                                    \
    X(5, Linkage)                                                                                                      \
    X(6, Kernel)                                                                                                       \
    X(9, Float16)                                                                                                      \
    X(10, Float64)                                                                                                     \
    X(11, Int64)                                                                                                       \
    X(12, Int64Atomics)                                                                                                \
    X(22, Int16)                                                                                                       \
    X(39, Int8)                                                                                                        \
    X(50, ImageQuery)                                                                                                  \
    X(61, GroupNonUniform)                                                                                             \
    X(62, GroupNonUniformVote)                                                                                         \
    X(63, GroupNonUniformArithmetic)                                                                                   \
    X(64, GroupNonUniformBallot)                                                                                       \
    X(65, GroupNonUniformShuffle)                                                                                      \
    X(66, GroupNonUniformShuffleRelative)                                                                              \
    X(67, GroupNonUniformClustered)                                                                                    \
    X(68, GroupNonUniformQuad)                                                                                         \
    X(4433, StorageBuffer16BitAccess)                                                                                  \
    X(4434, UniformAndStorageBuffer16BitAccess)                                                                        \
    X(4435, StoragePushConstant16)                                                                                     \
    X(4441, VariablePointersStorageBuffer)                                                                             \
    X(4442, VariablePointers)                                                                                          \
    X(4448, StorageBuffer8BitAccess)                                                                                   \
    X(4449, UniformAndStorageBuffer8BitAccess)                                                                         \
    X(4450, StoragePushConstant8)                                                                                      \
    X(4464, DenormPreserve)                                                                                            \
    X(4466, SignedZeroInfNanPreserve)                                                                                  \
    X(5345, VulkanMemoryModel)                                                                                         \
    X(5346, VulkanMemoryModelDeviceScope)                                                                              \
    X(5347, PhysicalStorageBufferAddresses)                                                                            \
    X(5357, CooperativeMatrixNV)                                                                                       \
    X(6016, DotProductInputAll)                                                                                        \
    X(6017, DotProductInput4x8Bit)                                                                                     \
    X(6018, DotProductInput4x8BitPacked)                                                                               \
    X(6019, DotProduct)                                                                                                \
    X(6022, CooperativeMatrixKHR)                                                                                      \
    X(6033, AtomicFloat32AddEXT)                                                                                       \
    X(6034, AtomicFloat64AddEXT)

enum {
#define CAPABILITY_ENUM(number, name) CAPABILITY_##name = number,
    CAPABILITY_LIST(CAPABILITY_ENUM)
#undef CAPABILITY_ENUM
};

const char *pm_capability_name(uint32_t capability)
{
    switch (capability) {
#define CAPABILITY_CASE(number, name)                                                                                  \
    case number: return #name;
        CAPABILITY_LIST(CAPABILITY_CASE)
#undef CAPABILITY_CASE
    default: return "";
    }
}

static bool declares(const pm_kernel_info *info, uint32_t capability)
{
    for (uint32_t i = 0; i < info->capability_count; i++)
        if (info->capabilities[i] == capability) return true;
    return false;
}

static bool stores16(const pm_kernel_info *info)
{
    return declares(info, CAPABILITY_StorageBuffer16BitAccess) ||
           declares(info, CAPABILITY_UniformAndStorageBuffer16BitAccess);
}
static bool stores8(const pm_kernel_info *info)
{
    return declares(info, CAPABILITY_StorageBuffer8BitAccess) ||
           declares(info, CAPABILITY_UniformAndStorageBuffer8BitAccess);
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

static const char *number_fault(const pm_kernel_info *info, uint32_t op, uint32_t width)
{
    const bool is_float = op == OP_TYPE_FLOAT;
    switch (width) {
    case 32: return NULL;
    case 64:
        return declares(info, is_float ? CAPABILITY_Float64 : CAPABILITY_Int64)
                   ? NULL
                   : "it uses 64-bit numbers that it does not declare";
    case 16:
        return declares(info, is_float ? CAPABILITY_Float16 : CAPABILITY_Int16) || stores16(info) ||
                       declares(info, CAPABILITY_StoragePushConstant16)
                   ? NULL
                   : "it uses 16-bit numbers that it does not declare";
    case 8:
        return !is_float && (declares(info, CAPABILITY_Int8) || stores8(info) ||
                             declares(info, CAPABILITY_StoragePushConstant8))
                   ? NULL
                   : "it uses 8-bit numbers that it does not declare";
    default: return "it has numbers of an unknown width";
    }
}

/* 8-bit and 16-bit numbers in memory need a capability of their own. */
static const char *memory_fault(const pm_kernel_info *info)
{
    for (uint32_t i = 0; i < info->binding_count; i++) {
        const size_t size = pm_scalar_size(info->bindings[i].type.scalar);
        if ((size == 2 && !stores16(info)) || (size == 1 && !stores8(info)))
            return "it has 8-bit or 16-bit numbers in a buffer, and does not declare that";
    }
    for (uint32_t i = 0; i < info->member_count; i++) {
        const size_t size = pm_scalar_size(info->members[i].type.scalar);
        if ((size == 2 && !declares(info, CAPABILITY_StoragePushConstant16)) ||
            (size == 1 && !declares(info, CAPABILITY_StoragePushConstant8)))
            return "it has 8-bit or 16-bit numbers in its push constants, and does not declare that";
        if ((uint64_t)info->members[i].offset + info->members[i].size > info->push_size)
            return "a member of its push constants lies outside the block";
    }
    return NULL;
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

/* The subgroup instructions, section 3.52.24: the capability that each needs; 0: not one of them. */
static uint32_t subgroup_capability(uint32_t op)
{
    if (op < 333 || op > 366) return 0;
    if (op == 333) return CAPABILITY_GroupNonUniform;
    if (op <= 336) return CAPABILITY_GroupNonUniformVote;
    if (op <= 344) return CAPABILITY_GroupNonUniformBallot;
    if (op <= 346) return CAPABILITY_GroupNonUniformShuffle;
    if (op <= 348) return CAPABILITY_GroupNonUniformShuffleRelative;
    if (op <= 364) return CAPABILITY_GroupNonUniformArithmetic;
    return CAPABILITY_GroupNonUniformQuad;
}

static const char *instruction_fault(const pm_kernel_info *info, const uint32_t *w, uint32_t op, uint32_t length)
{
    enum {
        DECORATE_STRING = 5632,
        MEMBER_DECORATE_STRING = 5633,
        EXTENSIONS = 4096,
        COLLECTIVES_FIRST = 259,
        COLLECTIVES_LAST = 316
    };
    if ((op == OP_TYPE_INT || op == OP_TYPE_FLOAT) && length >= 3) return number_fault(info, op, w[2]);
    if (op == OP_TYPE_IMAGE || op == OP_TYPE_SAMPLER || op == OP_TYPE_SAMPLED_IMAGE) return "it uses images";
    const uint32_t needed = subgroup_capability(op);
    const bool clustered =
        needed == CAPABILITY_GroupNonUniformArithmetic && declares(info, CAPABILITY_GroupNonUniformClustered);
    if (needed && !declares(info, needed) && !clustered) return "it uses subgroup operations that it does not declare";
    if (op >= COLLECTIVES_FIRST && op <= COLLECTIVES_LAST) return "it uses instructions of OpenCL";
    if (op >= EXTENSIONS && op != DECORATE_STRING && op != MEMBER_DECORATE_STRING &&
        !declares(info, CAPABILITY_CooperativeMatrixKHR) && !declares(info, CAPABILITY_DotProduct) &&
        !declares(info, CAPABILITY_AtomicFloat32AddEXT))
        return "it uses an instruction of an extension that it does not declare";
    return NULL;
}

/* What a capability stands for needs no line here; these add none, or are part of what Pumice enables. */
static const char *extension_fault(const spirv_reader *r, uint32_t at)
{
    static const char *const known[] = {
        "SPV_KHR_storage_buffer_storage_class", "SPV_KHR_16bit_storage",           "SPV_KHR_8bit_storage",
        "SPV_KHR_physical_storage_buffer",      "SPV_EXT_physical_storage_buffer", "SPV_KHR_variable_pointers",
        "SPV_GOOGLE_decorate_string",           "SPV_GOOGLE_hlsl_functionality1",  "SPV_KHR_cooperative_matrix",
        "SPV_KHR_vulkan_memory_model",          "SPV_KHR_float_controls",          "SPV_KHR_integer_dot_product",
        "SPV_EXT_shader_atomic_float_add"};
    char name[64];
    spirv_text(r, at, name, sizeof name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i]) == 0) return NULL;
    return "it asks for an extension that Pumice does not enable";
}

static const char *model_fault(const uint32_t *w, uint32_t length)
{
    enum { LOGICAL = 0, PHYSICAL_64 = 5348, GLSL450 = 1, VULKAN = 3 };
    if (length < 3 || (w[1] != LOGICAL && w[1] != PHYSICAL_64) || (w[2] != GLSL450 && w[2] != VULKAN))
        return "its memory model is not one of Vulkan's";
    return NULL;
}

const char *spirv_body_fault(const spirv_reader *r, const pm_kernel_info *info)
{
    bool inside = false, model = false;
    const char *fault =
        info->version < 0x10000 || info->version > 0x10600 ? "its version is not one from 1.0 to 1.6" : NULL;
    if (!fault && !declares(info, CAPABILITY_Shader)) fault = "it does not declare the capability Shader";
    if (!fault) fault = memory_fault(info);
    for (size_t at = 5; at < r->count && !fault; at += spirv_length(r, (uint32_t)at)) {
        const uint32_t op = spirv_op(r, (uint32_t)at), length = spirv_length(r, (uint32_t)at), *w = &r->words[at];
        if (op == OP_FUNCTION && inside) fault = "a function begins within another";
        if (op == OP_FUNCTION_END && !inside) fault = "a function ends that did not begin";
        if (op == OP_FUNCTION) inside = true;
        if (op == OP_FUNCTION_END) inside = false;
        if (!fault && op == OP_EXTENSION) fault = extension_fault(r, (uint32_t)at + 1);
        if (!fault && op == OP_MEMORY_MODEL) fault = model_fault(w, length);
        model |= op == OP_MEMORY_MODEL;
        if (!fault) fault = instruction_fault(info, w, op, length);
    }
    if (!fault && inside) fault = "its last function does not end: the file is cut short";
    if (!fault && !model) fault = "it has no memory model";
    return fault;
}
