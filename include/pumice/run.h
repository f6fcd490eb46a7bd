/* A training run in a folder, which any program can begin and go on with: it steps, evaluates, saves, keeps the best model, and takes a lost device up
 * again. A run that is killed at any moment goes on from its last checkpoint to the bits of one that was not.
 * The folder has the tokenizer, the model, checkpoint.safetensors and metrics.jsonl, as docs/reference/files.md describes them. */
#ifndef PUMICE_RUN_H
#define PUMICE_RUN_H

#include <pumice/finetune.h>
#include <pumice/folder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a folder before the run ---- */

typedef enum pm_run_state {
    PM_RUN_NONE,     /* a run may begin */
    PM_RUN_BEGUN,    /* one has begun and has no step yet: it may begin again */
    PM_RUN_SAVED,    /* one can go on */
    PM_RUN_STRIPPED, /* of one that had steps, the checkpoint is gone: beginning again would replace its model */
    PM_RUN_MODEL,    /* there are a model's weights, of no run */
    PM_RUN_FILES,    /* there are files of no run, and one would replace them */
} pm_run_state;

/* What is in the folder, which need not be there. *file: of PM_RUN_MODEL and PM_RUN_FILES the first name, else NULL; it lives as long as the program. */
PM_API pm_run_state pm_run_look(const char *dir, const char **file);

/* What a program keeps of its own in each checkpoint: its options, by which the run goes on. */
typedef struct pm_run_option {
    const char *name, *value; /* value NULL: not kept */
} pm_run_option;

/* What a run's checkpoint says beyond the trainer's state. */
typedef struct pm_run_note pm_run_note;
/* Fails: as pm_checkpoint_note, and PM_FORMAT where a note is no JSON object. A checkpoint without a note has an empty one. */
PM_API PM_NODISCARD pm_status pm_run_note_load(const pm_log *log, const char *dir, pm_run_note **out);
PM_API void pm_run_note_free(pm_run_note **note);
/* pm_run_params.kind of the run; NULL: not known. Texts live as long as the note. */
PM_API const char *pm_run_note_kind(const pm_run_note *note);
/* Whether the run kept options at all. */
PM_API bool pm_run_note_has_options(const pm_run_note *note);
/* The value of an option; NULL: it was not kept. */
PM_API const char *pm_run_note_option(const pm_run_note *note, const char *name);

/* ---- the run ---- */

typedef struct pm_run pm_run;

/* What trains: a model, and a trainer or a finetuner of it. The struct stays as it is, and so does the next one. */
typedef struct pm_run_parts {
    pm_model *model;
    pm_trainer *trainer;
    pm_finetuner *finetuner;
} pm_run_parts;

/* What the program makes on a device, before the first step and after each loss. */
typedef struct pm_run_host {
    /* Makes device, model, and trainer or finetuner. `resume`: the weights will come from the checkpoint. `lost`: the device that was lost, for
     * pm_device_open_again; NULL at first. What it has made when it fails is undone by unmake. */
    pm_status (*make)(void *user, bool resume, const pm_caps *lost, pm_run_parts *out);
    /* Destroys all of it; also what is not there. */
    void (*unmake)(void *user);
    /* Writes what the program keeps beside the model, such as loss.png. A failure is one of the save, as PM_IO. May be NULL. */
    pm_status (*saved)(void *user, const pm_run *run);
    void *user;
} pm_run_host;

typedef struct pm_run_params {
    pm_log log;
    const char *dir;  /* is made where it is not there */
    const char *kind; /* "train", "finetune": what the program calls such runs; one of another kind is refused. UTF-8 */
    bool resume;      /* go on where there is a checkpoint, else begin */
    bool overwrite;   /* replace PM_RUN_FILES; never a model's weights, or a run's checkpoints */
    pm_run_host host;
    const pm_tokenizer *tokenizer; /* is saved at the beginning */
    const pm_run_option *options;  /* [option_count]: read at each save; no name with a value comes twice */
    size_t option_count;

    /* with a trainer: the corpus's first train_tokens are trained on, the others validate */
    const pm_corpus *corpus;
    size_t train_tokens;
    uint32_t steps;        /* to reach; a resumed run may have another number */
    uint32_t eval_batches; /* of an evaluation, as of pm_trainer_eval; 0: 20 */

    /* with a finetuner */
    const pm_taskset *dev; /* tells which model is best, and that is the folder's; NULL: the last one is */
    const char *measure;   /* the name of what is best there (pm_task_measure); NULL: the task's */

    uint32_t eval_every;  /* steps; 0: with a finetuner an epoch. A run evaluates at its end, too */
    uint32_t save_every;  /* steps; also at the beginning and the end, and a finetuner where it evaluates */
    double save_seconds;  /* saves also after so many, but spends no more than a twentieth of the time on it; 0: off */
    uint32_t losses_most; /* the device's loss that ends the run; 0: the third, 1: the first */
    pm_control *control;  /* steps and evaluations obey it, saving does not; NULL: what the device has */
} pm_run_params;

/* Begins the run, or goes on with it: makes the parts and the folder's first files, or reads the checkpoint. All that params point to lives as long as the
 * run, but the texts dir, kind and measure.
 * Ownership: the parts are the program's; the run calls make and unmake. Threads: as the device.
 * Fails: PM_INVALID (the folder is not free; a run of another kind; a measure that the task has not; an option twice), PM_FORMAT (a run of another text), PM_IO, and as `make`, the
 * trainer's load and model's save do. After a failure nothing is left to close. */
PM_API PM_NODISCARD pm_status pm_run_open_sized(const pm_run_params *params, size_t params_size, pm_run **out);
PM_NODISCARD static inline pm_status pm_run_open(const pm_run_params *params, pm_run **out)
{
    return pm_run_open_sized(params, sizeof *params, out);
}
/* Undoes the parts, and saves nothing. *run may be NULL; it becomes NULL. */
PM_API void pm_run_close(pm_run **run);

/* One step's outcome. */
typedef struct pm_run_result {
    uint32_t step;                  /* 1 is the first */
    float loss, task_loss, lm_loss; /* as pm_step and pm_finetune_step have them; NaN where they have none */
    float lr, grad_norm;
    float loss_scale; /* 1 in fp32 */
    bool skipped;     /* in fp16: the step changed nothing */
    uint32_t tokens;  /* of the step */
    double
        seconds; /* of the step alone; 0, as tokens, where another call of the program did it and this one evaluates */
    double waited;    /* of these, waiting for the device */
    bool again;       /* it was done and told before a loss of the device */
    const char *line; /* its line of metrics.jsonl, with the line's end; lives until the next call */

    bool evaluated;
    double val_loss;     /* mean loss on what validates; NaN where it was not evaluated */
    double value;        /* of the measure; with a trainer that is the same; NaN: not defined */
    bool best;           /* this model is the best so far, or takes the place of one without a value */
    pm_task_metrics dev; /* with a finetuner and dev */

    bool saved;       /* a checkpoint was written */
    bool save_failed; /* not all could be written; the run goes on, and the next save tries again */
} pm_run_result;

/* Whether there is a step to do, or the evaluation of the last one, or a lost device to open again. */
PM_API bool pm_run_more(const pm_run *run);
/* The next step, with its evaluation and its save where they are due. Blocks until done. Where the device was lost, it is opened again, and the step is
 * the first after the last checkpoint. In a job, such a run's device is not the job's: pm_run_params.control is then the job's control.
 * Fails: PM_CANCELLED (the step, or its evaluation, did not take place; the next call does it), PM_DIVERGED (the loss or its gradient is not a number, or
 * the model overflows fp16: nothing is saved any more), PM_DEVICE_LOST (once too often), PM_INVALID (there is nothing to do), PM_IO, and as the
 * functions of trainers and finetuners do. After all but PM_CANCELLED a run can only be saved and closed. The step may have been done, too, where its
 * save failed. */
PM_API PM_NODISCARD pm_status pm_run_step(pm_run *run, pm_run_result *out);
/* Saves what is not saved yet: before a run is left. Obeys no control. After a loss of the device there is nothing to save. Of a finetuner with dev the checkpoint alone: the folder's model stays the
 * best one that was evaluated. */
PM_API PM_NODISCARD pm_status pm_run_save(pm_run *run);

/* How far it is. */
typedef struct pm_run_info {
    uint32_t first;       /* steps before the first one of this call of the program; 0 of a new run */
    uint32_t done, steps; /* so far, of all; after a loss of the device as the checkpoint has them */
    uint32_t saved;       /* the last checkpoint's step */
    uint32_t losses;      /* of the device */
    double best;          /* the best model's value; NaN: none yet */
    uint32_t best_step;
    bool undefined; /* the measure was not defined in some evaluation */
    bool
        measured_again; /* the checkpoint's best was of another measure or dev; `best` is the folder's model by these */
    pm_measure measure; /* what `best` is of; with a trainer "loss" */
    double seconds;     /* of training, with earlier calls */
} pm_run_info;
PM_API void pm_run_get_info(const pm_run *run, pm_run_info *out);

/* The loss so far, with earlier calls': of all steps (with a finetuner the task's), and on what validates. Lives until the next call with the run. */
typedef struct pm_run_point {
    uint32_t step;
    float value;
} pm_run_point;
PM_API const pm_run_point *pm_run_losses(const pm_run *run, size_t *count);
PM_API const pm_run_point *pm_run_val_losses(const pm_run *run, size_t *count);

/* ---- what fits ---- */

/* Changes params, where it must, so that the run fits into caps->device_memory_free: to recomputation, then to micro batches of half the size and twice as
 * many, with the same sequences a step. Then pre-training's to half the context, which makes other steps. What is 0 becomes its default. *plan is that of
 * the new params. Allocates nothing on the device. Fails: PM_NO_DEVICE_MEMORY (nothing fits; params stay as they were), and as the plan's function. */
PM_API PM_NODISCARD pm_status pm_train_fit_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                                 size_t config_size, pm_train_params *params, size_t params_size,
                                                 pm_train_plan *plan);
PM_NODISCARD static inline pm_status pm_train_fit(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                                  pm_train_params *params, pm_train_plan *plan)
{
    return pm_train_fit_sized(log, caps, config, sizeof *config, params, sizeof *params, plan);
}
PM_API PM_NODISCARD pm_status pm_finetune_fit_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                                    size_t config_size, const pm_taskset *set,
                                                    pm_finetune_params *params, size_t params_size,
                                                    pm_train_plan *plan);
PM_NODISCARD static inline pm_status pm_finetune_fit(const pm_log *log, const pm_caps *caps,
                                                     const pm_gpt_config *config, const pm_taskset *set,
                                                     pm_finetune_params *params, pm_train_plan *plan)
{
    return pm_finetune_fit_sized(log, caps, config, sizeof *config, set, params, sizeof *params, plan);
}

/* ---- after a loss ---- */

/* Opens the device that was lost again: waits some seconds for its driver. Another device would give other bits and is refused. lost NULL: as
 * pm_device_open. Fails: PM_NO_DEVICE, PM_CANCELLED (params->control), and as pm_device_open. */
PM_API PM_NODISCARD pm_status pm_device_open_again_sized(const pm_device_params *params, size_t params_size,
                                                         const pm_caps *lost, pm_device **out);
PM_NODISCARD static inline pm_status pm_device_open_again(const pm_device_params *params, const pm_caps *lost,
                                                          pm_device **out)
{
    return pm_device_open_again_sized(params, sizeof *params, lost, out);
}

#ifdef __cplusplus
}
#endif
#endif
