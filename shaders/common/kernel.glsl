// The start of every kernel. Before including it a kernel defines
//   PUSH         its struct of push.h
//   BUFFERS(X)   X(slot, access, type, name) for each operand, slots 0, 1, 2 … in order. access: readonly, writeonly or readwrite; type: float,
//                int, uint, vec4, act, kv, or weight. act is for activations and their gradients: floats, stored as float16_t in kernels compiled with
//                F16. kv is for keys and values: as act, or with KV16 float16_t.
//                weight is for the matrix of a product and a table of tokens: as act, or in kernels compiled with W16 two in a word, fp16 or bf16
// It then reads AT(name, index) and writes PUT(name, index, value), or two and four elements from index on: AT2, AT4, PUT2, PUT4. These make
// one access for each element, unless the kernel is compiled with
//   WIDE         one access for AT4 and PUT4, as GPUs want: index a multiple of 4, operand aligned to four elements
//   PAIRS        one access for two 32-bit words, with buffer addresses. A software driver gathers each access, so that this halves the cost
//                of AT2 and AT4. Index a multiple of 2 or 4, operand aligned to 8 bytes.
//
// Each kernel is compiled twice. With PM_BDA the operands are 64-bit addresses in the push constants. Without it they are
// storage buffers of set 0, bound at an aligned offset, and the push constants hold the 32-bit words between that offset and the operand.
#ifndef COMMON_KERNEL_GLSL
#define COMMON_KERNEL_GLSL

#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define PM_GLSL 1
#include "push.h"

#define readwrite // an access with neither qualifier

// The types of one and of four elements in memory, and the elements in a 32-bit word. `half` stands behind act and kv.
#if defined(F16) || defined(KV16)
#define HALF
#extension GL_EXT_shader_16bit_storage : require
#define STORED_half float16_t
#define STORED4_half f16vec4
#define WORD_half 2
#endif
#ifdef F16
#define STORED_act STORED_half
#define WORD_act WORD_half
#define READ_act READ_half
#define WRITE_act WRITE_half
#define FOURS_act FOURS_half
#else
#define STORED_act float
#define WORD_act 1
#define READ_act READ_float
#define WRITE_act WRITE_float
#define FOURS_act FOURS_float
#endif
#if defined(KV16)
#define STORED_kv STORED_half
#define WORD_kv WORD_half
#define READ_kv READ_half
#define WRITE_kv WRITE_half
#define FOURS_kv FOURS_half
#else
#define STORED_kv STORED_act
#define WORD_kv WORD_act
#define READ_kv READ_act
#define WRITE_kv WRITE_act
#define FOURS_kv FOURS_act
#endif
#ifdef W16
#define STORED_weight uint
#define STORED4_weight uvec2
#define WORD_weight 1
#else
#define STORED_weight STORED_act
#define WORD_weight WORD_act
#endif
#define STORED_float float
#define STORED_int int
#define STORED_uint uint
#define STORED_vec4 vec4
#define WORD_float 1
#define WORD_int 1
#define WORD_uint 1
#define WORD_vec4 1

#if PM_BDA
#extension GL_EXT_buffer_reference : require
#define DECLARE_BUFFER(slot, access, type, name)                                                                       \
    layout(buffer_reference, std430, buffer_reference_align = 4) access buffer name##_t { STORED_##type v[]; };
#define DECLARE_PUSH(slot, access, type, name) name##_t name;
#define DECLARE_COPY(slot, access, type, name) name##_t operand_##name = p_.name;
#define ELEMENT(name, i) operand_##name.v[i]
layout(buffer_reference, std430, buffer_reference_align = 16) buffer float_fours { vec4 v[]; };
#ifdef HALF
layout(buffer_reference, std430, buffer_reference_align = 8) buffer half_fours { STORED4_half v[]; };
#endif
#define FOUR(type, name, i) type##_fours(operand_##name).v[(i) / 4]
#ifdef W16
layout(buffer_reference, std430, buffer_reference_align = 8) buffer weight_fours { STORED4_weight v[]; };
#define WORDS4(name, i) FOUR(weight, name, i)
#endif
#else
#define DECLARE_BUFFER(slot, access, type, name)                                                                       \
    layout(std430, set = 0, binding = slot) access buffer name##_t { STORED_##type v[]; } name;                                 \
    FOURS_##type(slot, access, name)
#define DECLARE_PUSH(slot, access, type, name) uint base_##name;
#define DECLARE_COPY(slot, access, type, name) uint base_##name = WORD_##type * p_.base_##name;
#define ELEMENT(name, i) name.v[base_##name + (i)]
#define FOUR(type, name, i) name##_fours.v[(base_##name + (i)) / 4]
#define WORDS4(name, i) name##_fours.v[(2 * base_##name + (i)) / 4] // of weights, with W16
#define FOURS_int(slot, access, name)
#define FOURS_uint(slot, access, name)
#define FOURS_vec4(slot, access, name)
#ifdef WIDE // the same buffer, declared again as vectors
#define FOURS_float(slot, access, name) layout(std430, set = 0, binding = slot) access buffer name##_fours_t { vec4 v[]; } name##_fours;
#define FOURS_half(slot, access, name) layout(std430, set = 0, binding = slot) access buffer name##_fours_t { STORED4_half v[]; } name##_fours;
#else
#define FOURS_float(slot, access, name)
#define FOURS_half(slot, access, name)
#endif
#if defined(WIDE) && defined(W16)
#define FOURS_weight(slot, access, name) layout(std430, set = 0, binding = slot) access buffer name##_fours_t { STORED4_weight v[]; } name##_fours;
#elif defined(W16)
#define FOURS_weight(slot, access, name)
#else
#define FOURS_weight FOURS_act
#endif
#endif

// Reads two and four elements.
#if PM_BDA && defined(PAIRS)
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
layout(buffer_reference, std430, buffer_reference_align = 8) buffer pairs_t { uint64_t v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer words_t { uint v[]; };
#define PAIR(name, i) unpackUint2x32(pairs_t(operand_##name).v[i])
#define TWO_float(name, i) uintBitsToFloat(PAIR(name, (i) / 2))
#else
#define TWO_float(name, i) vec2(ELEMENT(name, i), ELEMENT(name, (i) + 1))
#endif
#if PM_BDA && defined(PAIRS)
#define TWO_half(name, i) unpackHalf2x16(words_t(operand_##name).v[(i) / 2])
vec4 four_halves(uvec2 words) { return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y)); }
#else
#define TWO_half(name, i) vec2(float(ELEMENT(name, i)), float(ELEMENT(name, (i) + 1)))
#endif
#if defined(WIDE)
#define FOUR_float(name, i) FOUR(float, name, i)
#define FOUR_half(name, i) vec4(FOUR(half, name, i))
#else
#define FOUR_float(name, i) vec4(TWO_float(name, i), TWO_float(name, (i) + 2))
#if PM_BDA && defined(PAIRS)
#define FOUR_half(name, i) four_halves(PAIR(name, (i) / 4))
#else
#define FOUR_half(name, i) vec4(TWO_half(name, i), TWO_half(name, (i) + 2))
#endif
#endif

// Where an element is, for repeated accesses at distances: PLACE(name, i), and BYTES(name, n) the distance of n elements. FROM4(name, place)
// reads four. Adding a distance costs a software driver less than an index does.
#if PM_BDA && defined(PAIRS)
#define PLACE_T uint64_t
#define FOUR_FROM_float(p) vec4(uintBitsToFloat(unpackUint2x32(pairs_t(p).v[0])), uintBitsToFloat(unpackUint2x32(pairs_t(p).v[1])))
#define FOUR_FROM_half(p) four_halves(unpackUint2x32(pairs_t(p).v[0]))
#define FOUR_FROM_weight(p) four_weights(unpackUint2x32(pairs_t(p).v[0]))
#define SIZE_float 4
#define SIZE_half 2
#define SIZE_weight 2
#define READ_PLACE(type, name)                                                                                         \
    uint64_t place_##name(uint i) { return uint64_t(operand_##name) + SIZE_##type * uint64_t(i); }                     \
    uint64_t bytes_##name(uint n) { return SIZE_##type * uint64_t(n); }                                                \
    vec4 from4_##name(uint64_t p) { return FOUR_FROM_##type(p); }
#else
#define PLACE_T uint
#define READ_PLACE(type, name)                                                                                         \
    uint place_##name(uint i) { return i; }                                                                            \
    uint bytes_##name(uint n) { return n; }                                                                            \
    vec4 from4_##name(uint p) { return at4_##name(p); }
#endif
#define PLACE(name, i) place_##name(i)
#define BYTES(name, n) bytes_##name(n)
#define FROM4(name, p) from4_##name(p)

// Weights in 16 bits: the words have the element with the lower index in their lower half.
#ifdef W16
layout(constant_id = SPEC_WEIGHT_BF16) const bool WEIGHT_BF16 = false;
// Both ways, one of which the compiler drops: a branch at each access takes SwiftShader gigabytes to compile.
vec2 two_weights(uint word)
{
    vec2 bf16 = uintBitsToFloat(uvec2(word << 16, word & 0xffff0000u));
    return mix(unpackHalf2x16(word), bf16, bvec2(WEIGHT_BF16));
}
vec4 four_weights(uvec2 words) { return vec4(two_weights(words.x), two_weights(words.y)); }
// Elements from any index on, of the words that hold them: an odd one begins in a word's upper half.
uint from_half(uint i, uint word, uint next) { return mix(word, word >> 16 | next << 16, (i & 1) == 1); }
#define ONE_weight(name, i) two_weights(ELEMENT(name, (i) / 2) >> 16 * ((i) & 1)).x
#if PM_BDA && defined(PAIRS)
#define TWO_weight(name, i) two_weights(ELEMENT(name, (i) / 2))
#define FOUR_weight(name, i) four_weights(PAIR(name, (i) / 4))
#else
#define TWO_weight(name, i) two_weights(from_half(i, ELEMENT(name, (i) / 2), ELEMENT(name, ((i) + 1) / 2)))
#if defined(WIDE)
#define FOUR_weight(name, i) four_weights(WORDS4(name, i))
#else
#define FOUR_weight(name, i) vec4(TWO_weight(name, i), TWO_weight(name, (i) + 2))
#endif
#endif
#endif

// Writes them. The driver rounds to float16_t, in the same way in all of these.
#if PM_BDA && defined(PAIRS)
#define SET_TWO_float(name, i, value) pairs_t(operand_##name).v[(i) / 2] = packUint2x32(floatBitsToUint(value))
#else
#define SET_TWO_float(name, i, value) ELEMENT(name, i) = value.x, ELEMENT(name, (i) + 1) = value.y
#endif
#define SET_TWO_half(name, i, value) ELEMENT(name, i) = STORED_half(value.x), ELEMENT(name, (i) + 1) = STORED_half(value.y)
#if defined(WIDE)
#define SET_FOUR_float(name, i, value) FOUR(float, name, i) = value
#define SET_FOUR_half(name, i, value) FOUR(half, name, i) = STORED4_half(value)
#else
#define SET_FOUR_float(name, i, value) SET_TWO_float(name, i, value.xy), SET_TWO_float(name, (i) + 2, value.zw)
#define SET_FOUR_half(name, i, value) SET_TWO_half(name, i, value.xy), SET_TWO_half(name, (i) + 2, value.zw)
#endif

// An operand's functions, by its type and access.
#define READ_scalar(type, name) type at_##name(uint i) { return ELEMENT(name, i); }
#define READ_int(name) READ_scalar(int, name)
#define READ_uint(name) READ_scalar(uint, name)
#define READ_vec4(name) READ_scalar(vec4, name)
#define READ_vector(type, name)                                                                                        \
    float at_##name(uint i) { return float(ELEMENT(name, i)); }                                                        \
    vec2 at2_##name(uint i) { return TWO_##type(name, i); }                                                            \
    vec4 at4_##name(uint i) { return FOUR_##type(name, i); }                                                           \
    uint word_##name(uint i) { return floatBitsToUint(at_##name(i)); }                                                 \
    READ_PLACE(type, name)
#define READ_float(name) READ_vector(float, name)
#define READ_half(name) READ_vector(half, name)
#ifdef W16
#define READ_weight(name)                                                                                              \
    float at_##name(uint i) { return ONE_weight(name, i); }                                                            \
    vec2 at2_##name(uint i) { return TWO_weight(name, i); }                                                            \
    vec4 at4_##name(uint i) { return FOUR_weight(name, i); }                                                           \
    uint word_##name(uint i) { return ELEMENT(name, (i) / 2); }                                                        \
    READ_PLACE(weight, name)
#else
#define READ_weight READ_act
#endif
#define WRITE_scalar(type, name) void put_##name(uint i, type value) { ELEMENT(name, i) = value; }
#define WRITE_int(name) WRITE_scalar(int, name)
#define WRITE_uint(name) WRITE_scalar(uint, name)
#define WRITE_vec4(name) WRITE_scalar(vec4, name)
#define WRITE_vector(type, name)                                                                                       \
    void put_##name(uint i, float value) { ELEMENT(name, i) = STORED_##type(value); }                                  \
    void put2_##name(uint i, vec2 value) { SET_TWO_##type(name, i, value); }                                           \
    void put4_##name(uint i, vec4 value) { SET_FOUR_##type(name, i, value); }
#define WRITE_float(name) WRITE_vector(float, name)
#define WRITE_half(name) WRITE_vector(half, name)
#define ACCESS_readonly(type, name) READ_##type(name)
#define ACCESS_writeonly(type, name) WRITE_##type(name)
#define ACCESS_readwrite(type, name) READ_##type(name) WRITE_##type(name)
#define DECLARE_ACCESS(slot, access, type, name) ACCESS_##access(type, name)

#define AT(name, i) at_##name(i)
#define AT2(name, i) at2_##name(i)
#define AT4(name, i) at4_##name(i)
#define PUT(name, i, value) put_##name(i, value)
#define PUT2(name, i, value) put2_##name(i, value)
#define PUT4(name, i, value) put4_##name(i, value)

// A processor does not predict gathers, and waits for each. So kernels for software drivers prefetch: TOUCH(name, i) reads two bytes
// of a cache line that the subgroup will need, another line in each lane. Processors gather words of 32 and 64 bits alone, so the driver makes a
// plain load for each lane, and these wait together. KEEP(name), at the end, names an output. It writes nothing, but keeps the compiler from
// removing these reads.
#ifdef PAIRS
#extension GL_KHR_shader_subgroup_basic : require
#define LINE 16u // elements of a cache line, or of half a line
#define LINE_OF(name) (64 / uint(BYTES(name, 1))) // elements of a cache line of this operand
uint touched = 0;
#if PM_BDA
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
layout(buffer_reference, std430, buffer_reference_align = 2) buffer shorts_t { uint16_t v[]; };
#define TOUCH(name, i) touched |= uint(shorts_t(PLACE(name, i)).v[0]);
#else
#define TOUCH(name, i)
#endif
#define KEEP(name)                                                                                                     \
    if (gl_NumWorkGroups.x == 0) PUT(name, 0, uintBitsToFloat(touched));
#else
#define TOUCH(name, i)
#define KEEP(name)
#endif

BUFFERS(DECLARE_BUFFER)
layout(push_constant, std430) uniform push_block
{
    BUFFERS(DECLARE_PUSH)
    PUSH p;
} p_;
// Read once, at the start of main(): a software driver branches at each read of a push constant, and does not hoist it out of loops.
PUSH P = p_.p; // this dispatch's scalars
BUFFERS(DECLARE_COPY)
BUFFERS(DECLARE_ACCESS)

layout(local_size_x_id = SPEC_GROUP_SIZE) in;

// The index of the work group in a grid that gpu_groups() spread over x and y. Submissions may split such a grid along y, never along x.
uint flat_group() { return gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x; }
uint flat_invocation() { return flat_group() * gl_WorkGroupSize.x + gl_LocalInvocationID.x; }

// The scalars buffer, step_scalars in push.h, is bound as uints. SCALAR_U and SCALAR_F read a field as a uint and as a float.
#define SCALAR_U(name, field) AT(name, SCALAR_WORD(field))
#define SCALAR_F(name, field) uintBitsToFloat(AT(name, SCALAR_WORD(field)))

// The dropout factor (0 or 1 / keep) of an element: see common/philox.glsl.
// `rows`: the mask rows of a micro batch, MASK_ROWS in attention.
#define DROPOUT_WORDS(scalars, rows, row, block, stream)                                                               \
    philox(uvec2(SCALAR_U(scalars, seed_lo), SCALAR_U(scalars, seed_hi)),                                              \
           uvec4(block, SCALAR_U(scalars, micro) * (rows) + (row), stream, SCALAR_U(scalars, step)))
#define MASK_ROWS (P.sequences * (P.channels / D) * P.time_q)

#endif
