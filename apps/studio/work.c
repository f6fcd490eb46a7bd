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
    lock_take(w->lock);
    return &w->state;
}

void work_changed(work *w, bool now)
{
    w->state.version++;
    const double time = pm_profile_now();
    const bool wake = now || time - w->woken > WAKE_SECONDS;
    if (wake) w->woken = time;
    lock_leave(w->lock);
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
static pm_status open_device(work_task *task, pm_control *control)
{
    work *w = task->w;
    const work_request *request = &task->request;
    (void)control;
    const pm_device_params params = {
        .log = w->log, .select = request->how.device, .submit_ms = 8, .profile = true, .profile_events = 65536};
    close_device(w);
    work_stage(w, "opening the device");
    const pm_status status =
        request->host ? pm_device_import(&params, request->host, &w->device) : pm_device_open(&params, &w->device);
    work_state *s = work_edit(w);
    s->device_open = status == PM_OK;
    s->lost = false;
    s->imported = status == PM_OK && request->host;
    if (status == PM_OK) s->caps = *pm_device_caps(w->device);
    work_changed(w, true);
    return status;
}

/* ---- jobs ---- */

static const struct {
    pm_status (*work)(work_task *task, pm_control *control);
    void (*end)(work_task *task, pm_status status);
} kinds[] = {
    [WORK_DEVICE] = {open_device, NULL},
    [WORK_TRAIN] = {work_train, work_train_end},
    [WORK_WRITE] = {work_write, work_write_end},
    [WORK_TEACH] = {work_teach, work_teach_end},
    [WORK_TRY] = {work_try, NULL},
    [WORK_PROFILE] = {work_profile_alone, work_profile_end},
};

bool work_held(work *w, pm_control *control)
{
    lock_take(w->lock);
    const bool held = w->pause && !pm_control_cancelled(control);
    if (held) {
        pm_control_pause(control, true);
        w->state.paused = true;
        w->state.version++;
    }
    lock_leave(w->lock);
    if (held) w->wake();
    return held;
}

static pm_status do_piece(pm_control *control, void *user)
{
    work_task *task = user;
    if (!task->w->device && task->request.kind != WORK_DEVICE)
        return work_fail(task->w, PM_NO_DEVICE, "no device is open: choose one on the page Device");
    return kinds[task->request.kind].work(task, control);
}

static void work_ended(void *user, pm_status status)
{
    work_task *task = user;
    work *w = task->w;
    if (kinds[task->request.kind].end) kinds[task->request.kind].end(task, status);
    work_state *s = work_edit(w);
    s->doing = task->side ? WORK_TRAIN : WORK_NONE;
    s->paused = task->side;
    s->stopping = false;
    s->stage[0] = 0;
    w->profile_next = 0;
    if (!task->side) w->pause = false;
    if (status == PM_DEVICE_LOST) s->lost = true;
    work_changed(w, true);
    free(task);
}

/* ---- the window's side ---- */

void work_clear_run(work_run *run, const char *out)
{
    *run = (work_run){.loss = NAN, .val_loss = NAN, .best_val = NAN};
    snprintf(run->out, sizeof run->out, "%s", out);
    curve_clear(&run->loss_curve);
    curve_clear(&run->val_curve);
}

bool work_has_run(const char *dir)
{
    return pm_folder_find(dir, PM_FILES_CHECKPOINT) != NULL;
}

work *work_start(void (*wake)(void))
{
    work *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->wake = wake;
    w->log = (pm_log){take_line, w, PM_LOG_WARN};
    w->cache_dir = files_variable("PUMICE_CACHE_DIR");
    work_clear_run(&w->state.train, "");
    work_clear_run(&w->state.teach, "");
    w->lock = lock_make();
    if (w->lock && pm_worker_create(NULL, &w->worker) == PM_OK) return w;
    lock_free(w->lock);
    free(w->cache_dir);
    free(w);
    return NULL;
}

void work_end(work **handle)
{
    work *w = *handle;
    if (!w) return;
    *handle = NULL;
    pm_worker_destroy(&w->worker);
    pm_job_release(&w->side);
    pm_job_release(&w->job);
    close_device(w);
    lock_free(w->lock);
    free(w->cache_dir);
    free(w);
}

bool work_post(work *w, const work_request *request)
{
    work_task *task = calloc(1, sizeof *task);
    lock_take(w->lock);
    const bool side = w->state.paused && w->state.doing == WORK_TRAIN && request->kind == WORK_WRITE;
    const bool fits = task && (w->state.doing == WORK_NONE || side);
    if (fits) {
        w->state.doing = request->kind;
        w->state.version++;
    }
    lock_leave(w->lock);
    if (!fits) {
        free(task);
        return false;
    }
    task->w = w;
    task->request = *request;
    task->side = side;
    pm_job **job = side ? &w->side : &w->job;
    pm_job_release(job); /* the last one, which has ended */
    const pm_job_params params = {
        .device = request->kind == WORK_DEVICE ? NULL : w->device, .work = do_piece, .ended = work_ended, .user = task};
    if (pm_job_start(w->worker, &params, job) == PM_OK) return true;
    work_ended(task, PM_NO_HOST_MEMORY);
    return false;
}

void work_pause(work *w, bool paused)
{
    lock_take(w->lock);
    if (w->state.doing == WORK_TRAIN || w->state.doing == WORK_TEACH) {
        w->pause = paused;
        if (!paused) {
            pm_control_pause(pm_job_control(w->job), false);
            w->state.paused = false;
            w->state.version++;
        }
    }
    lock_leave(w->lock);
}

void work_stop(work *w)
{
    lock_take(w->lock);
    const bool side = w->state.doing == WORK_WRITE && w->side && !pm_job_ended(w->side, NULL);
    if (w->state.doing != WORK_NONE) {
        pm_control_cancel(pm_job_control(side ? w->side : w->job));
        w->state.stopping = true;
        w->state.version++;
    }
    lock_leave(w->lock);
}

void work_profile_next(work *w, uint32_t steps)
{
    lock_take(w->lock);
    w->profile_next = steps;
    lock_leave(w->lock);
}

static pm_progress progress(const work *w)
{
    return w->job && w->state.doing != WORK_NONE ? pm_control_progress(pm_job_control(w->job)) : (pm_progress){0};
}

bool work_look(work *w, work_state *out)
{
    lock_take(w->lock);
    const pm_progress now = progress(w);
    if (now.done != w->state.progress.done || now.what != w->state.progress.what) w->state.version++;
    w->state.progress = now;
    const bool changed = w->state.version != out->version;
    if (changed) *out = w->state;
    lock_leave(w->lock);
    return changed;
}

void work_close_device(work *w)
{
    pm_job_release(&w->side);
    pm_job_release(&w->job);
    close_device(w);
}
