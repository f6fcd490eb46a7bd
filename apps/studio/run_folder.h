/* A run's folder, in the form that `pumice train` and `pumice finetune` have: metrics.jsonl, and the note in the checkpoint. So the program goes on with
 * the studio's runs, and the studio with the program's. */
#ifndef STUDIO_RUN_FOLDER_H
#define STUDIO_RUN_FOLDER_H

#include "work_parts.h"

struct cJSON;

/* Whether a run can begin in the folder, or go on there. Makes it. An error line says what is in the way. */
bool run_folder_free(work *w, const char *out);
bool run_folder_has_checkpoint(const char *out);
/* Takes back what a run wrote that did not come to its first checkpoint: the folder is free again. */
void run_folder_clear(const char *out);

/* Adds a line; a step's. val: NaN where there was no evaluation. */
bool run_folder_add(const char *out, const work_run *run, double rate, float val);
/* Drops the lines behind step `keep`, and fills the curves with the others. */
bool run_folder_cut(const char *out, uint32_t keep, curve *loss, curve *val);

/* The checkpoint's note: what the run knows, and its options; malloc'd. */
typedef struct run_option {
    const char *name;
    const char *text; /* NULL: a number */
    double number;
} run_option;
char *run_folder_note(const char *command, const run_option *options, size_t count, const work_run *run,
                      uint64_t data_hash);
/* The note as JSON; NULL where it is none. Delete it. */
struct cJSON *run_folder_read(const char *note);
/* An option of the run; NULL: not there. */
const char *run_folder_option(const struct cJSON *note, const char *name);
double run_folder_number(const struct cJSON *note, const char *name, double fallback);

#endif
