/* A checkpoint's note: what a run knows beyond its trainer. JSON text; other keys are ignored. */
#ifndef JOB_NOTE_H
#define JOB_NOTE_H

#include <pumice/run.h>

/* What the run itself reads and writes there. Of a note without a key: NaN, 0 or "". */
typedef struct note_facts {
    bool has_data;
    uint64_t data;               /* a hash of the text, or of dev */
    double tokens, train_tokens; /* of the text */
    double seconds;              /* of training */
    double best;
    uint32_t best_step;
    char measure[320];    /* what `best` is of; longest is f1: with a label */
    char open_line[1024]; /* of metrics.jsonl: the last step's, whose evaluation is still to be done */
} note_facts;

/* In both functions, `text`: the run is of a text, not of examples; best and data have other keys then.
 * The facts, the kind (UTF-8) and the options as text, to free with cJSON_free. Fails: PM_INVALID (two options of one name), PM_NO_HOST_MEMORY. */
pm_status note_write(const pm_log *log, const note_facts *facts, bool text, const char *kind,
                     const pm_run_option *options, size_t option_count, char **out);
/* A note's text, which may be NULL or empty. Fails: PM_FORMAT, PM_NO_HOST_MEMORY. */
pm_status note_read(const pm_log *log, const char *text, pm_run_note **out);
note_facts note_get(const pm_run_note *note, bool text);

#endif
