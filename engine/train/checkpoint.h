/* Checkpoints of a run: weights and both moments, the step, the loss scale, the settings, and the device they were made on. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/adamw.h"

/* What a resumed run may do with a setting of the run that saved. */
typedef enum fact_kind {
    FACT_SAME,   /* it must have the same one */
    FACT_FACTOR, /* it may have another one, if the product of all of this kind stays */
    FACT_FREE,   /* it may have another one, and this is told */
} fact_kind;

/* A setting of a run, as text. */
enum { MOST_FACTS = 32, FACT_MAX = 32 };
typedef struct fact {
    fact_kind kind;
    const char *key;
    char value[FACT_MAX];
    bool is_float;      /* compared as the number that it spells */
    const char *absent; /* what a checkpoint without the key means; NULL: nothing */
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
/* Its settings, which a resumed run may change. */
void facts_of_optimizer(facts *f, const adamw *a);

/* checkpoint.safetensors in `dir`, at once or not at all; the one that was there, where it is known to be whole, stays as
 * checkpoint.previous.safetensors. note may be NULL. */
pm_status checkpoint_save(adamw *a, const facts *f, uint32_t step, const char *dir, const char *note);
/* Where the checkpoint is damaged: the one before it, after a warning. Settings that may change and did, and another device, are told in a warning
 * each. Fails: PM_IO, PM_FORMAT; the weights are then what they were. *note, where wanted, is malloc'd. */
pm_status checkpoint_load(adamw *a, const facts *f, const char *dir, uint32_t *step, char **note);

#endif
