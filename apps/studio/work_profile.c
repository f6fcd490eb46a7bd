/* The profile of some steps: of a training that goes on, or of a model of the Train page's sizes on random tokens. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "work_parts.h"

/* ---- taking over what was measured ---- */

/* The same for commands that are drawn as one. */
static bool alike(const work_row *a, const work_row *b)
{
    return a->direction == b->direction && strcmp(a->name, b->name) == 0 && strcmp(a->shape, b->shape) == 0 &&
           strcmp(a->kernel, b->kernel) == 0;
}

static void describe(const pm_profile_row *row, work_row *out)
{
    *out = (work_row){.direction = (int)row->direction,
                      .count = row->count,
                      .ms = row->total_ms,
                      .flops = row->flops,
                      .bytes = row->bytes};
    snprintf(out->name, sizeof out->name, "%.47s", row->op);
    snprintf(out->kernel, sizeof out->kernel, "%.47s", row->kernel);
    for (int i = 0; i < 3 && row->shape[i]; i++) {
        const size_t used = strlen(out->shape);
        snprintf(out->shape + used, sizeof out->shape - used, "%s%u", i ? " x " : "", (unsigned)row->shape[i]);
    }
}

static int by_time(const void *pa, const void *pb)
{
    const work_row *a = pa, *b = pb;
    return a->ms < b->ms ? 1 : a->ms > b->ms ? -1 : 0;
}

static void take_rows(const work *w, const pm_profile *profile, work_profile *out)
{
    const size_t all = pm_profile_row_count(profile);
    work_row *rows = calloc(all + 1, sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; rows && i < all; i++) {
        const pm_profile_row *row = pm_profile_row_at(profile, i);
        work_row one;
        size_t k = 0;
        if (row->track != PM_PROFILE_COMMANDS) continue;
        describe(row, &one);
        if (i < w->base_count) {
            one.count -= w->base[i].count;
            one.ms -= w->base[i].total_ms;
            one.flops -= w->base[i].flops;
            one.bytes -= w->base[i].bytes;
        }
        if (one.count == 0) continue;
        out->total_ms += one.ms;
        while (k < count && !alike(&rows[k], &one)) k++;
        if (k == count) {
            rows[count++] = one;
            continue;
        }
        rows[k].count += one.count;
        rows[k].ms += one.ms;
        rows[k].flops += one.flops;
        rows[k].bytes += one.bytes;
    }
    if (count > 1) qsort(rows, count, sizeof *rows, by_time);
    for (size_t i = 0; i < count && i < WORK_ROWS; i++) {
        const pm_profile_row as = {
            .kernel = rows[i].kernel, .total_ms = rows[i].ms, .flops = rows[i].flops, .bytes = rows[i].bytes};
        rows[i].share = pm_profile_roof_share(&as, &w->peaks);
        out->rows[out->row_count++] = rows[i];
    }
    free(rows);
}

static uint16_t name_of(work_profile *out, const pm_profile_row *row)
{
    char name[48];
    snprintf(name, sizeof name, "%.30s%s%.15s", row->op[0] ? row->op : row->program, row->layer[0] ? " " : "",
             row->layer);
    for (uint32_t i = 0; i < out->name_count; i++)
        if (strcmp(out->names[i], name) == 0) return (uint16_t)i;
    if (out->name_count == 256) return 255;
    memcpy(out->names[out->name_count], name, sizeof name);
    return (uint16_t)out->name_count++;
}

/* The window's events, as many as fit. */
static void take_events(const work *w, const pm_profile *profile, work_profile *out)
{
    const size_t all = pm_profile_event_count(profile);
    const double since = 1e3 * (w->profile_from - w->profile_begun) - 1;
    double from = INFINITY;
    for (size_t i = 0; i < all; i++) {
        const double start = pm_profile_event_at(profile, i).start_ms;
        if (start >= since) from = fmin(from, start);
    }
    for (size_t i = 0; i < all && out->event_count < WORK_EVENTS; i++) {
        const pm_profile_event event = pm_profile_event_at(profile, i);
        const pm_profile_row *row = pm_profile_row_at(profile, event.row);
        if (event.start_ms < since) continue;
        out->events[out->event_count++] = (work_event){.start_ms = (float)(event.start_ms - from),
                                                       .ms = (float)event.ms,
                                                       .row = name_of(out, row),
                                                       .track = (uint8_t)row->track,
                                                       .direction = (uint8_t)row->direction};
    }
}

static void take(work *w, uint32_t steps)
{
    const pm_profile *profile = pm_device_profile(w->device);
    pm_profile_info info;
    work_profile *out = calloc(1, sizeof *out);
    if (!profile || !out) {
        free(out);
        return;
    }
    pm_profile_get_info(profile, &info);
    out->there = true;
    out->steps = steps;
    out->peaks = w->peaks;
    out->seconds = info.seconds;
    out->device_seconds = info.device_seconds;
    take_rows(w, profile, out);
    take_events(w, profile, out);
    work_edit(w)->profile = *out;
    work_changed(w, true);
    free(out);
}

/* ---- the window of steps ---- */

static void measure_peaks(work *w)
{
    if (w->peaks.copy_bytes_per_s > 0) return;
    work_stage(w, "measuring the device's peaks");
    if (pm_peaks_measure(w->device, &w->peaks) != PM_OK) w->peaks = (pm_peaks){0};
    work_stage(w, "");
}

static uint32_t asked_for(work *w)
{
    lock_take(w->lock);
    const uint32_t steps = w->profile_next;
    w->profile_next = 0;
    lock_leave(w->lock);
    return steps;
}

static void start_profile(work *w, pm_profile *profile)
{
    const size_t count = pm_profile_row_count(profile);
    pm_profile_row *base = realloc(w->base, (count + 1) * sizeof *base);
    if (base) w->base = base;
    w->base_count = base ? count : 0;
    for (size_t i = 0; i < w->base_count; i++) w->base[i] = *pm_profile_row_at(profile, i);
    w->profile_from = pm_profile_now();
    if (w->profile_begun == 0) w->profile_begun = w->profile_from;
    pm_profile_start(profile);
}

void work_window_step(work *w, work_window *window)
{
    if (window->on && window->left == 0) work_window_end(w, window);
    const uint32_t steps = window->on ? 0 : asked_for(w);
    if (steps > 0 && pm_device_profile(w->device)) {
        measure_peaks(w);
        *window = (work_window){.left = steps, .steps = steps, .on = true};
        start_profile(w, pm_device_profile(w->device));
    }
    if (window->left > 0) window->left--;
}

void work_window_end(work *w, work_window *window)
{
    if (!window->on) return;
    pm_profile_stop(pm_device_profile(w->device));
    window->on = false;
    take(w, window->steps - window->left);
}

/* ---- by itself ---- */

typedef struct job {
    int32_t *tokens;
    size_t count; /* of a batch */
    pm_model *model;
    pm_trainer *trainer;
    uint32_t done;
    work_window window;
} job;

static pm_status prepare(work *w, const settings *how, job *j)
{
    const pm_gpt_config config = {
        .vocab = 256, .ctx = how->ctx, .embd = how->embd, .heads = how->heads, .layers = how->layers};
    const pm_train_params params = {.batch = how->batch, .time = how->ctx, .clip = 1};
    j->count = (size_t)how->batch * how->ctx;
    j->tokens = calloc(2 * j->count + 1, sizeof *j->tokens);
    if (!j->tokens) return work_fail(w, PM_NO_HOST_MEMORY, "out of host memory");
    for (size_t i = 0; i < 2 * j->count; i++) j->tokens[i] = (int32_t)(i * 37 % 251);
    work_stage(w, "building the kernels");
    pm_status status = pm_gpt_config_check(&w->log, &config);
    if (status == PM_OK) status = pm_model_create(w->device, &config, how->seed, &j->model);
    if (status == PM_OK) status = pm_trainer_create(j->model, &params, &j->trainer);
    return status == PM_OK ? PM_AGAIN : status;
}

/* A step a piece: the first builds, the second is warm, then those that are measured. */
pm_status work_profile_alone(work_task *task, pm_control *control)
{
    enum { WARM = 2 };
    work *w = task->w;
    const settings *how = &task->request.how;
    pm_step step;
    job *j = task->data;
    if (!j) {
        j = task->data = calloc(1, sizeof *j);
        return j ? prepare(w, how, j) : work_fail(w, PM_NO_HOST_MEMORY, "out of host memory");
    }
    if (pm_control_cancelled(control)) return PM_CANCELLED;
    if (j->done == WARM) work_profile_next(w, how->profile_steps);
    if (j->done >= WARM) {
        work_window_step(w, &j->window);
        work_stage(w, "profiling");
    }
    const pm_status status = pm_trainer_step_tokens(j->trainer, j->tokens, j->tokens + j->count, &step);
    return status == PM_OK && ++j->done < WARM + how->profile_steps ? PM_AGAIN : status;
}

void work_profile_end(work_task *task, pm_status status)
{
    job *j = task->data;
    (void)status;
    if (!j) return;
    work_window_end(task->w, &j->window);
    pm_trainer_destroy(&j->trainer);
    pm_model_destroy(&j->model);
    free(j->tokens);
    free(j);
}
