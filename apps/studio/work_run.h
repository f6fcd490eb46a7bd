/* A run of the library (pumice/run.h) as the window shows it: what training on a text and teaching a task share. */
#ifndef STUDIO_WORK_RUN_H
#define STUDIO_WORK_RUN_H

#include "work_parts.h"

enum { RUN_JOB_OPTIONS = 20 };

typedef struct run_job {
    work *w;
    settings how;
    bool resume;
    const char *out;    /* of how: the run's folder */
    work_run *shown;    /* in the state */
    const char *advice; /* ends the line where all steps are done */
    pm_tokenizer *tokenizer;
    /* Makes the parts on the device, and keeps the options. */
    pm_status (*make)(struct run_job *job);
    void (*stepped)(struct run_job *job, const pm_run_result *r, work_run *shown); /* within work_edit; may be NULL */

    pm_run_params params;                   /* dir, host and options are set by run_job_begin */
    pm_run_option options[RUN_JOB_OPTIONS]; /* `kept` of them have a value */
    size_t kept;
    char numbers[RUN_JOB_OPTIONS][32];
    pm_run_parts parts;
    pm_run *run;
    pm_run_info info; /* at the beginning */
    double tokens, seconds;
    bool stepping; /* the first step is done */
    work_window window;
} run_job;

/* Reads the note of the run in job->out, which must be one of this kind; an error line says what else it is. */
pm_status run_job_note(run_job *j, const char *kind, const char *other, pm_run_note **out);
/* Options of the run that goes on; where it has none of that name, the setting stays. */
void run_job_take_text(const pm_run_note *note, const char *name, char *to, size_t size);
void run_job_take_number(const pm_run_note *note, const char *name, uint32_t *to);
void run_job_take_float(const pm_run_note *note, const char *name, float *to);

/* Options for the checkpoint; a text that is empty is not kept. */
void run_job_keep_text(run_job *j, const char *name, const char *value);
void run_job_keep_number(run_job *j, const char *name, double value);

/* Begins or goes on. */
pm_status run_job_begin(run_job *j);
/* A step; PM_AGAIN while there are more. */
pm_status run_job_step(run_job *j, pm_control *control);
/* Whatever ended the steps, what they reached is saved and told. Then frees what run_job_begin made. */
void run_job_end(run_job *j, pm_status status);

#endif
