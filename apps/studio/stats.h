/* How long frames took. */
#ifndef STUDIO_STATS_H
#define STUDIO_STATS_H

#include "render.h"

enum { STATS_FRAMES = 65536 };

typedef struct stats {
    float ms[STATS_FRAMES]; /* of frames while something was computed: from its beginning until it was shown */
    size_t count, all;
    double ui, acquire, device, present; /* of these frames, in all */
} stats;

void stats_add(stats *s, bool busy, double ms, render_times parts);
/* One JSON line on stdout. */
void stats_print(stats *s, double tokens_per_s, double steps, double seconds);

#endif
