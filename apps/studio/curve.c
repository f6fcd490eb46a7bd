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

void curve_smooth(const curve *c, float span, float *out)
{
    const double keep = span > 1 ? 1 - 1 / (double)span : 0;
    double sum = 0, weight = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        sum = keep * sum + (1 - keep) * (double)c->y[i];
        weight = keep * weight + (1 - keep);
        out[i] = (float)(sum / weight);
    }
    sum = weight = 0;
    for (uint32_t i = c->count; i-- > 0;) { /* and backwards, so that the mean does not lag behind */
        sum = keep * sum + (1 - keep) * (double)c->y[i];
        weight = keep * weight + (1 - keep);
        out[i] = 0.5f * (out[i] + (float)(sum / weight));
    }
}
