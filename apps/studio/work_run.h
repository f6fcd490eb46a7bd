/* A run of the library (pumice/run.h) as the window shows it: what training on a text and teaching a task share. */
#ifndef STUDIO_WORK_RUN_H
#define STUDIO_WORK_RUN_H

#include "work_parts.h"

enum { FIT_OPTIONS = 20 };

typedef struct fit {
    work *w;
    settings how;
    bool resume;
    const char *out;    /* of how: the run's folder */
    work_run *shown;    /* in the state */
    const char *advice; /* ends the line where all steps are done */
    pm_tokenizer *tokenizer;
    /* Makes the parts on the device, and keeps the options. */
    pm_status (*make)(struct fit *fit);
    void (*stepped)(struct fit *fit, const pm_run_result *r, work_run *shown); /* within work_edit; may be NULL */

    pm_run_params params;               /* dir, host and options are set by fit_begin */
    pm_run_option options[FIT_OPTIONS]; /* `kept` of them have a value */
    size_t kept;
    char numbers[FIT_OPTIONS][32];
    pm_run_parts parts;
    pm_run *run;
    pm_run_info info; /* at the beginning */
    double tokens, seconds;
    bool stepping; /* the first step is done */
    work_window window;
} fit;

/* Reads the note of the run in fit->out, which must be one of this kind; an error line says what else it is. */
pm_status fit_note(fit *f, const char *kind, const char *other, pm_run_note **out);
/* Options of the run that goes on; where it has none of that name, the setting stays. */
void fit_take_text(const pm_run_note *note, const char *name, char *to, size_t size);
void fit_take_number(const pm_run_note *note, const char *name, uint32_t *to);
void fit_take_float(const pm_run_note *note, const char *name, float *to);

/* Options for the checkpoint; a text that is empty is not kept. */
void fit_keep_text(fit *f, const char *name, const char *value);
void fit_keep_number(fit *f, const char *name, double value);

/* Begins or goes on. */
pm_status fit_begin(fit *f);
/* A step; PM_AGAIN while there are more. */
pm_status fit_step(fit *f, pm_control *control);
/* Whatever ended the steps, what they reached is saved and told. Then frees what fit_begin made. */
void fit_end(fit *f, pm_status status);

#endif
