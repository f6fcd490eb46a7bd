// EIGHT(name, index) reads eight elements of an fp16 operand. index is a multiple of 8, and the operand is aligned to 16 bytes. Such an operand is
// also declared by EIGHTS(slot, name), beside its row in BUFFERS.
#ifndef COMMON_CHUNKS_GLSL
#define COMMON_CHUNKS_GLSL

#if PM_BDA
layout(buffer_reference, std430, buffer_reference_align = 16) buffer eights_t { uvec4 v[]; };
#define EIGHTS(slot, name)
#define EIGHT(name, i) eights_t(operand_##name).v[(i) / 8]
#else // the same buffer, declared again
#define EIGHTS(slot, name) layout(std430, set = 0, binding = slot) readonly buffer name##_eights_t { uvec4 v[]; } name##_eights;
#define EIGHT(name, i) name##_eights.v[(base_##name + (i)) / 8]
#endif

#endif
