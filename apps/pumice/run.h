/* What `pumice train` and `pumice finetune` share: the folder of a run, its plot, how to go on with it. */
#ifndef APPS_RUN_H
#define APPS_RUN_H

#include "again.h"
#include "metrics.h"

/* Whether to go on from a checkpoint; *code is set, after an error line, where the folder forbids to start. */
bool run_decide_resume(const char *out, bool resume, int *code);

/* out/loss.png, titled with the model's sizes. False after an error line. */
bool run_draw_plot(const char *out, const pm_gpt_config *config, uint32_t time, const metrics *curves);

/* After a save at `step` that failed, with an error line: the exit code. EXIT_DONE, and a line, where it was the disk's fault and there will be
 * another save: what is in memory is worth more than an end at once, and room may be made meanwhile. */
int run_save_failed(pm_status status, bool again, uint32_t step, uint32_t saved);

/* The row of an option table for a precision, and what it says. */
#define APP_OPTION_PRECISION(field)                                                                                    \
    {                                                                                                                  \
        ARG_CHOICE, "--precision", "f32|f16|auto", &(field), "auto", 0, 0,                                             \
            "of activations in memory; auto: f16 where a product is faster so on this device", false, false            \
    }
pm_precision run_precision(const char *text);
/* And of --recompute. */
#define APP_OPTION_RECOMPUTE(field)                                                                                    \
    {                                                                                                                  \
        ARG_FLAG, "--recompute", NULL, &(field), NULL, 0, 0,                                                           \
            "keep less of the forward pass and compute it again for the gradient: less memory, the same bits", false,  \
            false                                                                                                      \
    }

/* How a step went. */
typedef struct run_step {
    uint32_t step, saved; /* its number, and the last checkpoint's */
    float lr, loss, loss_scale;
    bool skipped;
    pm_precision precision;
} run_step;

/* Tells of a step that was skipped. False, after an error line, where there is no going on. */
bool run_step_check(const run_step *s);

/* After the last loss of the device that a run takes: what is saved (the step of the last checkpoint; 0: none), and advice. */
void run_say_lost(const app_losses *losses, const char *out, uint32_t saved, int argc, char **argv);

/* On stderr: the command line as a shell would take it, with --resume. */
void run_say_command(int argc, char **argv);

#endif
