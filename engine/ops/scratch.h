/* How operations divide their work: the numbers on which scratch sizes depend. */
#ifndef OPS_SCRATCH_H
#define OPS_SCRATCH_H

#include <stdint.h>

/* Partial sums over `rows` rows: enough to keep a device busy, few enough for the second pass. */
static inline uint32_t colsum_parts(uint32_t rows)
{
    uint32_t parts = (rows + 31) / 32;
    return parts < 64 ? parts : 64;
}

#endif
