/* Which function computes which operation, and what the families share. */
#include "ref/ref.h"

#include <assert.h>
#include <string.h>

#include "base/rng.h"
#include "ref/ref_internal.h"

static void (*const twins[OP_COUNT])(const op_call *call) = {
#define OP(id, function, name, ins, outs, ...) [OP_##id] = ref_##function,
#define OP_FLAT OP
#include "ops/ops.def"
};

void ref_run(const op_call *call)
{
    assert(call->op >= 0 && call->op < OP_COUNT);
    twins[call->op](call);
}

double ref_dropout_factor(const void *scalars, uint32_t stream, uint32_t row, uint32_t col, float p)
{
    const step_scalars *s = scalars;
    uint64_t seed = ((uint64_t)s->seed_hi << 32) | s->seed_lo;
    float keep = 1.0f - p;
    rng_block block = rng_philox(seed, col / 4, row, stream, s->step);
    return rng_uniform(block.v[col % 4]) < keep ? 1.0 / keep : 0.0;
}

uint32_t ref_mask_row(const void *scalars, uint32_t rows, uint32_t row)
{
    return ((const step_scalars *)scalars)->micro * rows + row;
}

void ref_begin(const op_call *call, const op_view *out)
{
    if (!call->attr.accumulate) memset(out->data, 0, ref_count(out) * sizeof(double));
}
