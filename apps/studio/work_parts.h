/* What the worker's files share. Everything here but the state belongs to the worker's thread. */
#ifndef STUDIO_WORK_PARTS_H
#define STUDIO_WORK_PARTS_H

#include "lock.h"
#include "work.h"

typedef struct work_task work_task;

struct work {
    pm_worker *worker;
    pm_job *job;  /* what goes on, or went on last */
    pm_job *side; /* what goes on while that is paused */
    lock *lock;
    void (*wake)(void);

    /* under the lock */
    work_state state;
    bool pause;
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
/* Between two steps: true while the user pauses. Then the job is paused, and its next piece comes when it goes on. */
bool work_held(work *w, pm_control *control);
void work_drop_model(work *w);
void work_clear_run(work_run *run, const char *out);

/* A request as a job: pieces until one returns something else than PM_AGAIN, then the end, which sees what that was. In the end no control is obeyed, so
 * that what was reached can be saved after a stop. */
struct work_task {
    work *w;
    work_request request;
    bool side;
    void *data; /* NULL in the first piece */
};
pm_status work_train(work_task *task, pm_control *control);
void work_train_end(work_task *task, pm_status status);
pm_status work_write(work_task *task, pm_control *control);
void work_write_end(work_task *task, pm_status status);
pm_status work_teach(work_task *task, pm_control *control);
void work_teach_end(work_task *task, pm_status status);
pm_status work_try(work_task *task, pm_control *control);
pm_status work_profile_alone(work_task *task, pm_control *control);
void work_profile_end(work_task *task, pm_status status);
/* work_profile.c: starts the profile where one was asked for, and ends it after its steps. */
typedef struct work_window {
    uint32_t left, steps;
    bool on;
} work_window;
void work_window_step(work *w, work_window *window); /* before each step, and after the last */
void work_window_end(work *w, work_window *window);

#endif
