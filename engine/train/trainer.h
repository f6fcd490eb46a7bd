/* The trainer: optimiser steps on a model, whatever its objective. An objective says what a step's batch is, and what its losses mean. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include <pumice/finetune.h>

#include "exec/pass_set.h"
#include "train/adamw.h"
#include "train/checkpoint.h"

typedef struct trainer_core trainer_core;

/* A step's outcome, of any objective: the losses that it has not are NaN. */
typedef pm_finetune_step step_outcome;

/* A step between its begin and its end. */
enum { MOST_FLIGHTS = MAILBOX_SIDES };
typedef struct flight {
    pass *pass;
    uint32_t side;        /* of its mailbox */
    step_outcome outcome; /* number, learning rate, examples and tokens are known at its begin */
    double *weights;      /* of its micro batches */
    gpu_sync sync;        /* its control, and its order with the host's own work */
    double started;       /* when its filling began, by pm_profile_now() */
    bool submitted;       /* else it waits for the outcome of the one before */
    pm_status failed;     /* what came of that; sync.signals is signalled then */
} flight;

/* `from` is what the objective's own begin gave to trainer_begin. */
typedef struct objective {
    const char *who;     /* begins the error lines: "trainer" */
    const char *program; /* the name of a step's programs */
    /* The lengths that steps may have, in tokens, from number 0; 0 behind the last one. */
    uint32_t (*length)(const trainer_core *t, uint32_t number);
    /* Completes the shape of a pass, whose time is one of these: mode, batch, and what else is the objective's own. */
    void (*shape)(const trainer_core *t, gpt_shape *shape);
    /* Chooses the batch of step f->outcome.step. Sets the learning rate and the number of examples; *length: tokens of the longest sequence. */
    pm_status (*choose)(trainer_core *t, const void *from, flight *f, uint32_t *length);
    /* Fills a micro batch of it on the mailbox's side. Sets f->weights[micro], its weight among the step's, and adds its tokens. */
    pm_status (*fill)(trainer_core *t, const void *from, flight *f, uint32_t micro);
    /* The losses of a step that has ended. */
    void (*collect)(const trainer_core *t, flight *f);
    /* A checkpoint's facts between those of the model and of the optimiser. */
    void (*facts)(const trainer_core *t, facts *f);
} objective;

/* What every objective's parameters have. */
typedef struct trainer_settings {
    uint32_t accum; /* micro batches a step */
    float lr, beta1, beta2, eps, weight_decay, clip, dropout;
    uint64_t seed;
    pm_precision precision; /* a trainer's is f32 or f16 */
    bool recompute;
} trainer_settings;

/* Of a pm_train_params or pm_finetune_params. */
#define TRAINER_SETTINGS(p)                                                                                            \
    {                                                                                                                  \
        .accum = (p)->accum, .lr = (p)->lr, .beta1 = (p)->beta1, .beta2 = (p)->beta2, .eps = (p)->eps,                 \
        .weight_decay = (p)->weight_decay, .clip = (p)->clip, .dropout = (p)->dropout, .seed = (p)->seed,              \
        .precision = (p)->precision, .recompute = (p)->recompute                                                       \
    }
/* PM_INVALID names the field. */
pm_status trainer_settings_check(const pm_log *log, const trainer_settings *s);

/* The first field of pm_trainer and pm_finetuner. Those set the first four. */
struct trainer_core {
    const objective *objective;
    trainer_settings settings;
    const pm_gpt_config *config; /* the model's */
    pm_model *model;             /* NULL for a plan alone */
    uint32_t done;               /* steps */
    adamw optimizer;
    pass_set passes; /* by length; each is recorded when first needed */
    flight flights[MOST_FLIGHTS];
    uint32_t oldest, begun; /* of them */
    double *weights;        /* [MOST_FLIGHTS * accum] */
};

/* Memory and work, without a device. */
pm_status trainer_plan(trainer_core *t, const pm_log *log, const pm_caps *caps, pm_train_plan *out);
/* Of a trainer that has a device. */
void trainer_get_plan(const trainer_core *t, pm_train_plan *out);

/* Chooses the precision, plans, and allocates. Where it fails, trainer_fini is still to be called. */
pm_status trainer_init(trainer_core *t);
void trainer_fini(trainer_core *t);
/* The pass for sequences of so many tokens, recorded. */
pm_status trainer_pass(trainer_core *t, uint32_t length, pass **out);
/* The sum of a step's weights; 1 where that is 0. */
double trainer_weight(const trainer_core *t, const flight *f);

/* Before it goes, or where a step failed: what a host waits for is signalled. */
void trainer_drop_steps(trainer_core *t);
/* PM_INVALID where a step is between its begin and its end. */
pm_status trainer_alone(const trainer_core *t);
/* As pm_trainer_begin, _done, _end and _step. */
pm_status trainer_begin(trainer_core *t, const void *from);
bool trainer_done(trainer_core *t);
pm_status trainer_end(trainer_core *t, step_outcome *out);
pm_status trainer_step(trainer_core *t, const void *from, step_outcome *out);

/* As pm_trainer_read_gradient, _save and _load. */
pm_status trainer_read_gradient(const trainer_core *t, size_t param, float *out);
pm_status trainer_save(trainer_core *t, const char *dir, const char *note);
pm_status trainer_load(trainer_core *t, const char *dir, char **note);

#endif
