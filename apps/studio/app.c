/* What buttons, keys and scripts do. */
#include "app.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool app_busy(const app *a)
{
    return a->state->doing != WORK_NONE;
}

static const work_kind kinds[APP_PAGES] = {WORK_TRAIN, WORK_WRITE, WORK_TEACH, WORK_PROFILE, WORK_NONE};

bool app_own(const app *a)
{
    const work_kind doing = a->state->doing;
    if (doing == WORK_TRY) return a->settings.page == PAGE_TASK;
    return doing != WORK_NONE && doing == kinds[a->settings.page];
}

/* Steps of a quarter, so that fonts are seldom made anew while a window is resized. */
float app_scale_most(const app *a)
{
    int width = 0, height = 0;
    window_size(&a->window, &width, &height);
    const float own = window_scale(&a->window);
    const float most = floorf(4 * fminf((float)width / (480 * own), (float)height / (360 * own))) / 4;
    return width > 0 ? fminf(fmaxf(most, 1), 2) : 2;
}

float app_scale(const app *a)
{
    return fminf((float)a->settings.scale / 100, app_scale_most(a)) * window_scale(&a->window);
}

/* What is in the way of something else. */
static const char *busy_line(const work_state *st)
{
    switch (st->doing) {
    case WORK_DEVICE: return "The device is being opened: wait a moment";
    case WORK_TRAIN:
        return st->paused ? "A training is paused: go on with it and wait, or stop it"
                          : "A training is running: pause it to write, or stop it";
    case WORK_WRITE: return "A model is writing: stop it, or wait";
    case WORK_TEACH: return "A model is being taught: stop that, or wait";
    case WORK_TRY: return "A model is answering: wait a moment";
    default: return "A model is being measured: wait a moment";
    }
}

void app_error(app *a, const char *line)
{
    snprintf(a->own_error, sizeof a->own_error, "%s", line);
}

void app_close_error(app *a)
{
    a->own_error[0] = 0;
    a->errors_seen = a->state->errors;
}

void app_set_page(app *a, app_page page)
{
    if (a->settings.page != (uint32_t)page) app_close_error(a);
    a->settings.page = (uint32_t)page;
}

/* What is asked for replaces the errors that were there. */
void app_post(app *a, work_kind kind, bool resume)
{
    work_request *request = calloc(1, sizeof *request);
    app_close_error(a);
    if (!request) return;
    request->kind = kind;
    request->how = a->settings;
    request->resume = resume;
    memcpy(request->input, a->try_input, sizeof request->input);
    if (!work_post(a->work, request)) app_error(a, busy_line(a->state));
    free(request);
    (void)work_look(a->work, a->state);
}

void app_start(app *a, bool resume)
{
    settings *s = &a->settings;
    const work_kind kind = kinds[s->page];
    (void)work_look(a->work, a->state);
    if (kind == WORK_NONE) return;
    if (a->state->doing == kind && a->state->paused) {
        work_pause(a->work, false);
        return;
    }
    if (kind == WORK_PROFILE && a->state->doing == WORK_TRAIN) {
        work_profile_next(a->work, s->profile_steps);
        return;
    }
    app_post(a, kind, resume);
    if (kind == WORK_TRAIN) { /* the run's model is what one wants to hear next */
        a->tab_train = 0;
        memcpy(s->model, s->out, sizeof s->model);
    }
    if (kind == WORK_TEACH) a->tab_task = 0;
    if (kind == WORK_WRITE) a->tab_write = 0;
}

void app_toggle_pause(app *a)
{
    (void)work_look(a->work, a->state);
    work_pause(a->work, !a->state->paused);
}

void app_set_theme(app *a, bool light)
{
    a->settings.light = light;
    a->theme = light ? &theme_light : &theme_dark;
    ui_set_theme(a->theme);
}
