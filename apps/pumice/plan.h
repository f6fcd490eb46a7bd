/* The memory of a device that a command will take, known before anything is allocated there. `--plan` prints it. A run that does not fit is refused
 * with settings that would. */
#ifndef APPS_PLAN_H
#define APPS_PLAN_H

#include "app.h"

enum { PLAN_PARTS = 4 };
typedef struct plan_part {
    const char *name;
    double bytes;
    const char *note; /* behind them in the table; NULL: none */
} plan_part;

typedef struct plan {
    plan_part parts[PLAN_PARTS];
    double total;   /* bytes; INFINITY where one tensor is larger than the device allocates */
    uint32_t nodes; /* 0: not printed */
    double flops;   /* of a step */
    double parameters;
} plan;

/* Sets *total to the sum of the parts. */
void plan_sum(plan *p);

/* The device that --device selects, as it is lowered, but not opened; false after an error line. */
bool plan_device(const app_common *common, pm_caps *caps);
/* A table on stdout, or with --json a document. */
void plan_print(const app_common *common, const pm_caps *caps, const plan *p);
bool plan_fits(const plan *p, const pm_caps *caps);
/* Prints the error line of a plan that does not fit; `advice` ends the line. */
void plan_refuse(const plan *p, const pm_caps *caps, const char *advice);

/* Settings of a training run that cost memory. */
typedef struct plan_settings {
    bool recompute;
    uint32_t batch, accum, time; /* time 0: of fine-tuning */
} plan_settings;

/* A training run: its settings, the library's plan of it, and the nearest settings that fit. */
typedef struct plan_run {
    plan_settings settings;
    pm_status (*make)(void *user, const pm_log *log, const pm_caps *caps, pm_train_plan *out);
    pm_status (*fit)(void *user, const pm_log *log, const pm_caps *caps, plan_settings *settings, pm_train_plan *out);
    void *user;
} plan_run;

/* The exit code: EXIT_DONE where the run fits, else it is refused with the nearest settings that would. `print`: prints the plan first. */
int plan_training(const app_common *common, const pm_gpt_config *config, const pm_caps *caps, const plan_run *run,
                  bool print);

#endif
