#include "base/dtype.h"

#include <math.h>
#include <string.h>

#include "base/half.h"

bool dtype_pack(dtype_id type, const float *in, uint64_t count, void *out)
{
    uint16_t *halves = out;
    bool fits = true;
    if (type == DTYPE_F32) memcpy(out, in, 4 * count);
    for (uint64_t i = 0; type == DTYPE_F16 && i < count; i++) {
        halves[i] = half_from_float(in[i]);
        fits &= (halves[i] & 0x7fff) != 0x7c00 || isinf(in[i]);
    }
    for (uint64_t i = 0; type == DTYPE_BF16 && i < count; i++) {
        halves[i] = bf16_from_float(in[i]);
        fits &= (halves[i] & 0x7fff) != 0x7f80 || isinf(in[i]);
    }
    if (type != DTYPE_F32 && count % 2) halves[count] = 0;
    return fits;
}

void dtype_unpack(dtype_id type, const void *in, uint64_t count, float *out)
{
    const uint16_t *halves = in;
    if (type == DTYPE_F32) memcpy(out, in, 4 * count);
    for (uint64_t i = 0; type == DTYPE_F16 && i < count; i++) out[i] = half_to_float(halves[i]);
    for (uint64_t i = 0; type == DTYPE_BF16 && i < count; i++) out[i] = bf16_to_float(halves[i]);
}
