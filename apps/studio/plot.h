/* Plots with axes, numbers and a grid. */
#ifndef STUDIO_PLOT_H
#define STUDIO_PLOT_H

#include "curve.h"
#include "ui.h"
#include "work.h"

/* The loss over the steps: each step faint, their mean, and validation points. Returns the rectangle inside the axes. */
ui_rect plot_loss(const theme *t, ui_rect room, const curve *loss, const curve *val, double steps, bool hovered);
/* The time line: what the host did, submissions, commands. zoom: the share that is shown, from 0 to 1; origin: where it begins. */
void plot_timeline(const theme *t, ui_rect room, const work_profile *p, double zoom, double origin, bool hovered);
/* Each kernel's speed against what the device allows at its FLOPs a byte. */
void plot_roofline(const theme *t, ui_rect room, const work_profile *p, bool hovered);

/* A step of 1, 2 or 5 times a power of ten, so that about `count` of them make the span. */
double plot_nice(double span, int count);

#endif
