/* The types of tensors and of metadata: names and sizes. */
#include "files/gguf_blocks.h"
#include "files/gguf_internal.h"

enum { DTYPES = 43 }; /* above the largest number */

static const struct {
    const char *name;
    uint32_t block, size; /* elements, bytes */
} dtypes[DTYPES] = {
#define DTYPE_ROW(name, number, block, bytes) [number] = {#name, block, bytes},
    GGUF_DTYPE_LIST(DTYPE_ROW)
#undef DTYPE_ROW
};

static const struct {
    const char *name;
    uint32_t size; /* bytes */
} values[GGUF_VALUES] = {
#define VALUE_ROW(name, bytes) {#name, bytes},
    GGUF_VALUE_LIST(VALUE_ROW)
#undef VALUE_ROW
};

#define DTYPE_FITS(name, number, block, bytes)                                                                         \
    _Static_assert((number) < DTYPES && (block) <= GGUF_BLOCK_MAX, "a row, and room for a block");
GGUF_DTYPE_LIST(DTYPE_FITS)
#undef DTYPE_FITS

static bool listed(gguf_dtype dtype)
{
    return (unsigned)dtype < DTYPES;
}

const char *gguf_dtype_name(gguf_dtype dtype)
{
    return listed(dtype) ? dtypes[dtype].name : NULL;
}

uint32_t gguf_dtype_block(gguf_dtype dtype)
{
    return listed(dtype) ? dtypes[dtype].block : 0;
}

uint32_t gguf_dtype_size(gguf_dtype dtype)
{
    return listed(dtype) ? dtypes[dtype].size : 0;
}

bool gguf_dtype_readable(gguf_dtype dtype)
{
    return gguf_dtype_written(dtype) || dtype == GGUF_Q4_K || dtype == GGUF_Q6_K;
}

bool gguf_dtype_written(gguf_dtype dtype)
{
    return dtype == GGUF_F32 || dtype == GGUF_F16 || dtype == GGUF_BF16 || dtype == GGUF_Q8_0 || dtype == GGUF_Q4_0;
}

const char *gguf_value_name(gguf_value type)
{
    return (unsigned)type < GGUF_VALUES ? values[type].name : NULL;
}

uint32_t gguf_value_size(gguf_value type)
{
    return (unsigned)type < GGUF_VALUES ? values[type].size : 0;
}

bool gguf_tensor_extent(gguf_dtype dtype, uint32_t rank, const uint64_t *dims, uint64_t *count, uint64_t *size)
{
    const uint32_t block = gguf_dtype_block(dtype);
    uint64_t total = 1;
    bool empty = false;
    if (!block || rank > GGUF_MAX_RANK || (rank ? dims[0] : 1) % block) return false;
    for (uint32_t i = 0; i < rank; i++) empty |= dims[i] == 0;
    for (uint32_t i = 0; i < rank && !empty; i++) {
        if (total > INT64_MAX / dims[i]) return false;
        total *= dims[i];
    }
    if (empty) total = 0;
    if (total / block > INT64_MAX / gguf_dtype_size(dtype)) return false;
    *count = total;
    *size = total / block * gguf_dtype_size(dtype);
    return true;
}
