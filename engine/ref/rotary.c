/* Rotary positions: its own gradient, with attr.inverse turned over. */
#include <string.h>

#include "ref/ref_internal.h"

/* One head: columns i and i + half by the angles of a row of the table, cos | sin. */
static void turn(double *x, size_t half, const double *angles, double sign)
{
    for (size_t i = 0; i < half; i++) {
        const double c = angles[i], s = sign * angles[half + i], first = x[i], second = x[i + half];
        x[i] = first * c - second * s;
        x[i + half] = second * c + first * s;
    }
}

void ref_rope(const op_call *call)
{
    const op_attr *a = &call->attr;
    const op_view qkv = call->in[ROPE_QKV];          /* (N,W) */
    const double *table = call->in[ROPE_TABLE].data; /* (P,R) */
    const step_scalars *scalars = call->in[ROPE_SCALARS].data;
    double *y = call->out[ROPE_Y].data; /* (N,W) */
    memcpy(y, qkv.data, ref_count(&qkv) * sizeof *y);
    for (size_t row = 0; row < qkv.rows; row++) {
        const double *angles = table + (scalars->pos + row % a->time) * a->rotary;
        for (size_t h = 0; h < a->heads + a->kv_heads; h++)
            turn(y + row * qkv.cols + h * a->head, a->rotary / 2, angles, a->inverse ? -1 : 1);
    }
}
