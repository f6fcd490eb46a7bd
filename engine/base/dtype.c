#include "base/dtype.h"

#include <string.h>

#include "base/half.h"

bool dtype_pack(dtype_id type, const float *in, uint64_t count, void *out)
{
    uint16_t *numbers = out;
    if (type == DTYPE_F32) {
        memcpy(out, in, 4 * count);
        return true;
    }
    if (type == DTYPE_F16)
        halves_from_floats(in, count, out);
    else
        bf16s_from_floats(in, count, out);
    if (count % 2) numbers[count] = 0;
    return type == DTYPE_F16 ? halves_hold(in, count) : bf16s_hold(in, count);
}

void dtype_unpack(dtype_id type, const void *in, uint64_t count, float *out)
{
    if (type == DTYPE_F32)
        memcpy(out, in, 4 * count);
    else if (type == DTYPE_F16)
        floats_from_halves(in, count, out);
    else
        floats_from_bf16s(in, count, out);
}
