#include "base/dtype.h"

#include <string.h>

#include "base/half.h"

/* Whether a number became infinite that is finite. `infinite`: the type's bits for that. */
static bool overflows(const float *in, uint64_t count, const uint16_t *numbers, uint16_t infinite)
{
    bool any = false;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &in[i], 4);
        any |= (numbers[i] & 0x7fff) == infinite && (bits & 0x7fffffff) < 0x7f800000;
    }
    return any;
}

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
    return !overflows(in, count, numbers, type == DTYPE_F16 ? 0x7c00 : 0x7f80);
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
