/* The bar and its plain counterpart. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "progress.h"
#include "terminal.h"

static const double BAR_EVERY = 0.1, LINE_EVERY = 10.0; /* seconds */

static bool bar_is_up;

void progress_clear(void)
{
    if (!bar_is_up) return;
    bar_is_up = false;
    fputs("\r\033[K", stderr);
}

void progress_start(progress *state, const char *what, uint32_t first, uint32_t total)
{
    *state = (progress){
        .what = what, .first = first, .total = total, .terminal = terminal_draws(TERMINAL_STDERR), .val_loss = NAN};
    state->started = state->last_step = app_seconds();
    state->last_shown = state->started - LINE_EVERY;
}

enum { TEXT_SIZE = 160, BAR_MOST = 40, BAR_LEAST = 8 };

/* How far the run is, in at most `columns`: the least important parts are left out first. val_loss: NaN leaves it out. Returns its length. */
static int describe(const progress *state, uint32_t step, double val_loss, int columns, char text[TEXT_SIZE])
{
    char left[32], val[32] = "", rate[32];
    const double seconds = state->step_seconds * (double)(state->total - step);
    if (!isnan(val_loss)) snprintf(val, sizeof val, "  val %.4f", val_loss);
    snprintf(rate, sizeof rate, "  %.0f tokens/s", state->rate);
    (void)app_duration(seconds, left);
    int length = 0;
    for (int without = 0; without <= 3; without++) {
        length = snprintf(text, TEXT_SIZE, "step %u/%u  %s %.4f%s%s%s%s%s", (unsigned)step, (unsigned)state->total,
                          state->what, state->loss, without < 2 ? val : "", without < 1 ? rate : "",
                          without < 3 ? "  " : "", without < 3 ? left : "", without < 3 ? " left" : "");
        if (length <= columns) return length;
    }
    text[columns] = 0;
    return columns;
}

/* A bar keeps the last validation loss; a line has the one of its step. */
static void show(const progress *state, uint32_t step, double val_loss)
{
    char text[TEXT_SIZE], bar[BAR_MOST + 3] = "";
    if (!state->terminal) {
        (void)describe(state, step, val_loss, TEXT_SIZE - 1, text);
        fprintf(stderr, "%s\n", text);
        return;
    }
    int columns = terminal_columns(TERMINAL_STDERR) - 1; /* in the last one some terminals begin the next line */
    if (columns > TEXT_SIZE - 1) columns = TEXT_SIZE - 1;
    int width = columns - describe(state, step, state->val_loss, columns, text) - 3;
    if (width > BAR_MOST) width = BAR_MOST;
    if (width >= BAR_LEAST) {
        const int full = (int)((double)width * (double)step / (double)state->total);
        bar[0] = '[';
        memset(bar + 1, '.', (size_t)width);
        memset(bar + 1, '#', (size_t)full);
        bar[width + 1] = ']';
    }
    fprintf(stderr, "\r\033[K%s%s%s", bar, bar[0] ? " " : "", text);
    fflush(stderr);
    bar_is_up = true;
}

static double smooth(double old, double value, uint32_t count)
{
    /* A plain mean of the first steps, then one with a memory of about 20. */
    const double weight = count < 20 ? 1.0 / (double)count : 0.05;
    return old + weight * (value - old);
}

void progress_step(progress *state, uint32_t step, double loss, double val_loss, double tokens_per_s)
{
    const double now = app_seconds();
    const uint32_t count = step - state->first;
    state->loss = smooth(state->loss, loss, count);
    state->rate = smooth(state->rate, tokens_per_s, count);
    /* The mean over the whole run weighs evaluations by how often they come. */
    state->step_seconds = (now - state->started) / (double)count;
    state->last_step = now;
    if (!isnan(val_loss)) state->val_loss = val_loss;
    const bool due = now - state->last_shown >= (state->terminal ? BAR_EVERY : LINE_EVERY);
    if (due || !isnan(val_loss) || step == state->total) {
        show(state, step, val_loss);
        state->last_shown = now;
    }
}
