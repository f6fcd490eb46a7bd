#include "work_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

/* The window is woken at most so often: a step may take a few milliseconds. */
#define WAKE_SECONDS 0.03

/* ---- the state ---- */

work_state *work_edit(work *w)
{
    thread_take(w->lock);
    return &w->state;
}

void work_changed(work *w, bool now)
{
    w->state.version++;
    const double time = pm_profile_now();
    const bool wake = now || time - w->woken > WAKE_SECONDS;
    if (wake) w->woken = time;
    thread_leave(w->lock);
    if (wake) w->wake();
}

void work_stage(work *w, const char *stage)
{
    snprintf(work_edit(w)->stage, sizeof w->state.stage, "%s", stage);
    work_changed(w, true);
}

void work_say(work *w, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(work_edit(w)->said, sizeof w->state.said, format, list);
    work_changed(w, true);
    va_end(list);
}

static void set_error(work *w, const char *line)
{
    work_state *s = work_edit(w);
    snprintf(s->error, sizeof s->error, "%s", line);
    s->errors++;
    work_changed(w, true);
}

pm_status work_fail(work *w, pm_status status, const char *format, ...)
{
    char line[WORK_LINE];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    set_error(w, line);
    return status;
}

static void take_line(void *user, pm_log_level level, const char *line)
{
    work *w = user;
    if (level == PM_LOG_ERROR) {
        set_error(w, line);
    } else {
        work_say(w, "%s", line);
    }
}

/* ---- the device ---- */

void work_drop_model(work *w)
{
    pm_model_destroy(&w->model);
    pm_tokenizer_destroy(&w->tokenizer);
    w->model_dir[0] = 0;
}

static void close_device(work *w)
{
    work_drop_model(w);
    pm_device_close(&w->device);
    w->peaks = (pm_peaks){0};
    free(w->base);
    w->base = NULL;
    w->base_count = 0;
    w->profile_begun = 0;
    work_state *s = work_edit(w);
    s->device_open = false;
    work_changed(w, true);
}

/* Submissions are short, so that a frame waits for no more than one of them. */
static void open_device(work *w, const work_request *request)
{
    const pm_device_params params = {
        .log = w->log, .select = request->how.device, .submit_ms = 8, .profile = true, .profile_events = 65536};
    close_device(w);
    work_stage(w, "opening the device");
    const pm_status status =
        request->host ? pm_device_import(&params, request->host, &w->device) : pm_device_open(&params, &w->device);
    work_state *s = work_edit(w);
    s->device_open = status == PM_OK;
    s->imported = status == PM_OK && request->host;
    if (status == PM_OK) s->caps = *pm_device_caps(w->device);
    work_changed(w, true);
}

/* ---- the thread ---- */

bool work_goes_on(work *w)
{
    thread_take(w->lock);
    while (w->pause && !w->stop && !w->quit) {
        if (!w->state.paused) {
            w->state.paused = true;
            w->state.version++;
            w->wake();
        }
        if (w->asked) { /* a paused training lets its model write */
            work_request *request = malloc(sizeof *request);
            if (request) *request = w->request;
            w->asked = false;
            thread_leave(w->lock);
            if (request) work_write(w, request);
            free(request);
            thread_take(w->lock);
            w->stop = false;
            w->state.doing = WORK_TRAIN;
            w->state.version++;
            w->wake();
            continue;
        }
        thread_wait(w->changed, w->lock);
    }
    const bool on = !w->stop && !w->quit;
    if (w->state.paused || w->state.stopping != !on) w->state.version++;
    w->state.paused = false;
    w->state.stopping = !on;
    thread_leave(w->lock);
    return on;
}

static void serve(work *w, const work_request *request)
{
    if (request->kind == WORK_DEVICE) {
        open_device(w, request);
        return;
    }
    if (!w->device) {
        (void)work_fail(w, PM_NO_DEVICE, "no device is open: choose one on the page Device");
        return;
    }
    switch (request->kind) {
    case WORK_TRAIN: work_train(w, request); break;
    case WORK_WRITE: work_write(w, request); break;
    case WORK_TEACH: work_teach(w, request); break;
    case WORK_TRY: work_try(w, request); break;
    case WORK_PROFILE: work_profile_alone(w, request); break;
    default: break;
    }
}

static void run(void *user)
{
    work *w = user;
    work_request *request = malloc(sizeof *request);
    thread_take(w->lock);
    while (request && !w->quit) {
        if (!w->asked) {
            thread_wait(w->changed, w->lock);
            continue;
        }
        *request = w->request;
        w->asked = false;
        thread_leave(w->lock);
        serve(w, request);
        work_state *s = work_edit(w);
        s->doing = WORK_NONE;
        s->paused = s->stopping = false;
        s->stage[0] = 0;
        w->stop = w->pause = false;
        w->profile_next = 0;
        work_changed(w, true);
        thread_take(w->lock);
        thread_wake(w->changed);
    }
    thread_leave(w->lock);
    close_device(w);
    free(request);
}

/* ---- the window's side ---- */

static void clear_run(work_run *run)
{
    run->val_loss = run->best_val = NAN;
    curve_clear(&run->loss_curve);
    curve_clear(&run->val_curve);
}

work *work_start(void (*wake)(void))
{
    work *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->wake = wake;
    w->log = (pm_log){take_line, w, PM_LOG_WARN};
    w->cache_dir = files_variable("PUMICE_CACHE_DIR");
    clear_run(&w->state.train);
    clear_run(&w->state.teach);
    w->lock = thread_lock_make();
    w->changed = thread_signal_make();
    w->thread = w->lock && w->changed ? thread_start(run, w) : NULL;
    if (w->thread) return w;
    thread_lock_free(w->lock);
    thread_signal_free(w->changed);
    free(w->cache_dir);
    free(w);
    return NULL;
}

void work_end(work **handle)
{
    work *w = *handle;
    if (!w) return;
    *handle = NULL;
    thread_take(w->lock);
    w->quit = true;
    thread_wake(w->changed);
    thread_leave(w->lock);
    thread_join(w->thread);
    thread_lock_free(w->lock);
    thread_signal_free(w->changed);
    free(w->cache_dir);
    free(w);
}

bool work_post(work *w, const work_request *request)
{
    thread_take(w->lock);
    const bool live = w->state.paused && w->state.doing == WORK_TRAIN && request->kind == WORK_WRITE;
    const bool free_now = !w->asked && (w->state.doing == WORK_NONE || live);
    if (free_now) {
        w->request = *request;
        w->asked = true;
        w->state.doing = request->kind;
        w->state.version++;
        thread_wake(w->changed);
    }
    thread_leave(w->lock);
    return free_now;
}

void work_pause(work *w, bool paused)
{
    thread_take(w->lock);
    w->pause = paused && (w->state.doing == WORK_TRAIN || w->state.doing == WORK_TEACH);
    thread_wake(w->changed);
    thread_leave(w->lock);
}

void work_stop(work *w)
{
    thread_take(w->lock);
    w->stop = w->state.doing != WORK_NONE;
    w->state.stopping = w->stop;
    w->state.version++;
    thread_wake(w->changed);
    thread_leave(w->lock);
}

void work_profile_next(work *w, uint32_t steps)
{
    thread_take(w->lock);
    w->profile_next = steps;
    thread_leave(w->lock);
}

bool work_look(work *w, work_state *out)
{
    thread_take(w->lock);
    const bool changed = w->state.version != out->version;
    if (changed) *out = w->state;
    thread_leave(w->lock);
    return changed;
}

/* A request of its own, so that the worker's thread closes what it opened. */
void work_close_device(work *w)
{
    thread_take(w->lock);
    while (w->state.doing != WORK_NONE) {
        w->stop = true;
        thread_wake(w->changed);
        thread_wait(w->changed, w->lock);
    }
    thread_leave(w->lock);
    close_device(w);
}
