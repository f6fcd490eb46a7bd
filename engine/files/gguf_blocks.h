/* Blocks of numbers in GGUF's tensors: floats out of them, and into them. Each block stands for itself.
 *
 *     F32, F16, BF16   one number
 *     Q8_0             half d; 32 int8 q:                    d q
 *     Q4_0             half d; 16 bytes:                     d (q - 8); low half bytes are elements 0 to 15, high ones 16 to 31
 *     Q4_K             half d, m; 12 bytes; 128 bytes:       d s q - m t; s and t are 6 bits for each 32 elements, q 4 bits
 *     Q6_K             128 bytes; 64 bytes; 16 int8 s; half d:  d s (q - 32); s for each 16 elements, q 4 + 2 bits
 *
 * (github.com/ggml-org/ggml, src/ggml-common.h and ggml-quants.c.) Products of these widths are exact in fp32, so that d s q - m t is rounded once. */
#ifndef FILES_GGUF_BLOCKS_H
#define FILES_GGUF_BLOCKS_H

#include "files/gguf.h"

enum { GGUF_BLOCK_MAX = 256 /* elements */ };

/* Whole blocks of a type that is readable. */
void gguf_expand(gguf_dtype dtype, const unsigned char *bytes, size_t blocks, float *out);
/* Whole blocks of a type that is written. False where a block of Q8_0 or Q4_0 has values that are not finite, or a scale that is no half. */
bool gguf_shrink(gguf_dtype dtype, const float *values, size_t blocks, unsigned char *bytes);

#endif
