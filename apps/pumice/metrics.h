/* metrics.jsonl: one JSON line a step, and the same numbers in memory for the plot. */
#ifndef APPS_METRICS_H
#define APPS_METRICS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct metrics_point {
    uint32_t step;
    float value;
} metrics_point;

typedef struct metrics_curve {
    metrics_point *points;
    size_t count, room;
} metrics_curve;

typedef struct metrics {
    char *path;
    int file;
    bool opened;
    char *pending; /* lines that could not be written yet */
    size_t pending_size, pending_room;
    metrics_curve loss, val_loss;
} metrics;

/* Opens DIR/metrics.jsonl for appending. First drops damaged lines and those behind step `keep`, all or none. False after an error line, also where
 * another run has it open. */
bool metrics_open(metrics *out, const char *dir, uint32_t keep);
/* Whether a file has only lines that metrics_add wrote, perhaps none, the last perhaps cut short. *steps: how many. */
bool metrics_are_of_run(const char *path, uint32_t *steps);
/* A further number of a line. */
#define METRICS_NULL HUGE_VAL
typedef struct metrics_field {
    const char *name;
    double value; /* NaN: left out; METRICS_NULL: not defined */
} metrics_field;

enum { METRICS_MORE = 14 };
typedef struct metrics_line {
    uint32_t step;
    double loss, lr, grad_norm, tokens_per_s;
    double val_loss;                  /* NaN: no evaluation at this step */
    metrics_field more[METRICS_MORE]; /* up to the first without a name */
} metrics_line;

/* One line: step, loss, lr, grad_norm, tokens_per_s, val_loss, and `more`. Also to stdout if `echo`. Where the disk is full the line is kept for
 * later. */
bool metrics_add(metrics *out, const metrics_line *line, bool echo);
/* Makes sure that the lines are on the disk. False after an error line; they are kept then. */
bool metrics_sync(metrics *out);
void metrics_close(metrics *out);

#endif
