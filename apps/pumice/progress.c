/* The bar and its plain counterpart. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app.h"
#include "progress.h"

static const double BAR_EVERY = 0.1, LINE_EVERY = 10.0; /* seconds */

static bool bar_is_up;

void progress_clear(void)
{
    if (!bar_is_up) return;
    bar_is_up = false;
    fputs("\r\033[K", stderr);
}

static int terminal_columns(void)
{
#ifdef TIOCGWINSZ
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
#endif
    return 80;
}

void progress_start(progress *state, uint32_t first, uint32_t total)
{
    *state = (progress){.first = first, .total = total, .terminal = isatty(STDERR_FILENO) != 0, .val_loss = NAN};
    state->started = state->last_step = app_seconds();
    state->last_shown = state->started - LINE_EVERY;
}

static void show(const progress *state, uint32_t step)
{
    char text[160], left[32], val[32] = "";
    const double seconds = state->step_seconds * (double)(state->total - step);
    if (!isnan(state->val_loss)) snprintf(val, sizeof val, "  val %.4f", state->val_loss);
    const int length = snprintf(text, sizeof text, "step %u/%u  loss %.4f%s  %.0f tokens/s  %s left", (unsigned)step,
                                (unsigned)state->total, state->loss, val, state->rate, app_duration(seconds, left));
    if (!state->terminal) {
        fprintf(stderr, "%s\n", text);
        return;
    }
    char bar[44] = "";
    int width = terminal_columns() - length - 5;
    if (width > 40) width = 40;
    if (width >= 8) {
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
    /* The mean over the whole run so far weighs evaluations as they come. */
    state->step_seconds = (now - state->started) / (double)count;
    state->last_step = now;
    if (!isnan(val_loss)) state->val_loss = val_loss;
    const bool due = now - state->last_shown >= (state->terminal ? BAR_EVERY : LINE_EVERY);
    if (due || !isnan(val_loss) || step == state->total) {
        show(state, step);
        state->last_shown = now;
    }
}
