/* What `pumice train` and `pumice finetune` share: the folder of a run, its plot, how to go on with it. */
#ifndef APPS_RUN_H
#define APPS_RUN_H

#include "app.h"
#include "metrics.h"

/* Whether to go on from a checkpoint; *code is set, after an error line, where the folder forbids to start. */
bool run_decide_resume(const char *out, bool resume, int *code);

/* out/loss.png, titled with the model's sizes. False after an error line. */
bool run_draw_plot(const char *out, const pm_gpt_config *config, uint32_t time, const metrics *curves);

/* On stderr: the command line as a shell would take it, with --resume. */
void run_say_command(int argc, char **argv);

#endif
