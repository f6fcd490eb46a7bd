/* How far a run is, on stderr: a bar on a terminal, now and then a line elsewhere. */
#ifndef APPS_PROGRESS_H
#define APPS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    const char *what;      /* the loss is called */
    uint32_t first, total; /* steps done before this run, and in the end */
    bool terminal;
    double started, last_shown, last_step; /* app_seconds() */
    double loss, val_loss;                 /* smoothed; the last one, NaN before it */
    double rate;                           /* tokens a second, smoothed */
    double step_seconds;                   /* smoothed, evaluations and saves included */
} progress;

/* `what`: "loss", or another name of it. */
void progress_start(progress *state, const char *what, uint32_t first, uint32_t total);
/* After a step. val_loss: NaN where the step had no evaluation. */
void progress_step(progress *state, uint32_t step, double loss, double val_loss, double tokens_per_s);
/* Takes the bar away before something else is printed. Does nothing where there is none. */
void progress_clear(void);

#endif
