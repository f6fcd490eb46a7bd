/* metrics.jsonl: one JSON line a step, and the same numbers in memory for the plot. */
#ifndef APPS_METRICS_H
#define APPS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pumice/train.h>

typedef struct metrics_point {
    uint32_t step;
    float value;
} metrics_point;

typedef struct metrics_curve {
    metrics_point *points;
    size_t count, room;
} metrics_curve;

typedef struct metrics {
    FILE *file;
    char *path;
    metrics_curve loss, val_loss;
} metrics;

/* Opens DIR/metrics.jsonl for appending, after dropping, at once or not at all, what lies behind step `keep` (and lines that are
 * damaged). False after an error line. */
bool metrics_open(metrics *out, const char *dir, uint32_t keep);
/* One line: step, loss, lr, grad_norm, tokens_per_s, and val_loss unless it is NaN. Also to stdout if `echo`. */
bool metrics_add(metrics *out, const pm_step *step, double tokens_per_s, double val_loss, bool echo);
/* Makes sure that the lines are on the disk. */
bool metrics_sync(metrics *out);
void metrics_close(metrics *out);

#endif
