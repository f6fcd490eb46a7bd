/* Points of a curve. Where there is no more room, neighbours become their mean: the curve keeps its whole length. */
#ifndef STUDIO_CURVE_H
#define STUDIO_CURVE_H

#include <stdint.h>

enum { CURVE_POINTS = 2048 };

typedef struct curve {
    uint32_t count, stride, gathered;
    double sum_x, sum_y;
    float x[CURVE_POINTS], y[CURVE_POINTS];
} curve;

void curve_clear(curve *c);
void curve_add(curve *c, double x, double y);
/* out[count]: a mean over about twice `half` points before and behind each. */
void curve_smooth(const curve *c, uint32_t half, float *out);

#endif
