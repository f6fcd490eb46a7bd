/* A run as its files see it. */
#ifndef JOB_RUN_H
#define JOB_RUN_H

#include <pumice/run.h>

#include "job/metrics.h"
#include "job/note.h"
#include "train/objective_lm.h"
#include "train/objective_task.h"

/* What is different with a trainer and with a finetuner. */
typedef struct run_kind {
    bool text; /* trained on a text, else on examples */
    uint32_t (*steps)(const pm_run *run);
    uint32_t (*every)(const pm_run *run); /* steps between evaluations; 0: only at the end */
    pm_status (*step)(pm_run *run, step_outcome *out);
    /* Sets evaluated, val_loss, value and dev, where there is something to evaluate on. */
    pm_status (*evaluate)(pm_run *run, pm_run_result *out);
    /* What an evaluation adds to the line, behind val_loss. */
    void (*describe)(const pm_run *run, const pm_run_result *result, metrics_line *line);
} run_kind;

extern const run_kind run_of_text, run_of_examples;

struct pm_run {
    pm_run_params params; /* with texts of its own */
    char *texts[3];
    const run_kind *kind;
    pm_run_parts parts;
    pm_caps caps; /* of the device that was opened first; no name: it was lost too early */
    metrics curves;
    bool made;     /* the parts */
    bool lost;     /* the device, and it was not opened again yet */
    bool failed;   /* there are no more steps */
    bool diverged; /* and no more saves */

    uint32_t first, done, steps, saved, losses;
    uint32_t every; /* steps between evaluations; 0: only at the end */
    uint32_t told;  /* steps that the program has seen */
    double best;
    uint32_t best_step;
    bool undefined;
    bool measured_again;
    double started, seconds_before; /* os_seconds() of this call's beginning; seconds of earlier calls */
    double save_ended, save_took;
    bool rest, rest_best; /* the model, if best, and the program's files are to be saved behind the checkpoint */

    /* the step that was done last */
    bool open_step; /* its line is not written yet: its evaluation is to be done where one is due */
    pm_run_result result;
    metrics_line line;

    /* with a finetuner */
    pm_measure measure;
    float *outputs;      /* of dev */
    uint32_t *confusion; /* of dev: [K * K] */
};

static inline const pm_log *run_log(const pm_run *run)
{
    return &run->params.log;
}

/* What makes its steps. */
static inline trainer_core *run_trainer(const pm_run *run)
{
    return run->parts.trainer ? &run->parts.trainer->core : &run->parts.finetuner->core;
}

/* run.c */
pm_device *run_device(const pm_run *run);
double run_seconds(const pm_run *run); /* of training */
/* A hash of what the run's data are: the text, or dev; false where there is none. */
bool run_data_hash(const pm_run *run, uint64_t *hash);
/* Whether each model is the best until the next: a trainer's, and a finetuner's without dev. */
bool run_keeps_last(const pm_run *run);
/* After a loss: makes everything again, as long as there are not too many. PM_CANCELLED: a further call tries again. */
pm_status run_recover(pm_run *run);

/* run_save.c */
/* The folder's first files. */
pm_status run_save_first(pm_run *run);
/* `best`: the weights are the best so far. */
pm_status run_save(pm_run *run, bool best);
pm_status run_save_rest(pm_run *run, bool best); /* all but the checkpoint */

/* run_examples.c */
/* Memory for dev's answers; the measure. */
pm_status run_open_dev(pm_run *run);
/* The folder's model, by the measure and the dev of this call, is the best one. */
pm_status run_measure_best(pm_run *run);

#endif
