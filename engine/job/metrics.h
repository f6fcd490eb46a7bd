/* metrics.jsonl: a JSON object a line and a step, and in memory the losses that val_loss compares with. */
#ifndef JOB_METRICS_H
#define JOB_METRICS_H

#include <pumice/run.h>

typedef struct metrics_curve {
    pm_run_point *points;
    size_t count, room;
} metrics_curve;

typedef struct metrics {
    pm_log log;
    char *path;
    int file;
    bool opened;
    char *pending; /* lines that could not be written yet */
    size_t pending_size, pending_room;
    metrics_curve loss, val_loss;
} metrics;

/* Opens dir/metrics.jsonl for appending. First drops damaged lines and those behind step `keep`, all or none. Fails: PM_IO, also where another run has
 * it open; PM_NO_HOST_MEMORY. */
pm_status metrics_open(const pm_log *log, const char *dir, uint32_t keep, metrics *out);
void metrics_close(metrics *out);
/* Whether a file has only lines of runs, perhaps none, the last perhaps cut short. *steps: how many. */
bool metrics_are_of_run(const char *path, uint32_t *steps);

/* A line that grows. Before its evaluation, at its longest with two dozen numbers, it has at most METRICS_OPEN bytes. */
enum { METRICS_OPEN = 600 };
typedef struct metrics_line {
    char text[1024]; /* with an end only once it is added */
    size_t used;
} metrics_line;
/* Takes up a line that was left before its evaluation; false for a text that is none. */
bool metrics_line_open(metrics_line *line, const char *text);
void metrics_line_begin(metrics_line *line, uint32_t step, double loss, double lr, double grad_norm,
                        double tokens_per_s);
/* What is not finite is null. */
void metrics_line_number(metrics_line *line, const char *name, double value);

/* Ends a step's line and adds it. loss: with a finetuner the task's. val_loss: NaN where there was none.
 * Where the disk is full the line is kept for later. Fails: PM_NO_HOST_MEMORY. */
pm_status metrics_add(metrics *out, metrics_line *line, uint32_t step, double loss, double val_loss);
/* Makes sure that the lines are on the disk. Fails: PM_IO; they are kept then. */
pm_status metrics_sync(metrics *out);

#endif
