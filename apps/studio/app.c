/* What buttons, keys and scripts do. */
#include "app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool app_busy(const app *a)
{
    return a->state->doing != WORK_NONE;
}

void app_error(app *a, const char *line)
{
    snprintf(a->own_error, sizeof a->own_error, "%s", line);
}

/* What is asked for replaces the errors that were there. */
void app_post(app *a, work_kind kind, bool resume)
{
    work_request *request = calloc(1, sizeof *request);
    a->own_error[0] = 0;
    a->errors_seen = a->state->errors;
    if (!request) return;
    request->kind = kind;
    request->how = a->settings;
    request->resume = resume;
    memcpy(request->input, a->try_input, sizeof request->input);
    if (!work_post(a->work, request)) app_error(a, "something else goes on: stop it first, or wait");
    free(request);
    (void)work_look(a->work, a->state);
}

void app_start(app *a, bool resume)
{
    static const work_kind kinds[APP_PAGES] = {WORK_TRAIN, WORK_WRITE, WORK_TEACH, WORK_PROFILE, WORK_NONE};
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
