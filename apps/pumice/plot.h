/* loss.png: training and validation loss over the steps. */
#ifndef APPS_PLOT_H
#define APPS_PLOT_H

#include "metrics.h"

/* Draws into path, at once or not at all. False after an error line. */
bool plot_draw(const char *path, const char *title, const metrics *curves);

#endif
