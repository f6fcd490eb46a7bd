/* What `pumice train` and `pumice finetune` share: the folder of a run, its options, its plot, how it resumes. */
#ifndef APPS_RUN_H
#define APPS_RUN_H

#include "again.h"
#include "metrics.h"

/* Whether to resume from a checkpoint. *code is set, after an error line, where the folder is not free: it has a run, or a model, or files that a run
 * would replace and that no run wrote (unless `overwrite`). */
bool run_decide_resume(const char *out, bool resume, bool overwrite, int *code);

/* Writes the first files of a new run: metrics.jsonl, then the tokenizer, and last the model. metrics.jsonl marks the folder as a run's and keeps
 * other runs out. Returns the exit code. */
int run_start(metrics *curves, const pm_log *log, const char *out, bool overwrite, const pm_tokenizer *tokenizer,
              const pm_model *model);

/* ---- options that a checkpoint keeps, so that --resume alone goes on with the run ---- */

/* A checkpoint's note with the command's options added: text, malloc'd; NULL after an error line. Takes the note. */
char *run_note(struct cJSON *note, const arg_command *command);
/* A checkpoint's note; NULL where a program that is not this one has saved without. Delete it. */
struct cJSON *run_read_note(const pm_log *log, const char *note);
/* Takes the options that were not given from the run in `out`. An option that was given and differs stays; a line says so here where the trainer does
 * not. *kept holds the options' texts: delete it with them. Returns the exit code. */
int run_take_options(arg_command *command, const pm_log *log, const char *out, struct cJSON **kept);

/* Prints the device, the precision and the model's sizes. */
void run_say_model(const pm_device *device, pm_precision precision, const pm_gpt_config *config);

/* out/loss.png, titled with the model's sizes. False after an error line. */
bool run_draw_plot(const char *out, const pm_gpt_config *config, uint32_t time, const metrics *curves);

/* The exit code after a save at `step` that failed, with an error line. EXIT_DONE, and a line, where the disk was at fault and another save will
 * come: what is in memory is worth more than an end, and the disk may get room. */
int run_save_failed(pm_status status, bool again, uint32_t step, uint32_t saved);

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

/* How a step went. */
typedef struct run_step {
    uint32_t step, saved; /* its number, and the last checkpoint's */
    float lr, loss, loss_scale;
    bool skipped;
    pm_precision precision;
} run_step;

/* Reports a step that was skipped. False, after an error line, where the run cannot continue. */
bool run_step_check(const run_step *s);

/* After the last loss of the device that a run accepts: prints what is saved (the last checkpoint's step; 0: none), and advice. */
void run_say_lost(const app_losses *losses, const char *out, uint32_t saved, int argc, char **argv);

/* Prints on stderr the command line as a shell would take it, with --resume. */
void run_say_command(int argc, char **argv);

#endif
