#include "curve.h"

#include <math.h>

void curve_clear(curve *c)
{
    *c = (curve){.stride = 1};
}

static void halve(curve *c)
{
    for (uint32_t i = 0; i < CURVE_POINTS / 2; i++) {
        c->x[i] = 0.5f * (c->x[2 * i] + c->x[2 * i + 1]);
        c->y[i] = 0.5f * (c->y[2 * i] + c->y[2 * i + 1]);
    }
    c->count = CURVE_POINTS / 2;
    c->stride *= 2;
}

void curve_add(curve *c, double x, double y)
{
    if (c->stride == 0) c->stride = 1;
    if (!isfinite(y)) return;
    c->sum_x += x;
    c->sum_y += y;
    if (++c->gathered < c->stride) return;
    if (c->count == CURVE_POINTS) halve(c);
    c->x[c->count] = (float)(c->sum_x / c->gathered);
    c->y[c->count++] = (float)(c->sum_y / c->gathered);
    c->sum_x = c->sum_y = 0;
    c->gathered = 0;
}

/* Means over up to `half` points before and behind. At the beginning, where the loss falls fast, no more behind than before. */
static void smooth(const float *from, uint32_t count, uint32_t half, float *to)
{
    static double sums[CURVE_POINTS + 1];
    for (uint32_t i = 0; i < count; i++) sums[i + 1] = sums[i] + (double)from[i];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t before = i < half ? i : half;
        const uint32_t most = count - 1 - i < before ? count - 1 - i : before;
        to[i] = (float)((sums[i + most + 1] - sums[i - before]) / (before + most + 1));
    }
}

void curve_smooth(const curve *c, uint32_t half, float *out)
{
    static float once[CURVE_POINTS];
    smooth(c->y, c->count, half, once);
    smooth(once, c->count, half, out);
}
