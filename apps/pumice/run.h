/* What `pumice train` and `pumice finetune` share: the folder of a run, its options, its steps, and what is said of them. */
#ifndef APPS_RUN_H
#define APPS_RUN_H

#include "again.h"

/* ---- before the run ---- */

/* Whether to resume from a checkpoint. *code is set, after an error line, where the folder is not free: it has a run, or a model, or files that a run
 * would replace and that no run wrote (unless `overwrite`). */
bool run_decide_resume(const char *out, bool resume, bool overwrite, int *code);
/* Takes the options that were not given from the run in `out`. An option that was given and differs stays; a line says so here where the trainer does
 * not. *kept holds the options' texts: free it with them. Returns the exit code. */
int run_take_options(arg_command *command, const pm_log *log, const char *out, pm_run_note **kept);

/* Whether an option is of the run, not of one call of the command or of the machine. */
bool run_keeps_option(const arg_option *option);

/* Prints the device, the precision and the model's sizes. */
void run_say_model(const pm_device *device, pm_precision precision, const pm_gpt_config *config);

/* The row of an option table for --precision, and the precision that its text names. */
#define APP_OPTION_PRECISION(field)                                                                                    \
    {                                                                                                                  \
        ARG_CHOICE, "--precision", "f32|f16|auto", &(field), "auto", 0, 0,                                             \
            "of activations in memory; auto: f16 where products are faster with it on this device", false, false       \
    }
pm_precision run_precision(const char *text);
/* The row for --recompute. */
#define APP_OPTION_RECOMPUTE(field)                                                                                    \
    {                                                                                                                  \
        ARG_FLAG, "--recompute", NULL, &(field), NULL, 0, 0,                                                           \
            "keep less of the forward pass and compute it again for the gradient: less memory, the same bits", false,  \
            false                                                                                                      \
    }

/* ---- the run ---- */

/* A command's run. The command fills in the first fields, and of `params` the resume, the data and what is due when. */
typedef struct run_frame {
    arg_command *command;
    const app_common *common;
    const char *out;
    int argc; /* the whole command line, to print how to continue */
    char **argv;
    uint32_t time; /* tokens a sequence, for the plot's title */
    /* Makes the model on frame->device, which is open, and the trainer or finetuner. Returns the exit code. */
    int (*make)(struct run_frame *frame, bool resume);
    void (*announce)(const struct run_frame *frame); /* what will be trained */

    pm_run_params params;

    pm_device *device;
    pm_run_parts parts;
    app_profile profile;
    pm_run_option *kept; /* [command->count]: the options that a checkpoint keeps */
    char (*numbers)[32]; /* texts of some of their values */
    int code;            /* of a `make` that failed */
    unsigned losses;     /* devices that were lost, and opened again */
    bool said_undefined; /* the warning that the measure is not defined; once */
} run_frame;

/* Steps, evaluates and saves until done or interrupted. Returns the exit code. */
int run_do(run_frame *frame);

#endif
