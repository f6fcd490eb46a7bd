/* Types of numbers in memory. Arithmetic is fp32 whatever they are. */
#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum dtype_id { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPES } dtype_id;

/* As in file formats and on the command line: "f32". */
static inline const char *dtype_name(dtype_id type)
{
    static const char *const names[] = {"f32", "f16", "bf16"};
    return names[type];
}

/* Bytes of so many numbers. */
static inline uint64_t dtype_bytes(dtype_id type, uint64_t count)
{
    return (type == DTYPE_F32 ? 4 : 2) * count;
}
/* The same, up to whole 32-bit words. */
static inline uint64_t dtype_words(dtype_id type, uint64_t count)
{
    return (dtype_bytes(type, count) + 3) / 4;
}

/* Numbers from floats, rounded to the nearest, and the way back. `in` and `out` do not overlap. Packing fills the last word with a zero. False: a finite
 * number is too large for the type, and became infinite. */
bool dtype_pack(dtype_id type, const float *in, uint64_t count, void *out);
void dtype_unpack(dtype_id type, const void *in, uint64_t count, float *out);

#endif
