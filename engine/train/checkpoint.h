/* Checkpoints of a run: weights and both moments, the step, the loss scale, the settings, and the device they were made on. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/adamw.h"

/* How a resumed run's setting may differ from the saved run's. */
typedef enum fact_kind {
    FACT_SAME,   /* not at all */
    FACT_FACTOR, /* if the product of all settings of this kind stays */
    FACT_FREE,   /* freely; a warning tells of it */
} fact_kind;

/* A setting of a run, as text. */
enum { MOST_FACTS = 48, FACT_MAX = 32 };
typedef struct fact {
    fact_kind kind;
    const char *key;
    const char *option; /* what lines call it; NULL: as the key */
    char value[FACT_MAX];
    bool is_float;      /* compared as the number that it spells */
    const char *absent; /* what a checkpoint without the key means; NULL: nothing */
    const char *other; /* "it was made with …", instead of the values, such as hashes, that differ; NULL: the values */
} fact;
typedef struct facts {
    fact all[MOST_FACTS];
    int count;
} facts;

/* Each adds a fact of kind FACT_SAME and returns it. */
fact *fact_number(facts *f, const char *key, uint64_t value, const char *absent);
fact *fact_float(facts *f, const char *key, float value);
fact *fact_text(facts *f, const char *key, const char *value, const char *absent);
void facts_of_model(facts *f, const pm_gpt_config *config);
/* Adds the optimiser's settings, of kind FACT_FREE. */
void facts_of_optimizer(facts *f, const adamw *a);

/* Writes checkpoint.safetensors in `dir`, whole or not at all. The one that was there, if known to be whole, becomes
 * checkpoint.previous.safetensors. note may be NULL. */
pm_status checkpoint_save(adamw *a, const facts *f, uint32_t step, const char *dir, const char *note);
/* Reads the checkpoint or, with a warning, the one before it where it is damaged. One more warning tells of changed settings, and one of another
 * device. Fails: PM_IO, PM_FORMAT; the weights then stay as they were. note may be NULL; *note is malloc'd. */
pm_status checkpoint_load(adamw *a, const facts *f, const char *dir, uint32_t *step, char **note);

#endif
