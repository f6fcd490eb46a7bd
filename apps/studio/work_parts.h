/* What the worker's files share. Everything here but the state belongs to the worker's thread. */
#ifndef STUDIO_WORK_PARTS_H
#define STUDIO_WORK_PARTS_H

#include "thread.h"
#include "work.h"

struct work {
    thread *thread;
    thread_lock *lock;
    thread_signal *changed; /* requests and flags */
    void (*wake)(void);

    /* under the lock */
    work_state state;
    work_request request;
    bool asked, stop, pause, quit;
    uint32_t profile_next;

    pm_log log;
    char *cache_dir; /* PUMICE_CACHE_DIR: as of pm_device_params */
    pm_device *device;
    double woken;

    /* what writes: a folder's model, or that of a training that is paused */
    pm_model *model;
    pm_tokenizer *tokenizer;
    char model_dir[SETTINGS_PATH];
    pm_model *live_model;
    pm_tokenizer *live_tokenizer;

    pm_peaks peaks; /* of the device; 0: not measured yet */

    /* A profile adds to what it had: rows as they were when the last window of steps began, and when that was. */
    pm_profile_row *base;
    size_t base_count;
    double profile_begun, profile_from; /* seconds of pm_profile_now(); 0: never */
};

/* The state, to change it; then work_changed. `now`: the window shall show it at once. */
work_state *work_edit(work *w);
void work_changed(work *w, bool now);
void work_stage(work *w, const char *stage);
void work_say(work *w, const char *format, ...) PM_PRINTF(2, 3);
/* An error line; returns `status`. */
pm_status work_fail(work *w, pm_status status, const char *format, ...) PM_PRINTF(3, 4);
/* Between two steps: waits while paused. False: stop. */
bool work_goes_on(work *w);
void work_drop_model(work *w);

void work_train(work *w, const work_request *request);
void work_write(work *w, const work_request *request);
void work_teach(work *w, const work_request *request);
void work_try(work *w, const work_request *request);
void work_profile_alone(work *w, const work_request *request);
/* work_profile.c: starts the profile where one was asked for, and ends it after its steps. */
typedef struct work_window {
    uint32_t left, steps;
    bool on;
} work_window;
void work_window_step(work *w, work_window *window); /* before each step, and after the last */
void work_window_end(work *w, work_window *window);

#endif
