/* loss.png: training and validation loss over the steps. */
#ifndef APPS_PLOT_H
#define APPS_PLOT_H

#include "app.h"

typedef struct plot_curve {
    const pm_run_point *points;
    size_t count;
} plot_curve;

typedef struct plot_curves {
    plot_curve loss, val_loss;
} plot_curves;

/* Draws into path, at once or not at all; `unit`: of the upright axis. False after an error line. */
bool plot_draw(const char *path, const char *title, const char *unit, const plot_curves *curves);

#endif
