/* What Pumice does, on a worker's thread (pumice/job.h). The window's thread posts requests and reads a copy of the state; it never waits for the device. */
#ifndef STUDIO_WORK_H
#define STUDIO_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/pumice.h>
#include <pumice/vulkan.h>

#include "curve.h"
#include "settings.h"

/* ---- what is going on ---- */

typedef enum work_kind { WORK_NONE, WORK_DEVICE, WORK_TRAIN, WORK_WRITE, WORK_TEACH, WORK_TRY, WORK_PROFILE } work_kind;

enum {
    WORK_LINE = 400,
    WORK_TEXT = 65536,
    WORK_NEXT = 12,
    WORK_LABELS = 16,
    WORK_ROWS = 48,
    WORK_EVENTS = 4000,
};

typedef struct work_run { /* of training and of fine-tuning */
    uint32_t step, steps, saved;
    float loss, val_loss, best_val; /* NaN: not known yet */
    float lr, grad_norm;
    double tokens_per_s, seconds, left_s; /* over all steps but the first */
    uint64_t tokens;                      /* so far in this session */
    uint64_t parameters, memory;          /* bytes of the plan */
    uint64_t train_tokens, val_tokens;
    uint32_t vocab;
    bool done;
    char out[SETTINGS_PATH];
    curve loss_curve, val_curve;
} work_run;

typedef struct work_piece { /* a token and its probability */
    char text[48];
    float probability;
    bool taken;
} work_piece;

typedef struct work_writing {
    char text[WORK_TEXT]; /* prompt and what was added */
    size_t prompt, size;  /* bytes */
    uint32_t tokens;
    double tokens_per_s;
    bool ended; /* by a token that ends a text */
    work_piece next[WORK_NEXT];
    uint32_t next_count;
    char about[200]; /* the model */
} work_writing;

typedef struct work_answer {
    char labels[WORK_LABELS][64];
    float probabilities[WORK_LABELS];
    uint32_t count;
    int32_t label; /* the likeliest; -1: a score */
    float score;
    bool there;
} work_answer;

typedef struct work_row { /* of the profile */
    char name[48], shape[40], kernel[48];
    int direction;
    uint64_t count;
    double ms, flops, bytes, share; /* share of the roofline; NaN: unknown */
} work_row;

typedef struct work_event {
    float start_ms, ms;
    uint16_t row; /* of names */
    uint8_t track, direction;
} work_event;

typedef struct work_profile {
    bool there;
    work_row rows[WORK_ROWS];
    uint32_t row_count;
    work_event events[WORK_EVENTS];
    uint32_t event_count;
    char names[256][48];
    uint32_t name_count;
    pm_peaks peaks;
    double seconds, device_seconds, total_ms; /* total_ms: of all commands */
    uint32_t steps;
} work_profile;

typedef struct work_state {
    uint64_t version; /* changes with anything here */
    work_kind doing;
    bool paused, stopping;
    pm_progress progress; /* of a long call, such as loading; what is NULL: none */
    char stage[120];      /* what is being done; "": steps */
    char error[WORK_LINE];
    char said[WORK_LINE];             /* the last good news */
    uint32_t errors;                  /* so far */
    bool device_open, imported, lost; /* lost: it must be opened again */
    pm_caps caps;
    work_run train;
    bool training, teaching; /* a run is there, also while its model writes; these are its options */
    settings train_how, teach_how;
    work_writing writing;
    work_run teach;
    pm_task_metrics dev;
    work_answer answer;
    work_profile profile;
} work_state;

/* ---- requests ---- */

typedef struct work_request {
    work_kind kind;
    settings how;
    const pm_vulkan_device *host;   /* WORK_DEVICE: import this; NULL: open how.device */
    bool resume;                    /* go on from the folder's checkpoint */
    char input[3][SETTINGS_PROMPT]; /* WORK_TRY: the example's texts */
} work_request;

typedef struct work work;

/* `wake` is called after changes, from the worker's thread. NULL without memory or threads. */
work *work_start(void (*wake)(void));
/* Stops what goes on as work_stop does, waits for the end, closes the device. */
void work_end(work **w);

/* False: something else is going on. */
bool work_post(work *w, const work_request *request);
void work_pause(work *w, bool paused);
/* Ends what goes on; training saves first. */
void work_stop(work *w);
/* Profiles the next steps of a training that goes on. */
void work_profile_next(work *w, uint32_t steps);
/* Copies the state where it has another version than `out`. */
bool work_look(work *w, work_state *out);
/* Whether a run that can go on is in the folder. */
bool work_has_run(const char *dir);
/* Waits until nothing goes on, and closes the device: before the host's is destroyed. */
void work_close_device(work *w);

#endif
