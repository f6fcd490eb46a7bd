/* How long frames took. */
#ifndef STUDIO_STATS_H
#define STUDIO_STATS_H

#include <stdbool.h>
#include <stddef.h>

enum { STATS_FRAMES = 65536 };

typedef struct stats {
    float ms[STATS_FRAMES]; /* of frames while something was computed: from its beginning until it was shown */
    size_t count, all;
    double draw_ms; /* of them, in all: building and recording, without waiting for the device */
} stats;

void stats_add(stats *s, bool busy, double ms);
/* One JSON line on stdout. */
void stats_print(stats *s, double tokens_per_s, double steps_per_s, double seconds);

#endif
