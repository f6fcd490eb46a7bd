/* Shared by the files that read and write GGUF. */
#ifndef FILES_GGUF_INTERNAL_H
#define FILES_GGUF_INTERNAL_H

#include "files/gguf.h"
#include "files/safetensors_internal.h" /* names in log lines, a name twice */

enum {
    GGUF_HEADER_MAX = 1000 * 1000 * 1000, /* bytes; places in it fit into 32 bits */
    GGUF_MOST = 1 << 20,                  /* keys, tensors */
    GGUF_KEY_MAX = 65535                  /* bytes */
};

#define GGUF_MAGIC "GGUF"
#define GGUF_ALIGNMENT_KEY "general.alignment"

/* "U32", as lines name it; NULL outside the list. */
const char *gguf_value_name(gguf_value type);
/* Bytes of a value; 0 where it varies. */
uint32_t gguf_value_size(gguf_value type);

/* dims product, elements; bytes of all blocks. False where the rank is above 4, the first is no multiple of the block, or they overflow 63 bits. */
bool gguf_tensor_extent(gguf_dtype dtype, uint32_t rank, const uint64_t *dims, uint64_t *count, uint64_t *size);

/* The next multiple of a power of two. */
static inline uint64_t gguf_align(uint64_t at, uint32_t alignment)
{
    return (at + alignment - 1) & ~(uint64_t)(alignment - 1);
}

static inline uint16_t gguf_load16(const unsigned char *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t gguf_load32(const unsigned char *b)
{
    return gguf_load16(b) | (uint32_t)gguf_load16(b + 2) << 16;
}

static inline uint64_t gguf_load64(const unsigned char *b)
{
    return gguf_load32(b) | (uint64_t)gguf_load32(b + 4) << 32;
}

static inline void gguf_store(unsigned char *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) b[i] = (unsigned char)(value >> (8 * i));
}

#endif
