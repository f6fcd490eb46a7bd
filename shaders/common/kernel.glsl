// What every kernel starts with. Before including it a kernel defines
//   PUSH         its struct of push.h
//   BUFFERS(X)   X(slot, access, type, name) for each operand, slots 0, 1, 2 … in order
// and then reads and writes AT(name, index), reads AT2 and AT4, two and four elements from index on, and writes PUT4. Those take as many
// accesses as elements, unless the kernel is compiled with
//   WIDE         one of 128 bits for AT4 and PUT4, as GPUs want: index a multiple of 4, operand aligned to 16 bytes
//   PAIRS        ones of 64 bits, also for AT2, where there are buffer addresses: a software driver gathers element by element, so that wide
//                elements halve its work. Index even, operand aligned to 8 bytes.
//
// Each kernel is compiled twice. With PM_BDA the operands are 64-bit addresses in the push constants. Without it they are
// storage buffers of set 0, bound at an aligned offset, and the push constants hold the elements between that offset and the operand.
#ifndef COMMON_KERNEL_GLSL
#define COMMON_KERNEL_GLSL

#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define PM_GLSL 1
#include "push.h"

#if PM_BDA
#extension GL_EXT_buffer_reference : require
#define DECLARE_BUFFER(slot, access, type, name)                                                                       \
    layout(buffer_reference, std430, buffer_reference_align = 4) access buffer name##_t { type v[]; };
#define DECLARE_PUSH(slot, access, type, name) name##_t name;
#define DECLARE_COPY(slot, access, type, name) name##_t operand_##name = p_.name;
#define AT(name, i) operand_##name.v[i]
#else
#define DECLARE_BUFFER(slot, access, type, name)                                                                       \
    layout(std430, set = 0, binding = slot) access buffer name##_t { type v[]; } name;                                 \
    DECLARE_WIDE(slot, access, name)
#define DECLARE_PUSH(slot, access, type, name) uint base_##name;
#define DECLARE_COPY(slot, access, type, name) uint base_##name = p_.base_##name;
#define AT(name, i) name.v[base_##name + (i)]
#ifdef WIDE // the same buffer once more, as vectors
#define DECLARE_WIDE(slot, access, name)                                                                               \
    layout(std430, set = 0, binding = slot) access buffer name##_wide_t { vec4 v[]; } name##_wide;
#else
#define DECLARE_WIDE(slot, access, name)
#endif
#endif

#if PM_BDA && defined(PAIRS)
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
layout(buffer_reference, std430, buffer_reference_align = 8) buffer pairs_t { uint64_t v[]; };
#define AT2(name, i) uintBitsToFloat(unpackUint2x32(pairs_t(operand_##name).v[(i) / 2]))
#define PUT2(name, i, value) pairs_t(operand_##name).v[(i) / 2] = packUint2x32(floatBitsToUint(value))
#else
#define AT2(name, i) vec2(AT(name, i), AT(name, (i) + 1))
#define PUT2(name, i, value) AT(name, i) = (value).x, AT(name, (i) + 1) = (value).y
#endif
#if !defined(WIDE)
#define AT4(name, i) vec4(AT2(name, i), AT2(name, (i) + 2))
#define PUT4(name, i, value) PUT2(name, i, (value).xy), PUT2(name, (i) + 2, (value).zw)
#elif PM_BDA
layout(buffer_reference, std430, buffer_reference_align = 16) buffer wide_t { vec4 v[]; };
#define AT4(name, i) wide_t(operand_##name).v[(i) / 4]
#define PUT4(name, i, value) wide_t(operand_##name).v[(i) / 4] = value
#else
#define AT4(name, i) name##_wide.v[(base_##name + (i)) / 4]
#define PUT4(name, i, value) name##_wide.v[(base_##name + (i)) / 4] = value
#endif

BUFFERS(DECLARE_BUFFER)
layout(push_constant, std430) uniform push_block
{
    BUFFERS(DECLARE_PUSH)
    PUSH p;
} p_;
// Read once, as main() begins: a software driver checks each read of a push constant and branches, and leaves it in a loop or a branch.
PUSH P = p_.p; // this dispatch's scalars
BUFFERS(DECLARE_COPY)

layout(local_size_x_id = 0) in;

// The work group's number where gpu_groups() spread a long row of groups over x and y. Submissions may cut y, never x of such a grid.
uint flat_group() { return gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x; }
uint flat_invocation() { return flat_group() * gl_WorkGroupSize.x + gl_LocalInvocationID.x; }

// The scalars buffer (struct step_scalars) is bound as uints; these are its words.
#define SCALAR_SEED_LO 0
#define SCALAR_SEED_HI 1
#define SCALAR_MICRO_STEP 2
#define SCALAR_POS 3
#define SCALAR_LR 4
#define SCALAR_BETA1_FIX 5
#define SCALAR_BETA2_FIX 6
#define SCALAR_GRAD_SCALE 7
#define SCALAR_U(name, field) AT(name, field)
#define SCALAR_F(name, field) uintBitsToFloat(AT(name, field))

// The dropout factor (0 or 1 / keep) of an element: see common/philox.glsl.
#define DROPOUT_WORDS(scalars, row, block, stream)                                                                     \
    philox(uvec2(SCALAR_U(scalars, SCALAR_SEED_LO), SCALAR_U(scalars, SCALAR_SEED_HI)),                                \
           uvec4(block, row, stream, SCALAR_U(scalars, SCALAR_MICRO_STEP)))

#endif
